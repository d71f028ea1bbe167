/**
 * What one connection listens to, and how it is told of a message.
 *
 * Owns its channels and patterns; the peer's own list of who listens to what is peer/subscriptions.ts's, and the two agree: whatever is added or removed goes through
 * here. Its messages go out of band (pushes.ts), behind what the connection was answered before, and bounded: a client that does not take them is closed.
 */
import type { Subscriber, Subscriptions } from '../peer/backend.ts';
import type { ClientState } from './command.ts';
import { compileGlob } from './globPattern.ts';

export interface ClientSubscriber extends Subscriber {
  readonly channels: Set<string>;
  readonly patterns: Set<string>;
}

function createSubscriber(client: ClientState): ClientSubscriber {
  return {
    channels: new Set(),
    patterns: new Set(),
    onMessage: (channel, message, pattern) => {
      client.sendPush((writer) => {
        writer.push(pattern === undefined ? 3 : 4);
        writer.bulkText(pattern === undefined ? 'message' : 'pmessage');
        if (pattern !== undefined) writer.bulkText(pattern);
        writer.bulkText(channel);
        writer.bulk(message);
      });
    },
  };
}

/** Channels and patterns, as each confirmation counts them. */
export function countSubscriptions({ subscriber }: ClientState): number {
  return subscriber === undefined ? 0 : subscriber.channels.size + subscriber.patterns.size;
}

export function listenToChannel(client: ClientState, subscriptions: Subscriptions, channel: string): void {
  client.subscriber ??= createSubscriber(client);
  client.subscriber.channels.add(channel);
  subscriptions.add(channel, client.subscriber);
}

export function listenToPattern(client: ClientState, subscriptions: Subscriptions, pattern: string): void {
  client.subscriber ??= createSubscriber(client);
  if (client.subscriber.patterns.has(pattern)) return;
  client.subscriber.patterns.add(pattern);
  const { isMatch } = compileGlob(pattern);
  subscriptions.addPattern(pattern, isMatch, client.subscriber);
}

export function leaveChannel(client: ClientState, subscriptions: Subscriptions, channel: string): void {
  if (client.subscriber?.channels.delete(channel) === true) subscriptions.remove(channel, client.subscriber);
}

export function leavePattern(client: ClientState, subscriptions: Subscriptions, pattern: string): void {
  if (client.subscriber?.patterns.delete(pattern) === true)
    subscriptions.removePattern(pattern, client.subscriber);
}

/** RESET, or the connection has ended. */
export function leaveAll(client: ClientState, subscriptions: Subscriptions): void {
  const { subscriber } = client;
  if (subscriber === undefined) return;
  client.subscriber = undefined;
  for (const channel of subscriber.channels) subscriptions.remove(channel, subscriber);
  for (const pattern of subscriber.patterns) subscriptions.removePattern(pattern, subscriber);
}
