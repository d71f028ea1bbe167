/** The order of reports, and what a failed commit does to them. */
import assert from 'node:assert/strict';
import { createCommitReports } from '../../src/storage/commitReports.ts';
import type { CommitReports } from '../../src/storage/commitReports.ts';

interface Rig {
  readonly reports: CommitReports;
  readonly heard: string[];
  /** Turns that a reader sees. */
  readonly visible: Set<number>;
  readonly add: (turn: number, flushed: Promise<unknown>) => void;
  readonly addEmpty: (name: string) => void;
}

function createRig(): Rig {
  const heard: string[] = [];
  const visible = new Set<number>();
  const reports = createCommitReports({
    refresh: () => undefined,
    isVisible: (turn) => visible.has(turn),
    onProgress: () => undefined,
  });
  const listener = (name: string) => ({
    committed: () => heard.push(`committed ${name}`),
    durable: () => heard.push(`durable ${name}`),
    failed: (reason: Error) => heard.push(`failed ${name}: ${reason.message}`),
  });
  return {
    reports,
    heard,
    visible,
    add: (turn, flushed) => {
      reports.add(turn, 10, flushed, listener(String(turn)));
    },
    addEmpty: (name) => {
      reports.addEmpty(listener(name));
    },
  };
}

function deferred(): {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
} {
  let resolve: () => void = () => undefined;
  let reject: (reason: Error) => void = () => undefined;
  const promise = new Promise<void>((...functions) => {
    [resolve, reject] = functions;
  });
  return { promise, resolve, reject };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('commit reports', () => {
  it('reports what is visible, and stops at the first turn that is not', () => {
    const { reports, heard, visible, add } = createRig();
    const { promise } = deferred();
    for (const turn of [1, 2, 3]) add(turn, promise);
    visible.add(1).add(3);
    reports.check();
    assert.deepEqual(heard, ['committed 1']);
    assert.deepEqual(reports.pending(), { turns: 2, sizeBytes: 20 });
  });

  it('reports by the promise what no hint told', async () => {
    const { heard, add } = createRig();
    const first = deferred();
    const second = deferred();
    add(1, first.promise);
    add(2, first.promise);
    add(3, second.promise);
    first.resolve();
    await nextTurn();
    assert.deepEqual(heard, ['committed 1', 'committed 2', 'durable 1', 'durable 2']);
    second.resolve();
    await nextTurn();
    assert.deepEqual(heard.slice(4), ['committed 3', 'durable 3']);
  });

  it('holds an empty turn until the turns before it are reported', async () => {
    const { reports, heard, visible, add, addEmpty } = createRig();
    const { promise, resolve } = deferred();
    addEmpty('a');
    assert.deepEqual(heard, []);
    await nextTurn();
    assert.deepEqual(heard, ['committed a', 'durable a']);
    add(1, promise);
    addEmpty('b');
    await nextTurn();
    assert.equal(heard.length, 2);
    visible.add(1);
    reports.check();
    assert.deepEqual(heard.slice(2), ['committed 1', 'committed b']);
    resolve();
    await nextTurn();
    assert.deepEqual(heard.slice(4), ['durable 1', 'durable b']);
  });

  it('fails the turn whose commit was rejected and all later ones, and reports nothing after', async () => {
    const { reports, heard, visible, add, addEmpty } = createRig();
    const first = deferred();
    const second = deferred();
    add(1, first.promise);
    visible.add(1);
    reports.check();
    add(2, first.promise);
    add(3, second.promise);
    addEmpty('a');
    first.reject(new Error('disk full'));
    await nextTurn();
    const told = [
      'committed 1',
      'failed 1: disk full',
      'failed 2: disk full',
      'failed 3: disk full',
      'failed a: disk full',
    ];
    assert.deepEqual(heard, told);
    visible.add(2).add(3);
    second.resolve();
    reports.check();
    add(4, Promise.reject(new Error('also')));
    addEmpty('b');
    await nextTurn();
    assert.deepEqual(heard, [...told, 'failed 4: disk full', 'failed b: disk full']);
    assert.equal(reports.failure()?.message, 'disk full');
  });

  it('does not take the promise of a later transaction for that of an earlier one', async () => {
    const { heard, add } = createRig();
    const first = deferred();
    add(1, first.promise);
    add(2, Promise.resolve());
    await nextTurn();
    assert.deepEqual(heard, []);
    first.reject(new Error('disk full'));
    await nextTurn();
    assert.deepEqual(heard, ['failed 1: disk full', 'failed 2: disk full']);
  });

  it('never calls a durable turn again when a later one fails', async () => {
    const { heard, add } = createRig();
    add(1, Promise.resolve());
    await nextTurn();
    add(2, Promise.reject(new Error('disk full')));
    await nextTurn();
    assert.deepEqual(heard, ['committed 1', 'durable 1', 'failed 2: disk full']);
  });

  it('settles when every turn is durable, or has failed', async () => {
    const { reports, add } = createRig();
    await reports.whenSettled();
    const { promise, resolve } = deferred();
    let isSettled = false;
    add(1, promise);
    const settled = reports.whenSettled().then(() => {
      isSettled = true;
    });
    await nextTurn();
    assert.equal(isSettled, false);
    resolve();
    await settled;
    add(2, Promise.reject(new Error('disk full')));
    await reports.whenSettled();
  });
});
