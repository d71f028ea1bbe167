/**
 * A checkpoint on its way in: of whom it was asked, how much of it has come, and what of that is not joined yet.
 *
 * A part is taken of the process that was asked and of nobody else, the next one of its latest snapshot: snapshots of two processes of one donor,
 * joined as one, would claim dots without entries (I2). Who takes part keeps all of them until the last is there (R9), who does not joins each as it comes
 * (join.ts). What is kept is bounded (I14); all that is not kept is counted.
 */
import type { Join } from './joinParts.ts';
import type { CheckpointMessage } from './messages.ts';
import type { CoreLimits } from './settings.ts';
import type { Origin, PeerId, Timestamp } from './types.ts';

export interface Joining {
  /** The process whose checkpoint is awaited. */
  askedOf: Origin | undefined;
  /** Until when nobody is asked, while that process lives; each part that is taken puts it off. Monotonic milliseconds. */
  waitUntilMs: number;
  /** Of the snapshot that is taken in: its number, how many of its parts have come, their bytes. */
  snapshot: number;
  arrived: number;
  bytes: number;
  /** Those of its parts that are not joined yet, and the bytes that are kept of it. */
  parts: CheckpointMessage[];
  keptBytes: number;
  /** Its join, once begun. */
  join: Join | undefined;
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
    ...createSpool(0),
    resumed: 0,
    lineage: 0,
    notBeforeMs: new Map(),
    owedPromise: 0 as Timestamp,
  };
}

function createSpool(
  snapshot: number,
): Pick<Joining, 'snapshot' | 'arrived' | 'bytes' | 'parts' | 'keptBytes' | 'join'> {
  return { snapshot, arrived: 0, bytes: 0, parts: [], keptBytes: 0, join: undefined };
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
  Object.assign(joining, createSpool(0));
  joining.askedOf = undefined;
  joining.waitUntilMs = waitUntilMs;
  joining.resumed = 0;
}

export function isAskedOf({ askedOf }: Joining, { id, incarnation }: Origin): boolean {
  return askedOf?.id === id && askedOf.incarnation === incarnation;
}

/** Whether all that was asked for has come, and some of it is still to be joined. */
export function hasAllOfIt({ parts }: Joining): boolean {
  return parts.at(-1)?.isLast === true;
}

/** Keeps a part, if it is the next one and there is room; a later snapshot begins anew. The first one has the facts. */
export function addPart(
  joining: Joining,
  limits: CoreLimits,
  part: CheckpointMessage,
  nowMs: number,
): 'kept' | 'stray' | 'tooLarge' {
  if (part.part === 0 && part.snapshot > joining.snapshot) Object.assign(joining, createSpool(part.snapshot));
  // Streams keep their order: a part that is not the next one belongs to a broken transfer.
  if (joining.snapshot !== part.snapshot || joining.arrived !== part.part) return 'stray';
  if (part.part === 0 && part.facts === undefined) return 'stray';
  const bytes = bytesOfEntries(part) + bytesOfRows(part);
  if (joining.keptBytes + bytes > limits.maxCheckpointBytes) return 'tooLarge';
  joining.parts.push(part);
  joining.arrived += 1;
  joining.bytes += bytes;
  joining.keptBytes += bytes;
  joining.resumed = 0;
  joining.waitUntilMs = nowMs + limits.joinRetryMs;
  return 'kept';
}

/** The first of the parts that are kept is joined, but for its rows: those wait for the vector. */
export function takePart(joining: Joining): void {
  const part = joining.parts.shift();
  if (part !== undefined) joining.keptBytes -= bytesOfEntries(part);
}

function bytesOfEntries({ entries }: CheckpointMessage): number {
  let bytes = 0;
  for (const { key, value } of entries) bytes += CHECKPOINT_RECORD_BYTES + key.length + value.length;
  return bytes;
}

function bytesOfRows({ rows }: CheckpointMessage): number {
  let bytes = 0;
  for (const { keys } of rows) for (const key of keys) bytes += CHECKPOINT_RECORD_BYTES + key.length;
  return bytes;
}
