/**
 * Messages on their way out: sealed while their turn is being committed, sent the moment they may leave.
 *
 * Owns the way of each: paced datagrams to the group and to those it does not reach, or a stream; and what a rehearsed cut keeps back. When
 * they may leave is the runtime's affair (R1). Before `open` and after `close` nothing is sent: repair brings it back.
 */
import type { Effect } from '../core/effects.ts';
import type { PeerId } from '../core/types.ts';
import type { Envelope } from '../wire/envelope.ts';
import { encodeMessage } from '../wire/messageCodec.ts';
import type { Faults } from './faults.ts';
import type { RuntimePorts } from './ports.ts';
import { SendQueue } from './sendQueue.ts';

export type SendEffect = Extract<Effect, { kind: 'multicast' | 'send' }>;

export interface Outgoing {
  readonly effect: SendEffect;
  packet: Uint8Array | undefined;
}

export class Outbox {
  readonly #ports: RuntimePorts;
  readonly #faults: Faults;
  readonly #queue: SendQueue;
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

  seal(outgoing: Outgoing): Uint8Array | undefined {
    const { effect } = outgoing;
    const channel = effect.kind === 'send' && effect.by === 'stream' ? 'stream' : 'datagram';
    outgoing.packet ??= this.#envelope?.seal(encodeMessage(effect.message), channel);
    return outgoing.packet;
  }

  send(outgoing: Outgoing): void {
    if (this.#envelope === undefined) return;
    const packet = this.seal(outgoing);
    if (packet === undefined) return;
    const { effect } = outgoing;
    const { transport } = this.#ports;
    if (effect.kind === 'multicast') {
      this.#queue.push(() => {
        transport.multicast(packet);
      });
      for (const to of effect.alsoTo) this.#unicast(to, packet);
    } else if (effect.by === 'unicast') this.#unicast(effect.to, packet);
    else if (!this.#faults.cutsOff(effect.to)) transport.stream(effect.to, packet);
  }

  #unicast(to: PeerId, packet: Uint8Array): void {
    if (this.#faults.cutsOff(to)) return;
    this.#queue.push(() => {
      this.#ports.transport.unicast(to, packet);
    });
  }
}
