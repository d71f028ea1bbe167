/**
 * A tick every tenth of a millisecond, for operations that are due at set times.
 *
 * A timer of Node's comes a millisecond apart at best, which is several times what a read takes; turning without pause would be exact and take a core from the peers.
 * So a thread sleeps and sends a tick, never a second one before the first was heard. Owns the thread. Invariant: after `stop` no tick comes, and the thread ends.
 */
import { Worker } from 'node:worker_threads';

const TICK_MS = 0.1;
/** The cells that both sides share. */
const STOPPED = 0;
const UNHEARD = 1;

/** Plain JavaScript: a thread starts from a file or a text, and this is less than a file of its own that both the build and tsx would have to find. */
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const cells = new Int32Array(workerData);
while (Atomics.wait(cells, ${STOPPED}, 0, ${TICK_MS}) === 'timed-out')
  if (Atomics.exchange(cells, ${UNHEARD}, 1) === 0) parentPort.postMessage(null);
`;

export interface Metronome {
  /** Calls `onTick` at each tick from now on. */
  readonly start: (onTick: () => void) => void;
  readonly stop: () => void;
}

/** Resolves at the first tick: a thread takes a while to begin, for which nothing should have to wait that is due. */
export function openMetronome(): Promise<Metronome> {
  const cells = new Int32Array(new SharedArrayBuffer(8));
  const thread = new Worker(THREAD, { eval: true, workerData: cells.buffer });
  let onTick = (): void => undefined;
  const metronome: Metronome = {
    start: (listener) => {
      onTick = listener;
    },
    stop: () => {
      onTick = () => undefined;
      Atomics.store(cells, STOPPED, 1);
      Atomics.notify(cells, STOPPED);
    },
  };
  return new Promise((resolve, reject) => {
    thread.once('error', reject);
    thread.on('message', () => {
      Atomics.store(cells, UNHEARD, 0);
      resolve(metronome);
      onTick();
    });
  });
}
