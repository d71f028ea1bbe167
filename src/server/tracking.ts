/**
 * CLIENT TRACKING: tells clients that keep copies of values when these change, wherever they were written.
 *
 * Owns who tracks and how, and what each is told when. Leaves the words of the command to trackingCommands.ts, the memory of who read what to
 * trackingTable.ts, and order against held replies to connection.ts. What changes (a write here, an update of another peer, an expiry, a joined
 * checkpoint) comes from the backend's watchers. Invariant: a client is told of a change after every reply that shows the value before it, and in
 * the turn in which the new value can first be read; of what it wrote itself before the reply to that. Told too often is harmless; too little is not.
 */
import type { Key } from '../core/types.ts';
import type { Backend } from '../peer/backend.ts';
import { keysOf } from './command.ts';
import type { ClientState, Command, CommandContext, LateReply } from './command.ts';
import type { ReplyWriter } from './reply.ts';
import { createReplyWriter } from './reply.ts';
import type { Request } from './requestParser.ts';
import type { ServerCounters } from './serverCounters.ts';
import { INVALIDATION_CHANNEL } from './subscribeCommands.ts';
import { createTrackingTable } from './trackingTable.ts';

/** Keys that clients may be remembered to have read, count (Redis's tracking-table-max-keys). */
export const DEFAULT_MAX_TRACKED_KEYS = 1_000_000;
/** Keys told in one frame to who tracks prefixes, count. */
const BROADCAST_KEYS = 1000;
/** First size of the buffer that a client's own invalidations are written to, bytes. */
const FRAMES_BYTES = 4 * 1024;

/** How one client tracks. */
export interface ClientTracking {
  /** Who is told instead: the number of a connection, or 0. */
  readonly redirect: number;
  /** BCAST: told of every key with a prefix, read or not. */
  readonly isBroadcast: boolean;
  /** OPTIN: only what is read right after CLIENT CACHING YES is tracked. */
  readonly isOptIn: boolean;
  /** OPTOUT: all but what is read right after CLIENT CACHING NO. */
  readonly isOptOut: boolean;
  /** NOLOOP: not told of what it wrote itself. */
  readonly isNoLoop: boolean;
  readonly prefixes: ReadonlySet<Key>;
  /** CLIENT CACHING was said for the next command. */
  isCaching: boolean;
  /** The connection that `redirect` names has gone. */
  isBroken: boolean;
}

export interface TrackingReport {
  readonly clients: number;
  readonly keys: number;
  readonly pairs: number;
  readonly prefixes: number;
  /** Memory of keys and pairs, estimated. */
  readonly bytes: number;
}

export interface Tracking {
  /** Whether anybody tracks. While nobody does, commands run as if there were no tracking. */
  readonly isActive: boolean;
  /** From now on the client tracks so; what it has read stays remembered. */
  start(client: ClientState, how: ClientTracking): void;
  stop(client: ClientState): void;
  /** Remembers what a command is about to read, if its client tracks: for commands of a transaction, which is run as one. */
  noteReads(command: Command, client: ClientState, request: Request): void;
  /** Runs a command: what it reads is remembered, what it changes is told. */
  run(command: Command, context: CommandContext, request: Request): LateReply | undefined;
  report(): TrackingReport;
}

interface TrackingParts {
  readonly backend: Backend;
  readonly counters: ServerCounters;
  readonly maxTrackedKeys: number;
  readonly findClient: (id: number) => ClientState | undefined;
}

/** The command that runs: whose it is, and what its client is to be told before the reply. */
interface Writing {
  readonly client: ClientState;
  readonly isToldBefore: boolean;
}

