/**
 * Messages on channels, between whoever publishes and whoever listens on this peer, and the core that carries them to the others and back.
 *
 * What is published here is told here at once, and leaves for the other peers with the turn; of theirs, what is in order is the core's to say (core/onPublish.ts).
 */
import type { Now } from '../core/clock.ts';
import { takeArrived } from '../core/onPublish.ts';
import { publish } from '../core/publishing.ts';
import type { Runtime } from './runtime.ts';
import { throwRefusal } from './runtimeErrors.ts';
import { Subscriptions } from './subscriptions.ts';

export class Publications {
  readonly subscriptions = new Subscriptions();
  readonly #runtime: Runtime;
  readonly #now: () => Now;

  constructor(runtime: Runtime, now: () => Now) {
    this.#runtime = runtime;
    this.#now = now;
  }

  /**
   * To all peers; answers how many subscriptions of this one it was told to. The caller never changes the bytes again. Throws VALUE_TOO_LONG, FORGOTTEN, CLOSED,
   * and what has ended this process; nobody was told then.
   */
  publish(channel: string, message: Uint8Array): number {
    const over: Error[] = [];
    this.#runtime.acknowledge('fast', (failure) => {
      if (failure !== undefined) over.push(failure);
    });
    const [failure] = over; // it is called at once where nothing leaves any more
    if (failure !== undefined) throw failure;
    throwRefusal(publish(this.#runtime.state, this.#now(), channel, message));
    return this.subscriptions.deliver(channel, message);
  }

  /** What has come from other peers goes to whoever listens here. */
  tell(): void {
    for (const { channel, message } of takeArrived(this.#runtime.state))
      this.subscriptions.deliver(channel, message);
  }
}
