/**
 * A checkpoint on its way in: of whom it was asked, and its parts until all are there (R9: nothing of it counts before).
 *
 * A part is taken of the process that was asked and of nobody else, the next one of its latest snapshot: snapshots of two processes of one donor,
 * joined as one, would claim dots without entries (I2). What is kept is bounded (I14); all that is not kept is counted.
 */
import type { CheckpointMessage } from './messages.ts';
import type { CoreLimits } from './settings.ts';
import type { Origin, PeerId, Timestamp } from './types.ts';

export interface Joining {
  /** The process whose checkpoint is awaited. */
  askedOf: Origin | undefined;
  /** Until when nobody is asked, while that process lives; each part that is taken puts it off. Monotonic milliseconds. */
  waitUntilMs: number;
  /** Of the snapshot whose parts are kept: its number, the parts so far, their bytes. */
  snapshot: number;
  parts: CheckpointMessage[];
  bytes: number;
  /** How often the rest of it was asked for in vain. */
  resumed: number;
  /** History that the checkpoint should be of, if anybody has it; 0 for any. */
  lineage: number;
  /** Donors that give to others, or that have more than can be kept here, and when they are asked again, monotonic milliseconds. */
  readonly notBeforeMs: Map<PeerId, number>;
  /** Highest bound that others remember this peer to have promised. */
  owedPromise: Timestamp;
}

export function createJoining(): Joining {
  return {
    askedOf: undefined,
    waitUntilMs: -Infinity,
    snapshot: 0,
    parts: [],
    bytes: 0,
    resumed: 0,
    lineage: 0,
    notBeforeMs: new Map(),
    owedPromise: 0 as Timestamp,
  };
}

/** Bytes of one entry or row of a checkpoint beside key and value, at most. */
export const CHECKPOINT_RECORD_BYTES = 80;

/** From now on a checkpoint of this process is awaited. Asked again, it may still be sending what was asked for first. */
export function expectFrom(joining: Joining, donor: Origin, waitUntilMs: number): void {
  if (!isAskedOf(joining, donor)) stopExpecting(joining, waitUntilMs);
  joining.askedOf = donor;
  joining.waitUntilMs = waitUntilMs;
}

/** Nothing is awaited any more, and nobody is asked before that time. */
export function stopExpecting(joining: Joining, waitUntilMs: number): void {
  joining.askedOf = undefined;
  joining.waitUntilMs = waitUntilMs;
  joining.snapshot = 0;
  joining.parts = [];
  joining.bytes = 0;
  joining.resumed = 0;
}

export function isAskedOf({ askedOf }: Joining, { id, incarnation }: Origin): boolean {
  return askedOf?.id === id && askedOf.incarnation === incarnation;
}

/** Keeps a part, if it is the next one and there is room; a later snapshot begins anew. */
export function addPart(
  joining: Joining,
  limits: CoreLimits,
  part: CheckpointMessage,
  nowMs: number,
): 'kept' | 'stray' | 'tooLarge' {
  if (part.part === 0 && part.snapshot > joining.snapshot) {
    joining.snapshot = part.snapshot;
    joining.parts = [];
    joining.bytes = 0;
  }
  // Streams keep their order: a part that is not the next one belongs to a broken transfer.
  if (joining.snapshot !== part.snapshot || joining.parts.length !== part.part) return 'stray';
  const bytes = joining.bytes + sizeOf(part);
  if (bytes > limits.maxCheckpointBytes) return 'tooLarge';
  joining.parts.push(part);
  joining.bytes = bytes;
  joining.resumed = 0;
  joining.waitUntilMs = nowMs + limits.joinRetryMs;
  return 'kept';
}

function sizeOf({ entries, rows }: CheckpointMessage): number {
  let bytes = 0;
  for (const { key, value } of entries) bytes += CHECKPOINT_RECORD_BYTES + key.length + value.length;
  for (const { keys } of rows) for (const key of keys) bytes += CHECKPOINT_RECORD_BYTES + key.length;
  return bytes;
}
