/** A store as plain maps, and arbitrary operations to do to it and to a real one side by side. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { KeyRange, StateValue, Store } from '../../src/core/store.ts';
import type { Entry, Key } from '../../src/core/types.ts';
import { asKey, commitTurn, entryNumber, listEntries, ORIGIN, plainEntry } from './entries.ts';

interface Contents {
  entries: Map<Key, Entry>;
  rows: Map<number, Key>;
  states: Map<string, StateValue>;
  /** Rows up to and with this one are gone. */
  dropped: number;
}

export interface StoreModel extends Contents {
  /** As of the last commit: what a restart finds. */
  committed: Contents;
}

export type StoreOperation =
  | { readonly kind: 'entry'; readonly key: string; readonly number: number; readonly isTombstone: boolean }
  | { readonly kind: 'load'; readonly keys: readonly string[]; readonly number: number }
  | { readonly kind: 'row'; readonly sequence: number; readonly key: string }
  | { readonly kind: 'state'; readonly name: string; readonly value: number }
  | { readonly kind: 'removeEntry'; readonly key: string }
  | { readonly kind: 'dropRows'; readonly through: number }
  | { readonly kind: 'removeState'; readonly name: string }
  | { readonly kind: 'commit'; readonly wait: boolean }
  | { readonly kind: 'settle'; readonly wait: boolean }
  | { readonly kind: 'reopen' }
  | { readonly kind: 'scan'; readonly range: KeyRange };

export function createModel(): StoreModel {
  const contents = {
    entries: new Map<Key, Entry>(),
    rows: new Map<number, Key>(),
    states: new Map<string, StateValue>(),
    dropped: 0,
  };
  return { ...contents, committed: copyOf(contents) };
}

function copyOf({ entries, rows, states, dropped }: Contents): Contents {
  return { entries: new Map(entries), rows: new Map(rows), states: new Map(states), dropped };
}

/** Every row and state that was ever written is there, or gone, as in the model. */
function compareRowsAndStates(store: Store, model: StoreModel): void {
  for (let sequence = 1; sequence <= LAST_ROW; sequence += 37)
    assert.equal(store.readRow(ORIGIN, sequence), model.rows.get(sequence), `row ${sequence}`);
  for (const [sequence, key] of model.rows) assert.equal(store.readRow(ORIGIN, sequence), key);
  assert.deepEqual(new Map(store.states('')), model.states);
}

export function modelEntries(model: StoreModel, { from, after, before, reverse }: KeyRange): unknown[] {
  const kept = [...model.entries].filter(
    ([key]) =>
      (from === undefined || key >= from) &&
      (after === undefined || key > after) &&
      (before === undefined || key < before),
  );
  kept.sort(([a], [b]) => (a < b ? -1 : 1));
  if (reverse === true) kept.reverse();
  return kept.map(([key, entry]) => [key, plainEntry(entry)]);
}

/** Does the operation to both and compares. `settle` and `reopen` are done to the store by the caller. */
export async function applyToModel(
  store: Store,
  model: StoreModel,
  operation: StoreOperation,
): Promise<void> {
  switch (operation.kind) {
    case 'entry': {
      const entry = entryNumber(operation.number, operation.isTombstone ? 'tombstone' : 'value');
      store.writeEntry(asKey(operation.key), entry);
      model.entries.set(asKey(operation.key), entry);
      assert.deepEqual(plainEntry(store.readEntry(asKey(operation.key))), plainEntry(entry));
      return;
    }
    case 'load':
      for (const [at, key] of operation.keys.entries()) {
        const entry = entryNumber(operation.number + at);
        store.loadEntry(asKey(key), entry);
        model.entries.set(asKey(key), entry);
        assert.deepEqual(plainEntry(store.readEntry(asKey(key))), plainEntry(entry));
      }
      return;
    case 'removeEntry':
      store.removeEntry(asKey(operation.key));
      model.entries.delete(asKey(operation.key));
      assert.equal(store.readEntry(asKey(operation.key)), undefined);
      return;
    case 'dropRows':
      store.dropRows(ORIGIN, operation.through);
      model.dropped = Math.max(model.dropped, operation.through);
      for (const sequence of model.rows.keys()) if (sequence <= model.dropped) model.rows.delete(sequence);
      return;
    case 'removeState':
      store.removeState(operation.name);
      model.states.delete(operation.name);
      assert.equal(store.readState(operation.name), undefined);
      return;
    case 'row':
      if (operation.sequence <= model.dropped) return; // the core never does
      store.writeRow(ORIGIN, operation.sequence, asKey(operation.key));
      model.rows.set(operation.sequence, asKey(operation.key));
      return;
    case 'state':
      store.writeState(operation.name, operation.value);
      model.states.set(operation.name, operation.value);
      return;
    case 'commit': {
      model.committed = copyOf(model);
      const durable = commitTurn(store);
      if (operation.wait) await durable;
      return;
    }
    case 'reopen':
      Object.assign(model, copyOf(model.committed));
      compareRowsAndStates(store, model);
      assert.deepEqual(listEntries(store.entries({})), modelEntries(model, {}));
      return;
    case 'settle':
    case 'scan': {
      const range = operation.kind === 'scan' ? operation.range : {};
      compareRowsAndStates(store, model);
      assert.deepEqual(listEntries(store.entries(range)), modelEntries(model, range));
      return;
    }
  }
}

