/**
 * Who listens on this peer to which channels, and to which patterns of channels: clients of the server and the program that embeds it alike.
 *
 * Knows nothing of how a pattern is written: whoever subscribes brings what judges a channel. Invariant: a subscriber is told of a message once for each
 * subscription of its that matches, channels first, in the order in which messages come; what a subscriber throws reaches no other one.
 */

/** Told of messages. `pattern`: by which of its patterns; undefined for the channel itself. Channels and patterns have one character a byte. */
export interface Subscriber {
  /** The bytes must not be changed. */
  onMessage(channel: string, message: Uint8Array, pattern: string | undefined): void;
}

interface PatternSubscribers {
  readonly isMatch: (channel: string) => boolean;
  readonly subscribers: Set<Subscriber>;
}

export class Subscriptions {
  readonly #channels = new Map<string, Set<Subscriber>>();
  readonly #patterns = new Map<string, PatternSubscribers>();

  get isEmpty(): boolean {
    return this.#channels.size === 0 && this.#patterns.size === 0;
  }

  /** Of channels that somebody listens to. */
  channels(): IterableIterator<string> {
    return this.#channels.keys();
  }

  countOf(channel: string): number {
    return this.#channels.get(channel)?.size ?? 0;
  }

  /** Different patterns, however many listen by each. */
  patternCount(): number {
    return this.#patterns.size;
  }

  add(channel: string, subscriber: Subscriber): void {
    const present = this.#channels.get(channel);
    if (present === undefined) this.#channels.set(channel, new Set([subscriber]));
    else present.add(subscriber);
  }

  remove(channel: string, subscriber: Subscriber): void {
    const present = this.#channels.get(channel);
    present?.delete(subscriber);
    if (present?.size === 0) this.#channels.delete(channel);
  }

  addPattern(pattern: string, isMatch: (channel: string) => boolean, subscriber: Subscriber): void {
    const present = this.#patterns.get(pattern);
    if (present === undefined) this.#patterns.set(pattern, { isMatch, subscribers: new Set([subscriber]) });
    else present.subscribers.add(subscriber);
  }

  removePattern(pattern: string, subscriber: Subscriber): void {
    const present = this.#patterns.get(pattern);
    present?.subscribers.delete(subscriber);
    if (present?.subscribers.size === 0) this.#patterns.delete(pattern);
  }

  /** Tells whoever listens here; answers how many times. */
  deliver(channel: string, message: Uint8Array): number {
    let count = 0;
    for (const subscriber of this.#channels.get(channel) ?? []) {
      count += 1;
      tell(subscriber, channel, message, undefined);
    }
    for (const [pattern, { isMatch, subscribers }] of this.#patterns) {
      if (!isMatch(channel)) continue;
      for (const subscriber of subscribers) {
        count += 1;
        tell(subscriber, channel, message, pattern);
      }
    }
    return count;
  }
}

function tell(
  subscriber: Subscriber,
  channel: string,
  message: Uint8Array,
  pattern: string | undefined,
): void {
  try {
    subscriber.onMessage(channel, message, pattern);
  } catch (error) {
    // The application's own fault, and for it to hear of.
    queueMicrotask(() => {
      throw error;
    });
  }
}
