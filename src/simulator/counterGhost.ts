/**
 * What counters must show, from a list of the increments that were taken: never from the sums that cells hold.
 *
 * Keeps for each update of a cell which increments are in it: those that were in what it replaced, the one that it was made for, and, where it says that it has absorbed former cells, those that
 * were in these where that was done. What a peer must show follows from the updates that it holds, each increment once; the rule which cells count is written here anew, on purpose. Amounts are whole
 * numbers of the least that a counter can differ by.
 */
import {
  AFTER_CELLS,
  CELL_PREFIX,
  decodeCell,
  decodeCellKey,
  type CellName,
  type CounterBase,
} from '../core/counterCells.ts';
import { isVisible } from '../core/expiry.ts';
import { compareTags, type Entry, type Key, type Origin, type Tag } from '../core/types.ts';
import type { Written } from './truth.ts';
import type { VirtualPeer } from './virtualPeer.ts';

export interface Increment {
  readonly written: Written;
  readonly by: bigint;
}

/** What is in a cell as one update left it. */
export interface Version {
  readonly previous: Version | undefined;
  readonly increment: Increment | undefined;
  /** Of former cells that it has absorbed. */
  readonly taken: readonly Version[];
  /** Of all that is in it. */
  readonly sum: bigint;
  /** Whether it, or one before it, has taken any: then two cells may have an increment in common. */
  readonly hasTaken: boolean;
}

/** A cell that a peer holds. */
export interface HeldVersion {
  readonly name: CellName;
  readonly version: Version;
}

/** What is at a key for who counts: the entry, and the newest that this process had if that was let go of. */
interface Standing {
  readonly entry: Entry | undefined;
  readonly ended: Tag | undefined;
}

/** Places behind the point that a counter can have. */
const PLACES = 17;
/** One, as an amount. */
export const ONE = 10n ** BigInt(PLACES);
const AMOUNT = new RegExp(`^(-?)(\\d+)(?:\\.(\\d{1,${PLACES}}))?$`);

export interface CounterGhost {
  /** Of updates by their names, which increments are in them. */
  readonly versions: ReadonlyMap<string, Version>;
  /** An increment was taken, with this update in place of that entry. */
  noteIncrement(written: Written, replaced: Entry | undefined, by: bigint): void;
  /** Looks at what a step of a peer has written. Answers which keys that clients count are others now. */
  noteStep(peer: VirtualPeer): ReadonlySet<Key>;
  /** A process begins, or has joined a checkpoint: all that it knows is on its disk. */
  forget(peer: VirtualPeer): void;
  /** What readers must be shown at a peer; undefined for nothing. */
  readonly shownAt: (peer: VirtualPeer, key: Key) => string | undefined;
  /** Whether what is shown there has been counted by this process too. */
  hasOwnCounted(peer: VirtualPeer, key: Key): boolean;
  /** The cells that a peer holds of a key, of all bases. */
  heldAt(peer: VirtualPeer, key: Key): readonly HeldVersion[];
}

