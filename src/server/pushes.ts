/**
 * What one connection is told out of band, gathered within a turn of the event loop: it comes while another connection's reply is being written.
 *
 * Owns the buffer, made when it is first needed, and when it is due. Its place among replies, and its bound, are connection.ts's.
 * Invariant: whole frames alone, in the order in which they came.
 */
import type { ProtocolVersion, ReplyWriter } from './reply.ts';
import { createReplyWriter } from './reply.ts';

/** First size of the buffer, bytes. */
const CHUNK_BYTES = 4 * 1024;

interface Pushes {
  /** `write` fills the writer with one whole frame. */
  add(protocol: ProtocolVersion, write: (writer: ReplyWriter) => void): void;
  sizeBytes(): number;
  /** All of it, for the socket. */
  take(): Buffer[];
}

/** `onDue` is called at the end of a turn in which something was added. */
export function createPushes(onDue: () => void): Pushes {
  let writer: ReplyWriter | undefined;
  let isScheduled = false;
  return {
    add: (protocol, write) => {
      writer ??= createReplyWriter(Number.POSITIVE_INFINITY, CHUNK_BYTES);
      writer.protocol = protocol;
      write(writer);
      if (isScheduled) return;
      isScheduled = true;
      setImmediate(() => {
        isScheduled = false;
        onDue();
      });
    },
    sizeBytes: () => writer?.sizeBytes() ?? 0,
    take: () => writer?.detach() ?? [],
  };
}
