/**
 * What a run does: how many updates in which phase, and which settings differ from the defaults.
 *
 * Owns the proportions. Invariant: a plan is finite, and a full one (issue 4: 10,000,000 updates on 100,000 keys) runs with the default
 * settings; a smaller one has them shrunk in proportion, or it would end before the first round, or before a table is full.
 */
import { TUNABLES } from '../../src/peer/tunables.ts';

export const PHASES = ['all up', 'gamma down', 'gamma back', 'gamma down again', 'gamma forgotten'] as const;
export type PhaseName = (typeof PHASES)[number];

export interface Plan {
  readonly seed: number;
  readonly keys: number;
  readonly valueBytes: number;
  /** Of the updates, 0 to 1. */
  readonly deletedShare: number;
  /** Updates of each phase, all peers together. */
  readonly updates: Readonly<Record<PhaseName, number>>;
  readonly gcUpdateCount: number;
  readonly maxTableRows: number;
  /** The whole run is given up after so many milliseconds. */
  readonly limitMs: number;
}

export const FULL = { updates: 10_000_000, keys: 100_000 } as const;
/** Keys enough that a round comes before every key that was deleted lately has been: else nothing grows while a member is away. */
export const SHORT = { updates: 120_000, keys: 20_000 } as const;

const VALUE_BYTES = 100;
const DELETED_SHARE = 0.1;
/** Tables are to be cut several times while a member is away: in so many parts of the first phase's updates. */
const TABLES_IN_UPDATES = 10;
/** A round at every so manieth part of the keys, each peer's updates counted: a tombstone of two is superseded, not dropped. */
const ROUNDS_IN_KEYS = 5;
/** Rounds of each peer that a phase must have room for to show that it is back to normal. */
const ROUNDS_TO_SETTLE = 15;
/** Slower than this is no run, and what is spent on starts and waits. */
const SLOWEST_PER_SECOND = 4_000;
const STARTS_MS = 120_000;

export function makePlan(updates: number, keys: number, seed: number): Plan {
  const gcUpdateCount = Math.min(TUNABLES.gcUpdateCount.default, Math.ceil(keys / ROUNDS_IN_KEYS));
  const maxTableRows = Math.max(
    TUNABLES.maxTableRows.minimum,
    Math.min(TUNABLES.maxTableRows.default, Math.ceil(updates / TABLES_IN_UPDATES)),
  );
  const settled = Math.max(Math.ceil(updates / 10), ROUNDS_TO_SETTLE * gcUpdateCount);
  const phases = {
    'all up': updates,
    'gamma down': Math.ceil(updates / 2),
    'gamma back': settled,
    'gamma down again': Math.max(Math.ceil(updates / 10), 2 * keys),
    'gamma forgotten': settled,
  };
  const total = Object.values(phases).reduce((sum, part) => sum + part, 0);
  return {
    seed,
    keys,
    valueBytes: VALUE_BYTES,
    deletedShare: DELETED_SHARE,
    updates: phases,
    gcUpdateCount,
    maxTableRows,
    limitMs: STARTS_MS + (total / SLOWEST_PER_SECOND) * 1000,
  };
}

/** The settings that differ from the defaults, as `name value (default value)`. */
export function describeSettings({ gcUpdateCount, maxTableRows }: Plan): readonly string[] {
  return Object.entries({ gcUpdateCount, maxTableRows }).flatMap(([name, value]) => {
    const usual = TUNABLES[name as 'gcUpdateCount' | 'maxTableRows'].default;
    return value === usual ? [] : [`${name} ${value} (default ${usual})`];
  });
}
