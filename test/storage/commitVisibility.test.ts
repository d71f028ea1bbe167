/** Commits are reported when they are visible, before they are on disk; and without the announcement all the same. */
import assert from 'node:assert/strict';
import { open } from 'lmdb';
import { hintWhenVisible } from '../../src/storage/commitVisibility.ts';
import { openLmdbStore } from '../../src/storage/lmdbStore.ts';
import { asKey, entryNumber } from './entries.ts';
import { makeTemporaryDirectory } from './temporaryStores.ts';
import type { TemporaryDirectory } from './temporaryStores.ts';

describe('the visibility of commits', () => {
  let directory: TemporaryDirectory;
  beforeEach(() => {
    directory = makeTemporaryDirectory();
  });
  afterEach(() => {
    directory.remove();
  });

  it('is reported before durability in most of many commits, one event-loop turn apart', async () => {
    const store = await openLmdbStore({ directory: directory.path, foldIdleMs: 60_000 });
    assert.equal(store.report().reportsVisibility, true);
    let earlier = 0;
    const commits = 200;
    for (let number = 1; number <= commits; number++) {
      store.writeEntry(asKey('k'), entryNumber(number));
      await new Promise<void>((resolve, reject) => {
        let looks = 0;
        let committedAt = 0;
        store.commit({
          committed: () => {
            committedAt = looks;
            // Another turn of the loop lies between this report and the next, if it came early.
            setImmediate(() => looks++);
          },
          durable: () => {
            if (looks > committedAt) earlier++;
            resolve();
          },
          failed: reject,
        });
      });
    }
    assert.ok(
      earlier > commits / 2,
      `${earlier} of ${commits} commits were reported before they were durable`,
    );
    await store.close();
  });

  it('hints when a transaction can be read, before its put resolves', async () => {
    const root = open({ path: directory.path, noSubdir: false });
    let early = 0;
    let resolved = false;
    assert.equal(
      hintWhenVisible(root, () => {
        root.resetReadTxn();
        if (!resolved && root.doesExist('k')) early++;
      }),
      true,
    );
    await root.put('k', 1);
    resolved = true;
    assert.ok(early > 0);
    await root.close();
  });

  it('answers false where lmdb-js has no such announcement, or does not let it be heard', () => {
    const noHint = (): void => {
      assert.fail('hinted');
    };
    assert.equal(hintWhenVisible({}, noHint), false);
    assert.equal(hintWhenVisible({ env: {} }, noHint), false);
    assert.equal(hintWhenVisible({ env: { startWriting: 'no function' } }, noHint), false);
    assert.equal(hintWhenVisible({ env: Object.freeze({ startWriting: () => undefined }) }, noHint), false);
  });

  it('hands the answer of lmdb-js on, and calls it even when the hint throws', () => {
    const env = { startWriting: (_: number, callback: (status: number) => unknown): unknown => callback(2) };
    let isThrowing = false;
    const hint = (): void => {
      if (isThrowing) throw new Error('from a listener');
    };
    assert.equal(hintWhenVisible({ env }, hint), true);
    assert.equal(
      env.startWriting(1, (status) => `answer to ${status}`),
      'answer to 2',
    );
    isThrowing = true;
    let called = 0;
    assert.throws(() => env.startWriting(1, () => called++), /from a listener/);
    assert.equal(called, 1);
  });
});
