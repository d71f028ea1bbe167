/**
 * WATCH: which clients want to know whether a key changes before their EXEC.
 *
 * Owns who watches what, and who was overtaken. A change is what this peer's watchers are told: a write here, by the client itself as well, an update of another peer, an expiry, a joined checkpoint; what
 * has not reached this peer is none. Costs nothing while nobody watches. Leaves the words to transactionCommands.ts.
 * Invariant: what one client watches weighs at most the limit; whoever was overtaken stays so until `stop`.
 */
import type { Key } from '../core/types.ts';
import type { Backend } from '../peer/backend.ts';
import type { ClientState } from './command.ts';

export interface WatchedKeys {
  /** From now on the client watches these as well. False, and nothing is watched anew: together they are too many. */
  watch(client: ClientState, keys: readonly Key[]): boolean;
  /** Whether anything that the client watches has changed since. */
  hasChanged(client: ClientState): boolean;
  /** It watches nothing any more. */
  stop(client: ClientState): void;
  /** Memory of what it watches, about. */
  bytesOf(client: ClientState): number;
}

interface Watching {
  /** Each key, and whether it had an expiry when it was watched. */
  readonly keys: Map<Key, boolean>;
  bytes: number;
  isOvertaken: boolean;
}

/** Memory of a watched key beside its bytes: as measured. */
const KEY_BYTES = 192;

export function createWatchedKeys(backend: Backend, limitBytes: number): WatchedKeys {
  const watching = new Map<ClientState, Watching>();
  const watchers = new Map<Key, Set<Watching>>();
  let endWatch: (() => void) | undefined;

  /** Its keys need not be heard of any more; the verdict, if there is one, stays. */
  function release(one: Watching): void {
    for (const key of one.keys.keys()) {
      const others = watchers.get(key);
      others?.delete(one);
      if (others?.size === 0) watchers.delete(key);
    }
    one.keys.clear();
    one.bytes = 0;
    if (watchers.size > 0) return;
    endWatch?.();
    endWatch = undefined;
  }

  function onChange(key: Key): void {
    for (const one of watchers.get(key) ?? []) {
      one.isOvertaken = true;
      release(one);
    }
  }

  function add(one: Watching, key: Key): void {
    one.keys.set(key, (backend.expiryOf(key) ?? 0) > 0);
    const others = watchers.get(key) ?? new Set();
    watchers.set(key, others.add(one));
  }

  /** What is past its time is told of only when it is noticed. */
  function hasExpired({ keys }: Watching): boolean {
    for (const [key, hadExpiry] of keys) if (hadExpiry && backend.expiryOf(key) === undefined) return true;
    return false;
  }

  return {
    watch: (client, keys) => {
      backend.tellChanges(); // what was changed before is not this watch's affair
      const one = watching.get(client) ?? { keys: new Map<Key, boolean>(), bytes: 0, isOvertaken: false };
      if (one.isOvertaken) return true; // it cannot become more so
      const added = new Set(keys.filter((key) => !one.keys.has(key)));
      let bytes = one.bytes;
      for (const key of added) bytes += KEY_BYTES + key.length;
      if (bytes > limitBytes) return false;
      one.bytes = bytes;
      watching.set(client, one);
      endWatch ??= backend.watchKeys('' as Key, ({ key }) => {
        onChange(key);
      });
      for (const key of added) add(one, key);
      return true;
    },
    hasChanged: (client) => {
      const one = watching.get(client);
      if (one === undefined) return false;
      backend.tellChanges();
      return one.isOvertaken || hasExpired(one);
    },
    stop: (client) => {
      const one = watching.get(client);
      if (one === undefined) return;
      watching.delete(client);
      release(one);
    },
    bytesOf: (client) => watching.get(client)?.bytes ?? 0,
  };
}
