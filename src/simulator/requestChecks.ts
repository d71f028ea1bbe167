/**
 * What must hold of every request that was executed (I13), whoever looks at it: its record and its effects are on a disk together, and what was appended once is
 * there once in every value.
 */
import { isFolded } from '../core/closures.ts';
import { hasSequence } from '../core/haveSet.ts';
import type { RequestId } from '../core/requestRecord.ts';
import { originKey, type Dot } from '../core/types.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

/** What was really done. */
export interface Executed {
  /** The first of its updates, the record; and the last. */
  readonly record: Dot;
  readonly last: number;
  readonly reply: string;
  readonly atMs: number;
}

/** A process that starts has of its id's requests the record with its effects, or neither: they were one turn (R2). */
export function assertWhole(peer: VirtualPeer, id: RequestId, { record, last }: Executed): void {
  if (record.id !== peer.id || isFolded(peer.state.closures, record.id, record.incarnation)) return;
  const have = peer.state.origins.get(originKey(record.id, record.incarnation))?.have;
  if (have === undefined || hasSequence(have, record.sequence) === hasSequence(have, last)) return;
  throw new BrokenInvariant(
    'I13',
    `${peer.address} has the record of '${id}' without its effects, or these alone`,
  );
}

/** Whoever is answered that it was executed may look for what it changed. */
export function assertEffects(peer: VirtualPeer, id: RequestId, { record, last }: Executed): void {
  if (isFolded(peer.state.closures, record.id, record.incarnation)) return;
  const have = peer.state.origins.get(originKey(record.id, record.incarnation))?.have;
  for (let sequence = record.sequence + 1; sequence <= last; sequence += 1)
    if (have === undefined || !hasSequence(have, sequence))
      throw new BrokenInvariant('I13', `${peer.address} answers '${id}' without what it changed`);
}

/** Whatever became of their values: what was appended once is there once. */
export function assertTokensOnce(world: World): void {
  for (const { key, entry } of world.truth.all()) {
    if (!key.startsWith('append.')) continue;
    const tokens = Buffer.from(entry.value).toString().split(';').slice(0, -1);
    if (new Set(tokens).size !== tokens.length)
      throw new BrokenInvariant('I13', `${key} was written with a token twice: ${tokens.join(' ')}`);
  }
}
