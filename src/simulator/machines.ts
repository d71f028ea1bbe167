/**
 * The machines of a simulated cluster and the addresses they answer at.
 *
 * Owns who exists (peers and their twins), which of them an id's configured address leads to, and the way of packets between a
 * process and the network. Keeps: a process sends to configured addresses only, whatever the source of what it heard.
 */
import type { Channel } from '../core/messages.ts';
import type { PeerId } from '../core/types.ts';
import type { Transport } from '../peer/ports.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { VirtualNetwork } from './virtualNetwork.ts';
import type { VirtualPeer } from './virtualPeer.ts';

/** What follows the id in the address of a second process. */
export const TWIN_SUFFIX = "'";
/** Datagrams of a stray peer come from here. */
const STRAY_ADDRESS = 'somewhere-else';
const PORT = 7401;
/** Longest datagram, bytes, and what an envelope may add to its records. */
const DATAGRAM_BYTES = 1400;
const ENVELOPE_BYTES = 100;

export class Machines {
  readonly peers = new Map<string, VirtualPeer>();
  readonly twins = new Map<string, VirtualPeer>();

  *all(): IterableIterator<VirtualPeer> {
    yield* this.peers.values();
    yield* this.twins.values();
  }

  /** Who answers at the configured address of an id: its peer, or the twin that took it while the peer is down. */
  answering(id: string): VirtualPeer | undefined {
    const peer = this.peers.get(id);
    const twin = this.twins.get(id);
    return peer?.isRunning !== true && twin?.isRunning === true ? twin : peer;
  }

  /** Every link from one group to another, twins' included; both ways unless it is one-way. */
  eachLink(
    from: readonly string[],
    to: readonly string[],
    isOneWay: boolean,
    change: (a: string, b: string) => void,
  ): void {
    for (const a of from) {
      for (const b of to) {
        if (a === b) continue;
        for (const [source, target] of [
          [a, b],
          [a + TWIN_SUFFIX, b],
          [a, b + TWIN_SUFFIX],
        ] as const) {
          change(source, target);
          if (!isOneWay) change(target, source);
        }
      }
    }
  }

  transportOf(peer: VirtualPeer, network: VirtualNetwork): Transport {
    const noteSent = (bytes: Uint8Array): void => {
      peer.noteSpoken(bytes);
      network.figures.bytes += bytes.length;
      const longestBytes = Math.max(
        DATAGRAM_BYTES,
        peer.state.settings.limits.datagramBudgetBytes + ENVELOPE_BYTES,
      );
      if (bytes.length > longestBytes)
        throw new BrokenInvariant('I14', `${peer.address} sent a datagram of ${bytes.length} bytes`);
    };
    return {
      multicast: (bytes) => {
        noteSent(bytes);
        for (const other of this.all())
          if (other !== peer) network.datagram(peer.address, other.address, bytes, 'multicast');
      },
      unicast: (to, bytes) => {
        noteSent(bytes);
        const other = this.#receiver(peer, to);
        if (other !== undefined) network.datagram(peer.address, other.address, bytes, 'unicast');
      },
      stream: (to, bytes) => {
        peer.noteSpoken(bytes);
        network.figures.bytes += bytes.length;
        const other = this.#receiver(peer, to);
        if (other !== undefined) network.stream(peer.address, other.address, bytes);
      },
    };
  }

  /** A packet has reached an address. */
  deliver(from: string, to: string, bytes: Uint8Array, channel: Channel): void {
    const machine = this.peers.get(to) ?? this.twins.get(to.slice(0, -TWIN_SUFFIX.length));
    if (machine?.address !== to) return;
    const isStray = channel !== 'stream' && this.peers.get(from)?.drawsStray() === true;
    machine.receive(bytes, channel, { address: isStray ? STRAY_ADDRESS : from, port: PORT });
  }

  #receiver(sender: VirtualPeer, to: PeerId): VirtualPeer | undefined {
    const machine = this.answering(to);
    if (machine === undefined)
      throw new BrokenInvariant(
        'section 9',
        `${sender.address} sent to ${to}, which is no configured address`,
      );
    return machine === sender ? undefined : machine;
  }
}
