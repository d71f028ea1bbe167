/**
 * Which versions of the protocol the members read, as their packets say, and in which one each thing is said to them.
 *
 * Owns what is known of each member's present process, and who shares no version with this peer. Fed with genuine packets alone, also
 * with those that are not understood: two peers that do not understand each other yet find out that way what they could speak. Keeps:
 * what is said to all is read by every member that was heard lately; a member that was upgraded or put back is believed from its first
 * packet on; of an earlier process nothing counts.
 */
import type { Incarnation, PeerId } from '../core/types.ts';
import { highestCommon, isInRange, OWN_VERSIONS, versionFor, versionForAll } from '../wire/versions.ts';
import type { VersionRange } from '../wire/versions.ts';

/** `shared`: it can be spoken to, as at first or again. */
export type VersionsVerdict = 'apart' | 'shared';

interface VersionsStatus {
  readonly reads: VersionRange;
  /** In which one it speaks to all. */
  readonly toAll: number;
  /** By id: what members that were heard lately read, and in which version they are spoken to; null: in none that they read. */
  readonly members: Readonly<
    Record<string, { readonly reads: VersionRange; readonly spoken: number | null }>
  >;
}

interface Known {
  incarnation: Incarnation;
  reads: VersionRange;
  heardMs: number;
}

export class PeerVersions {
  #own = OWN_VERSIONS;
  readonly #silenceMs: number;
  readonly #nowMs: () => number;
  readonly #known = new Map<PeerId, Known>();

  /** `silenceMs`: who was not heard for so long does not count. `nowMs`: monotonic. */
  constructor(silenceMs: number, nowMs: () => number) {
    this.#silenceMs = silenceMs;
    this.#nowMs = nowMs;
  }

  /** What this peer reads itself. */
  open(own: VersionRange): void {
    this.#own = own;
  }

  /** A genuine packet of a member has come. Answers what has changed with it. */
  note(id: PeerId, incarnation: Incarnation, reads: VersionRange): VersionsVerdict | undefined {
    const known = this.#known.get(id);
    if (known === undefined) {
      this.#known.set(id, { incarnation, reads, heardMs: this.#nowMs() });
      return this.#isApart(reads) ? 'apart' : undefined;
    }
    if (incarnation < known.incarnation) return undefined;
    const wasApart = this.#isApart(known.reads);
    known.incarnation = incarnation;
    known.reads = reads;
    known.heardMs = this.#nowMs();
    const isApart = this.#isApart(reads);
    if (isApart === wasApart) return undefined;
    return isApart ? 'apart' : 'shared';
  }

  /** In which version to speak to one peer, also if it was silent for long. */
  toOne(id: PeerId): number {
    return versionFor(this.#own, this.#known.get(id)?.reads);
  }

  toAll(): number {
    // As long as there is one version there is nothing to choose, and this is asked for each datagram.
    if (this.#own.lowest === this.#own.highest) return this.#own.lowest;
    return versionForAll(
      this.#own,
      this.#present().map(([, { reads }]) => reads),
    );
  }

  /** Members that do not read what is said to all in `version`, and would read another one. */
  missedBy(version: number): readonly PeerId[] {
    if (this.#own.lowest === this.#own.highest) return [];
    return this.#present()
      .filter(([, { reads }]) => !isInRange(reads, version) && !this.#isApart(reads))
      .map(([id]) => id);
  }

  describe(): VersionsStatus {
    const members = this.#present().map(([id, { reads }]) => {
      const spoken = highestCommon(this.#own, reads) ?? null;
      return [id, { reads, spoken }] as const;
    });
    return { reads: this.#own, toAll: this.toAll(), members: Object.fromEntries(members) };
  }

  #present(): (readonly [PeerId, Known])[] {
    const sinceMs = this.#nowMs() - this.#silenceMs;
    return [...this.#known].filter(([, { heardMs }]) => heardMs >= sinceMs);
  }

  #isApart(reads: VersionRange): boolean {
    return highestCommon(this.#own, reads) === undefined;
  }
}
