/**
 * What the samples of a run come to: one line a claim of issue 4, with both sides of its ratio.
 *
 * Owns the bounds. Invariant: what was not seen (NaN) is never taken for met.
 */
import type { PhaseName, Plan } from './plan.ts';
import { extremesOf, lastOf, samplesOf, type Quantity, type Sample } from './samples.ts';

export interface Verdict {
  readonly phase: PhaseName;
  readonly claim: string;
  readonly isMet: boolean;
  /** Both sides, as text. */
  readonly sides: string;
}

/** Flat: the highest of the second half is at most so many times the highest of the first. */
export const FLAT_RATIO = 1.5;
/** Back to normal: the second half of a phase is at most so many times the highest of the first phase. */
export const NORMAL_RATIO = 1.5;
/** Fell: to this share of what it was, or below. */
export const FALLEN_SHARE = 0.75;
/** A table may be seen in the middle of a turn, before it is cut: rows of one turn at most. */
const TURN_ROWS = 4_000;

const NAMES: Readonly<Record<Quantity, string>> = { tableRows: 'tables', tombstones: 'tombstones' };

/** While members stay: the second half of the phase is as the first. */
export function judgeFlat(samples: readonly Sample[], phase: PhaseName, quantity: Quantity): Verdict {
  const first = extremesOf(samplesOf(samples, phase, 'first'), quantity);
  const second = extremesOf(samplesOf(samples, phase, 'second'), quantity);
  return {
    phase,
    claim: `${NAMES[quantity]} flat`,
    isMet: second.high <= FLAT_RATIO * first.high,
    sides: `highest of the second half ${count(second.high)} / of the first ${count(first.high)} = ${ratio(second.high, first.high)} (at most ${FLAT_RATIO})`,
  };
}

/** While a member is away: no table passes its limit, and it was really cut. `trims` is of all that run. */
export function judgeTrimmed(
  samples: readonly Sample[],
  phase: PhaseName,
  { maxTableRows }: Plan,
  trims: number,
): Verdict {
  const longest = extremesOf(samplesOf(samples, phase), 'longestTableRows').high;
  const [first, second] = (['first', 'second'] as const).map(
    (half) => extremesOf(samplesOf(samples, phase, half), 'tableRows').high,
  );
  return {
    phase,
    claim: 'tables flat',
    isMet: longest <= maxTableRows + TURN_ROWS && trims > 0,
    sides:
      `longest table ${count(longest)} / its limit ${count(maxTableRows)} = ${ratio(longest, maxTableRows)}, cut ${trims} times; ` +
      `all tables of a peer: second half ${count(second)} / first ${count(first)} = ${ratio(second, first)}`,
  };
}

/** What status says on one peer while a member is away. */
export interface Explanation {
  readonly peer: string;
  readonly waitingFor: readonly string[];
  /** The line of `toposphere status`; undefined when there is none. */
  readonly line: string | undefined;
}

/** Tombstones may grow while a member is away, never above one a key, if every peer says why. */
export function judgeExplained(
  samples: readonly Sample[],
  phase: PhaseName,
  { keys }: Plan,
  absent: string,
  explanations: readonly Explanation[],
): Verdict {
  const before = extremesOf(samplesOf(samples, 'all up', 'second'), 'tombstones').high;
  const { high } = extremesOf(samplesOf(samples, phase), 'tombstones');
  const silent = explanations.filter(
    ({ waitingFor, line }) =>
      waitingFor.join() !== absent || line?.includes(`waits for ${absent} since`) !== true,
  );
  const isExplained = explanations.length > 0 && silent.length === 0;
  return {
    phase,
    claim: 'tombstones explained',
    isMet: isExplained && high <= keys,
    sides:
      `${isExplained ? `all ${explanations.length} that run name ${absent}` : `not by ${silent.map(({ peer }) => peer).join(', ')}`}; ` +
      `grown to ${count(high)} from ${count(before)} with all up, of ${count(keys)} keys`,
  };
}

/** Once nobody is waited for: down from what it was at the end of `before`, and at the level of the first phase. */
export function judgeFallen(
  samples: readonly Sample[],
  phase: PhaseName,
  before: PhaseName,
  quantity: Quantity,
): Verdict {
  const was = lastOf(samples, before, quantity);
  const normal = extremesOf(samplesOf(samples, 'all up'), quantity).high;
  const second = extremesOf(samplesOf(samples, phase, 'second'), quantity);
  return {
    phase,
    claim: `${NAMES[quantity]} fall`,
    isMet: second.low <= FALLEN_SHARE * was && second.high <= NORMAL_RATIO * normal,
    sides:
      `from ${count(was)} to ${count(second.low)} to ${count(second.high)} in the second half; lowest ${ratio(second.low, was)} of it (at most ${FALLEN_SHARE}); ` +
      `highest / highest with all up ${count(normal)} = ${ratio(second.high, normal)} (at most ${NORMAL_RATIO})`,
  };
}

function count(value: number | undefined): string {
  return value !== undefined && Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : '-';
}

function ratio(value: number | undefined, other: number | undefined): string {
  const quotient = (value ?? NaN) / (other ?? NaN);
  return Number.isFinite(quotient) ? quotient.toFixed(2) : '-';
}
