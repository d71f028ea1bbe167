/**
 * What of a packet a plot shows: its kind, the keys it is about, a line of words.
 *
 * What is about no key (KEEPALIVE, HEARTBEAT, the messages of rounds) is not shown. A NAK names dots alone: whoever asks says which key a dot wrote.
 */
import type { Channel, Message } from '../core/messages.ts';
import { shorten } from './plotData.ts';
import type { PlotMessageKind } from './plotData.ts';
import { describeMessage, sniff } from './sniffer.ts';

export interface PacketLook {
  readonly kind: PlotMessageKind;
  readonly keys: ReadonlySet<string>;
  readonly text: string;
}

type KeyedMessage = Extract<Message, { readonly kind: 'update' | 'sync' | 'nak' }>;

/** Dots of one NAK whose keys are looked up. */
const NAK_DOTS = 2_000;

/** Undefined when there is nothing to show. `keyOfDot` is by `id/incarnation/sequence`. */
export function lookInto(
  bytes: Uint8Array,
  channel: Channel,
  keyOfDot: ReadonlyMap<string, string>,
): PacketLook | undefined {
  const message = sniff(bytes);
  if (message?.kind !== 'update' && message?.kind !== 'sync' && message?.kind !== 'nak') return undefined;
  const text = `${describeMessage(message)}, ${channel}, ${bytes.length} bytes`;
  return { kind: kindOf(message), keys: keysOf(message, keyOfDot), text: shorten(text) };
}

function kindOf(message: KeyedMessage): PlotMessageKind {
  if (message.kind === 'update') return 'UPDATE';
  if (message.kind === 'nak') return 'NAK';
  return message.have === undefined ? 'SYNC' : 'HYBRID';
}

/** The keys a message carries, or asks for. */
function keysOf(message: KeyedMessage, keyOfDot: ReadonlyMap<string, string>): ReadonlySet<string> {
  if (message.kind !== 'nak') return new Set(message.records.map(({ key }) => key));
  const keys = new Set<string>();
  const { id, incarnation } = message.origin;
  let left = NAK_DOTS;
  for (const [from, to] of message.ranges) {
    for (let sequence = from; sequence <= to && left > 0; sequence += 1, left -= 1) {
      const key = keyOfDot.get(`${id}/${incarnation}/${sequence}`);
      if (key !== undefined) keys.add(key);
    }
  }
  return keys;
}