export function createCounterGhost(): CounterGhost {
  const versions = new Map<string, Version>();
  /** Of each key the cells that any peer ever wrote, by their hidden keys. */
  const cells = new Map<Key, Map<Key, CellName>>();
  /** The newest entry of each key that a process had, as long as it knows of it. */
  const newest = new WeakMap<object, Map<Key, Entry>>();

  function find(entry: Entry | undefined): Version | undefined {
    return entry?.kind === 'value' ? versions.get(nameOf(entry)) : undefined;
  }

  function note(hidden: Key, entry: Entry, version: Version): void {
    versions.set(nameOf(entry), version);
    const name = decodeCellKey(hidden);
    if (name === undefined) throw new Error(`${hidden} is no cell`);
    const known = cells.get(name.key);
    if (known === undefined) cells.set(name.key, new Map([[hidden, name]]));
    else known.set(hidden, name);
  }

  /** The versions that a peer holds of the former cells that a new one says it has absorbed. */
  function takenBy({ disk }: VirtualPeer, hidden: Key, entry: Entry): readonly Version[] {
    const [name, absorbed] = [decodeCellKey(hidden), decodeCell(entry.value)?.absorbed ?? 0];
    if (name === undefined || absorbed === 0) return [];
    return [...(cells.get(name.key) ?? [])].flatMap(([other, former]) => {
      if (former.id !== name.id || !isSameBase(former.base, name.base)) return [];
      if (former.incarnation > absorbed || former.incarnation >= name.incarnation) return [];
      return find(disk.store.readEntry(other)) ?? [];
    });
  }

  /** Absorbed, or stamped anew. */
  function noteOther(peer: VirtualPeer, hidden: Key, replaced: Entry | undefined, entry: Entry): void {
    const previous = find(replaced);
    const known = new Set(previous === undefined ? [] : incrementsOf(previous));
    const taken = takenBy(peer, hidden, entry);
    let sum = previous?.sum ?? 0n;
    for (const one of new Set(taken.flatMap((version) => [...incrementsOf(version)])))
      if (!known.has(one)) sum += one.by;
    const hasTaken = previous?.hasTaken === true || taken.length > 0;
    note(hidden, entry, { previous, increment: undefined, taken, sum, hasTaken });
  }

  function heldAt({ disk }: VirtualPeer, key: Key): readonly HeldVersion[] {
    const held: HeldVersion[] = [];
    for (const [hidden, name] of cells.get(key) ?? []) {
      const version = find(disk.store.readEntry(hidden));
      if (version !== undefined) held.push({ name, version });
    }
    return held;
  }

  function standingAt({ disk, state }: VirtualPeer, key: Key): Standing {
    const entry = disk.store.readEntry(key);
    const known = newest.get(state)?.get(key);
    return { entry, ended: entry === undefined || entry.kind === 'synthetic' ? known : entry };
  }

  /** A peer knows what ended cells while there are any: of a disk that is older than a round by which all had it, later increments upon what was ended may come. */
  function isKnownAt(peer: VirtualPeer, key: Key): boolean {
    return peer.disk.store.readEntry(key) !== undefined || heldAt(peer, key).length > 0;
  }

  /** Which value readers see, and the cells that count upon it, or upon none. */
  function countedAt(
    peer: VirtualPeer,
    key: Key,
  ): { readonly seen: Entry | undefined; readonly counted: readonly HeldVersion[] } {
    const { entry, ended } = standingAt(peer, key);
    const seen = entry !== undefined && isVisible(peer.state, peer.now(), entry) ? entry : undefined;
    const counted = heldAt(peer, key).filter(({ name: { base } }) =>
      seen === undefined ? base.kind === 'zero' && !isEnded(base, ended) : isUpon(base, seen),
    );
    return { seen, counted };
  }

  return {
    versions,
    heldAt,
    hasOwnCounted: (peer, key) => countedAt(peer, key).counted.some(({ name }) => isBy(peer, name)),
    noteIncrement(written, replaced, by) {
      const previous = find(replaced);
      note(written.key, written.entry, {
        previous,
        increment: { written, by },
        taken: [],
        sum: (previous?.sum ?? 0n) + by,
        hasTaken: previous?.hasTaken === true,
      });
    },
    noteStep(peer) {
      const changed = new Set<Key>();
      let known = newest.get(peer.state);
      if (known === undefined) newest.set(peer.state, (known = new Map<Key, Entry>()));
      for (const { key, before, entry } of peer.touched.entries) {
        const counted = isCell(key) ? decodeCellKey(key)?.key : key;
        if (counted === undefined || !isCounter(counted)) continue;
        changed.add(counted);
        if (counted === key) {
          if (entry.kind !== 'synthetic') known.set(key, entry);
        } else if (entry.kind === 'value' && isBy(peer, entry) && !versions.has(nameOf(entry)))
          noteOther(peer, key, before, entry);
      }
      for (const { key } of peer.touched.removed) if (isCounter(key)) changed.add(key);
      for (const key of changed) if (!isKnownAt(peer, key)) known.delete(key);
      return changed;
    },
    forget: ({ state }) => void newest.delete(state),
    shownAt(peer, key) {
      const { seen, counted } = countedAt(peer, key);
      const text = seen === undefined ? undefined : Buffer.from(seen.value).toString();
      return counted.length === 0
        ? text
        : addTo(
            text,
            counted.map(({ version }) => version),
          );
    },
  };
}

/** What is shown upon a text, or upon nothing. */
export function addTo(text: string | undefined, counted: readonly Version[]): string | undefined {
  const upon = parseAmount(text ?? '0');
  return upon === undefined ? text : formatAmount(upon + sumOf(counted));
}

/** Each increment once, in however many of them it is. */
function sumOf(versions: readonly Version[]): bigint {
  if (!versions.some(({ hasTaken }) => hasTaken)) return versions.reduce((sum, one) => sum + one.sum, 0n);
  const all = new Set(versions.flatMap((version) => [...incrementsOf(version)]));
  return [...all].reduce((sum, { by }) => sum + by, 0n);
}

export function* incrementsOf(version: Version): IterableIterator<Increment> {
  for (let at: Version | undefined = version; at !== undefined; at = at.previous) {
    if (at.increment !== undefined) yield at.increment;
    for (const former of at.taken) yield* incrementsOf(former);
  }
}

export function parseAmount(text: string): bigint | undefined {
  const [, sign, whole, places = ''] = AMOUNT.exec(text) ?? [];
  return whole === undefined ? undefined : BigInt(`${sign ?? ''}${whole}${places.padEnd(PLACES, '0')}`);
}

export function formatAmount(amount: bigint): string {
  const digits = (amount < 0n ? -amount : amount).toString().padStart(PLACES + 1, '0');
  const places = digits.slice(-PLACES).replace(/0+$/, '');
  return `${amount < 0n ? '-' : ''}${digits.slice(0, -PLACES)}${places === '' ? '' : `.${places}`}`;
}

/** Counts upon that value. */
export function isUpon(base: CounterBase, entry: Entry): boolean {
  return base.kind === 'value' && compareTags(base, entry) === 0;
}

/** Something was written after. */
export function isEnded(base: CounterBase, by: Tag | undefined): boolean {
  return by !== undefined && compareTags(by, base) > 0;
}

function isSameBase(one: CounterBase, other: CounterBase): boolean {
  return one.kind === other.kind && compareTags(one, other) === 0;
}

const COUNTER_PREFIX = 'count.';

export function counterName(number: number): Key {
  return `${COUNTER_PREFIX}${number}` as Key;
}

function isCounter(key: Key): boolean {
  return key.startsWith(COUNTER_PREFIX);
}

function isCell(key: Key): boolean {
  return key >= CELL_PREFIX && key < AFTER_CELLS;
}

export function nameOf({ id, incarnation, sequence }: Entry): string {
  return `${id}/${incarnation}/${sequence}`;
}

function isBy({ state: { self } }: VirtualPeer, { id, incarnation }: Origin): boolean {
  return id === self.id && incarnation === self.incarnation;
}
