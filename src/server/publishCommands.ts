/**
 * PUBLISH, and PUBSUB: what is listened to here.
 *
 * Carrying messages to the other peers is the peer's (core/publishing.ts). Invariant: PUBLISH answers what this peer alone can know, how many of its own subscribers were
 * told; nobody is waited for.
 */
import type { Command } from './command.ts';
import { argumentsFrom, argumentText, argumentValue, LOCAL_TO_PEER, NO_KEYS } from './command.ts';
import { compileGlob } from './globPattern.ts';

const ASKS = {
  flags: ['loading', 'stale'],
  group: 'pubsub',
  keys: NO_KEYS,
  partition: LOCAL_TO_PEER,
} as const;

export const publishCommand: Command = {
  name: 'publish',
  arity: 3,
  needs: 'write',
  touches: (request) => [argumentText(request, 1)],
  flags: ['loading', 'stale', 'fast'],
  group: 'pubsub',
  keys: NO_KEYS,
  syntax: 'channel message',
  summary: 'Tell all who listen to a channel, at any peer',
  partition:
    'Answers the number of subscribers on this peer alone. Those of other peers are told as soon as they can be reached, each message once at most; a peer that is cut off for longer than 2 s (--publish-kept-ms), or down, misses it: nothing is stored. What was written on this peer before leaves before the message.',
  run: ({ backend, reply }, request) => {
    reply.integer(backend.publish(argumentText(request, 1), argumentValue(request, 2)));
    return undefined;
  },
};

export const pubsubCommand: Command = {
  name: 'pubsub',
  arity: -2,
  flags: [],
  group: 'pubsub',
  keys: NO_KEYS,
  syntax: '',
  summary: 'Ask what is listened to on this peer',
  partition: LOCAL_TO_PEER,
  subcommands: [
    {
      ...ASKS,
      name: 'pubsub|channels',
      arity: -2,
      touches: (request) => [request.count === 3 ? compileGlob(argumentText(request, 2)).prefix : ''],
      syntax: '[pattern]',
      summary: 'List the channels that are listened to here, or those of them that match a pattern',
      run: ({ backend, reply }, request) => {
        if (request.count > 3) {
          const said = argumentText(request, 1);
          reply.error(`ERR unknown subcommand or wrong number of arguments for '${said}'. Try PUBSUB HELP.`);
          return undefined;
        }
        const pattern = request.count === 3 ? compileGlob(argumentText(request, 2)) : undefined;
        const slot = reply.openArray();
        let count = 0;
        for (const channel of backend.subscriptions.channels()) {
          if (pattern?.isMatch(channel) === false) continue;
          reply.bulkText(channel);
          count += 1;
        }
        reply.closeArray(slot, count);
        return undefined;
      },
    },
    {
      ...ASKS,
      name: 'pubsub|numsub',
      arity: -2,
      touches: (request) => argumentsFrom(request, 2),
      syntax: '[channel [channel ...]]',
      summary: 'Count who listens here to each of the named channels, patterns left out',
      run: ({ backend, reply }, request) => {
        const channels = argumentsFrom(request, 2);
        reply.array(2 * channels.length);
        for (const channel of channels) {
          reply.bulkText(channel);
          reply.integer(backend.subscriptions.countOf(channel));
        }
        return undefined;
      },
    },
    {
      ...ASKS,
      name: 'pubsub|numpat',
      arity: 2,
      syntax: '',
      summary: 'Count the patterns by which channels are listened to here',
      run: ({ backend, reply }) => {
        reply.integer(backend.subscriptions.patternCount());
        return undefined;
      },
    },
  ],
};
