/** The store in memory: the common contract, and what its driver decides. */
import assert from 'node:assert/strict';
import { openMemoryStore } from '../../src/storage/memoryStore.ts';
import { asKey, entryNumber } from './entries.ts';
import { describeStoreContract } from './storeContract.ts';

describeStoreContract(
  'the memory store',
  () => {
    let memory = openMemoryStore({ automatic: true });
    return Promise.resolve({
      store: () => memory.store,
      reopen: () => {
        memory.completeCommits();
        memory.completeFlushes();
        memory = memory.crash({ kind: 'power' });
        return Promise.resolve();
      },
      settle: () => Promise.resolve(),
      close: () => Promise.resolve(),
    });
  },
  200,
);

describe('the memory store under a driver', () => {
  function threeTurns() {
    const memory = openMemoryStore();
    const heard: string[] = [];
    for (const turn of [1, 2, 3]) {
      memory.store.writeEntry(asKey('k'), entryNumber(turn));
      memory.store.writeState(`turn ${turn}`, turn);
      memory.store.commit({
        committed: () => heard.push(`committed ${turn}`),
        durable: () => heard.push(`durable ${turn}`),
        failed: (reason) => heard.push(`failed ${turn}: ${reason.message}`),
      });
    }
    return { memory, heard };
  }

  it('reports nothing until told to, and then as much as told', async () => {
    const { memory, heard } = threeTurns();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(heard, []);
    assert.equal(memory.completeFlushes(), 0);
    assert.equal(memory.completeCommits(2), 2);
    assert.equal(memory.completeFlushes(1), 1);
    assert.deepEqual(heard, ['committed 1', 'committed 2', 'durable 1']);
    assert.deepEqual(memory.pendingTurns(), { uncommitted: 1, undurable: 1 });
  });

  it('keeps committed turns at the death of the process, durable ones at a power cut', () => {
    for (const [kind, left] of [
      ['process', 2],
      ['power', 1],
    ] as const) {
      const { memory, heard } = threeTurns();
      memory.completeCommits(2);
      memory.completeFlushes(1);
      const after = memory.crash({ kind });
      assert.equal(after.store.readEntry(asKey('k'))?.sequence, left);
      assert.equal([...after.store.states('turn')].length, left);
      assert.equal(after.store.hasChanges(), false);
      assert.equal(heard.length, 3, 'the dead are silent');
      assert.throws(() => memory.completeCommits(), /crashed/);
      assert.throws(() => {
        memory.store.writeState('late', 1);
      }, /crashed/);
    }
  });

  it('lets a turn survive whose report the crash swallowed', () => {
    const { memory } = threeTurns();
    memory.completeCommits(1);
    const after = memory.crash({ kind: 'process', survivingTurns: 1 });
    assert.equal(after.store.readEntry(asKey('k'))?.sequence, 2);
  });

  it('crashes again with what the first crash left', () => {
    const { memory } = threeTurns();
    memory.completeCommits(2);
    const after = memory.crash({ kind: 'process' }).crash({ kind: 'power' });
    assert.equal(after.store.readEntry(asKey('k'))?.sequence, 2);
  });

  it('fails a commit and all after it, once each, and reports nothing more', () => {
    const { memory, heard } = threeTurns();
    memory.completeCommits(1);
    memory.failNext(new Error('disk full'));
    assert.equal(memory.completeCommits(), 0);
    memory.store.writeState('later', 1);
    memory.store.commit({
      committed: () => heard.push('committed later'),
      durable: () => heard.push('durable later'),
      failed: () => heard.push('failed later'),
    });
    memory.completeCommits();
    memory.completeFlushes();
    const failed = [1, 2, 3].map((turn) => `failed ${turn}: disk full`);
    assert.deepEqual(heard, ['committed 1', ...failed, 'failed later']);
  });

  it('is busy for as long as the driver says', async () => {
    const memory = openMemoryStore();
    const { store } = memory;
    memory.setBusy(true);
    let isReady = false;
    const ready = store.whenReady().then(() => {
      isReady = true;
    });
    await Promise.resolve();
    assert.deepEqual([store.isBusy(), isReady], [true, false]);
    memory.setBusy(false);
    await ready;
    assert.equal(store.isBusy(), false);
  });
});
