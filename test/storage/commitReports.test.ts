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
    lastCommitted: 0,
    refresh: () => undefined,
    isVisible: (turn) => visible.has(turn),
    confirm: (isThere, what) =>
      isThere() ? Promise.resolve() : Promise.reject(new Error(`${what} is not there`)),
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
    const { heard, visible, add } = createRig();
    visible.add(1).add(2).add(3);
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

  it('does not believe a promise whose turns no reader sees', async () => {
    const { heard, visible, add } = createRig();
    visible.add(1);
    const { promise, resolve } = deferred();
    add(1, promise);
    add(2, promise);
    resolve();
    await nextTurn();
    assert.deepEqual(heard, ['failed 1: turn 2 is not there', 'failed 2: turn 2 is not there']);
  });

  it('does not take the promise of a later transaction for that of an earlier one', async () => {
    const { heard, visible, add } = createRig();
    visible.add(2);
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
    const { heard, visible, add } = createRig();
    visible.add(1);
    add(1, Promise.resolve());
    await nextTurn();
    add(2, Promise.reject(new Error('disk full')));
    await nextTurn();
    assert.deepEqual(heard, ['committed 1', 'durable 1', 'failed 2: disk full']);
  });

  it('tells who waits for a turn when it is committed, or that it never will be', async () => {
    const { reports, visible, add } = createRig();
    await reports.whenCommitted(0);
    const { promise, reject } = deferred();
    add(1, promise);
    add(2, promise);
    const first = reports.whenCommitted(1);
    const second = reports.whenCommitted(2);
    visible.add(1);
    reports.check();
    await first;
    reject(new Error('disk full'));
    await assert.rejects(second, /disk full/);
    await assert.rejects(reports.whenCommitted(3), /disk full/);
    await reports.whenCommitted(1);
  });

  it('settles when every turn is durable, or has failed', async () => {
    const { reports, visible, add } = createRig();
    visible.add(1);
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
