/**
 * The network between virtual machines: every direction of every link by itself loses, delays, repeats, cuts.
 *
 * Owns links and what is on its way. Datagrams may overtake each other; frames of a stream do not, and a cut loses what a
 * stream has under way. Machines are known by address; which peer lives where is the world's affair. Draws come from one
 * stream a link, so that more traffic on one leaves the others alone.
 */
import type { Channel, MessageKind } from '../core/messages.ts';
import { between } from './random.ts';
import { openStream } from './random.ts';
import type { RandomStream } from './random.ts';
import type { LinkQuality } from './schedule.ts';
import { kindOf } from './sniffer.ts';

interface Link {
  isCut: boolean;
  quality: LinkQuality;
  /** Kinds of messages that are all lost, by datagram or stream. */
  readonly lostKinds: Set<MessageKind>;
  readonly random: RandomStream;
  /** When the last frame of the stream arrives: the next comes no sooner. */
  streamArrivesMs: number;
}

interface NetworkFigures {
  /** One for each receiver. */
  datagrams: number;
  /** As sent: a multicast counts once, whoever hears it. */
  bytes: number;
  lost: number;
}

/** What happened to a packet, for transcripts and plots. */
export type Fate = 'sent' | 'lost' | 'cut';

interface NetworkPorts {
  readonly seed: number;
  readonly nowMs: () => number;
  readonly after: (delayMs: number, run: () => void) => void;
  readonly deliver: (from: string, to: string, bytes: Uint8Array, channel: Channel) => void;
  readonly onFate: (fate: Fate, from: string, to: string, bytes: Uint8Array, channel: Channel) => void;
}

/** Bytes a millisecond that a stream carries. */
const STREAM_BYTES_PER_MS = 100_000;

export class VirtualNetwork {
  readonly figures: NetworkFigures = { datagrams: 0, bytes: 0, lost: 0 };
  readonly #ports: NetworkPorts;
  readonly #links = new Map<string, Map<string, Link>>();
  #defaultQuality: LinkQuality;
  readonly #lostKinds = new Set<MessageKind>();

  constructor(ports: NetworkPorts, quality: LinkQuality) {
    this.#ports = ports;
    this.#defaultQuality = quality;
  }

  link(from: string, to: string): Link {
    let ofSender = this.#links.get(from);
    if (ofSender === undefined) {
      ofSender = new Map();
      this.#links.set(from, ofSender);
    }
    let link = ofSender.get(to);
    if (link === undefined) {
      const random = openStream(this.#ports.seed, `link ${from}>${to}`);
      link = {
        isCut: false,
        quality: this.#defaultQuality,
        lostKinds: new Set(this.#lostKinds),
        random,
        streamArrivesMs: 0,
      };
      ofSender.set(to, link);
    }
    return link;
  }

  /** Ends every cut. */
  heal(): void {
    for (const ofSender of this.#links.values()) for (const link of ofSender.values()) link.isCut = false;
  }

  /** Loses every message of a kind on every link, or none any more. */
  setLostKind(kind: MessageKind, isLost: boolean): void {
    for (const kinds of [this.#lostKinds, ...this.#lostKindsOfLinks()]) {
      if (isLost) kinds.add(kind);
      else kinds.delete(kind);
    }
  }

  /** Ends the loss of kinds of messages. */
  loseNoKind(): void {
    for (const kinds of [this.#lostKinds, ...this.#lostKindsOfLinks()]) kinds.clear();
  }

  *#lostKindsOfLinks(): IterableIterator<Set<MessageKind>> {
    for (const ofSender of this.#links.values())
      for (const { lostKinds } of ofSender.values()) yield lostKinds;
  }

  /** Changes how all links treat what they carry, those not used yet included. */
  setQuality(change: Partial<LinkQuality>): void {
    this.#defaultQuality = { ...this.#defaultQuality, ...change };
    for (const ofSender of this.#links.values())
      for (const link of ofSender.values()) link.quality = { ...link.quality, ...change };
  }

  datagram(from: string, to: string, bytes: Uint8Array, channel: 'multicast' | 'unicast'): void {
    const { after, deliver, onFate } = this.#ports;
    const link = this.link(from, to);
    const { quality, random, isCut } = link;
    this.figures.datagrams += 1;
    const isLost =
      (quality.loss > 0 && random() < quality.loss) ||
      (quality.updateLoss > 0 && kindOf(bytes) === 'update' && random() < quality.updateLoss) ||
      (quality.multicastLoss > 0 && channel === 'multicast' && random() < quality.multicastLoss) ||
      (link.lostKinds.size > 0 && link.lostKinds.has(kindOf(bytes) ?? 'update'));
    if (isCut || isLost) {
      this.figures.lost += 1;
      onFate(isCut ? 'cut' : 'lost', from, to, bytes, channel);
      return;
    }
    onFate('sent', from, to, bytes, channel);
    const copies = quality.duplicate > 0 && random() < quality.duplicate ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      let delayMs = between(random, quality.minDelayMs, quality.maxDelayMs);
      if (quality.reorder > 0 && random() < quality.reorder) delayMs *= between(random, 1, 10);
      after(delayMs, () => {
        if (!link.isCut) deliver(from, to, bytes, channel);
      });
    }
  }

  stream(from: string, to: string, bytes: Uint8Array): void {
    const { after, deliver, nowMs, onFate } = this.#ports;
    const link = this.link(from, to);
    const { quality, random } = link;
    // TCP hides loss; what it cannot hide is a cut either way.
    const isLost = link.lostKinds.size > 0 && link.lostKinds.has(kindOf(bytes) ?? 'update');
    const isCut = link.isCut || this.link(to, from).isCut || isLost;
    onFate(isCut ? 'cut' : 'sent', from, to, bytes, 'stream');
    if (isCut) {
      this.figures.lost += 1;
      return;
    }
    const retriesMs = quality.loss > 0 && random() < quality.loss ? between(random, 20, 200) : 0;
    const delayMs =
      between(random, quality.minDelayMs, quality.maxDelayMs) * 2 +
      bytes.length / STREAM_BYTES_PER_MS +
      retriesMs;
    link.streamArrivesMs = Math.max(link.streamArrivesMs, nowMs() + delayMs);
    after(link.streamArrivesMs - nowMs(), () => {
      if (!link.isCut) deliver(from, to, bytes, 'stream');
    });
  }
}
