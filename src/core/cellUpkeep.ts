/**
 * What keeps counters small (protocol.md, section 10): a peer takes what its former processes counted into its own cell, and cells that can never count again are deleted.
 *
 * At each HEARTBEAT, a bounded number of them. Invariants: a cell is absorbed only when all that survives of all former incarnations of its id is here, and in one update with the sum that it is in; a cell is
 * deleted only when what it is dead by is on every disk, so that nobody writes it any more, and its deletion changes no total anywhere.
 */
import { isSameBase, type Counter, type HeldCell } from './cells.ts';
import { isFolded } from './closures.ts';
import type { Now } from './clock.ts';
import { cellKey, encodeCell } from './counterCells.ts';
import { absorbCells, type Standing } from './counting.ts';
import { isEverywhere } from './everywhere.ts';
import { findOwn } from './increment.ts';
import { liveIds } from './liveness.ts';
import type { PeerState } from './state.ts';
import { compareTags, type Incarnation, type Key } from './types.ts';
import { findWriteRefusal, writeUnasked } from './write.ts';

/** The live member with the lowest id cleans at once; each next one after so many HEARTBEAT periods more: if the one before has not, it may not see what is to be cleaned. */
const PERIODS_A_RANK = 8;
/** Ranks beyond wait no longer. */
const MAX_RANK = 4;

export function keepCells(state: PeerState, now: Now): void {
  const { cells } = state;
  if (cells.idle.size + cells.former.size === 0 || findWriteRefusal(state, now) !== undefined) return;
  if (areFormerFolded(state)) for (const key of takeTurn(state, cells.former)) absorbFormer(state, now, key);
  if (cells.idle.size === 0) return;
  const waitMs = rankOf(state) * PERIODS_A_RANK * state.settings.heartbeatMs;
  for (const key of takeTurn(state, cells.idle)) cleanKey(state, now, key, waitMs);
}

/** At the end of a turn: what is known to be dead by an entry that went in it. Who told of that knew the cells to be deleted (R8), which has not come yet. */
export function cleanOverdue(state: PeerState, now: Now): void {
  const { overdue, byKey } = state.cells;
  if (overdue.size === 0 || findWriteRefusal(state, now) !== undefined) return;
  const keys = [...overdue];
  overdue.clear();
  for (const key of keys) {
    const counter = byKey.get(key);
    for (const [at, cell] of counter?.cells.entries() ?? [])
      if (counter?.standings[at] === 'dead') clean(state, now, cell);
  }
}

/** So many of a set; the next time others come first. */
function takeTurn({ settings }: PeerState, keys: Set<Key>): readonly Key[] {
  const taken: Key[] = [];
  for (const key of keys) {
    if (taken.length >= settings.limits.sweepEntries) break;
    taken.push(key);
  }
  for (const key of taken) {
    keys.delete(key);
    keys.add(key);
  }
  return taken;
}

/** Of one that is not folded something may come that has absorbed what is here already: it would count twice. */
function areFormerFolded({ closures, self }: PeerState): boolean {
  return isFolded(closures, self.id, (self.incarnation - 1) as Incarnation);
}

function absorbFormer(state: PeerState, now: Now, key: Key): void {
  const counter = state.cells.byKey.get(key);
  const former = counter === undefined ? [] : formerOf(state, counter);
  const [first] = former;
  if (first === undefined) return;
  // One base at a time; the others have their turn at the next HEARTBEAT.
  const { base } = first;
  const own = findOwn(state, counter, base);
  const absorbed = absorbCells(
    own,
    former.filter((cell) => isSameBase(cell.base, base)),
  );
  const hidden = own?.hidden ?? cellKey({ ...state.self, key, base });
  writeUnasked(state, now, hidden, encodeCell(absorbed), first.entry.expiresAt);
  state.counters.cellsAbsorbed += 1;
}

function formerOf({ self }: PeerState, { cells, standings }: Counter): readonly HeldCell[] {
  return cells.filter(
    ({ id, incarnation }, at) =>
      standings[at] === 'counted' && id === self.id && incarnation < self.incarnation,
  );
}

/** How many live members have a lower id. */
function rankOf(state: PeerState): number {
  return Math.min(MAX_RANK, liveIds(state).filter((id) => id < state.self.id).length);
}

function cleanKey(state: PeerState, now: Now, key: Key, waitMs: number): void {
  const counter = state.cells.byKey.get(key);
  if (counter === undefined) return;
  for (const [at, cell] of counter.cells.entries()) {
    if (!isOver(state, counter, cell, counter.standings[at])) continue;
    cell.fate.overSinceMs ??= now.monotonicMs;
    if (now.monotonicMs - cell.fate.overSinceMs < waitMs) continue;
    clean(state, now, cell);
  }
}

function clean(state: PeerState, now: Now, { hidden }: HeldCell): void {
  writeUnasked(state, now, hidden, undefined, 0);
  state.counters.cellsCleaned += 1;
}

/** Whether it can never count again, wherever it is. */
function isOver(
  state: PeerState,
  { entry }: Counter,
  { killedBy, base }: HeldCell,
  standing: Standing | undefined,
): boolean {
  switch (standing) {
    case 'dead':
      return killedBy !== undefined && isEverywhere(state, killedBy);
    case 'waiting':
      // All that was written until then is here, or is lost (R6): of this value something newer came, or nobody ever had it, as nobody had the deletion where an older value is seen that stays.
      // Where it ends by time, others may have counted on after that; one that is over by time ends its cells by the same time.
      if (base.timestamp > state.horizon) return false;
      if (base.kind === 'zero') return entry?.expiresAt === 0;
      return entry === undefined || compareTags(entry, base) !== 0;
    default:
      return false;
  }
}
