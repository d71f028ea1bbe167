/**
 * Packets that were recorded: what a version of the protocol has once said must be understood for ever.
 *
 * recorded/v1.json holds messages of every kind, each as it is meant and as it travelled in clear and sealed, of a fixed process under a fixed key. A change of
 * envelope or codec that breaks this test breaks every peer that is not updated in the same moment. Where it is wanted, raise OWN_VERSIONS.highest, keep the decoder of the version before
 * and its file as it is, and record the new one: TOPOSPHERE_RECORD=1 npx mocha test/wire/recorded.test.ts. A file that is there is never written again:
 * only that of a version which has not been released may be taken away first.
 *
 * recorded/ranges.json holds what is the same in all versions: envelopes of peers that read one version or several, in this one and in others, of which
 * a reader that does not know them must learn who speaks and what it reads. It changes never: peers that differ in it cannot find out what they share.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import type { Message, MessageKind } from '../../src/core/messages.ts';
import type { Incarnation, PeerId } from '../../src/core/types.ts';
import { createEnvelope, type Envelope } from '../../src/wire/envelope.ts';
import { loadHashing } from '../../src/wire/hash.ts';
import { decodeMessage, encodeMessage } from '../../src/wire/messageCodec.ts';
import { OWN_VERSIONS, type VersionRange } from '../../src/wire/versions.ts';
import { messages } from './arbitraries.ts';

interface Recorded {
  readonly kind: MessageKind;
  /** Bytes as `{"hex": …}`. */
  readonly message: unknown;
  /** The datagrams, hexadecimal. */
  readonly clear: string;
  readonly sealed: string;
}

/** An envelope around four bytes that no version means anything by. */
interface RecordedRange {
  readonly version: number;
  readonly reads: VersionRange;
  readonly clear: string;
  readonly sealed: string;
}

const VERSION = OWN_VERSIONS.highest;
const FOLDER = new URL('recorded/', import.meta.url);
const ADVICE =
  'what peers of this version say, or understand, has changed: raise OWN_VERSIONS.highest and keep the old decoder (the head of recorded.test.ts)';
const KEY = { id: 7, secret: Buffer.alloc(32, 0x5a) };
/** Of each kind so many, none longer than a line bears. */
const OF_EACH = 12;
const MOST_BYTES = 250;
/** What travels as a number: all of it must be among what is recorded, or its order could change unseen. */
const WORDS =
  'fresh joining forgotten member unheard unicast multicast value tombstone synthetic members incarnations clock unvouched';

const hashing = await loadHashing();

const RANGES = new URL('ranges.json', FOLDER);
const PAYLOAD = 'a1b2c3d4';
/** In which version who reads what speaks. */
const SPOKEN: readonly (readonly [version: number, lowest: number, highest: number])[] = [
  [1, 1, 1],
  [1, 1, 2],
  [2, 1, 2],
  [2, 2, 2],
  [2, 2, 3],
  [3, 2, 3],
  [1, 1, 8],
  [8, 1, 8],
  [255, 248, 255],
];

function open(id: string, isSealed: boolean, versions = OWN_VERSIONS): Envelope {
  return createEnvelope({
    versions,
    hashing,
    clusterId: 'recorded',
    self: { id: id as PeerId, incarnation: 1_234_567_890_123_456 as Incarnation },
    membershipHash: 0x0102_0304,
    ...(isSealed ? { keys: [KEY] } : {}),
  });
}

function toData(message: Message): unknown {
  const text = JSON.stringify(message, (_name, value: unknown) =>
    value instanceof Uint8Array ? { hex: Buffer.from(value).toString('hex') } : value,
  );
  return JSON.parse(text);
}

function toMessage(data: unknown): Message {
  return JSON.parse(JSON.stringify(data), (_name, value: unknown) => {
    const { hex } = (typeof value === 'object' && value !== null ? value : {}) as { hex?: string };
    return typeof hex === 'string' ? new Uint8Array(Buffer.from(hex, 'hex')) : value;
  }) as Message;
}

function say(envelope: Envelope, message: Message): string {
  const packet = encodeMessage(message, envelope.room);
  envelope.seal(packet, 'datagram');
  return packet.toString('hex');
}

function record(): readonly Recorded[] {
  const [clear, sealed] = [open('alpha', false), open('alpha', true)];
  return Object.entries(messages).flatMap(([kind, arbitrary]) =>
    fc
      .sample(arbitrary, { seed: 1, numRuns: 200 })
      .filter((message) => encodeMessage(message).length <= MOST_BYTES)
      .sort((a, b) => encodeMessage(b).length - encodeMessage(a).length)
      .filter((_, at, all) => at % Math.ceil(all.length / OF_EACH) === 0)
      .map((message) => ({
        kind: kind as MessageKind,
        message: toData(message),
        clear: say(clear, message),
        sealed: say(sealed, message),
      })),
  );
}

