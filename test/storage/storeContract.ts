/**
 * What every Store must do, whatever it lies on: run against the one in memory and the one on LMDB.
 *
 * A subject opens one store and can put it away and find it again. `settle` moves data to where it lies in the
 * long run (a fold), so that each range is tried over every layer.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { KeyRange, Store } from '../../src/core/store.ts';
import type { Entry, OriginKey } from '../../src/core/types.ts';
import { asKey, commitTurn, entryNumber, listEntries, ORIGIN, plainEntry } from './entries.ts';
import { applyToModel, createModel, modelEntries, storeOperations } from './storeModel.ts';
import type { StoreModel } from './storeModel.ts';

export interface StoreSubject {
  /** The store as it is now: another one after `reopen`. */
  readonly store: () => Store;
  /** Ends the process, so to speak, and starts it again: what was durable is there, an open turn is not. */
  readonly reopen: () => Promise<void>;
  /** Moves what is committed one layer down; with `wait` false it only begins to. */
  readonly settle: (wait: boolean) => Promise<void>;
  readonly close: () => Promise<void>;
}

export function describeStoreContract(
  name: string,
  openSubject: () => Promise<StoreSubject>,
  fuzzRuns: number,
): void {
  describe(`${name} keeps the contract of a store`, () => {
    let subject: StoreSubject;
    let store: Store;
    beforeEach(async () => {
      subject = await openSubject();
      store = subject.store();
    });
    afterEach(() => subject.close());

    it('reads what the open turn wrote, and nothing that was never written', () => {
      store.writeEntry(asKey('a'), entryNumber(1));
      store.writeRow(ORIGIN, 1, asKey('a'));
      store.writeState('clock', 7);
      assert.deepEqual(plainEntry(store.readEntry(asKey('a'))), plainEntry(entryNumber(1)));
      assert.equal(store.readRow(ORIGIN, 1), 'a');
      assert.equal(store.readState('clock'), 7);
      assert.equal(store.readEntry(asKey('b')), undefined);
      assert.equal(store.readRow(ORIGIN, 2), undefined);
      assert.equal(store.readRow('beta/4242' as OriginKey, 1), undefined);
      assert.equal(store.readState('cloc'), undefined);
    });

    it('holds a snapshot as it was, over overwrites, removals, commits and folds, and none once it is closed', async () => {
      for (const [at, name] of ['a', 'b', 'c', 'd'].entries())
        store.writeEntry(asKey(name), entryNumber(at + 1));
      await commitTurn(store);
      await subject.settle(true);
      store.writeEntry(asKey('b'), entryNumber(12));
      store.removeEntry(asKey('c'));
      const wanted = listEntries(store.entries({}));
      const snapshot = store.openSnapshot();
      const later = store.openSnapshot();
      later.close();
      const held = (range: KeyRange): unknown[] => listEntries(snapshot.entries(range));
      store.writeEntry(asKey('a'), entryNumber(21));
      store.removeEntry(asKey('b'));
      store.writeEntry(asKey('c'), entryNumber(23));
      store.writeEntry(asKey('aa'), entryNumber(24));
      assert.deepEqual(held({}), wanted);
      await commitTurn(store);
      await subject.settle(false);
      assert.deepEqual(held({}), wanted);
      await subject.settle(true);
      assert.deepEqual(held({}), wanted);
      assert.deepEqual(held({ after: asKey('a') }), wanted.slice(1));
      // A walk that is not used up does not keep the rest from working.
      snapshot.entries({}).next();
      snapshot.close();
      assert.throws(() => held({}), /closed/);
      snapshot.close();
      assert.throws(() => Array.from(later.entries({})), /closed/);
    });

    it('knows whether the open turn wrote anything', async () => {
      assert.equal(store.hasChanges(), false);
      store.writeState('clock', 1);
      assert.equal(store.hasChanges(), true);
      const durable = commitTurn(store);
      assert.equal(store.hasChanges(), false);
      await durable;
    });

    it('keeps every field of every kind of entry over a restart', async () => {
      const entries = [
        entryNumber(1),
        entryNumber(4),
        entryNumber(5, 'tombstone'),
        entryNumber(8, 'synthetic'),
      ];
      for (const entry of entries) store.writeEntry(asKey(`key ${entry.sequence}`), entry);
      await commitTurn(store);
      for (let round = 0; round < 2; round++) {
        await subject.reopen();
        for (const entry of entries) {
          const read = subject.store().readEntry(asKey(`key ${entry.sequence}`));
          assert.deepEqual(plainEntry(read), plainEntry(entry));
        }
        await subject.settle(true);
      }
    });

    it('keeps values from empty to a megabyte, and keys from empty to the longest', async () => {
      const sizes = [0, 1, 100, 4_000, 70_000, 1_048_576];
      for (const size of sizes) {
        const value = Buffer.alloc(size, size % 251);
        store.writeEntry(asKey('\xff'.repeat(size % 1_901)), { ...entryNumber(1), value });
      }
      await commitTurn(store);
      await subject.settle(true);
      await subject.reopen();
      for (const size of sizes) {
        const value = subject.store().readEntry(asKey('\xff'.repeat(size % 1_901)))?.value;
        assert.ok(
          value !== undefined && Buffer.alloc(size, size % 251).equals(value),
          `a value of ${size} bytes`,
        );
      }
    });

    it('gives values that a later read does not change', async () => {
      for (let number = 1; number <= 3; number++) store.writeEntry(asKey(`k${number}`), entryNumber(number));
      await commitTurn(store);
      await subject.settle(true);
      const first = store.readEntry(asKey('k1'));
      store.readEntry(asKey('k2'));
      store.readEntry(asKey('k3'));
      assert.deepEqual(plainEntry(first), plainEntry(entryNumber(1)));
    });

    it('loses an open turn whole at a restart', async () => {
      store.writeEntry(asKey('a'), entryNumber(1));
      store.writeState('clock', 1);
      await commitTurn(store);
      store.writeEntry(asKey('a'), entryNumber(2));
      store.writeEntry(asKey('b'), entryNumber(3));
      store.writeRow(ORIGIN, 2, asKey('b'));
      store.writeState('clock', 2);
      await subject.reopen();
      store = subject.store();
      assert.deepEqual(listEntries(store.entries({})), [['a', plainEntry(entryNumber(1))]]);
      assert.equal(store.readRow(ORIGIN, 2), undefined);
      assert.equal(store.readState('clock'), 1);
    });

    it('reports each turn once, committed before durable, in order of turns', async () => {
      const heard: string[] = [];
      const turns = 40;
      await new Promise<void>((resolve, reject) => {
        for (let turn = 0; turn < turns; turn++) {
          // Every fifth turn is empty: it must keep its place.
          if (turn % 5 !== 4) store.writeEntry(asKey(`k${turn % 7}`), entryNumber(turn));
          store.commit({
            committed: () => heard.push(`committed ${turn}`),
            durable: () => {
              heard.push(`durable ${turn}`);
              if (turn === turns - 1) resolve();
            },
            failed: reject,
          });
        }
      });
      const order = (word: string): string[] => heard.filter((line) => line.startsWith(word));
      const expected = (word: string): string[] =>
        Array.from({ length: turns }, (_, turn) => `${word} ${turn}`);
      assert.deepEqual(order('committed'), expected('committed'));
      assert.deepEqual(order('durable'), expected('durable'));
      for (let turn = 0; turn < turns; turn++) {
        assert.ok(heard.indexOf(`committed ${turn}`) < heard.indexOf(`durable ${turn}`));
      }
    });

    it('reports a turn that wrote nothing when nothing is under way, but not within the call', async () => {
      let inCall = true;
      await new Promise<void>((resolve, reject) => {
        const committed = (): void => {
          assert.equal(inCall, false);
        };
        store.commit({ committed, durable: resolve, failed: reject });
        inCall = false;
      });
    });

    it('takes a commit from within a report', async () => {
      await new Promise<void>((resolve, reject) => {
        store.writeState('a', 1);
        store.commit({
          committed: () => {
            store.writeState('b', 2);
            store.commit({ committed: () => undefined, durable: resolve, failed: reject });
          },
          durable: () => undefined,
          failed: reject,
        });
      });
      await subject.reopen();
      assert.equal(subject.store().readState('b'), 2);
    });

    it('lists states by prefix in order of names, with any value that JSON has', async () => {
      const value = {
        vector: [1, 2.5, -3, 2 ** 52],
        name: 'ä',
        nothing: null,
        yes: true,
        deep: { list: [[], {}] },
      };
      store.writeState('peer/b', value);
      store.writeState('peer/a', 1);
      store.writeState('peers', 2);
      store.writeState('öre', 'x');
      await commitTurn(store);
      for (let round = 0; round < 3; round++) {
        assert.deepEqual(
          [...subject.store().states('peer/')],
          [
            ['peer/a', 1],
            ['peer/b', value],
          ],
        );
        assert.deepEqual(
          [...subject.store().states('')].map(([name]) => name),
          ['peer/a', 'peer/b', 'peers', 'öre'],
        );
        if (round === 0) await subject.settle(true);
        if (round === 1) await subject.reopen();
      }
    });

    it('keeps rows of several origins apart, also far from each other', async () => {
      const beta = 'beta/4242' as OriginKey;
      const sequences = [1, 2, 3, 255, 256, 257, 70_000, 2 ** 32, 2 ** 40 + 1];
      for (const sequence of [...sequences].reverse())
        store.writeRow(ORIGIN, sequence, asKey(`a${sequence}`));
      for (const sequence of sequences) store.writeRow(beta, sequence, asKey(`\x00\xff${sequence}`));
      await commitTurn(store);
      for (let round = 0; round < 3; round++) {
        for (const sequence of sequences) {
          assert.equal(subject.store().readRow(ORIGIN, sequence), `a${sequence}`);
          assert.equal(subject.store().readRow(beta, sequence), `\x00\xff${sequence}`);
        }
        assert.equal(subject.store().readRow(ORIGIN, 4), undefined);
        if (round === 0) await subject.settle(true);
        if (round === 1) await subject.reopen();
      }
    });

    it('walks binary keys in byte order, forwards and back, within bounds, over all layers', async () => {
      const keys = [
        '',
        '\x00',
        '\x00\x00',
        '\x00a',
        '\x01',
        'a',
        'a\x00',
        'a\xff',
        'b',
        '\x7f',
        '\x80',
        '\xff',
        '\xff\xff',
      ];
      // A third of the keys lies in each layer, and every fourth in all of them.
      for (let layer = 0; layer < 3; layer++) {
        keys.forEach((key, index) => {
          if (index % 3 === layer || index % 4 === 0)
            store.writeEntry(asKey(key), entryNumber(100 * layer + index));
        });
        await commitTurn(store);
        if (layer < 2) await subject.settle(layer === 0);
      }
      const entryOf = (index: number): unknown =>
        plainEntry(entryNumber(index % 4 === 0 ? 200 + index : 100 * (index % 3) + index));
      const all = keys
        .map((key, index) => [key, entryOf(index)] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1));
      const bounds = [undefined, ...keys, 'nowhere'];
      for (const reverse of [false, true]) {
        for (const low of bounds) {
          for (const before of bounds) {
            for (const word of ['from', 'after'] as const) {
              const range: KeyRange = {
                reverse,
                ...(low === undefined ? {} : { [word]: asKey(low) }),
                ...(before === undefined ? {} : { before: asKey(before) }),
              };
              const expected = all.filter(
                ([key]) =>
                  (low === undefined || (word === 'from' ? key >= low : key > low)) &&
                  (before === undefined || key < before),
              );
              if (reverse) expected.reverse();
              assert.deepEqual(listEntries(store.entries(range)), expected, JSON.stringify(range));
            }
          }
        }
      }
    });

    it('lets a walk be left early, and another begin', async () => {
      for (let number = 0; number < 20; number++) store.writeEntry(asKey(`k${number}`), entryNumber(number));
      await commitTurn(store);
      await subject.settle(true);
      for (let round = 0; round < 300; round++) {
        for (const [key] of store.entries({ after: asKey('k1') })) {
          assert.equal(key, 'k10');
          break;
        }
      }
    });

    it('forgets removed entries, dropped rows and removed states, on every layer and over a restart', async () => {
      for (let number = 1; number <= 6; number++) {
        store.writeEntry(asKey(`k${number}`), entryNumber(number));
        store.writeRow(ORIGIN, number, asKey(`k${number}`));
        store.writeState(`s${number}`, number);
      }
      await commitTurn(store);
      await subject.settle(true); // k1 to k6 lie below, the removals above
      for (const number of [2, 5]) store.removeEntry(asKey(`k${number}`));
      store.dropRows(ORIGIN, 4);
      store.removeState('s3');
      store.removeEntry(asKey('never written'));
      store.dropRows('beta/1' as OriginKey, 9);
      const expect = (): void => {
        assert.deepEqual(
          [...store.entries({})].map(([key]) => key),
          ['k1', 'k3', 'k4', 'k6'],
        );
        assert.deepEqual(
          [...store.entries({ reverse: true, before: asKey('k6') })].map(([key]) => key),
          ['k4', 'k3', 'k1'],
        );
        assert.deepEqual(
          [1, 2, 3, 4, 5, 6].map((sequence) => store.readRow(ORIGIN, sequence)),
          [undefined, undefined, undefined, undefined, 'k5', 'k6'],
        );
        assert.equal(store.readState('s3'), undefined);
        assert.deepEqual(
          [...store.states('s')].map(([name]) => name),
          ['s1', 's2', 's4', 's5', 's6'],
        );
      };
      expect();
      await commitTurn(store);
      expect();
      await subject.reopen();
      store = subject.store();
      expect();
      await subject.settle(true);
      expect();
      await subject.reopen();
      store = subject.store();
      expect();
      // What was removed may come again.
      store.writeEntry(asKey('k2'), entryNumber(8));
      store.writeState('s3', 'again');
      await commitTurn(store);
      await subject.settle(true);
      assert.deepEqual(plainEntry(store.readEntry(asKey('k2'))), plainEntry(entryNumber(8)));
      assert.equal(store.readState('s3'), 'again');
    });

    it('keeps what was loaded, over and under what was written, removed and held fast, from its turn on and over a restart', async () => {
      store.writeEntry(asKey('k3'), entryNumber(3));
      await commitTurn(store);
      await subject.settle(true);
      store.writeEntry(asKey('k5'), entryNumber(5));
      const before = store.openSnapshot();
      assert.equal(store.hasChanges(), true);
      await commitTurn(store);
      for (const number of [1, 2, 3, 4, 5, 6]) store.loadEntry(asKey(`k${number}`), entryNumber(10 + number));
      store.loadEntry(asKey('k0'), entryNumber(10)); // out of order
      assert.equal(store.hasChanges(), true);
      store.removeEntry(asKey('k2'));
      store.writeEntry(asKey('k4'), entryNumber(24));
      const wanted = listEntries(store.entries({}));
      assert.deepEqual(
        wanted,
        [
          ['k0', entryNumber(10)],
          ['k1', entryNumber(11)],
          ['k3', entryNumber(13)],
          ['k4', entryNumber(24)],
          ['k5', entryNumber(15)],
          ['k6', entryNumber(16)],
        ].map(([key, entry]) => [key, plainEntry(entry as Entry)]),
      );
      const after = store.openSnapshot();
      const expect = (): void => {
        assert.deepEqual(listEntries(store.entries({})), wanted);
        assert.deepEqual(listEntries(store.entries({ reverse: true })), [...wanted].reverse());
        assert.deepEqual(plainEntry(store.readEntry(asKey('k3'))), plainEntry(entryNumber(13)));
        assert.equal(store.readEntry(asKey('k2')), undefined);
      };
      expect();
      const durable = commitTurn(store);
      assert.equal(store.hasChanges(), false);
      expect();
      await durable;
      expect();
      assert.deepEqual(listEntries(after.entries({})), wanted);
      assert.deepEqual(
        [...before.entries({})].map(([key]) => key),
        ['k3', 'k5'],
      );
      before.close();
      after.close();
      await subject.reopen();
      store = subject.store();
      expect();
      await subject.settle(true);
      expect();
      for (const number of [7, 8]) store.loadEntry(asKey(`k${number}`), entryNumber(number)); // and nothing else in its turn
      await commitTurn(store);
      for (const number of [8, 9]) store.loadEntry(asKey(`k${number}`), entryNumber(30)); // an open turn's
      await subject.reopen();
      store = subject.store();
      assert.deepEqual(plainEntry(store.readEntry(asKey('k8'))), plainEntry(entryNumber(8)));
      assert.equal(store.readEntry(asKey('k9')), undefined);
    });

    it('is not busy when nothing is under way', async () => {
      assert.equal(store.isBusy(), false);
      await store.whenReady();
    });

    it('does as a plain map does, through any operations, folds and restarts', async function () {
      this.timeout(60_000);
      await fc.assert(
        fc.asyncProperty(storeOperations(), async (operations) => {
          const fresh = await openSubject();
          try {
            const model = createModel();
            for (const operation of operations) {
              if (operation.kind === 'reopen') await fresh.reopen();
              if (operation.kind === 'settle') await fresh.settle(operation.wait);
              await applyToModel(fresh.store(), model, operation);
            }
            await applyToModel(fresh.store(), model, { kind: 'commit', wait: true });
            await fresh.settle(true);
            compareWhole(fresh.store(), model);
            await fresh.reopen();
            compareWhole(fresh.store(), model);
          } finally {
            await fresh.close();
          }
        }),
        { numRuns: fuzzRuns },
      );
    });
  });
}

function compareWhole(store: Store, model: StoreModel): void {
  assert.deepEqual(listEntries(store.entries({})), modelEntries(model, {}));
  assert.deepEqual(
    [...store.states('')],
    [...model.states].sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  for (const [sequence, key] of model.rows) assert.equal(store.readRow(ORIGIN, sequence), key);
}
