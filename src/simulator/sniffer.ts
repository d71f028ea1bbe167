/**
 * Looks into packets on their way, as a packet capture does: simulated clusters talk in clear.
 *
 * Reads only; never decides anything for a peer. Loss of one kind of message and readable transcripts need it.
 */
import type { Message, MessageKind } from '../core/messages.ts';
import { clearPayloadOf } from '../wire/envelopeHeader.ts';
import { decodeMessage, peekKind } from '../wire/messageCodec.ts';

export function kindOf(packet: Uint8Array): MessageKind | undefined {
  const payload = clearPayloadOf(packet);
  return payload === undefined ? undefined : peekKind(payload);
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
      return `HEARTBEAT ${message.have === undefined ? 'same' : message.have.vector.map(({ id, contiguous, gaps }) => `${id}:${contiguous}${gaps.length > 0 ? '+' : ''}`).join(' ')}`;
    case 'sync':
      return `${message.have === undefined ? 'SYNC' : 'HYBRID'} ${message.records.length} records ${keysOf(message.records)}${message.more ? ' (more to come)' : ''}${message.catchUp === undefined ? '' : `, part ${message.catchUp.part} of catch-up ${message.catchUp.number}`}`;
    case 'nak':
      return `NAK ${message.origin.id} ${message.ranges.map(([from, to]) => (from === to ? `${from}` : `${from}..${to}`)).join(' ')}`;
    case 'pull':
      return message.number === 0 ? 'PULL' : `PULL part ${message.part} of catch-up ${message.number}`;
    case 'prepare':
      return `PREPARE ${message.number}`;
    case 'prepared':
      return `PREPARED ${message.round.id}/${message.round.number} promises ${message.promised}`;
    case 'refuse':
      return `REFUSE ${message.round.id}/${message.round.number} (${message.reason})`;
    case 'commit':
      return `COMMIT ${message.number} horizon ${message.horizon}`;
    case 'join':
      return message.snapshot === 0 ? 'JOIN' : `JOIN from part ${message.part}`;
    case 'checkpoint':
      return `CHECKPOINT part ${message.part}: ${message.entries.length} entries${message.facts === undefined ? '' : ', facts'}${message.isRefused === true ? ', refused' : ''}`;
    case 'fenced':
      return `FENCED ${message.isForgotten ? 'forgotten' : `below ${message.incarnation}`}`;
    case 'alarm':
      return `ALARM ${message.key}${message.horizon === 0 ? ': nothing to be stamped' : ''}`;
    case 'leaving':
      return 'LEAVING';
    case 'fetch':
      return `FETCH ${message.number} ${message.key}${message.record === undefined ? '' : ', with what it holds'}`;
    case 'fetched':
      return `FETCHED ${message.number}${message.tag === undefined ? ': does not count' : ` as of ${message.tag.timestamp}`}${message.record === undefined ? '' : ', newer'}`;
    case 'ask':
      return `ASK for all through ${message.sequence}`;
    case 'held':
      return `HELD through ${message.sequence}`;
    case 'publish':
      return `PUBLISH ${message.records.map(({ sequence, channel }) => `${sequence} ${channel}`).join(' ')} of ${message.oldest}..${message.last}${message.isRepair ? ', again' : ''}`;
    case 'miss':
      return `MISS ${message.ranges.map(([from, to]) => (from === to ? `${from}` : `${from}..${to}`)).join(' ')}`;
  }
}

const KEYS_SHOWN = 4;

function keysOf(records: readonly { readonly key: string }[]): string {
  const keys = records.slice(0, KEYS_SHOWN).map(({ key }) => key);
  return records.length > KEYS_SHOWN ? `${keys.join(' ')} …` : keys.join(' ');
}
