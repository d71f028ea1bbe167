/**
 * What a peer lists of keys of which some are counters: in any range each visible key once, in order, with what readers of that key see; and how many keys there are.
 *
 * What a counter must show is counterGhost.ts's. What must be listed is found from the entries one by one, never from a merged walk. Invariant: of cells no reader hears.
 */
import { shownEntries } from '../core/counted.ts';
import { isVisible } from '../core/expiry.ts';
import { isHidden } from '../core/hiddenKeys.ts';
import { countKeys } from '../core/state.ts';
import type { KeyRange } from '../core/store.ts';
import type { Key } from '../core/types.ts';
import { aroundHidden } from '../peer/keyRange.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { VirtualPeer } from './virtualPeer.ts';

/** What a peer must show at a key that clients count. */
type ShownAt = (peer: VirtualPeer, key: Key) => string | undefined;

/** All, and parts that begin or end with a counter, between, or at what nobody writes, both ways. */
function rangesOver([first, second, third]: readonly [Key, Key, Key]): readonly KeyRange[] {
  const between = `${first}\0` as Key;
  const forward: readonly KeyRange[] = [
    {},
    { after: second },
    { from: second },
    { before: second },
    { from: first, before: third },
    { after: between, before: third },
    { from: 'l' as Key },
  ];
  return forward.flatMap((range) => [range, { ...range, reverse: true }]);
}

/** Looks at one range, another with each `turn`, and at the number of keys. */
export function assertListed(
  peer: VirtualPeer,
  counters: readonly [Key, Key, Key],
  shownAt: ShownAt,
  turn: number,
): void {
  const ranges = rangesOver(counters);
  const wanted = new Map<Key, string>();
  let count = 0;
  for (const [key, entry] of peer.disk.store.entries({})) {
    if (isHidden(key) || counters.includes(key)) continue;
    if (entry.kind === 'value') count += 1;
    if (isVisible(peer.state, peer.now(), entry)) wanted.set(key, textOf(entry.value));
  }
  for (const key of counters) {
    const shown = shownAt(peer, key);
    // An entry that is over counts until that has been noticed.
    if (shown !== undefined || peer.disk.store.readEntry(key)?.kind === 'value') count += 1;
    if (shown !== undefined) wanted.set(key, shown);
  }
  if (countKeys(peer.state) !== count)
    throw broken(peer, `says that it has ${countKeys(peer.state)} keys, and has ${count}`);
  assertRange(peer, ranges[turn % ranges.length] ?? {}, wanted);
}

function assertRange(peer: VirtualPeer, range: KeyRange, wanted: ReadonlyMap<Key, string>): void {
  const { after, from, before, reverse } = range;
  const due = [...wanted]
    .filter(([key]) => (after === undefined || key > after) && (from === undefined || key >= from))
    .filter(([key]) => before === undefined || key < before)
    .sort(([one], [other]) => (one < other ? -1 : 1));
  if (reverse === true) due.reverse();
  const listed = aroundHidden(range).flatMap((part) =>
    Array.from(
      shownEntries(peer.state, peer.now(), part),
      ([key, { value }]) => [key, textOf(value)] as const,
    ),
  );
  for (let at = 0; at < Math.max(due.length, listed.length); at += 1) {
    const [one, other] = [describe(due[at]), describe(listed[at])];
    if (one === other) continue;
    throw broken(peer, `lists ${other}, and ${one} is to come there, in ${JSON.stringify(range)}`);
  }
}

function describe(pair: readonly [Key, string] | undefined): string {
  return pair === undefined ? 'nothing' : `${JSON.stringify(pair[0])} = ${JSON.stringify(pair[1])}`;
}

function textOf(value: Uint8Array): string {
  return Buffer.from(value).toString('latin1');
}

function broken(peer: VirtualPeer, what: string): BrokenInvariant {
  return new BrokenInvariant('counters', `${peer.address} ${what}`);
}
