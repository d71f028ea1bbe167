/**
 * A process that writes and loads turns without a pause, says on its standard output (a file) which were reported committed,
 * and kills itself within such a report: no moment lies between the promise and the death. Run by killed.test.ts
 * with a directory and the number of turns to live.
 */
import { writeSync } from 'node:fs';
import { openLmdbStore } from '../../src/storage/lmdbStore.ts';
import { asKey, entryNumber, ORIGIN } from './entries.ts';

const STANDARD_OUTPUT = 1;
const [directory = '', turnsToLive = ''] = process.argv.slice(2);
// Small limits: folds are under way at any time, so the kill comes in the middle of one.
const store = await openLmdbStore({ directory, activeLimitKeys: 200, foldIdleMs: 5 });
const firstTurn = (store.readState('turn') as number | undefined) ?? 0;

let turn = firstTurn;
for (;;) {
  turn++;
  const mine = turn;
  for (let index = 0; index < 3; index++) {
    const key = asKey(`k${(mine * 7 + index) % 1_000}`);
    if (mine % 2 === 0) store.writeEntry(key, entryNumber(mine));
    else store.loadEntry(key, entryNumber(mine));
  }
  store.writeRow(ORIGIN, mine, asKey(`k${mine}`));
  store.writeState('turn', mine);
  store.commit({
    committed: () => {
      writeSync(STANDARD_OUTPUT, `${mine}\n`);
      if (mine >= firstTurn + Number(turnsToLive)) process.kill(process.pid, 'SIGKILL');
    },
    durable: () => undefined,
    failed: (reason) => {
      throw reason;
    },
  });
  await new Promise((resolve) => setImmediate(resolve));
}
