/**
 * What must hold of counters at rest: the increments that survived, upon the base that survived, are the total, each once; and of dead cells and former incarnations nothing is left.
 *
 * Which update survives is closureWatch.ts's, which increments are in one counterGhost.ts's. Of what a second process or an older disk wrote nobody can tell once it is folded: a key of which
 * such decides is not judged.
 */
import { AFTER_CELLS, CELL_PREFIX, decodeCellKey, type CounterBase } from '../core/counterCells.ts';
import { isFolded } from '../core/closures.ts';
import { isVisible } from '../core/expiry.ts';
import { compareTags, type Entry, type Key } from '../core/types.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { ClosureWatch } from './closureWatch.ts';
import {
  addTo,
  incrementsOf,
  isEnded,
  isUpon,
  nameOf,
  type CounterGhost,
  type HeldVersion,
  type Increment,
  type Version,
} from './counterGhost.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

interface Survivors {
  /** The newest of a counter's own entries. */
  readonly entry: Entry | undefined;
  /** Of all cells, whichever base they have: each update that survived. */
  readonly versions: readonly HeldVersion[];
}

/** Throws where a peer shows something else than what survived. Answers whether that can be told. */
export function assertCountersAtRest(
  world: World,
  key: Key,
  ghost: CounterGhost,
  closures: ClosureWatch,
): boolean {
  const [first] = world.peers;
  if (first === undefined) return false;
  const survivors = findSurvivors(world, first, key, ghost, closures);
  if (survivors === undefined) return false;
  for (const peer of world.peers) assertCounts(peer, key, ghost, survivors);
  return true;
}

function assertCounts(peer: VirtualPeer, key: Key, ghost: CounterGhost, survivors: Survivors): void {
  const present = peer.disk.store.readEntry(key);
  const seen = present !== undefined && isVisible(peer.state, peer.now(), present) ? present : undefined;
  const counted = (all: readonly HeldVersion[]): readonly Version[] =>
    all.filter(({ name: { base } }) => counts(base, seen, survivors.entry)).map(({ version }) => version);
  const held = counted(ghost.heldAt(peer, key));
  const included = includedIn(held);
  for (const one of includedIn(counted(survivors.versions)))
    if (!included.has(one))
      throw new BrokenInvariant(
        'counters',
        `${peer.id} counts ${key} without ${nameOf(one.written.entry)}, which survived`,
      );
  const text = seen === undefined ? undefined : Buffer.from(seen.value).toString();
  const wanted = held.length === 0 ? text : addTo(text, held);
  const shown = ghost.shownAt(peer, key);
  if (shown === wanted) return;
  throw new BrokenInvariant(
    'counters',
    `${peer.id} shows ${shown ?? 'nothing'} at ${key}, and what survived comes to ${wanted ?? 'nothing'}`,
  );
}

/** Whether cells of a base count where readers see that value, or nothing, and that is the newest of all that survived. */
function counts(base: CounterBase, seen: Entry | undefined, newest: Entry | undefined): boolean {
  return seen === undefined ? base.kind === 'zero' && !isEnded(base, newest) : isUpon(base, seen);
}

/** Undefined where what nobody can tell the fate of would decide. */
function findSurvivors(
  world: World,
  holder: VirtualPeer,
  key: Key,
  ghost: CounterGhost,
  closures: ClosureWatch,
): Survivors | undefined {
  const { closures: folds } = holder.state;
  let newest: Entry | undefined;
  const versions: HeldVersion[] = [];
  for (const written of world.truth.all()) {
    const { key: at, entry, isOutside } = written;
    const name = at === key ? undefined : decodeCellKey(at);
    if (at !== key && name?.key !== key) continue;
    if (isOutside && isFolded(folds, entry.id, entry.incarnation)) return undefined;
    if (!closures.survives(world, holder, written)) continue;
    if (name === undefined) newest = newest === undefined || compareTags(entry, newest) > 0 ? entry : newest;
    const version = ghost.versions.get(nameOf(entry));
    if (name !== undefined && version !== undefined) versions.push({ name, version });
  }
  return { entry: newest, versions };
}

function includedIn(versions: readonly Version[]): ReadonlySet<Increment> {
  const increments = new Set<Increment>();
  const done = new Set<Version>();
  for (const last of versions)
    for (let at: Version | undefined = last; at !== undefined && !done.has(at); at = at.previous) {
      done.add(at);
      if (at.increment !== undefined) increments.add(at.increment);
      for (const former of at.taken) for (const one of incrementsOf(former)) increments.add(one);
    }
  return increments;
}

/** Whether of each counter a peer holds one cell at most for each base and member, that of its present incarnation, and none that is dead. */
export function hasTidyCells({ disk, state }: VirtualPeer): boolean {
  for (const [hidden, { kind }] of disk.store.entries({ from: CELL_PREFIX, before: AFTER_CELLS })) {
    const name = decodeCellKey(hidden);
    if (name === undefined || kind !== 'value') continue;
    const { key, base, id, incarnation } = name;
    const present = disk.store.readEntry(key);
    if (present !== undefined && present.kind !== 'synthetic' && isEnded(base, present)) return false;
    if (incarnation < (state.incarnations.get(id) ?? 0) && !state.forgotten.has(id)) return false;
  }
  return true;
}