export function createTracking({ backend, counters, maxTrackedKeys, findClient }: TrackingParts): Tracking {
  const clients = new Set<ClientState>();
  const table = createTrackingTable<ClientState>(maxTrackedKeys, (key, readers) => {
    counters.trackedKeysEvicted += 1;
    for (const reader of readers) tell(reader, [key]);
  });
  /** Who tracks a prefix, by its length and then by itself: few lengths are looked at for each key, however many prefixes there are. */
  const prefixes = new Map<number, Map<Key, Set<ClientState>>>();
  /** Changed keys with a prefix that is tracked, not told yet. */
  const broadcast = new Map<Set<ClientState>, Key[]>();
  let isBroadcastDue = false;
  let writing: Writing | undefined;
  const frames = createReplyWriter(Number.POSITIVE_INFINITY, FRAMES_BYTES);
  let endWatch: (() => void) | undefined;

  function start(client: ClientState, how: ClientTracking): void {
    client.tracking = how;
    clients.add(client);
    tracking.isActive = true;
    endWatch ??= backend.watchKeys('' as Key, ({ key }) => {
      onChange(key);
    });
    for (const prefix of how.prefixes) {
      const ofLength = prefixes.get(prefix.length) ?? new Map<Key, Set<ClientState>>();
      prefixes.set(prefix.length, ofLength);
      const who = ofLength.get(prefix) ?? new Set();
      ofLength.set(prefix, who.add(client));
    }
  }

  function stop(client: ClientState): void {
    const { tracking: how } = client;
    if (how === undefined) return;
    client.tracking = undefined;
    table.forget(client);
    for (const prefix of how.prefixes) endPrefix(client, prefix);
    clients.delete(client);
    if (clients.size > 0) return;
    tracking.isActive = false;
    endWatch?.();
    endWatch = undefined;
  }

  function endPrefix(client: ClientState, prefix: Key): void {
    const ofLength = prefixes.get(prefix.length);
    const who = ofLength?.get(prefix);
    who?.delete(client);
    if (who?.size === 0) ofLength?.delete(prefix);
    if (ofLength?.size === 0) prefixes.delete(prefix.length);
  }

  function run(command: Command, context: CommandContext, request: Request): LateReply | undefined {
    if (command.flags.includes('write')) return runWrite(command, context, request);
    noteReads(command, context.client, request);
    return command.run?.(context, request);
  }

  /** Before the keys are read: what changes while a read takes its time is told before its reply, and a client drops what was overtaken. */
  function noteReads(command: Command, client: ClientState, request: Request): void {
    const how = client.tracking;
    if (how === undefined || how.isBroadcast || !command.flags.includes('readonly')) return;
    if (how.isOptIn ? !how.isCaching : how.isOptOut && how.isCaching) return;
    for (const key of keysOf(command, request)) table.remember(client, key);
  }

  function runWrite(command: Command, context: CommandContext, request: Request): LateReply | undefined {
    const { client, reply } = context;
    backend.tellChanges(); // what was changed before is not this client's doing: NOLOOP is about its own
    tellBroadcast();
    const isToldBefore = mayTellItself(command, client, request);
    const slot = isToldBefore ? reply.openArray() : undefined;
    writing = { client, isToldBefore };
    try {
      return command.run?.(context, request);
    } finally {
      backend.tellChanges();
      tellBroadcast();
      writing = undefined;
      if (slot !== undefined) reply.fillSlot(slot, Buffer.concat(frames.detach()));
    }
  }

  /** Whether the client could be told of its own write, on its own connection. */
  function mayTellItself(command: Command, client: ClientState, request: Request): boolean {
    const how = client.tracking;
    if (how === undefined || how.isNoLoop || how.redirect !== 0) return false;
    if (client.transaction !== undefined) return true; // what it writes its commands say
    for (const key of keysOf(command, request)) if (how.isBroadcast || table.has(client, key)) return true;
    return false;
  }

  function onChange(key: Key): void {
    for (const reader of table.take(key)) {
      // Redis forgets here that it has read the key, and tells it of nobody else's write either.
      if (isOwnLoop(reader)) table.remember(reader, key);
      else tell(reader, [key]);
    }
    for (const [length, ofLength] of prefixes) {
      const who = key.length < length ? undefined : ofLength.get(key.slice(0, length) as Key);
      if (who !== undefined) noteBroadcast(who, key);
    }
  }

  function isOwnLoop(client: ClientState): boolean {
    return client === writing?.client && client.tracking?.isNoLoop === true;
  }

  function noteBroadcast(who: Set<ClientState>, key: Key): void {
    const keys = broadcast.get(who) ?? [];
    broadcast.set(who, keys);
    keys.push(key);
    if (keys.length >= BROADCAST_KEYS) tellBroadcast();
    else if (writing === undefined && !isBroadcastDue) {
      isBroadcastDue = true;
      queueMicrotask(tellBroadcast); // all that one datagram changed in one frame
    }
  }

  function tellBroadcast(): void {
    isBroadcastDue = false;
    for (const [who, keys] of broadcast) for (const client of who) if (!isOwnLoop(client)) tell(client, keys);
    broadcast.clear();
  }

  /** One frame to who is told for `client`. */
  function tell(client: ClientState, keys: readonly Key[]): void {
    const how = client.tracking;
    if (how === undefined) return;
    if (how.redirect !== 0) {
      tellRedirected(client, how, keys);
    } else if (client.protocol === 3) {
      counters.invalidationsSent += 1;
      if (client === writing?.client && writing.isToldBefore) {
        frames.protocol = 3;
        writeInvalidation(frames, keys);
      } else {
        client.sendPush((writer) => {
          writeInvalidation(writer, keys);
        });
      }
    }
  }

  function tellRedirected(client: ClientState, how: ClientTracking, keys: readonly Key[]): void {
    const target = findClient(how.redirect);
    if (target === undefined) {
      how.isBroken = true;
      if (client.protocol === 3)
        client.sendPush((writer) => {
          writer.push(2);
          writer.bulkText('tracking-redir-broken');
          writer.integer(how.redirect);
        });
    } else if (target.protocol === 3) {
      counters.invalidationsSent += 1;
      target.sendPush((writer) => {
        writeInvalidation(writer, keys);
      });
    } else if (target.isSubscribed) {
      counters.invalidationsSent += 1;
      target.sendPush((writer) => {
        writer.push(3);
        writer.bulkText('message');
        writer.bulkText(INVALIDATION_CHANNEL);
        writeKeys(writer, keys);
      });
    }
  }

  const tracking: Tracking & { isActive: boolean } = {
    isActive: false,
    start,
    stop,
    noteReads,
    run,
    report: () => ({
      clients: clients.size,
      keys: table.keys(),
      pairs: table.pairs(),
      prefixes: [...prefixes.values()].reduce((sum, ofLength) => sum + ofLength.size, 0),
      bytes: table.sizeBytes(),
    }),
  };
  return tracking;
}

function writeInvalidation(writer: ReplyWriter, keys: readonly Key[]): void {
  writer.push(2);
  writer.bulkText('invalidate');
  writeKeys(writer, keys);
}

function writeKeys(writer: ReplyWriter, keys: readonly Key[]): void {
  writer.array(keys.length);
  for (const key of keys) writer.bulkText(key);
}
