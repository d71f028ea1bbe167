/**
 * What was seen of every peer over a run, and what can be said of it: halves, extremes, how far things fell.
 *
 * Owns the arithmetic; who looked, and when, is drive.ts's. A sample holds the lowest and highest that was seen since the one before, so
 * that what rises and falls between two samples is not missed. Invariant: of a part in which nothing was seen there is no extreme: NaN.
 */
import type { Figures } from './messages.ts';
import type { PhaseName } from './plan.ts';

export interface Span {
  readonly low: number;
  readonly high: number;
}

export const QUANTITIES = ['tableRows', 'tombstones'] as const;
export type Quantity = (typeof QUANTITIES)[number];

export interface PeerSample {
  readonly figures: Figures;
  /** Since the sample before. */
  readonly tableRows: Span;
  readonly tombstones: Span;
  readonly longestTableRows: Span;
  readonly roundsLearned: number;
}

export interface Sample {
  readonly phase: PhaseName;
  /** Acknowledged so far, all peers and phases together. */
  readonly updates: number;
  readonly elapsedMs: number;
  readonly peers: ReadonlyMap<string, PeerSample>;
}

export type Half = 'first' | 'second' | 'whole';

/** The samples of a phase, or of one half of it by updates; what was seen at the very middle belongs to the first. */
export function samplesOf(samples: readonly Sample[], phase: PhaseName, half: Half = 'whole'): Sample[] {
  const all = samples.filter((sample) => sample.phase === phase);
  if (half === 'whole') return all;
  const [first, last] = [all[0]?.updates ?? 0, all[all.length - 1]?.updates ?? 0];
  const middle = (first + last) / 2;
  return all.filter(({ updates }) => updates <= middle === (half === 'first'));
}

/** Over all peers. */
export function extremesOf(samples: readonly Sample[], quantity: Quantity | 'longestTableRows'): Span {
  const spans = samples.flatMap(({ peers }) => Array.from(peers.values(), (peer) => peer[quantity]));
  if (spans.length === 0) return { low: NaN, high: NaN };
  let [low, high] = [Infinity, -Infinity];
  for (const span of spans) {
    low = Math.min(low, span.low);
    high = Math.max(high, span.high);
  }
  return { low, high };
}

/** The last that was seen in a phase, the largest of the peers. NaN when nothing was. */
export function lastOf(samples: readonly Sample[], phase: PhaseName, quantity: Quantity): number {
  const last = samplesOf(samples, phase).at(-1);
  const counts = Array.from(last?.peers.values() ?? [], ({ figures }) => figures[quantity].count);
  return counts.length === 0 ? NaN : Math.max(...counts);
}

/** Highest of each column of a line `columns` wide over all updates; NaN where nothing was seen. */
export function columnsOf(
  samples: readonly Sample[],
  quantity: Quantity,
  columns: number,
): readonly { readonly high: number; readonly phase: PhaseName | undefined }[] {
  const end = samples.at(-1)?.updates ?? 0;
  const highs = Array.from({ length: columns }, () => ({
    high: NaN,
    phase: undefined as PhaseName | undefined,
  }));
  for (const sample of samples) {
    const column = highs[Math.min(columns - 1, Math.floor((sample.updates / end) * columns))];
    if (column === undefined) continue;
    const { high } = extremesOf([sample], quantity);
    column.high = Number.isNaN(column.high) ? high : Math.max(column.high, high);
    column.phase = sample.phase;
  }
  return highs;
}
