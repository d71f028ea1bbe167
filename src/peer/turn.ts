/**
 * What waits for the commit of one event-loop turn (R1): messages, reminders, acknowledgements, each until its level is reached.
 */
import type { Reminder } from '../core/effects.ts';
import type { AnsweredEffect } from './questions.ts';
import type { AcknowledgementLevel } from './backend.ts';
import type { Outgoing } from './outbox.ts';

export type Acknowledged = (failure?: Error) => void;

/** Whom the present turn owes an acknowledgement, by its level. */
type Owed = Readonly<Record<AcknowledgementLevel, Acknowledged[]>>;

export function createOwed(): Owed {
  return { fast: [], committed: [], durable: [] };
}

/** Milliseconds that updates of other peers wait for company in a commit: a crash loses so much more, and repair brings it back. */
export const LINGER_MS = 10;

/** Writes that one event-loop turn must bring for the next to join it, and how long a turn may last then, milliseconds. */
const STREAMING_WRITES = 8;
const STREAMING_TURN_MS = 0.4;

export interface Turn {
  readonly committed: Outgoing[];
  readonly durable: Outgoing[];
  readonly reminders: Reminder[];
  readonly answered: AnsweredEffect[];
  readonly onCommitted: Acknowledged[];
  readonly onDurable: Acknowledged[];
}

/** A turn with those acknowledgements and nothing else yet. */
export function createTurn(onCommitted: Acknowledged[] = [], onDurable: Acknowledged[] = []): Turn {
  return { committed: [], durable: [], reminders: [], answered: [], onCommitted, onDurable };
}

/** Whether writers keep streaming into a turn that has been open for so long: a larger commit costs each of them less. */
export function mayGrow(newWrites: number, openForMs: number): boolean {
  return newWrites >= STREAMING_WRITES && openForMs < STREAMING_TURN_MS;
}

/** Whether anything waits for this turn's commit. */
export function isAwaited({ committed, durable, reminders, onCommitted, onDurable }: Turn): boolean {
  return committed.length + durable.length + reminders.length + onCommitted.length + onDurable.length > 0;
}
