/**
 * Messages on their way out: encoded and, if datagrams, sealed while their turn is being committed; sent the moment they may leave.
 *
 * Owns the way of each: paced datagrams to the group and to those it does not reach, or a stream; and what a rehearsed cut keeps back. When
 * they may leave is the runtime's affair (R1). Before `open` and after `close` nothing is sent: repair brings it back. Keeps: streams leave in
 * order of their packet numbers, for a receiver takes ascending ones only; datagrams may not, its window takes any order.
 */
import type { Effect } from '../core/effects.ts';
import type { PeerId } from '../core/types.ts';
import type { Envelope } from '../wire/envelope.ts';
import { encodeMessage } from '../wire/messageCodec.ts';
import type { Faults } from './faults.ts';
import { createPacketMemory } from './packetMemory.ts';
import type { RuntimePorts } from './ports.ts';
import { SendQueue } from './sendQueue.ts';

export type MulticastEffect = Extract<Effect, { kind: 'multicast' }>;
export type SendEffect = MulticastEffect | Extract<Effect, { kind: 'send' }>;

export interface Outgoing {
  readonly effect: SendEffect;
  /** What `prepare` made of it: the packet; of a datagram it is sealed, of a stream not yet. */
  prepared: Buffer | undefined;
}

export class Outbox {
  readonly #ports: RuntimePorts;
  readonly #faults: Faults;
  readonly #queue: SendQueue;
  readonly #memory = createPacketMemory();
  #envelope: Envelope | undefined;

  constructor(ports: RuntimePorts, faults: Faults) {
    this.#ports = ports;
    this.#faults = faults;
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
  prepare(outgoing: Outgoing): Buffer | undefined {
    if (this.#envelope === undefined || outgoing.prepared !== undefined) return outgoing.prepared;
    const { message } = outgoing.effect;
    const { room } = this.#envelope;
    // Datagrams wait their turn in a queue that may drop them: their memory is not given back.
    const isLent = isStream(outgoing.effect);
    const packet = encodeMessage(message, room, isLent ? this.#memory.take : undefined);
    if (!isLent) this.#envelope.seal(packet, 'datagram');
    outgoing.prepared = packet;
    return packet;
  }

  send(outgoing: Outgoing): void {
    const prepared = this.prepare(outgoing);
    if (this.#envelope === undefined || prepared === undefined) return;
    const { effect } = outgoing;
    const { transport } = this.#ports;
    if (effect.kind === 'multicast') this.#multicast(effect, prepared);
    else if (effect.by === 'unicast') this.#unicast(effect.to, prepared);
    else if (!this.#faults.cutsOff(effect.to)) {
      this.#envelope.seal(prepared, 'stream');
      transport.stream(effect.to, prepared, () => {
        this.#memory.give(prepared);
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

  #multicast({ alsoTo }: MulticastEffect, packet: Uint8Array): void {
    this.#queue.push(() => {
      this.#ports.transport.multicast(packet);
    });
    for (const to of alsoTo) this.#unicast(to, packet);
  }

  #unicast(to: PeerId, packet: Uint8Array): void {
    if (this.#faults.cutsOff(to)) return;
    this.#queue.push(() => {
      this.#ports.transport.unicast(to, packet);
    });
  }
}

function isStream(effect: SendEffect): boolean {
  return effect.kind === 'send' && effect.by === 'stream';
}
