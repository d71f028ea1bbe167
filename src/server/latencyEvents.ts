/**
 * What took long on this server, by kind of event: a second and how many milliseconds, for LATENCY.
 *
 * Owns the kinds and what is kept of each, as Redis keeps it: at most SAMPLES_KEPT seconds with the longest of each, and the longest ever. Leaves what is long to whoever notes it: for commands the threshold of
 * SLOWLOG (slowlog.ts), for clients `clientStalledMs` (stallWatch.ts). Invariant: memory is bounded by the kinds, however much takes long.
 */

/** `command`: its own work took as long as SLOWLOG keeps. `client-stalled`: a client took nothing of its replies, and was closed. */
type LatencyEvent = 'command' | 'client-stalled';

/** As Redis. */
const SAMPLES_KEPT = 160;

interface LatencySample {
  /** Seconds since 1970. */
  readonly atSeconds: number;
  ms: number;
}

interface LatencySeries {
  /** The oldest first. */
  readonly samples: LatencySample[];
  longestMs: number;
}

export interface LatencyEvents {
  /** What took less than a millisecond is none. */
  note(event: LatencyEvent, ms: number): void;
  readonly series: ReadonlyMap<string, Readonly<LatencySeries>>;
  /** Forgets these kinds, or all where none is named; how many there were. */
  forget(events: readonly string[]): number;
}

export function createLatencyEvents(nowMs: () => number = Date.now): LatencyEvents {
  const series = new Map<string, LatencySeries>();
  return {
    note: (event, exactMs) => {
      const ms = Math.floor(exactMs);
      if (ms < 1) return;
      const one = series.get(event) ?? { samples: [], longestMs: 0 };
      series.set(event, one);
      one.longestMs = Math.max(one.longestMs, ms);
      const atSeconds = Math.floor(nowMs() / 1000);
      const last = one.samples.at(-1);
      if (last?.atSeconds === atSeconds) last.ms = Math.max(last.ms, ms);
      else one.samples.push({ atSeconds, ms });
      if (one.samples.length > SAMPLES_KEPT) one.samples.shift();
    },
    series,
    forget: (events) => {
      const named = events.length === 0 ? [...series.keys()] : events;
      return named.filter((event) => series.delete(event)).length;
    },
  };
}
