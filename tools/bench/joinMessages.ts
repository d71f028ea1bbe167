/**
 * What the join part says to its child processes and hears from them: plain data between processes.
 *
 * Owns the shapes alone. Invariant: a child is told nothing before it says that it stands by, so that its own start is in no figure.
 */

/** getProbe.ts: GET one of `keys` keys, paced, from now on. */
export interface BeginGetsMessage {
  readonly kind: 'beginGets';
  readonly port: number;
  readonly prefix: string;
  readonly keys: number;
  readonly perSecond: number;
}

/** getProbe.ts: answer with LatenciesMessage when the one under way has its reply. */
export interface EndGetsMessage {
  readonly kind: 'endGets';
}

export interface LatenciesMessage {
  readonly kind: 'latencies';
  readonly latenciesMs: readonly number[];
}

/** pipelineReceiver.ts: what it is, as JSON in its first argument. */
export interface ReceiverTask {
  /** Where it listens, on 127.0.0.1. */
  readonly port: number;
  /** An empty folder for its LMDB environment. */
  readonly directory: string;
}

/** pipelineSender.ts: send every entry of the store in `directory` to that port. */
export interface SendMessage {
  readonly kind: 'send';
  readonly port: number;
  readonly directory: string;
}

/** pipelineReceiver.ts: all of it is on disk. */
export interface ReceivedMessage {
  readonly kind: 'received';
  readonly entries: number;
}

/** Each of them, when it can be told something. */
export interface StandsByMessage {
  readonly kind: 'standsBy';
}
