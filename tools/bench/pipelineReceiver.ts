/**
 * Child process: the receiving end of the bare pipeline: puts what comes over a socket into an empty LMDB environment.
 *
 * Owns the environment and how much is under way. It keeps lmdb-js's defaults, as a store does: puts of one turn of the event loop are
 * one transaction, and each is flushed. Invariant: `received` is said when the last flush is done, of a stream that ended with a whole entry.
 */
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { open } from 'lmdb';
import type { ReceivedMessage, ReceiverTask, StandsByMessage } from './joinMessages.ts';
import { createFrameReader } from './pipelineFrames.ts';
import { HOST } from './workspace.ts';

/** Bytes that were put and are not committed, at which nothing more is read. */
const UNDER_WAY_BYTES = 16 * 1024 * 1024;

const task = JSON.parse(process.argv[2] ?? '{}') as ReceiverTask;
const root = open({ path: task.directory, noSubdir: false });
const entries = root.openDB<Buffer, Buffer>({ name: 'entries', encoding: 'binary', keyEncoding: 'binary' });

async function receive(socket: Socket): Promise<void> {
  const reader = createFrameReader();
  let count = 0;
  let underWayBytes = 0;
  let lastPut: Promise<unknown> = Promise.resolve();
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    for (const [key, value] of reader.read(chunk)) {
      lastPut = entries.put(key, value);
      count += 1;
    }
    underWayBytes += chunk.length;
    if (underWayBytes < UNDER_WAY_BYTES) continue;
    await lastPut;
    underWayBytes = 0;
  }
  if (reader.unfinishedBytes() > 0) throw new Error('the stream ended in the middle of an entry');
  await lastPut;
  await root.flushed;
  process.send?.({ kind: 'received', entries: count } satisfies ReceivedMessage);
}

const server = createServer((socket) => {
  void receive(socket);
});
server.listen({ host: HOST, port: task.port, exclusive: true }, () => {
  process.send?.({ kind: 'standsBy' } satisfies StandsByMessage);
});
process.once('disconnect', () => process.exit(0));
// An orderly end lets a profile be written.
process.once('SIGTERM', () => process.exit(0));
