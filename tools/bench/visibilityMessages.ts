/**
 * What visibility.ts says to its probes and hears from them: plain data between processes.
 *
 * Owns the shapes alone. All times are nanoseconds of the monotonic clock, which all processes of one machine share;
 * as numbers they are exact for 104 days of uptime. Invariant: a sequence is written once in a run.
 */

/** What a probe is, as JSON in its first argument. */
export interface ProbeTask {
  /** Number of processes that send or receive, the writer included. */
  readonly processes: number;
  readonly valueBytes: number;
}

/** The writer: write `count` sequences from `first`, paced, then answer with StartsMessage. */
export interface BurstMessage {
  readonly kind: 'burst';
  readonly first: number;
  readonly count: number;
}

/** A receiver: answer with ArrivalsMessage about `count` sequences from `first`. */
export interface CollectMessage {
  readonly kind: 'collect';
  readonly first: number;
  readonly count: number;
}

export interface ProbeReadyMessage {
  readonly kind: 'probeReady';
}

export interface StartsMessage {
  readonly kind: 'starts';
  /** When each write began. */
  readonly startsNs: readonly number[];
  /** When each write was acknowledged; 0 when the system has no such thing. */
  readonly acknowledgedNs: readonly number[];
}

export interface ArrivalsMessage {
  readonly kind: 'arrivals';
  /** By receiver (a process may hold several), then by sequence; 0 for what has not arrived. */
  readonly arrivalsNs: readonly (readonly number[])[];
}
