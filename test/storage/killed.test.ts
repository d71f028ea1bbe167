/** kill -9 at any moment: nothing that was reported committed is lost, and the directory opens again. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openLmdbStore } from '../../src/storage/lmdbStore.ts';
import { asKey, ORIGIN } from './entries.ts';
import { makeTemporaryDirectory } from './temporaryStores.ts';

const CHILD = fileURLToPath(new URL('committingChild.ts', import.meta.url));
const ROUNDS = 6;

/** Lets a child live for that many turns and answers the last that it reported committed. */
async function runUntilKilled(directory: string, turns: number): Promise<number> {
  const outputPath = join(directory, 'reported');
  const output = openSync(outputPath, 'w');
  const child = spawn(process.execPath, ['--import=tsx', CHILD, directory, String(turns)], {
    stdio: ['ignore', output, 'inherit'],
  });
  await once(child, 'close');
  closeSync(output);
  assert.equal(child.signalCode, 'SIGKILL');
  const lines = readFileSync(outputPath, 'latin1').trimEnd().split('\n').map(Number);
  assert.ok(lines.length >= turns, 'every turn was reported');
  return lines.at(-1) ?? 0;
}

describe('the LMDB store of a process killed with SIGKILL', function () {
  this.timeout(120_000);

  it('has every turn that was reported committed, whole, in a directory that is free again', async () => {
    const directory = makeTemporaryDirectory();
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const reported = await runUntilKilled(directory.path, 150 + 377 * round);
        const store = await openLmdbStore({ directory: directory.path, foldIdleMs: 60_000 });
        const found = store.readState('turn') as number;
        assert.ok(found >= reported, `turn ${reported} was reported, ${found} found`);
        // Whole turns: each key has the entry of the last turn that wrote it.
        const winners = new Map<string, number>();
        for (let turn = 1; turn <= found; turn++) {
          for (let index = 0; index < 3; index++) winners.set(`k${(turn * 7 + index) % 1_000}`, turn);
          assert.equal(store.readRow(ORIGIN, turn), `k${turn}`);
        }
        for (const [key, turn] of winners) assert.equal(store.readEntry(asKey(key))?.sequence, turn, key);
        assert.equal([...store.entries({})].length, winners.size);
        assert.equal(store.readRow(ORIGIN, found + 1), undefined);
        await store.close();
      }
    } finally {
      directory.remove();
    }
  });
});
