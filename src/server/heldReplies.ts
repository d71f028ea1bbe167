/**
 * The replies of one connection that may not leave yet, in order.
 *
 * Owns the queue: replies behind a write wait for its round, and replies behind those wait only for their turn.
 * Leaves asking for acknowledgements to acknowledgements.ts and writing to connection.ts.
 * Invariant: what is released is always the front of what was added; nothing overtakes.
 */
import type { AcknowledgementRound } from './acknowledgements.ts';

/** Until `round` is done, or, without one, until what stands before has left. */
interface HeldTurn {
  readonly pieces: Buffer[];
  readonly round: AcknowledgementRound | undefined;
}

interface HeldReplies {
  /** Bytes held. */
  sizeBytes(): number;
  /** Turns held, count: each costs memory beside its bytes. */
  turns(): number;
  add(pieces: readonly Buffer[], sizeBytes: number, round: AcknowledgementRound | undefined): void;
  /** Takes out everything up to the first round that is not done. */
  release(): Buffer[];
  clear(): void;
}

export function createHeldReplies(): HeldReplies {
  let held: HeldTurn[] = [];
  let heldBytes = 0;

  return {
    sizeBytes: () => heldBytes,
    turns: () => held.length,
    add: (pieces, sizeBytes, round) => {
      const last = held.at(-1);
      heldBytes += sizeBytes;
      // What waits for nothing newer than the replies before it leaves together with them.
      if (last !== undefined && (round === undefined || round === last.round)) last.pieces.push(...pieces);
      else held.push({ pieces: [...pieces], round });
    },
    release: () => {
      const ready: Buffer[] = [];
      let released = 0;
      for (const { pieces, round } of held) {
        if (round !== undefined && !round.isDone) break;
        for (const piece of pieces) {
          ready.push(piece);
          heldBytes -= piece.length;
        }
        released += 1;
      }
      held.splice(0, released);
      return ready;
    },
    clear: () => {
      held = [];
      heldBytes = 0;
    },
  };
}
