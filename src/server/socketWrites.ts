/**
 * Handing replies to a socket: what is in the shared writer, or pieces that were held back.
 *
 * Owns when the writer's memory may be used again. Leaves which replies may leave, and when, to connection.ts.
 * Invariant: bytes that the system has not copied yet are never written over.
 */
import type { ClientSocket } from './connectionHost.ts';
import type { ReplyWriter } from './reply.ts';

export function writeReplies(socket: ClientSocket, reply: ReplyWriter): void {
  const view = socket.writableLength === 0 ? reply.view() : undefined;
  if (view === undefined) {
    writePieces(socket, reply.detach());
    return;
  }
  socket.write(view);
  // Nothing left with the stream: the system has copied the bytes, their place may be used again.
  if (socket.writableLength === 0) reply.recycle();
  else reply.pin();
}

export function writePieces(socket: ClientSocket, pieces: readonly Buffer[]): void {
  if (pieces.length === 0) return;
  if (pieces.length > 1) socket.cork();
  for (const piece of pieces) socket.write(piece);
  if (pieces.length > 1) socket.uncork();
}
