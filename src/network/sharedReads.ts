/**
 * Sockets that read into one buffer over and over, in place of a new one for each read.
 *
 * Why: for every read of a stream Node makes a buffer of 64 KiB and cuts it short, and passes it through a queue: of a small request that is a tenth of what its
 * answer costs, and more (tools/bench/alone.ts). `onread` spares it, but the sockets of a server are not made with it, so one is made here around the accepted
 * one's handle. That is an internal of node:net; where it is missing the accepted socket is answered as it is: slower, and as good.
 */
import { Socket } from 'node:net';
import type { SocketConstructorOpts } from 'node:net';

/** Each read is handed over before the next one of any socket begins: one buffer serves all. */
const shared = Buffer.allocUnsafeSlow(64 * 1024);

/** The same connection; the bytes of a 'data' event are written over after it. The accepted socket is not to be used any more. */
export function shareReads(accepted: Socket): Socket {
  const holder = accepted as unknown as { _handle?: object | null };
  const handle = holder._handle;
  if (handle === undefined || handle === null) return accepted;
  holder._handle = null;
  const socket: Socket = new Socket({
    handle,
    readable: true,
    writable: true,
    onread: {
      buffer: shared,
      callback: (length: number) => {
        socket.emit('data', shared.subarray(0, length));
        return true;
      },
    },
  } as SocketConstructorOpts);
  socket.once('close', () => accepted.destroy()); // the server counts its own
  return socket;
}
