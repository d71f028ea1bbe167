/**
 * A checkpoint on its way in: its parts, until all are there (R9: nothing of it counts before).
 */
import type { CheckpointMessage } from './messages.ts';
import type { PeerId } from './types.ts';

export interface Joining {
  /** Whom a checkpoint was asked of, and when, monotonic milliseconds. */
  askedOf: PeerId | undefined;
  askedAtMs: number;
  from: PeerId | undefined;
  snapshot: number;
  parts: CheckpointMessage[];
  /** History that the checkpoint should be of, if anybody has it; 0 for any. */
  lineage: number;
  /** Highest bound that others remember this peer to have promised. */
  owedPromise: number;
  /** Checkpoints joined by this process. */
  joined: number;
}

export function createJoining(): Joining {
  return {
    askedOf: undefined,
    askedAtMs: -Infinity,
    from: undefined,
    snapshot: 0,
    parts: [],
    lineage: 0,
    owedPromise: 0,
    joined: 0,
  };
}

/** Adds a part. Answers all parts when the last one came and none is missing. */
export function addPart(
  joining: Joining,
  from: PeerId,
  part: CheckpointMessage,
): readonly CheckpointMessage[] | undefined {
  if (part.part === 0) {
    joining.from = from;
    joining.snapshot = part.snapshot;
    joining.parts = [];
  }
  // Streams keep their order: a part that is not the next one belongs to a broken transfer.
  if (joining.from !== from || joining.snapshot !== part.snapshot || joining.parts.length !== part.part)
    return undefined;
  joining.parts.push(part);
  if (part.facts === undefined) return undefined;
  const { parts } = joining;
  joining.parts = [];
  joining.from = undefined;
  return parts;
}