/** Few keys, so that they meet again; the bytes that are first and last, so that orders and prefixes are tried. */
const keys = fc
  .array(fc.constantFrom('\x00', 'a', '\xff'), { maxLength: 3 })
  .map((characters) => characters.join(''));

const ranges: fc.Arbitrary<KeyRange> = fc.record(
  { from: keys.map(asKey), after: keys.map(asKey), before: keys.map(asKey), reverse: fc.boolean() },
  { requiredKeys: [] },
);

/** Highest sequence of a row. */
const LAST_ROW = 5_000;

const numbers = fc.integer({ min: 1, max: 1_000_000 });
/** Mostly in order, as they are meant to come. */
const loads = fc
  .tuple(fc.array(keys, { maxLength: 6 }), fc.integer({ min: 0, max: 3 }))
  .map(([some, chance]) => (chance === 0 ? some : [...some].sort()));
const arbitraries: Record<StoreOperation['kind'], fc.Arbitrary<StoreOperation>> = {
  entry: fc.record({ kind: fc.constant('entry'), key: keys, number: numbers, isTombstone: fc.boolean() }),
  load: fc.record({ kind: fc.constant('load'), keys: loads, number: numbers }),
  row: fc.record({ kind: fc.constant('row'), sequence: fc.integer({ min: 1, max: LAST_ROW }), key: keys }),
  state: fc.record({ kind: fc.constant('state'), name: keys, value: numbers }),
  removeEntry: fc.record({ kind: fc.constant('removeEntry'), key: keys }),
  dropRows: fc.record({ kind: fc.constant('dropRows'), through: fc.integer({ min: 1, max: 3_000 }) }),
  removeState: fc.record({ kind: fc.constant('removeState'), name: keys }),
  commit: fc.record({ kind: fc.constant('commit'), wait: fc.boolean() }),
  settle: fc.record({ kind: fc.constant('settle'), wait: fc.boolean() }),
  reopen: fc.record({ kind: fc.constant('reopen') }),
  scan: fc.record({ kind: fc.constant('scan'), range: ranges }),
};

export function storeOperations(): fc.Arbitrary<readonly StoreOperation[]> {
  const { entry, load, row, state, removeEntry, dropRows, removeState, commit, settle, reopen, scan } =
    arbitraries;
  return fc.array(
    fc.oneof(
      { weight: 12, arbitrary: entry },
      { weight: 6, arbitrary: load },
      { weight: 4, arbitrary: row },
      { weight: 3, arbitrary: state },
      { weight: 4, arbitrary: removeEntry },
      { weight: 1, arbitrary: dropRows },
      { weight: 1, arbitrary: removeState },
      { weight: 5, arbitrary: commit },
      { weight: 3, arbitrary: settle },
      { weight: 1, arbitrary: reopen },
      { weight: 6, arbitrary: scan },
    ),
    { maxLength: 80 },
  );
}
