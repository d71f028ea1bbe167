/**
 * What a server's clients may have and take: numbers that CONFIG SET changes while it runs.
 *
 * Owns their defaults and the one object that holds what is in force. Leaves names and ranges for CONFIG to
 * configParameters.ts, the peer's tunables to src/peer, and keeping each to whoever it concerns.
 * Invariant: whoever keeps a limit reads it here each time, so that a change holds from the next time on.
 */

/** What is in force; the peer's tunable of a like name says what raising each does. */
export interface ServerLimits {
  /** Clients connected at a time, count. Those that are connected stay when it falls. */
  maxClients: number;
  /** Silence after which a client is closed, milliseconds; 0: never. */
  clientIdleMs: number;
  /** How long a client may take nothing of what waits for it, milliseconds; 0: for ever. */
  clientStalledMs: number;
  /** Work of one command from which it is remembered, microseconds; 0: each, negative: none. */
  slowCommandMicroseconds: number;
  /** Slow commands that are remembered, the last ones, count. */
  slowCommandsKept: number;
  /** Events on keys that clients are told of: a sum of classes (src/peer/eventClasses.ts); 0: none. */
  keyspaceEventClasses: number;
}

const DEFAULT_LIMITS: Readonly<ServerLimits> = {
  maxClients: 10_000,
  clientIdleMs: 0,
  clientStalledMs: 60_000,
  slowCommandMicroseconds: 10_000,
  slowCommandsKept: 128,
  keyspaceEventClasses: 0,
};

/** The defaults, but for what `given` says. */
export function createLimits(given: {
  readonly [Name in keyof ServerLimits]?: number | undefined;
}): ServerLimits {
  const limits = { ...DEFAULT_LIMITS };
  for (const name of Object.keys(DEFAULT_LIMITS) as (keyof ServerLimits)[])
    limits[name] = given[name] ?? limits[name];
  return limits;
}
