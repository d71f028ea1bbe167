/**
 * A made-up sequence of commands from a seed: the same steps for the same seed and table.
 *
 * Owns how often what is drawn, and what goes together: transactions from MULTI to EXEC, with a second client between; keys that expire while a pause lets time pass. Arguments are grammar.ts's.
 */
import type { Command } from '../../src/server/command.ts';
import { chance, openStream, pick, wholeBetween, type RandomStream } from '../../src/simulator/random.ts';
import { drawWords, LEFT_OUT } from './grammar.ts';
import type { Step } from './speaker.ts';
import * as draw from './vocabulary.ts';

/** Commands of types that there are not here. */
const OTHERS: readonly (readonly string[])[] = [
  ['LLEN'],
  ['HGETALL'],
  ['SCARD'],
  ['LPUSH', '1'],
  ['HSET', 'f', '1'],
  ['SADD', '1'],
  ['ZADD', '1', 'm'],
];
const OTHERS_SHARE = 0.003;
const MULTI_SHARE = 0.02;
/** A pause costs time, not commands: at most one a sequence, and not in every one. */
const PAUSE_SHARE = 0.1;
/** Keys that expire in a pause, milliseconds: both sides have set them when the first one goes. */
const EXPIRES_MS = 400;
const PAUSE_MS = 450;
/** Of 100 draws: those on data, on the rest, and what empties the database. */
const RARE: ReadonlySet<string> = new Set(['flushall', 'flushdb', 'reset', 'hello']);

export interface Table {
  /** Rows that Redis has too and that are drawn. */
  readonly drawn: readonly Command[];
  readonly hasTransactions: boolean;
}

/** Rows by themselves and their subcommands; one that only has subcommands is drawn through these. */
export function chooseRows(rows: readonly Command[], isOfRedis: (name: string) => boolean): Table {
  const all = rows.flatMap((row) => [...(row.run === undefined ? [] : [row]), ...(row.subcommands ?? [])]);
  const drawn = all.filter(({ name }) => isOfRedis(name) && !LEFT_OUT.has(name));
  return { drawn, hasTransactions: drawn.some(({ name }) => name === 'exec') };
}

export function makeSequence(
  seed: number,
  length: number,
  { drawn, hasTransactions }: Table,
): readonly Step[] {
  const random = openStream(seed, 'oracle');
  const onData = drawn.filter(
    ({ name, group }) => (group === 'string' || group === 'generic') && !RARE.has(name),
  );
  const others = drawn.filter((row) => !onData.includes(row) && !RARE.has(row.name) && row.name !== 'multi');
  const rare = drawn.filter(({ name }) => RARE.has(name));
  const steps: Step[] = [];
  const add = (words: readonly string[], by: 0 | 1 = 0): void => {
    steps.push({ kind: 'command', words, by });
  };
  const pauseAt = chance(random, PAUSE_SHARE) ? wholeBetween(random, 0, length) : -1;
  const one = (): readonly string[] => {
    const kind = random();
    const rows = kind < 0.003 ? rare : kind < 0.08 ? others : onData;
    return drawWords(pick(random, rows), random);
  };
  while (steps.length < length) {
    if (steps.length === pauseAt) addExpiring(random, steps);
    if (hasTransactions && chance(random, MULTI_SHARE)) addTransaction(random, onData, add);
    else if (chance(random, OTHERS_SHARE)) {
      const [name = '', ...rest] = pick(random, OTHERS);
      add([name, draw.key(random), ...rest]);
    } else add(one(), chance(random, 0.01) ? 1 : 0);
  }
  return steps.slice(0, length);
}

/** Keys that are gone behind the pause. */
function addExpiring(random: RandomStream, steps: Step[]): void {
  for (let count = wholeBetween(random, 1, 4); count > 0; count -= 1) {
    const words = pick(random, [
      ['SET', draw.key(random), '1', 'PX', `${EXPIRES_MS}`],
      ['PEXPIRE', draw.key(random), `${EXPIRES_MS}`],
      ['PSETEX', draw.key(random), `${EXPIRES_MS}`, '1'],
    ]);
    steps.push({ kind: 'command', words, by: 0 });
  }
  steps.push({ kind: 'pause', ms: PAUSE_MS });
}

function addTransaction(
  random: RandomStream,
  rows: readonly Command[],
  add: (words: readonly string[], by?: 0 | 1) => void,
): void {
  if (chance(random, 0.4)) add(['WATCH', draw.key(random), draw.key(random)]);
  if (chance(random, 0.3)) add(['SET', draw.key(random), draw.value(random)], 1);
  add(['MULTI']);
  for (let count = wholeBetween(random, 0, 6); count > 0; count -= 1) {
    add(drawWords(pick(random, rows), random));
    if (chance(random, 0.05)) add(['SET', draw.key(random), draw.value(random)], 1);
  }
  add(chance(random, 0.85) ? ['EXEC'] : ['DISCARD']);
}
