/**
 * Messages on channels as a program that embeds a peer says and hears them: text or bytes outside, binary strings inside.
 *
 * Who is told when is subscriptions.ts's. Keeps: what a listener is given is its own to change.
 */
import type { CoreLimits } from '../core/settings.ts';
import type { Backend } from './backend.ts';
import { parsePrefix, parseValue, type KeyInput, type ValueInput } from './keys.ts';
import type { Subscriber } from './subscriptions.ts';

export interface Published {
  readonly channel: Buffer;
  readonly message: Buffer;
}

/** Answers how many subscriptions of this peer were told. */
export function publishTo(
  backend: Pick<Backend, 'publish'>,
  channel: KeyInput,
  message: ValueInput,
  limits: CoreLimits,
): number {
  return backend.publish(parsePrefix(channel), parseValue(message, limits));
}

/** Returns the function that ends it. */
export function listenTo(
  { subscriptions }: Pick<Backend, 'subscriptions'>,
  channel: KeyInput,
  listener: (published: Published) => void,
): () => void {
  const subscriber: Subscriber = {
    onMessage: (on, message) => {
      listener({ channel: Buffer.from(on, 'latin1'), message: Buffer.from(message) });
    },
  };
  const name = parsePrefix(channel);
  subscriptions.add(name, subscriber);
  return () => {
    subscriptions.remove(name, subscriber);
  };
}
