/**
 * Packets on their way in: opened, proved genuine, decoded; or refused, and counted by reason.
 *
 * Owns the counts, with where the last of each reason came from, and what packets say of their senders' versions. Leaves what a message
 * means to the core. Keeps: nothing that comes from the network throws, and nothing is answered because of where it came from.
 */
import type { Channel, Message } from '../core/messages.ts';
import type { Incarnation, PeerId } from '../core/types.ts';
import type { Envelope, OpenResult } from '../wire/envelope.ts';
import { decodeMessage } from '../wire/messageCodec.ts';
import type { VersionRange } from '../wire/versions.ts';
import type { PeerVersions } from './peerVersions.ts';
import type { PacketSource, RuntimeEvents } from './ports.ts';

export interface ArrivedMessage {
  readonly kind: 'message';
  readonly sender: PeerId;
  readonly incarnation: Incarnation;
  readonly message: Message;
}

/** A message; or the incarnation of an earlier process, genuine and perhaps seen before; or neither. */
type Arrival =
  | ArrivedMessage
  | { readonly kind: 'old'; readonly sender: PeerId; readonly incarnation: Incarnation }
  | { readonly kind: 'refused'; readonly isGenuine: boolean };

/** What every genuine packet says. */
type Genuine = Extract<OpenResult, { readonly versions: VersionRange }>;

export class Arrivals {
  readonly drops = new Map<string, number>();
  readonly dropSources = new Map<string, PacketSource>();
  readonly #versions: PeerVersions;
  readonly #isMember: (id: PeerId) => boolean;
  readonly #onVersions: RuntimeEvents['onVersions'];

  constructor(
    versions: PeerVersions,
    isMember: (id: PeerId) => boolean,
    onVersions: RuntimeEvents['onVersions'],
  ) {
    this.#versions = versions;
    this.#isMember = isMember;
    this.#onVersions = onVersions;
  }

  take(envelope: Envelope, bytes: Uint8Array, channel: Channel, source: PacketSource): Arrival {
    const opened = envelope.open(bytes, channel === 'stream' ? 'stream' : 'datagram');
    if (opened.ok) {
      this.#noteVersions(opened);
      const { sender, incarnation } = opened;
      const decoded = decodeMessage(opened.payload);
      if (decoded.ok) return { kind: 'message', sender, incarnation, message: decoded.message };
      return this.#refuse(decoded.reason, source, true);
    }
    const isOwnMulticast = opened.reason === 'ownEcho' && channel === 'multicast'; // a group's members hear themselves
    if (isOwnMulticast) return { kind: 'refused', isGenuine: false };
    const refused = this.#refuse(opened.reason, source, opened.reason === 'version');
    if (opened.reason === 'version') this.#noteVersions(opened);
    if (opened.reason !== 'oldIncarnation') return refused;
    return { kind: 'old', sender: opened.sender, incarnation: opened.incarnation };
  }

  drop(reason: string, source: PacketSource): void {
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1);
    this.dropSources.set(reason, source);
  }

  #refuse(reason: string, source: PacketSource, isGenuine: boolean): Arrival {
    this.drop(reason, source);
    return { kind: 'refused', isGenuine };
  }

  #noteVersions({ sender, incarnation, versions }: Genuine): void {
    if (!this.#isMember(sender)) return; // nobody else is spoken to
    const verdict = this.#versions.note(sender, incarnation, versions);
    if (verdict !== undefined) this.#onVersions?.(sender, versions, verdict);
  }
}
