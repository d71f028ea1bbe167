/**
 * Whether a client takes anything of what was written to it.
 *
 * Owns the socket's timer, which counts what has left and not what was written: a slow client goes on, one that stands still does not. Leaves when to look to clientSweep.ts.
 * Invariant: nobody is said to stand still who has taken all.
 */
import type { ClientSocket } from './connectionHost.ts';

/** Answers the function to be called, again and again, while there is output: `onStalled` follows when nothing of it leaves for so long. */
export function createStallWatch(socket: ClientSocket, onStalled: () => void): (stalledMs: number) => void {
  let isWatched = false;
  socket.on('timeout', () => {
    isWatched = false;
    socket.setTimeout(0);
    if (socket.writableLength > 0) onStalled(); // else it has taken all, and is merely silent
  });
  return (stalledMs) => {
    if (isWatched) return;
    isWatched = true;
    socket.setTimeout(stalledMs);
  };
}
