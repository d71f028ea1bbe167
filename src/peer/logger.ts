/**
 * Where a peer says what happened: one record an event, its name out of events.ts, its sentence for people.
 *
 * Owns the form of a record, and that each says whose it is. Where records go (a terminal, JSON lines, an embedder's
 * own log) is the Logger's. Invariant: a record holds no secret and nothing of what clients store: no key of the
 * cluster, no password, no value.
 */
import { EVENTS, type EventLevel, type EventName } from './events.ts';

/** What a record says beside its sentence, by name; units at the end of names as everywhere. */
export type EventFields = Readonly<Record<string, string | number>>;

export interface LogRecord {
  readonly event: EventName;
  /** The event's own, from the list. */
  readonly level: EventLevel;
  /** Id of the peer that says it. */
  readonly peer: string;
  /** Its incarnation; left out before it has drawn one. */
  readonly incarnation?: number;
  /** One plain sentence: what happened, and what to do if there is anything to do. */
  readonly message: string;
  readonly fields: EventFields;
}

/** Called once an event, at once and in order; must not throw. */
export type Logger = (record: LogRecord) => void;

/** How the house logs. */
export type Log = (event: EventName, message: string, fields?: EventFields) => void;

export const silentLogger: Logger = () => undefined;

/** `identity` is asked at each event: an incarnation is drawn only when the store is open. */
export function createLog(logger: Logger, identity: () => Pick<LogRecord, 'peer' | 'incarnation'>): Log {
  return (event, message, fields = {}) => {
    logger({ event, level: EVENTS[event].level, ...identity(), message, fields });
  };
}
