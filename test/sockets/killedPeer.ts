/**
 * Child process: the built `serve`, to die at a durability point of its next checkpoint round.
 *
 * Owns the counting of points and the kill. A point is a turn handed to the store, its `committed` report or its `durable` report, each
 * just before it takes effect; they are counted from the turn that promises a bound, as coordinator or as member (R6.2). The store is
 * wrapped from outside: nothing in src knows. Invariant: without `armed` it is `serve` as it is.
 */
import { writeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { CommitListener, StateValue } from '../../src/core/store.ts';
import type { LmdbStore } from '../../src/storage/lmdbStore.ts';

/** Asks for the kill at the `point`-th point, from 1. Answered with a line `armed for point …`. */
export interface Arm {
  readonly kind: 'arm';
  readonly point: number;
}

/** The state that the core writes in the turn that answers a PREPARE, and nowhere else while it takes part. */
const PROMISE = 'promised';

let armedFor = 0;
let isRoundSeen = false;
let points = 0;

function passPoint(what: string): void {
  points += 1;
  if (points < armedFor) return;
  writeSync(process.stdout.fd, `killed at point ${points}: ${what}\n`);
  process.kill(process.pid, 'SIGKILL');
}

function wrapListener(listener: CommitListener): CommitListener {
  return {
    committed: () => {
      passPoint('committed');
      listener.committed();
    },
    durable: () => {
      passPoint('durable');
      listener.durable();
    },
    failed: listener.failed,
  };
}

function isArm(message: unknown): message is Arm {
  return typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'arm';
}

// The build, found from where tests run: this file is translated to another folder (killedProgram.ts).
const built = pathToFileURL(`${process.cwd()}/dist/`);
const { LmdbStore: Built } = (await import(new URL('storage/lmdbStore.js', built).href)) as {
  readonly LmdbStore: typeof LmdbStore;
};
const store = Built.prototype;
const commit: (this: LmdbStore, listener: CommitListener) => void = Reflect.get(store, 'commit');
const writeState: (this: LmdbStore, name: string, value: StateValue) => void = Reflect.get(
  store,
  'writeState',
);
store.writeState = function (name, value): void {
  if (name === PROMISE && armedFor > 0) isRoundSeen = true;
  writeState.call(this, name, value);
};
store.commit = function (listener): void {
  // What is still to be reported of turns before the round is none of its points.
  if (!isRoundSeen) {
    commit.call(this, listener);
    return;
  }
  passPoint('commit');
  commit.call(this, wrapListener(listener));
};

process.on('message', (message) => {
  if (!isArm(message)) return;
  armedFor = message.point;
  process.stdout.write(`armed for point ${armedFor}\n`);
});

await import(new URL('cli/main.js', built).href);
