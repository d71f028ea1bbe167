/**
 * Messages on their way out: encoded and, if datagrams, sealed while their turn is being committed; sent the moment they may leave.
 *
 * Owns the way of each: paced datagrams to the group and to those it does not reach, or a stream; and what a rehearsed cut keeps back. In which
 * version each is written peerVersions.ts says. When
 * they may leave is the runtime's affair (R1). Before `open` and after `close` nothing is sent: repair brings it back. Keeps: streams leave in
 * order of their packet numbers, for a receiver takes ascending ones only; datagrams may not, its window takes any order.
 */
import type { Effect } from '../core/effects.ts';
import type { Message } from '../core/messages.ts';
import type { PeerId } from '../core/types.ts';
import type { Envelope } from '../wire/envelope.ts';
import { encodeMessage } from '../wire/messageCodec.ts';
import type { Faults } from './faults.ts';
import { createPacketMemory } from './packetMemory.ts';
import type { PeerVersions } from './peerVersions.ts';
import type { RuntimePorts } from './ports.ts';
import { SendQueue } from './sendQueue.ts';

export type MulticastEffect = Extract<Effect, { kind: 'multicast' }>;
type SendEffect = MulticastEffect | Extract<Effect, { kind: 'send' }>;

export interface Outgoing {
  readonly effect: SendEffect;
  prepared: Prepared | undefined;
}

/** What `prepare` makes of an effect. */
interface Prepared {
  /** Of a datagram it is sealed, of a stream not yet. */
  readonly packet: Buffer;
  /** In which it is written. */
  readonly version: number;
  /** The same for those who do not read that version, while members have none in common. */
  readonly apart: readonly { readonly to: PeerId; readonly packet: Buffer }[];
}

export class Outbox {
  readonly #ports: RuntimePorts;
  readonly #faults: Faults;
  readonly #queue: SendQueue;
  readonly #memory = createPacketMemory();
  readonly #versions: PeerVersions;
  #envelope: Envelope | undefined;

  constructor(ports: RuntimePorts, faults: Faults, versions: PeerVersions) {
    this.#ports = ports;
    this.#faults = faults;
    this.#versions = versions;
    this.#queue = new SendQueue(ports.endOfTurn);
  }

  get dropped(): number {
    return this.#queue.dropped;
  }

  open(envelope: Envelope): void {
    this.#envelope = envelope;
  }

  close(): void {
    this.#envelope = undefined;
  }

  /**
   * Does early what need not wait for the disk. A stream is numbered, hence sealed, only when it leaves: one that waits for the flush would be
   * overtaken by a later one that does not, and dropped as a replay.
   */
  prepare(outgoing: Outgoing): Prepared | undefined {
    if (this.#envelope === undefined || outgoing.prepared !== undefined) return outgoing.prepared;
    const { effect } = outgoing;
    const { message } = effect;
    if (effect.kind === 'send') {
      const version = this.#versions.toOne(effect.to);
      // Datagrams wait their turn in a queue that may drop them: their memory is not given back.
      const packet = isStream(effect)
        ? encodeMessage(message, this.#envelope.room, this.#memory.take)
        : sealDatagram(this.#envelope, message, version);
      outgoing.prepared = { packet, version, apart: [] };
    } else {
      const version = this.#versions.toAll();
      const packet = sealDatagram(this.#envelope, message, version);
      outgoing.prepared = { packet, version, apart: this.#sealApart(this.#envelope, message, version) };
    }
    return outgoing.prepared;
  }

  #sealApart(envelope: Envelope, message: Message, version: number): Prepared['apart'] {
    return this.#versions
      .missedBy(version)
      .map((to) => ({ to, packet: sealDatagram(envelope, message, this.#versions.toOne(to)) }));
  }

  send(outgoing: Outgoing): void {
    const prepared = this.prepare(outgoing);
    if (this.#envelope === undefined || prepared === undefined) return;
    const { effect } = outgoing;
    const { transport } = this.#ports;
    if (effect.kind === 'multicast') this.#multicast(effect, prepared);
    else if (effect.by === 'unicast') this.#unicast(effect.to, prepared.packet);
    else if (!this.#faults.cutsOff(effect.to)) {
      const { packet, version } = prepared;
      this.#envelope.seal(packet, 'stream', version);
      transport.stream(effect.to, packet, () => {
        this.#memory.give(packet);
      });
    }
  }

  /** The last words: closes, so that nothing else leaves, and answers with as many functions as copies, each of which sends one behind all that waits. None once closed. */
  takeLastWords(effect: MulticastEffect | undefined, copies: number): readonly (() => void)[] {
    const words: (() => void)[] = [];
    for (let copy = 0; effect !== undefined && copy < copies; copy += 1) {
      const prepared = this.prepare({ effect, prepared: undefined }); // each with a number of its own, or the second would be a replay
      if (prepared === undefined) break;
      words.push(() => {
        this.#multicast(effect, prepared);
      });
    }
    this.close();
    return words;
  }

  /** Calls back when all datagrams that wait have been sent. */
  whenSent(callback: () => void): void {
    this.#queue.push(callback);
  }

  #multicast({ alsoTo }: MulticastEffect, { packet, apart }: Prepared): void {
    this.#queue.push(() => {
      this.#ports.transport.multicast(packet);
    });
    for (const to of alsoTo) if (!apart.some((other) => other.to === to)) this.#unicast(to, packet);
    for (const { to, packet: own } of apart) this.#unicast(to, own);
  }

  #unicast(to: PeerId, packet: Uint8Array): void {
    if (this.#faults.cutsOff(to)) return;
    this.#queue.push(() => {
      this.#ports.transport.unicast(to, packet);
    });
  }
}

function sealDatagram(envelope: Envelope, message: Message, version: number): Buffer {
  const packet = encodeMessage(message, envelope.room);
  envelope.seal(packet, 'datagram', version);
  return packet;
}

function isStream(effect: SendEffect): boolean {
  return effect.kind === 'send' && effect.by === 'stream';
}
