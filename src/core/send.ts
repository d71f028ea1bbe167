/**
 * By which way a message goes: multicast to all with a unicast copy to those it does not reach, or to one
 * peer by datagram or stream.
 */
import type { After } from './effects.ts';
import type { KeepaliveMessage, Message, SyncMessage, UpdateMessage } from './messages.ts';
import type { PeerState } from './state.ts';
import type { PeerId } from './types.ts';

/** Multicasts, and unicasts the same to heard peers that say our multicast does not reach them (section 6). */
export function sendToAll(state: PeerState, message: UpdateMessage | SyncMessage, after: After): void {
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
  const alsoTo: PeerId[] = [];
  for (const view of state.peers.values()) {
    if (!view.hearsOurMulticast || view.lastMulticastMs < multicastHeardSinceMs) alsoTo.push(view.id);
  }
  state.effects.push({ kind: 'multicast', message, alsoTo, after: 'committed' });
}

export function sendUnicast(state: PeerState, to: PeerId, message: Message): void {
  state.effects.push({ kind: 'send', to, by: 'unicast', message, after: 'committed' });
}

export function sendStream(state: PeerState, to: PeerId, message: Message): void {
  state.effects.push({ kind: 'send', to, by: 'stream', message, after: 'committed' });
}
