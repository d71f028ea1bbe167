/**
 * Values that a sticky client keeps beside itself, so that a key read often is not asked for each time.
 *
 * Owns what is kept, its bounds, and whether it may be served now. Telling of changes is the peer's (CLIENT TRACKING), carrying that here, and saying when
 * the peer was heard or left, is the connection's. The rule: an entry is good for the session that read it, over the connection that it was read on. So all of them go with the
 * connection, or when a token of another session is merged; one goes when the peer tells of its change, and before an own write of its key is sent.
 * Invariant: nothing is served later than `leaseMs` after the *asking* of the last question that the peer has answered. What it told before it answered has come
 * before the answer; so a hit lacks only changes that the peer took in within the lease, also when all between the two is paused, cut or late.
 */
import { LRUCache } from 'lru-cache';

export interface NearCacheSettings {
  readonly maxEntries: number;
  /** Keys and values, and what each entry costs beside them. */
  readonly maxBytes: number;
  readonly leaseMs: number;
}

export interface NearCacheCounts {
  /** Served from here. */
  readonly hits: number;
  /** Not kept. */
  readonly misses: number;
  /** Kept, but the peer was not heard of within the lease. */
  readonly doubted: number;
  /** Let go for room. */
  readonly evictions: number;
  /** Let go because they changed, or may have. */
  readonly invalidations: number;
  /** Replies not kept because their key may have changed while they were on their way. */
  readonly overtaken: number;
  readonly entries: number;
  /** Estimated. */
  readonly bytes: number;
}

/** A read on its way to the peer. Whether its reply may be kept is known when it comes. */
interface Fetch {
  readonly key: string;
  isOvertaken: boolean;
}

/** The value that a key had; undefined where it had none. */
interface Kept {
  readonly value: Buffer | undefined;
}

/** What one entry costs beside its key and value, bytes: about. */
const ENTRY_BYTES = 200;

export class NearCache {
  readonly #leaseMs: number;
  readonly #now: () => number;
  readonly #kept: LRUCache<string, Kept>;
  readonly #fetches = new Map<string, Set<Fetch>>();
  /** When the last question was asked that the peer has answered. */
  #provenAtMs = -Infinity;
  #hits = 0;
  #misses = 0;
  #doubted = 0;
  #evictions = 0;
  #invalidations = 0;
  #overtaken = 0;

  /** `now`: milliseconds that only go forward. */
  constructor({ maxEntries, maxBytes, leaseMs }: NearCacheSettings, now: () => number) {
    this.#leaseMs = leaseMs;
    this.#now = now;
    this.#kept = new LRUCache({
      max: maxEntries,
      maxSize: maxBytes,
      maxEntrySize: maxBytes,
      sizeCalculation: ({ value }, key) => ENTRY_BYTES + key.length + (value?.length ?? 0),
      dispose: (_, __, reason) => {
        if (reason === 'evict') this.#evictions += 1;
      },
    });
  }

  /** What is kept of a key, if it may be served. The bytes are not to be changed. */
  find(key: string): Kept | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) {
      this.#misses += 1;
      return undefined;
    }
    if (this.#now() - this.#provenAtMs >= this.#leaseMs) {
      this.#doubted += 1;
      return undefined;
    }
    this.#hits += 1;
    return kept;
  }

  /** A read is about to be sent; `settle` or `abandon` must follow. */
  expect(key: string): Fetch {
    const fetch = { key, isOvertaken: false };
    const present = this.#fetches.get(key);
    if (present === undefined) this.#fetches.set(key, new Set([fetch]));
    else present.add(fetch);
    return fetch;
  }

  /** Its reply: kept, unless the key may have changed since it was asked for. `value` is kept as it is, and must not be changed. */
  settle(fetch: Fetch, value: Buffer | undefined): void {
    this.abandon(fetch);
    if (fetch.isOvertaken) this.#overtaken += 1;
    else this.#kept.set(fetch.key, { value });
  }

  /** It was refused, or its reply does not count. */
  abandon(fetch: Fetch): void {
    const present = this.#fetches.get(fetch.key);
    present?.delete(fetch);
    if (present?.size === 0) this.#fetches.delete(fetch.key);
  }

  /** The peer tells that these have changed, or a write of them is about to be sent. */
  invalidate(keys: Iterable<string>): void {
    for (const key of keys) {
      if (this.#kept.delete(key)) this.#invalidations += 1;
      for (const fetch of this.#fetches.get(key) ?? []) fetch.isOvertaken = true;
    }
  }

  /** All of it may have changed: another connection, or a session that has seen more. */
  flush(): void {
    this.#invalidations += this.#kept.size;
    this.#kept.clear();
    for (const fetches of this.#fetches.values()) for (const fetch of fetches) fetch.isOvertaken = true;
  }

  /** The connection is no more: nothing is served before the next one has answered. */
  leave(): void {
    this.#provenAtMs = -Infinity;
    this.flush();
  }

  /** The peer has answered what was asked then. */
  prove(askedAtMs: number): void {
    if (askedAtMs > this.#provenAtMs) this.#provenAtMs = askedAtMs;
  }

  counts(): NearCacheCounts {
    return {
      hits: this.#hits,
      misses: this.#misses,
      doubted: this.#doubted,
      evictions: this.#evictions,
      invalidations: this.#invalidations,
      overtaken: this.#overtaken,
      entries: this.#kept.size,
      bytes: this.#kept.calculatedSize,
    };
  }
}
