/**
 * Two peers that share no version of the protocol, in an operator's words: for the log, `toposphere status` and `toposphere doctor`.
 *
 * Owns the sentences and the advice. Who is apart, peerVersions.ts finds.
 */
import type { PeerId } from '../core/types.ts';
import type { VersionRange } from '../wire/versions.ts';
import type { Log } from './logger.ts';
import type { VersionsVerdict } from './peerVersions.ts';

export interface Reader {
  /** Or several, as a list. */
  readonly id: string;
  readonly reads: VersionRange;
}

export function describeApart(one: Reader, other: Reader): string {
  const [older, newer] = inOrder(one, other);
  return `the protocol is read in version ${describeRange(older.reads)} by ${older.id}, and in version ${describeRange(newer.reads)} by ${newer.id}: nothing passes between them`;
}

export function adviseApart(one: Reader, other: Reader): string {
  const [older, newer] = inOrder(one, other);
  return `upgrade toposphere on ${older.id}, or go back on ${newer.id} to a release that reads version ${older.reads.highest}`;
}

function inOrder(one: Reader, other: Reader): readonly [older: Reader, newer: Reader] {
  return one.reads.highest < other.reads.lowest ? [one, other] : [other, one];
}

/** Says once what has changed. */
export function createVersionsLog(
  log: Log,
  own: Reader,
): (member: PeerId, reads: VersionRange, verdict: VersionsVerdict) => void {
  return (id, reads, verdict) => {
    const member = { id, reads };
    const fields = { member: id, reads: describeRange(reads), ownReads: describeRange(own.reads) };
    if (verdict === 'apart')
      log('versionsApart', `${describeApart(own, member)}; ${adviseApart(own, member)}`, fields);
    else log('versionsShared', `${own.id} and ${id} share a version of the protocol again`, fields);
  };
}

export function describeRange({ lowest, highest }: VersionRange): string {
  return lowest === highest ? `${lowest}` : `${lowest} to ${highest}`;
}
