/**
 * By which way a message goes: multicast to all with a unicast copy to those it does not reach, or to one
 * peer by datagram or stream.
 */
import { sizeOf } from './buildSync.ts';
import type { After } from './effects.ts';
import type {
  AskMessage,
  HaveReport,
  KeepaliveMessage,
  Message,
  SyncMessage,
  SyncRecord,
  UpdateMessage,
} from './messages.ts';
import type { PublishMessage } from './publishMessages.ts';
import type { PeerState } from './state.ts';
import type { PeerId } from './types.ts';

/** Multicasts, and unicasts the same to heard peers that say our multicast does not reach them (section 6). */
export function sendToAll(
  state: PeerState,
  message: UpdateMessage | SyncMessage | AskMessage | PublishMessage,
  after: After,
): void {
  if (state.peers.size === 0) return; // alone by configuration: there is nobody to tell
  const alsoTo: PeerId[] = [];
  for (const view of state.peers.values()) {
    if (view.isLive && !view.hearsOurMulticast) alsoTo.push(view.id);
  }
  state.effects.push({ kind: 'multicast', message, alsoTo, after });
}

/** Multicasts a KEEPALIVE (it is also the probe), and unicasts it wherever multicast fails either way. */
export function sendKeepalive(
  state: PeerState,
  message: KeepaliveMessage,
  multicastHeardSinceMs: number,
): void {
  if (state.peers.size === 0) return;
  const alsoTo = unreachedByMulticast(state, multicastHeardSinceMs);
  state.effects.push({ kind: 'multicast', message, alsoTo, after: 'committed' });
}

/** Those with whom multicast fails either way, as far as is known. */
export function unreachedByMulticast({ peers }: PeerState, multicastHeardSinceMs: number): PeerId[] {
  const unreached: PeerId[] = [];
  for (const view of peers.values()) {
    if (!view.hearsOurMulticast || view.lastMulticastMs < multicastHeardSinceMs) unreached.push(view.id);
  }
  return unreached;
}

export function sendUnicast(state: PeerState, to: PeerId, message: Message): void {
  state.effects.push({ kind: 'send', to, by: 'unicast', message, after: 'committed' });
}

export function sendStream(state: PeerState, to: PeerId, message: Message): void {
  state.effects.push({ kind: 'send', to, by: 'stream', message, after: 'committed' });
}

/** To one peer, by datagram if it fits in one, else by stream (section 3). */
export function sendControl(state: PeerState, to: PeerId, message: Message, after: After): void {
  const by = sizeOfControl(message) <= state.settings.limits.datagramBudgetBytes ? 'unicast' : 'stream';
  state.effects.push({ kind: 'send', to, by, message, after });
}

/** Bytes of ids and integers on the wire, at most. */
export const ID_BYTES = 45;
const INTEGER_BYTES = 9;

/** Size of a message of the rounds, or of an alarm, on the wire, at most. */
export function sizeOfControl(message: Message): number {
  switch (message.kind) {
    case 'prepare':
    case 'refuse':
      return 4 * ID_BYTES + message.incarnations.length * ID_BYTES;
    case 'prepared':
      return 4 * ID_BYTES + haveBytes(message.have);
    case 'commit':
      return 4 * ID_BYTES + haveBytes({ ...message, vector: message.known });
    case 'alarm':
      return 4 * ID_BYTES + message.key.length;
    case 'fetch':
      return 6 * ID_BYTES + message.key.length + recordBytes(message.record);
    case 'fetched':
      return 6 * ID_BYTES + recordBytes(message.record);
    default:
      return 4 * ID_BYTES;
  }
}

function recordBytes(record: SyncRecord | undefined): number {
  return record === undefined ? 0 : sizeOf(record);
}

/** Size of what a peer says it has, at most. */
export function haveBytes({ vector, closures, promises }: HaveReport): number {
  let bytes = promises.length * ID_BYTES;
  for (const { gaps } of vector) bytes += ID_BYTES + (3 + 2 * gaps.length) * INTEGER_BYTES;
  for (const { kept } of closures) {
    bytes += ID_BYTES + 4 * INTEGER_BYTES;
    for (const { ranges } of kept) bytes += (2 + 2 * ranges.length) * INTEGER_BYTES;
  }
  return bytes;
}
