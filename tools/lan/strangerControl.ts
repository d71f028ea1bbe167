/**
 * The laboratory's hand on its stranger: what it sends, to whom, and how much of it has left.
 *
 * Owns the process of stranger.py and the datagrams that need the wire format: in clear, or under any key, in the name of a member and with something that would be
 * seen if it were taken. Invariant: an answer says what was sent, address by address, not what was asked for.
 */
import { fileURLToPath } from 'node:url';
import type { Incarnation, Key, PeerId, Timestamp } from '../../src/core/types.ts';
import { createEnvelope, type ClusterKey } from '../../src/wire/envelope.ts';
import { loadHashing } from '../../src/wire/hash.ts';
import { encodeMessage } from '../../src/wire/messageCodec.ts';
import { GROUP, type Card } from './namespaces.ts';
import { Program } from './program.ts';

const PROGRAM = fileURLToPath(new URL('stranger.py', import.meta.url));
const ANSWER_TIMEOUT_MS = 240_000;
/** Where the key's number stands in a datagram (envelopeHeader.ts). */
const KEY_ID_AT = 3;
/** Datagrams of each made kind. */
const MADE = 64;
const NOTHING = new Uint8Array(0);

/** What no host may ever hold. */
export const PLANTED = 'planted-by-a-stranger';

/** `recorded`: by the capture before the last one. `made`: what the laboratory hands over. */
export type Attack = 'replayed' | 'recorded' | 'truncated' | 'damaged' | 'oversized' | 'rubbish' | 'made';

/** Which address its datagrams seem to come from. */
export type Source = 'itself' | 'member' | 'nobody';

/** What its connections begin with: `said` is handed over, `replayed` a recorded datagram as a frame. */
export type Opening = 'rubbish' | 'replayed' | 'said';

export interface Target {
  readonly address: string;
  readonly port: number;
  readonly mac: string;
}

export interface Answer {
  /** Datagrams by `address:port`. */
  readonly sent: Readonly<Record<string, number>>;
  /** What they carried. */
  readonly sentBytes: number;
  readonly captured?: number;
  /** The first datagram that was heard, hexadecimal. */
  readonly first?: string;
  readonly tookSeconds?: number;
  /** Connections that the other side had closed, and what it had said on all. */
  readonly closed?: number;
  readonly answeredBytes?: number;
}

export class StrangerControl {
  readonly #program: Program;

  constructor(card: Card, seed: number) {
    this.#program = new Program('the stranger', card.name, ['python3', '-u', PROGRAM]);
    this.#program.write(JSON.stringify({ seed, address: card.address, groupPort: GROUP.port }));
  }

  capture(seconds: number): Promise<Answer> {
    return this.#order({ do: 'capture', seconds });
  }

  /** So many datagrams to each target. */
  attack({
    how,
    source,
    targets,
    times,
    payloads = [],
  }: {
    readonly how: Attack;
    readonly source: Source;
    readonly targets: readonly Target[];
    readonly times: number;
    readonly payloads?: readonly Buffer[];
  }): Promise<Answer> {
    const made = payloads.map((one) => one.toString('hex'));
    return this.#order({ do: 'attack', how, source, targets, times, payloads: made });
  }

  /** So many connections to one target, held open until they are let go. */
  connect(how: Opening, target: Target, times: number, opening: Uint8Array = NOTHING): Promise<Answer> {
    const payload = Buffer.from(opening).toString('hex');
    return this.#order({ do: 'connect', how, target, times, payload });
  }

  letGo(): Promise<Answer> {
    return this.#order({ do: 'letGo' });
  }

  flood(target: Target, count: number, perSecond: number): Promise<Answer> {
    return this.#order({ do: 'flood', target, count, perSecond });
  }

  async stop(): Promise<void> {
    await this.#program.stop();
  }

  async #order(order: Readonly<Record<string, unknown>>): Promise<Answer> {
    this.#program.lines.length = 0; // one order at a time: what lies here was answered
    this.#program.write(JSON.stringify(order));
    return JSON.parse(await this.#program.awaitLine(/^\{/, ANSWER_TIMEOUT_MS)) as Answer;
  }
}

export interface Impersonated {
  readonly id: string;
  readonly incarnation: number;
  readonly clusterId: string;
}

/** The number of the key that a datagram is sealed with. */
export function keyIdOf(datagram: Uint8Array): number {
  return datagram[KEY_ID_AT] ?? 0;
}

/** UPDATEs in the name of a member: sealed with the first key, or in clear where there is none. */
export async function makeForgeries(
  { id, incarnation, clusterId }: Impersonated,
  keys: readonly ClusterKey[],
): Promise<readonly Buffer[]> {
  const hashing = await loadHashing();
  const self = { id: id as PeerId, incarnation: incarnation as Incarnation };
  const envelope = createEnvelope({ hashing, clusterId, self, membershipHash: 0, keys });
  return Array.from({ length: MADE }, (_, at) => {
    const record = {
      sequence: 1 + at,
      key: PLANTED as Key,
      timestamp: 1 as Timestamp,
      kind: 'value',
      expiresAt: 0,
      value: Buffer.from(PLANTED),
    } as const;
    const packet = encodeMessage({ kind: 'update', records: [record] }, envelope.room);
    envelope.seal(packet, 'datagram');
    return packet;
  });
}
