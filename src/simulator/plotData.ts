/**
 * What a plot's page is given: a run boiled down to rows that a browser draws at once.
 *
 * Shapes and caps only. plot.ts fills them, plotPage.ts embeds them, the page's script reads them: a change here is a change
 * there. Times are virtual milliseconds, lanes are indices into `lanes`.
 */

/** The most of each that a page holds; what is beyond is left out, the oldest first, and counted. */
export const PLOT_CAPS = {
  messages: 12_000,
  writes: 6_000,
  marks: 4_000,
  spans: 4_000,
  /** Points of one peer's lag. */
  lagPoints: 3_000,
  /** Lines under the plot. */
  log: 250,
} as const;

/** Characters of one text. */
const TEXT_CHARACTERS = 160;

export const MESSAGE_KINDS = ['UPDATE', 'SYNC', 'HYBRID', 'NAK'] as const;
export type PlotMessageKind = (typeof MESSAGE_KINDS)[number];

/** absent: a twin that is not there. */
export type SpanKind = 'down' | 'paused' | 'disk' | 'clock' | 'stray' | 'absent';
export type MarkKind = 'fault' | 'notice' | 'warning';
export type MomentKind = 'core' | 'healed' | 'equal' | 'failed';

export interface PlotData {
  readonly endMs: number;
  readonly lanes: readonly { readonly name: string; readonly isTwin: boolean }[];
  /** Whose messages are drawn. */
  readonly key: string;
  /** atMs, lane, level (0 fast, 1 committed, 2 durable; -1 of a refused one), outcome (0: its client was told OK, 1: taken, and not told so far, 2: not taken), 1 when of `key`, text. */
  readonly writes: readonly (readonly [number, number, number, number, 0 | 1, string])[];
  /** sentMs, takesMs (the mean of the link), from, to, kind, 0 sent, 1 lost, 2 cut, index into `texts`. */
  readonly messages: readonly (readonly [number, number, number, number, number, number, number])[];
  readonly texts: readonly string[];
  readonly spans: readonly (readonly [lane: number, SpanKind, fromMs: number, toMs: number, text: string])[];
  /** The directed pairs that could not talk. */
  readonly cuts: readonly (readonly [
    fromMs: number,
    toMs: number,
    pairs: readonly (readonly [number, number])[],
  ])[];
  /** Lane -1 is the whole cluster's. */
  readonly marks: readonly (readonly [atMs: number, lane: number, MarkKind, text: string])[];
  readonly moments: readonly (readonly [atMs: number, MomentKind, text: string])[];
  /** Of each lane atMs, lag, atMs, lag, …; empty of a twin. */
  readonly lag: readonly (readonly number[])[];
  readonly log: readonly (readonly [atMs: number, where: string, text: string])[];
  readonly leftOut: { readonly messages: number; readonly writes: number; readonly marks: number };
}

/** What stands above the plot. */
export interface PlotHeader {
  readonly title: string;
  readonly replay: string;
  readonly verdict: string;
  readonly failure?: { readonly detail: string; readonly when: string; readonly stack?: string };
  readonly facts: readonly (readonly [name: string, value: string])[];
}

export function shorten(text: string): string {
  return text.length <= TEXT_CHARACTERS ? text : `${text.slice(0, TEXT_CHARACTERS - 1)}…`;
}

/** Microseconds are enough. */
export function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
