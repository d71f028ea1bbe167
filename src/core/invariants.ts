/**
 * The invariants of protocol.md, section 11, that one peer can check on itself, numbered as there.
 *
 * I2 (SUP): a dot in have means an entry of its key with a tag at least as large, or the key was dropped.
 * I3: an entry's dot is in have (synthetic tombstones have none; of who takes no part, only once its join has ended). I6: no tag above the clock, but of what a checkpoint brought. I15: no trim above the own vector. Rows at or below
 * the trim are gone, void dots never had one; and what is counted is what is there.
 * Walks everything: for a simulator and tests, not for a running peer.
 */
import { isVoid } from './closures.ts';
import { AFTER_CELLS, CELL_PREFIX, decodeCell, decodeCellKey } from './counterCells.ts';
import { isHidden } from './hiddenKeys.ts';
import { allRanges, hasSequence } from './haveSet.ts';
import { rangesTo } from './ranges.ts';
import { isSettled, type PeerState } from './state.ts';
import { compareTags, originKey } from './types.ts';

/** What is broken, in words; empty when all holds. */
export function findBrokenInvariants(state: PeerState): string[] {
  return [...findUncoveredDots(state), ...findUnrecordedEntries(state), ...findUnindexedCells(state)];
}

/** The index of counters says what the store does. */
function* findUnindexedCells({ store, cells }: PeerState): Generator<string> {
  let held = 0;
  for (const [hidden, entry] of store.entries({ from: CELL_PREFIX, before: AFTER_CELLS })) {
    const name = decodeCellKey(hidden);
    if (entry.kind !== 'value' || name === undefined || decodeCell(entry.value) === undefined) continue;
    held += 1;
    const cell = cells.byKey.get(name.key)?.cells.find((one) => one.hidden === hidden);
    if (cell === undefined || compareTags(cell.entry, entry) !== 0 || cells.keyOf.get(hidden) !== name.key)
      yield `counters: a cell of ${name.key} is not indexed as it is held`;
  }
  let [indexed, alone] = [0, 0];
  for (const [key, { cells: ofKey, standings }] of cells.byKey) {
    indexed += ofKey.length;
    if (standings.includes('counted') && store.readEntry(key)?.kind !== 'value') alone += 1;
    if (ofKey.length === 0) yield `counters: ${key} is indexed and has no cell`;
    if (standings.some((standing) => standing !== 'counted') !== cells.idle.has(key))
      yield `counters: whether ${key} has cells that do not count is not as indexed`;
  }
  if (held !== indexed || held !== cells.count || held !== cells.keyOf.size || alone !== cells.alone)
    yield `counters: ${cells.count} cells and ${cells.alone} keys of cells alone are counted, ${held} and ${alone} are there`;
}

function* findUncoveredDots(state: PeerState): Generator<string> {
  for (const origin of state.origins.values()) {
    if (origin.trim > origin.have.contiguous) yield `I15: the trim of ${origin.key} is above its vector`;
    for (const [from, to] of rangesTo(allRanges(origin.have))) {
      for (let sequence = Math.max(from, origin.trim + 1); sequence <= to; sequence += 1) {
        if (isVoid(state.closures, origin.id, origin.incarnation, sequence)) continue;
        const key = state.store.readRow(origin.key, sequence);
        if (key === undefined) {
          yield `I2: dot ${origin.key}/${sequence} has no update-table row`;
          continue;
        }
        const entry = state.store.readEntry(key);
        if (entry === undefined && state.horizon === 0)
          yield `I2: dot ${origin.key}/${sequence} has no entry`;
      }
    }
  }
}

function* findUnrecordedEntries(state: PeerState): Generator<string> {
  let visible = 0;
  let tombstones = 0;
  let expiring = 0;
  let hidden = 0;
  for (const [key, entry] of state.store.entries({})) {
    if (entry.kind === 'value') visible += 1;
    else tombstones += 1;
    if (entry.kind === 'value' && entry.expiresAt !== 0) expiring += 1;
    if (entry.kind === 'value' && isHidden(key)) hidden += 1;
    if (entry.timestamp > Math.max(state.clock, state.aheadThrough))
      yield `I6: the tag of ${key} is above the clock`;
    if (entry.kind === 'synthetic' || isSettled(state, entry.id, entry.incarnation)) continue;
    const name = originKey(entry.id, entry.incarnation);
    const origin = state.origins.get(name);
    if (origin === undefined || !hasSequence(origin.have, entry.sequence)) {
      yield `I3: the entry of ${key} has dot ${name}/${entry.sequence}, which is not in have`;
      continue;
    }
    if (entry.sequence > origin.trim && state.store.readRow(name, entry.sequence) !== key)
      yield `I3: the row of ${name}/${entry.sequence} names another key`;
  }
  if (visible !== state.visibleKeys || tombstones !== state.tombstones.count)
    yield `counts: ${state.visibleKeys} visible and ${state.tombstones.count} tombstones are counted, ${visible} and ${tombstones} are there`;
  if (hidden !== state.hiddenKeys)
    yield `counts: ${state.hiddenKeys} values of hidden keys are counted, ${hidden} are there`;
  if (expiring !== state.expiries.count)
    yield `counts: ${state.expiries.count} values that expire are counted, ${expiring} are there`;
}
