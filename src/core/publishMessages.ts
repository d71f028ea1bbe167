/**
 * What peers say to each other of messages on channels: PUBLISH and MISS, as plain data.
 *
 * Apart from messages.ts, for nothing of it is data: it is in no vector, no table and on no disk. What it means is publishing.ts's and onPublish.ts's, how it
 * becomes bytes src/wire's.
 */
import type { Incarnation, SequenceRange } from './types.ts';

/** A message on a channel, to whoever listens at any peer. */
export interface PublishedRecord {
  readonly sequence: number;
  /** One character a byte; empty when the message was left out. */
  readonly channel: string;
  readonly message: Uint8Array;
  /** Bytes of channel and message that were left out, too long for a datagram: whoever wants them asks for them by MISS. */
  readonly referenceBytes?: number;
}

/** Multicast; repairs also to one peer. Messages of the sender's process, numbered from 1 apart from its updates; none when it only tells how far they go. */
export interface PublishMessage {
  readonly kind: 'publish';
  /** The first that can still be asked for; at most `last` + 1. */
  readonly oldest: number;
  /** How long ago that was published, whole milliseconds; 0 where there is none. */
  readonly oldestAgeMs: number;
  /** The last one published, or the last of these when they are said for the first time. */
  readonly last: number;
  readonly isRepair: boolean;
  /** In order of sequence. */
  readonly records: readonly PublishedRecord[];
}

/** Unicast: these messages of the receiver's process are missing here. */
export interface MissMessage {
  readonly kind: 'miss';
  readonly incarnation: Incarnation;
  readonly ranges: readonly SequenceRange[];
}
