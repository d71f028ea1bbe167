/**
 * What runs in one of several threads of a generator: its share of the load.
 *
 * Owns the way of its words to threads.ts and back. Invariant: the last message is the result, after which nothing is recorded: its histograms are shared then.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { runLoad } from './load.ts';
import type { ThreadMessage, ThreadWork } from './threads.ts';

const port = parentPort;
if (port === null) throw new Error('this file is run as a thread, by threads.ts');
const tell = (message: ThreadMessage): void => {
  port.postMessage(message);
};
const work = workerData as ThreadWork;
const result = await runLoad({
  ...work,
  stopped: new Promise((resolve) => {
    port.once('message', () => {
      resolve();
    });
  }),
  onProgress: (progress) => {
    tell({ kind: 'progress', progress });
  },
});
tell({ kind: 'result', result: { ...result, measurement: result.measurement.toParts() } });
port.unref();
