/**
 * SUBSCRIBE and UNSUBSCRIBE, to the one channel that there is so far: where a RESP2 connection is told of invalidations.
 *
 * Owns these two, and what a RESP2 connection may still say while it listens, as in Redis. Telling is tracking.ts's. A channel that nobody could
 * publish to is refused: a client that waited there would wait for ever.
 * Invariant: a SUBSCRIBE that is refused subscribes to nothing.
 */
import type { ClientState, Command, CommandContext } from './command.ts';
import { argumentsFrom, LOCAL_TO_CONNECTION, NO_KEYS } from './command.ts';

/** Where a RESP2 client is told, as in Redis. */
export const INVALIDATION_CHANNEL = '__redis__:invalidate';

const ALLOWED: ReadonlySet<string> = new Set(['subscribe', 'unsubscribe', 'ping', 'quit', 'reset']);

const ORDINARY = {
  flags: ['noscript', 'loading', 'stale'],
  group: 'pubsub',
  keys: NO_KEYS,
  partition: LOCAL_TO_CONNECTION,
} as const;

export const subscribeCommands: readonly Command[] = [
  {
    ...ORDINARY,
    name: 'subscribe',
    arity: -2,
    summary: `Listen to ${INVALIDATION_CHANNEL}, the channel of CLIENT TRACKING with REDIRECT; there is no other`,
    run: (context, request) => {
      const { client, reply } = context;
      const channels = argumentsFrom(request, 1);
      const unknown = channels.find((channel) => channel !== INVALIDATION_CHANNEL);
      if (unknown !== undefined) {
        reply.error(
          `ERR this peer has no channel but ${INVALIDATION_CHANNEL}: nobody could publish to '${unknown}'`,
        );
        return undefined;
      }
      client.isSubscribed = true;
      for (const channel of channels) confirm(context, 'subscribe', channel);
      return undefined;
    },
  },
  {
    ...ORDINARY,
    name: 'unsubscribe',
    arity: -1,
    summary: 'Listen no more, to the named channels or to any',
    run: (context, request) => {
      const { client } = context;
      const named = argumentsFrom(request, 1);
      const present = client.isSubscribed ? INVALIDATION_CHANNEL : undefined;
      for (const channel of named.length === 0 ? [present] : named) {
        if (channel === INVALIDATION_CHANNEL) client.isSubscribed = false;
        confirm(context, 'unsubscribe', channel);
      }
      return undefined;
    },
  },
];

function confirm({ client, reply }: CommandContext, word: string, channel: string | undefined): void {
  reply.push(3);
  reply.bulkText(word);
  if (channel === undefined) reply.null();
  else reply.bulkText(channel);
  reply.integer(client.isSubscribed ? 1 : 0);
}

/** Why a connection that listens may not run this command: in RESP2 it could not tell the reply from a message. */
export function refuseWhileSubscribed(
  { isSubscribed, protocol }: ClientState,
  { name }: Command,
): string | undefined {
  if (!isSubscribed || protocol === 3 || ALLOWED.has(name)) return undefined;
  return `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`;
}