function sayRange(version: number, lowest: number, highest: number, isSealed: boolean): string {
  const envelope = open('alpha', isSealed, { lowest, highest });
  const { before, after } = envelope.room;
  const packet = Buffer.concat([Buffer.alloc(before), Buffer.from(PAYLOAD, 'hex'), Buffer.alloc(after)]);
  envelope.seal(packet, 'datagram', version);
  return packet.toString('hex');
}

function recordRanges(): readonly RecordedRange[] {
  return SPOKEN.map(([version, lowest, highest]) => ({
    version,
    reads: { lowest, highest },
    clear: sayRange(version, lowest, highest, false),
    sealed: sayRange(version, lowest, highest, true),
  }));
}

function write(file: URL, entries: readonly unknown[]): void {
  if (existsSync(file)) return;
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(file, `[\n${entries.map((one) => JSON.stringify(one)).join(',\n')}\n]\n`);
}

function isOfVersion(name: string): boolean {
  return /^v\d+\.json$/.test(name);
}

function fileOf(version: number): URL {
  return new URL(`v${version}.json`, FOLDER);
}

describe('what was once said', () => {
  before(() => {
    if (process.env['TOPOSPHERE_RECORD'] === undefined) return;
    write(fileOf(VERSION), record());
    write(RANGES, recordRanges());
  });

  const read = (name: string): readonly Recorded[] =>
    JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')) as readonly Recorded[];

  it('is recorded of the version that peers speak, with every kind of message', () => {
    assert.ok(existsSync(fileOf(VERSION)), `record v${VERSION}.json (the head of this file)`);
    const kinds = new Set(read(`v${VERSION}.json`).map(({ kind }) => kind));
    assert.deepEqual([...kinds].sort(), Object.keys(messages).sort(), ADVICE);
    const text = readFileSync(fileOf(VERSION), 'utf8');
    for (const word of WORDS.split(' ')) assert.ok(text.includes(`:"${word}"`), word);
  });

  for (const name of existsSync(FOLDER) ? readdirSync(FOLDER).filter(isOfVersion) : []) {
    for (const manner of ['clear', 'sealed'] as const) {
      it(`${name}: is understood, ${manner}`, () => {
        const reader = open('beta', manner === 'sealed');
        for (const recorded of read(name)) {
          const opened = reader.open(Buffer.from(recorded[manner], 'hex'), 'datagram');
          assert.ok(opened.ok, `${recorded.kind}: ${opened.ok ? '' : opened.reason}; ${ADVICE}`);
          assert.equal(opened.sender, 'alpha');
          const decoded = decodeMessage(opened.payload);
          assert.ok(decoded.ok, `${recorded.kind}: ${decoded.ok ? '' : decoded.reason}; ${ADVICE}`);
          assert.deepEqual(toData(decoded.message), recorded.message, ADVICE);
        }
      });
    }
  }

  for (const manner of ['clear', 'sealed'] as const) {
    it(`is said today in the same bytes, ${manner}`, () => {
      const speaker = open('alpha', manner === 'sealed');
      for (const recorded of read(`v${VERSION}.json`))
        assert.equal(
          say(speaker, toMessage(recorded.message)),
          recorded[manner],
          `${recorded.kind}: ${ADVICE}`,
        );
    });
  }

  for (const manner of ['clear', 'sealed'] as const) {
    it(`names its sender and what that reads, whatever version it is written in, ${manner}`, () => {
      const ranges = JSON.parse(readFileSync(RANGES, 'utf8')) as readonly RecordedRange[];
      assert.equal(ranges.length, SPOKEN.length);
      for (const { version, reads, ...said } of ranges) {
        // By a reader of one version alone, which none of the others is.
        const reader = open('beta', manner === 'sealed', { lowest: 1, highest: 1 });
        const opened = reader.open(Buffer.from(said[manner], 'hex'), 'datagram');
        assert.ok('versions' in opened, `${version}: ${opened.ok ? '' : opened.reason}`);
        assert.deepEqual([opened.ok, opened.sender, opened.versions], [version === 1, 'alpha', reads]);
        assert.equal(opened.incarnation, 1_234_567_890_123_456);
        assert.equal(
          sayRange(version, reads.lowest, reads.highest, manner === 'sealed'),
          said[manner],
          'the envelope has changed, which must be the same in all versions',
        );
      }
    });
  }

  it('of a peer that says nothing about versions is read as that it reads its own alone', () => {
    const [first] = read('v1.json');
    const opened = open('beta', false, { lowest: 1, highest: 3 }).open(
      Buffer.from(first?.clear ?? '', 'hex'),
      'datagram',
    );
    assert.deepEqual(opened.ok && opened.versions, { lowest: 1, highest: 1 });
  });
});
