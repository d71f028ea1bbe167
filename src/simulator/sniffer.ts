/**
 * Looks into packets on their way, as a packet capture does: simulated clusters talk in clear.
 *
 * Reads only; never decides anything for a peer. Loss of one kind of message and readable transcripts need it.
 */
import type { Message } from '../core/messages.ts';
import { clearPayloadOf } from '../wire/envelopeHeader.ts';
import { decodeMessage, isUpdatePayload } from '../wire/messageCodec.ts';

export function isUpdate(packet: Uint8Array): boolean {
  const payload = clearPayloadOf(packet);
  return payload !== undefined && isUpdatePayload(payload);
}

export function sniff(packet: Uint8Array): Message | undefined {
  const payload = clearPayloadOf(packet);
  if (payload === undefined) return undefined;
  const decoded = decodeMessage(payload);
  return decoded.ok ? decoded.message : undefined;
}

/** One line for a transcript. */
export function describeMessage(message: Message): string {
  switch (message.kind) {
    case 'update': {
      const [first] = message.records;
      const last = message.records.at(-1);
      const sequences =
        first === last ? `${first?.sequence ?? 0}` : `${first?.sequence ?? 0}..${last?.sequence ?? 0}`;
      return `UPDATE ${sequences} ${keysOf(message.records)}`;
    }
    case 'keepalive':
      return `KEEPALIVE last ${message.lastSequence}, hears ${message.others === 'multicast' ? 'all' : 'none'}${message.listed.map(({ id, how }) => ` ${id}:${how}`).join('')}`;
    case 'heartbeat':
      return `HEARTBEAT ${message.vector === undefined ? 'same' : message.vector.map(({ id, contiguous, gaps }) => `${id}:${contiguous}${gaps.length > 0 ? '+' : ''}`).join(' ')}`;
    case 'sync':
      return `${message.vector === undefined ? 'SYNC' : 'HYBRID'} ${message.records.length} records ${keysOf(message.records)}${message.more ? ' (more to come)' : ''}`;
    case 'nak':
      return `NAK ${message.origin.id} ${message.ranges.map(([from, to]) => (from === to ? `${from}` : `${from}..${to}`)).join(' ')}`;
  }
}

const KEYS_SHOWN = 4;

function keysOf(records: readonly { readonly key: string }[]): string {
  const keys = records.slice(0, KEYS_SHOWN).map(({ key }) => key);
  return records.length > KEYS_SHOWN ? `${keys.join(' ')} …` : keys.join(' ');
}
