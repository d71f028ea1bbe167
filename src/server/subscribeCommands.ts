/**
 * SUBSCRIBE, PSUBSCRIBE and their opposites: which channels a connection listens to.
 *
 * Owns these four, and what a RESP2 connection may still say while it listens, as in Redis. What a connection listens to is subscriber.ts's; telling is the peer's, of the
 * channel of invalidations tracking.ts's. Invariant: each channel or pattern that is named is confirmed by a frame of its own, in order.
 */
import type { ClientState, Command, CommandContext } from './command.ts';
import { argumentsFrom, NO_KEYS } from './command.ts';
import { compileGlob } from './globPattern.ts';
import {
  countSubscriptions,
  leaveChannel,
  leavePattern,
  listenToChannel,
  listenToPattern,
} from './subscriber.ts';

/** Where a RESP2 client is told of invalidations, as in Redis. */
export const INVALIDATION_CHANNEL = '__redis__:invalidate';

const ALLOWED: ReadonlySet<string> = new Set([
  'subscribe',
  'unsubscribe',
  'psubscribe',
  'punsubscribe',
  'ping',
  'quit',
  'reset',
]);

const ORDINARY = {
  flags: ['noscript', 'loading', 'stale'],
  group: 'pubsub',
  keys: NO_KEYS,
} as const;
const LISTENS =
  'Listens on this peer to what is published at any peer that it hears. Messages of one peer come in the order in which it published them, none twice; one that was lost on the way is asked for again for 2 s (--publish-kept-ms). What is published on the other side of a cut that lasts longer never comes: nothing of it is stored. Events on keys (CONFIG SET notify-keyspace-events) each peer tells its own listeners: of the commands of its own clients by name, of what comes from other peers as set, incrby, del or expired.';
const ENDS = 'Ends on this peer; partitions do not matter.';

export const subscribeCommands: readonly Command[] = [
  {
    ...ORDINARY,
    name: 'subscribe',
    arity: -2,
    // What is told there the client's own other connection has chosen.
    touches: (request) => argumentsFrom(request, 1).filter((channel) => channel !== INVALIDATION_CHANNEL),
    syntax: 'channel [channel ...]',
    summary: 'Listen to channels',
    partition: LISTENS,
    run: (context, request) => {
      const { client, backend } = context;
      for (const channel of argumentsFrom(request, 1)) {
        listenToChannel(client, backend.subscriptions, channel);
        confirm(context, 'subscribe', channel);
      }
      return undefined;
    },
  },
  {
    ...ORDINARY,
    name: 'psubscribe',
    arity: -2,
    touches: (request) => argumentsFrom(request, 1).map((pattern) => compileGlob(pattern).prefix),
    syntax: 'pattern [pattern ...]',
    summary: 'Listen to all channels that match patterns',
    partition: LISTENS,
    run: (context, request) => {
      const { client, backend } = context;
      for (const pattern of argumentsFrom(request, 1)) {
        listenToPattern(client, backend.subscriptions, pattern);
        confirm(context, 'psubscribe', pattern);
      }
      return undefined;
    },
  },
  {
    ...ORDINARY,
    name: 'unsubscribe',
    arity: -1,
    syntax: '[channel [channel ...]]',
    summary: 'Listen no more, to the named channels or to any',
    partition: ENDS,
    run: (context, request) => {
      const { client, backend } = context;
      const named = request.count > 1 ? argumentsFrom(request, 1) : [...(client.subscriber?.channels ?? [])];
      for (const channel of named) {
        leaveChannel(client, backend.subscriptions, channel);
        confirm(context, 'unsubscribe', channel);
      }
      if (named.length === 0) confirm(context, 'unsubscribe', undefined);
      return undefined;
    },
  },
  {
    ...ORDINARY,
    name: 'punsubscribe',
    arity: -1,
    syntax: '[pattern [pattern ...]]',
    summary: 'Listen no more by the named patterns, or by any',
    partition: ENDS,
    run: (context, request) => {
      const { client, backend } = context;
      const named = request.count > 1 ? argumentsFrom(request, 1) : [...(client.subscriber?.patterns ?? [])];
      for (const pattern of named) {
        leavePattern(client, backend.subscriptions, pattern);
        confirm(context, 'punsubscribe', pattern);
      }
      if (named.length === 0) confirm(context, 'punsubscribe', undefined);
      return undefined;
    },
  },
];

function confirm({ client, reply }: CommandContext, word: string, name: string | undefined): void {
  const count = countSubscriptions(client);
  client.isSubscribed = count > 0;
  reply.push(3);
  reply.bulkText(word);
  if (name === undefined) reply.null();
  else reply.bulkText(name);
  reply.integer(count);
}

/** Why a connection that listens may not run this command: in RESP2 it could not tell the reply from a message. */
export function refuseWhileSubscribed(
  { isSubscribed, protocol }: ClientState,
  { name }: Command,
): string | undefined {
  if (!isSubscribed || protocol === 3 || ALLOWED.has(name)) return undefined;
  return `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`;
}
