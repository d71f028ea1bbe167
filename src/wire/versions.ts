/**
 * Which versions of the protocol a peer reads, and in which one to speak to it.
 *
 * What differs between versions is the payload. The envelope around it (header, seal, checksum) is the same in all of them, so
 * that whatever a packet is written in, its reader learns who sent it, that it is genuine, and what that peer reads: a range
 * around the packet's own version, in six bits of the flags. Who reads one version alone has zeros there. Keeps: a peer that
 * has not been heard is spoken to in the lowest version, and one with which no version is shared is spoken to all the same, for
 * it is to learn that (RFC 8999 is where a header that all versions read is from).
 */

/** From the lowest to the highest, both included: a peer writes whatever it reads. */
export interface VersionRange {
  readonly lowest: number;
  readonly highest: number;
}

/** What this build reads and writes. A version more is a codec more in messageCodec.ts, and bytes recorded in test/wire/recorded. */
export const OWN_VERSIONS: VersionRange = { lowest: 1, highest: 1 };

/** A packet can tell of so many versions below its own, and of so many above. */
const MAX_DISTANCE = 7;
const BELOW_SHIFT = 2;
const ABOVE_SHIFT = 5;
const MAX_VERSION = 0xff;

/** The bits of the flags that say what the sender of a packet in `version` reads. */
export function packRange({ lowest, highest }: VersionRange, version: number): number {
  const isIn = lowest <= version && version <= highest;
  if (!isIn || version - lowest > MAX_DISTANCE || highest - version > MAX_DISTANCE)
    throw new Error(`version ${version} cannot be spoken by who reads ${lowest} to ${highest}`);
  return ((version - lowest) << BELOW_SHIFT) | ((highest - version) << ABOVE_SHIFT);
}

/** What the sender of a packet reads; undefined where no peer can have said so. */
export function unpackRange(flags: number, version: number): VersionRange | undefined {
  const lowest = version - ((flags >> BELOW_SHIFT) & MAX_DISTANCE);
  const highest = version + (flags >> ABOVE_SHIFT);
  return lowest < 1 || highest > MAX_VERSION ? undefined : { lowest, highest };
}

export function isInRange({ lowest, highest }: VersionRange, version: number): boolean {
  return lowest <= version && version <= highest;
}

/** The highest version that both read; undefined: there is none. */
export function highestCommon(one: VersionRange, other: VersionRange): number | undefined {
  const version = Math.min(one.highest, other.highest);
  return version >= Math.max(one.lowest, other.lowest) ? version : undefined;
}

/** In which version to speak to one peer: undefined for what is not known of it. */
export function versionFor(own: VersionRange, reader: VersionRange | undefined): number {
  return (reader === undefined ? undefined : highestCommon(own, reader)) ?? own.lowest;
}

/**
 * In which version to speak to all of `readers` at once: the highest that every one of them reads. Where there is none, the one
 * that most of them read, the higher of two, and the rest have to be told apart. Those who share no version with us do not count.
 */
export function versionForAll(own: VersionRange, readers: readonly VersionRange[]): number {
  const reachable = readers.filter((reader) => highestCommon(own, reader) !== undefined);
  if (reachable.length === 0) return own.lowest;
  let best = own.lowest;
  let most = 0;
  for (let version = own.lowest; version <= own.highest; version += 1) {
    const count = reachable.filter((reader) => isInRange(reader, version)).length;
    if (count < most) continue;
    best = version;
    most = count;
  }
  return best;
}
