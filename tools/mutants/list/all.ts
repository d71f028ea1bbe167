/**
 * Every mutant that is planted, in the order of the table. A new one goes into the file of its rule.
 */
import type { Mutant } from '../mutant.ts';
import { COUNTING_RULES } from './counters.ts';
import { DURABILITY } from './durability.ts';
import { GROUPS } from './groups.ts';
import { NUMBERED } from './numbered.ts';
import { PUBLISH } from './publish.ts';
import { REPAIR } from './repair.ts';
import { REPLICATION } from './replication.ts';
import { AT_MOST_ONCE } from './requests.ts';
import { ROUNDS } from './rounds.ts';
import { REGISTERS } from './registers.ts';
import { SESSIONS } from './sessions.ts';
import { VERSIONS } from './versions.ts';

export const MUTANTS: readonly Mutant[] = [
  ...NUMBERED,
  ...DURABILITY,
  ...REPAIR,
  ...ROUNDS,
  ...VERSIONS,
  ...SESSIONS,
  ...REGISTERS,
  ...REPLICATION,
  ...AT_MOST_ONCE,
  ...COUNTING_RULES,
  ...GROUPS,
  ...PUBLISH,
];
