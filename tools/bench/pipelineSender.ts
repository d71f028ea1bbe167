/**
 * Child process: the sending end of the bare pipeline: walks the entries of a store and writes them to a socket, as they lie there.
 *
 * Owns the walk and the batches. Nothing is decoded, checked or sealed: what a peer does beyond this is what the ratio shows.
 * Invariant: it only reads, and holds one batch beside what the socket has not taken yet.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { open } from 'lmdb';
import type { SendMessage, StandsByMessage } from './joinMessages.ts';
import { frameBytes, writeFrame } from './pipelineFrames.ts';
import { HOST } from './workspace.ts';

/** Entries are written together until a batch is so large; a larger one is a batch of its own. */
const BATCH_BYTES = 256 * 1024;
/** The tree of a store that holds keys and values (src/storage/lmdbTrees.ts). */
const ENTRIES_TREE = 'entries';

async function write(socket: Socket, batch: Buffer): Promise<void> {
  if (batch.length > 0 && !socket.write(batch)) await once(socket, 'drain');
}

async function sendEntries(directory: string, socket: Socket): Promise<void> {
  const root = open({ path: directory, noSubdir: false, readOnly: true });
  const entries = root.openDB<Buffer, Buffer>({
    name: ENTRIES_TREE,
    encoding: 'binary',
    keyEncoding: 'binary',
  });
  // A new one each time: the socket reads from it until it has taken it.
  let batch = Buffer.allocUnsafe(BATCH_BYTES);
  let filled = 0;
  for (const { key, value } of entries.getRange({})) {
    const bytes = frameBytes(key, value);
    if (filled + bytes > batch.length) {
      await write(socket, batch.subarray(0, filled));
      batch = Buffer.allocUnsafe(Math.max(BATCH_BYTES, bytes));
      filled = 0;
    }
    filled = writeFrame(batch, filled, key, value);
  }
  await write(socket, batch.subarray(0, filled));
  socket.end();
  await once(socket, 'close');
  await root.close();
}

process.on('message', ({ port, directory }: SendMessage) => {
  const socket = connect({ host: HOST, port, noDelay: true }, () => {
    void sendEntries(directory, socket);
  });
});
process.once('disconnect', () => process.exit(0));
// An orderly end lets a profile be written.
process.once('SIGTERM', () => process.exit(0));
process.send?.({ kind: 'standsBy' } satisfies StandsByMessage);
