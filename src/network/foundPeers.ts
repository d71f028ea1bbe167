/**
 * The peers that announced themselves lately, each by its cluster and id.
 *
 * Owns which of two announcements of one peer counts, how long it does and how many are kept. Invariant: nobody displaces what is proved better
 * (who has no key cannot hide or move a member, nor crowd it out), and of one process, or at one address, the later word counts.
 */
import { TTL_SECONDS, type Announced } from './announcement.ts';
import type { Proof } from './announcementProof.ts';

export interface Found extends Announced {
  readonly trust: Proof;
  /** Monotonic time at which it is forgotten unless it is heard again, milliseconds. */
  readonly expiresMs: number;
}

/** Peers remembered at once. */
export const MAX_FOUND = 256;

/** What became of an announcement: news, nothing new, a goodbye, or why it was refused. */
export type Taken = 'new' | 'changed' | 'same' | 'gone' | 'older' | 'lessProved' | 'tooManyPeers';

const RANKS: Readonly<Record<Proof, number>> = { right: 2, unchecked: 2, stale: 1, wrong: 0, missing: 0 };

export function buildFound(announced: Announced, trust: Proof, nowMs: number): Found {
  return { ...announced, trust, expiresMs: nowMs + 1000 * TTL_SECONDS };
}

export class FoundPeers {
  readonly #found = new Map<string, Found>();

  take(found: Found, nowMs: number): Taken {
    const key = `${found.clusterId}/${found.id}`;
    const known = this.#living(key, nowMs);
    const refusal = known && refusalOf(known, found);
    if (refusal !== undefined) return refusal;
    if (found.state === 'leaving') {
      this.#found.delete(key);
      return known === undefined ? 'same' : 'gone';
    }
    if (!this.#takeAddress(key, found)) return 'older';
    if (known === undefined && !this.#makeRoom(found.trust, nowMs)) return 'tooManyPeers';
    this.#found.set(key, found);
    if (known === undefined) return 'new';
    return isSame(known, found) ? 'same' : 'changed';
  }

  /** In order of cluster and id. */
  list(nowMs: number): readonly Found[] {
    const living = [...this.#found].filter(([, { expiresMs }]) => expiresMs > nowMs);
    return living.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, found]) => found);
  }

  #living(key: string, nowMs: number): Found | undefined {
    const known = this.#found.get(key);
    return known !== undefined && known.expiresMs > nowMs ? known : undefined;
  }

  /** One address is one process's: of two peers there, the one that said so later is, unless it proves less. */
  #takeAddress(key: string, { host, port, trust, writtenAtSeconds }: Found): boolean {
    for (const [other, there] of this.#found) {
      if (other === key || there.host !== host || there.port !== port) continue;
      if (RANKS[there.trust] > RANKS[trust]) continue;
      if (RANKS[there.trust] === RANKS[trust] && there.writtenAtSeconds > writtenAtSeconds) return false;
      this.#found.delete(other);
    }
    return true;
  }

  /** Somebody who is proved worse goes first. */
  #makeRoom(trust: Proof, nowMs: number): boolean {
    if (this.#found.size < MAX_FOUND) return true;
    for (const [key, { expiresMs }] of this.#found) if (expiresMs <= nowMs) this.#found.delete(key);
    if (this.#found.size < MAX_FOUND) return true;
    for (const [key, found] of this.#found) {
      if (RANKS[found.trust] >= RANKS[trust]) continue;
      this.#found.delete(key);
      return true;
    }
    return false;
  }
}

function refusalOf(known: Found, found: Found): 'lessProved' | 'older' | undefined {
  if (RANKS[found.trust] !== RANKS[known.trust])
    return RANKS[found.trust] < RANKS[known.trust] ? 'lessProved' : undefined;
  if (found.incarnation !== known.incarnation)
    return found.incarnation < known.incarnation ? 'older' : undefined;
  return found.writtenAtSeconds < known.writtenAtSeconds ? 'older' : undefined;
}

function isSame(known: Found, found: Found): boolean {
  return (
    known.trust === found.trust &&
    known.incarnation === found.incarnation &&
    known.host === found.host &&
    known.port === found.port &&
    known.state === found.state &&
    known.version === found.version &&
    known.membershipHash === found.membershipHash &&
    known.memberCount === found.memberCount
  );
}
