/**
 * The laboratory's hand on its stranger: what it sends, to whom, and how much of it has left.
 *
 * Owns the process of stranger.py and the datagrams that need the wire format: in clear, and under another key, in the name of a member and with something that would be
 * seen if it were taken. Invariant: an answer says what was sent, address by address, not what was asked for.
 */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Incarnation, Key, PeerId, Timestamp } from '../../src/core/types.ts';
import { createEnvelope } from '../../src/wire/envelope.ts';
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

/** What no host may ever hold. */
export const PLANTED = 'planted-by-a-stranger';

export const ATTACKS = [
  'replayed',
  'forged',
  'truncated',
  'damaged',
  'oversized',
  'rubbish',
  'made',
] as const;
export type Attack = (typeof ATTACKS)[number];

export interface Target {
  readonly address: string;
  readonly port: number;
  readonly mac: string;
}

export interface Answer {
  /** Datagrams by `address:port`. */
  readonly sent: Readonly<Record<string, number>>;
  readonly captured?: number;
  /** The first datagram that was heard, hexadecimal. */
  readonly first?: string;
  readonly tookSeconds?: number;
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
  attack(
    how: Attack,
    targets: readonly Target[],
    times: number,
    payloads: readonly Buffer[] = [],
  ): Promise<Answer> {
    return this.#order({
      do: 'attack',
      how,
      targets,
      times,
      payloads: payloads.map((one) => one.toString('hex')),
    });
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
  /** One datagram of the cluster. */
  readonly heard: Buffer;
}

/** UPDATEs in the name of a member: in clear, and sealed with a key that the cluster has not, under the number of its own. */
export async function makeForgeries({ id, incarnation, clusterId, heard }: Impersonated): Promise<{
  readonly inClear: readonly Buffer[];
  readonly wrongKey: readonly Buffer[];
}> {
  const hashing = await loadHashing();
  const self = { id: id as PeerId, incarnation: incarnation as Incarnation };
  const key = { id: heard[KEY_ID_AT] ?? 0, secret: randomBytes(32) };
  const make = (keys: readonly (typeof key)[]): readonly Buffer[] => {
    const envelope = createEnvelope({ hashing, clusterId, self, membershipHash: 0, keys });
    return Array.from({ length: MADE }, (_, at) => {
      const value = Buffer.from(PLANTED);
      const timestamp = 1 as Timestamp;
      const record = {
        sequence: 1_000_000 + at,
        key: PLANTED as Key,
        timestamp,
        kind: 'value',
        expiresAt: 0,
        value,
      } as const;
      const packet = encodeMessage({ kind: 'update', records: [record] }, envelope.room);
      envelope.seal(packet, 'datagram');
      return packet;
    });
  };
  return { inClear: make([]), wrongKey: make([key]) };
}
