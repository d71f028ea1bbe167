/**
 * The bare pipeline: LMDB, a TCP connection, LMDB, in two processes with nothing of Toposphere between them.
 *
 * Owns the two processes and the time. It is the floor under a join: no peer can be quicker than reading, sending and writing the bytes.
 * Invariant: its time begins when both processes stand by and ends when all of the data is on the receiver's disk.
 */
import { rm } from 'node:fs/promises';
import type { Bench } from './budget.ts';
import type { ReceivedMessage, ReceiverTask, SendMessage, StandsByMessage } from './joinMessages.ts';

/** Milliseconds until both processes must stand by, and until all must have come through. */
const START_TIMEOUT_MS = 20_000;
const SEND_TIMEOUT_MS = 120_000;

export interface Pipeline {
  /** Milliseconds until every entry of the store in `directory`, which nobody writes to, is in another one. Throws when there were not `entries` of them. */
  readonly send: (directory: string, entries: number) => Promise<number>;
  /** Ends both processes and removes what came. */
  readonly stop: () => Promise<void>;
}

export async function startPipeline(bench: Bench): Promise<Pipeline> {
  const port = await bench.workspace.freePort();
  const task: ReceiverTask = { port, directory: await bench.workspace.folder(`pipeline-${port}`) };
  const fork = (name: string, file: string, words: readonly string[]) =>
    bench.children.fork(name, new URL(file, import.meta.url), words);
  const receiver = fork('pipeline receiver', 'pipelineReceiver.ts', [JSON.stringify(task)]);
  const sender = fork('pipeline sender', 'pipelineSender.ts', []);
  for (const child of [receiver, sender]) await child.next<StandsByMessage>('standsBy', START_TIMEOUT_MS);
  return {
    async send(directory, entries) {
      const startedMs = performance.now();
      sender.send({ kind: 'send', port, directory } satisfies SendMessage);
      const received = await receiver.next<ReceivedMessage>('received', SEND_TIMEOUT_MS);
      const tookMs = performance.now() - startedMs;
      if (received.entries !== entries)
        throw new Error(`${received.entries} entries of ${entries} came through the bare pipeline`);
      return tookMs;
    },
    async stop() {
      await bench.children.stop([sender, receiver]);
      await rm(task.directory, { recursive: true, force: true });
    },
  };
}
