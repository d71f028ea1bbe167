/**
 * What waits for the commit of one event-loop turn (R1): messages, reminders, acknowledgements, each until its level is reached.
 */
import type { Reminder } from '../core/effects.ts';
import type { AnsweredEffect } from './questions.ts';
import type { AcknowledgementLevel } from './backend.ts';
import type { Outgoing } from './outbox.ts';

export type Acknowledged = (failure?: Error) => void;

/** Milliseconds that updates of other peers wait for company in a commit: a crash loses so much more, and repair brings it back. */
export const LINGER_MS = 10;

/** Writes that one event-loop turn must bring for the next to join it, and how long a turn may last then, milliseconds. */
export const STREAMING_WRITES = 8;
export const STREAMING_TURN_MS = 0.4;

export interface Turn {
  readonly committed: Outgoing[];
  readonly durable: Outgoing[];
  readonly reminders: Reminder[];
  readonly answered: AnsweredEffect[];
  readonly onCommitted: Acknowledged[];
  readonly onDurable: Acknowledged[];
}

/** Nobody waits for any level yet. */
export function createOwed(): Readonly<Record<AcknowledgementLevel, Acknowledged[]>> {
  return { fast: [], committed: [], durable: [] };
}

/** A turn with those acknowledgements and nothing else yet. */
export function createTurn(onCommitted: Acknowledged[] = [], onDurable: Acknowledged[] = []): Turn {
  return { committed: [], durable: [], reminders: [], answered: [], onCommitted, onDurable };
}

/** Whether anything waits for this turn's commit. */
export function isAwaited({ committed, durable, reminders, onCommitted, onDurable }: Turn): boolean {
  return committed.length + durable.length + reminders.length + onCommitted.length + onDurable.length > 0;
}
