/**
 * Whom a peer answers: configured addresses alone, wherever a datagram comes from, and nobody without the key.
 *
 * Owns what strangers' own sockets hear, what arrives at a member's configured port, and every byte that a peer says it sent. How much a flood costs, and addresses that are not the
 * sender's, are the laboratory's (`tools/lan`). Invariant: a burst is at an end when each of its datagrams has been counted, so none is lost unseen.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Incarnation, PeerId } from '../../src/core/types.ts';
import { parseClusterKeys } from '../../src/peer/clusterKeyFile.ts';
import { createEnvelope } from '../../src/wire/envelope.ts';
import type { Envelope, EnvelopeChannel } from '../../src/wire/envelope.ts';
import { loadHashing } from '../../src/wire/hash.ts';
import { encodeMessage } from '../../src/wire/messageCodec.ts';
import { messages } from '../wire/arbitraries.ts';
import type { ChildPeer } from './childPeer.ts';
import { useClusters } from './cluster.ts';
import { duration, report, waitUntil } from './waiting.ts';

const KEY = '1 ' + '0123456789abcdef'.repeat(4);
const OTHER_KEY = '1 ' + 'fedcba9876543210'.repeat(4);
/** A member that does not run: the test has its address, and speaks for it from others. */
const GHOST = 'ghost';
/** Messages drawn of each kind. */
const OF_EACH_KIND = 8;
const LONGEST_DATAGRAM = 60_000;
/** Fewer than a receive buffer holds. */
const BURST = 50;
const ROUNDS = 20;
/** Milliseconds over which it is measured what the peer says by its own timers. */
const QUIET_MS = 2_000;
/** Of the bytes that strangers send: what a timer that fires once more or less comes to. */
const UNEVEN_SHARE = 0.01;
/** Bytes of a frame's length. */
const FRAME_HEADER_BYTES = 4;

interface Bound {
  readonly socket: Socket;
  readonly heard: Buffer[];
}

/** Packets of every kind of message, as `envelope` makes them. */
function packetsOf(envelope: Envelope, channel: EnvelopeChannel): readonly Buffer[] {
  return Object.values(messages).flatMap((kind, seed) =>
    fc
      .sample(kind, { seed, numRuns: OF_EACH_KIND })
      .map((message) => {
        const packet = encodeMessage(message, envelope.room);
        envelope.seal(packet, channel);
        return packet;
      })
      .filter(({ length }) => length <= LONGEST_DATAGRAM),
  );
}

async function envelopeOf(keyText: string | undefined, incarnation: number): Promise<Envelope> {
  const self = { id: GHOST as PeerId, incarnation: incarnation as Incarnation };
  const keys = keyText === undefined ? [] : parseClusterKeys(keyText, 'test');
  const hashing = await loadHashing();
  return createEnvelope({ hashing, clusterId: 'toposphere', self, membershipHash: 0, keys });
}

async function sumOfDrops(peer: ChildPeer): Promise<number> {
  return Object.values((await peer.status()).drops).reduce((sum, count) => sum + count, 0);
}

/** What a stranger hears that says all this over connections of its own, each of which the peer has to close. */
async function sayOverTcp(port: number, packets: readonly Buffer[]): Promise<number> {
  const answered = packets.map(
    (packet) =>
      new Promise<number>((resolve) => {
        const socket = connect({ host: '127.0.0.1', port });
        let bytes = 0;
        socket.on('data', (piece) => (bytes += piece.length));
        socket.on('error', () => undefined); // a reset is no answer
        socket.once('close', () => {
          resolve(bytes);
        });
        const header = Buffer.alloc(FRAME_HEADER_BYTES);
        header.writeUInt32BE(packet.length);
        socket.write(Buffer.concat([header, packet]));
      }),
  );
  return (await Promise.all(answered)).reduce((sum, bytes) => sum + bytes, 0);
}

describe('strangers', () => {
  const clusters = useClusters();

  async function bind(port: number): Promise<Bound> {
    const socket = createSocket('udp4');
    const heard: Buffer[] = [];
    clusters.onEnd(() => void socket.close());
    socket.on('message', (bytes) => void heard.push(bytes));
    await new Promise<void>((resolve) => socket.bind({ address: '127.0.0.1', port }, resolve));
    return { socket, heard };
  }

  async function prepare(): Promise<{ readonly alpha: ChildPeer; readonly configured: Bound }> {
    const { folder } = await clusters.prepare();
    const clusterKeyFile = join(folder, 'key');
    await writeFile(clusterKeyFile, KEY, { mode: 0o600 });
    const ids = ['alpha', GHOST];
    const cluster = await clusters.start({ ids, absent: [GHOST], settings: { clusterKeyFile } });
    return { alpha: cluster.peer('alpha'), configured: await bind(cluster.ports.get(GHOST) ?? 0) };
  }

  it('without the key are answered by nothing, whatever kind of message they send, and each datagram is counted', async () => {
    const { alpha, configured } = await prepare();
    // What alpha says to the ghost unasked can be recorded, and sent back to it by anybody.
    await waitUntil('recorded datagrams', () => configured.heard.length >= 8);
    const strangers: readonly Bound[] = [await bind(0), await bind(0)];
    const [inClear, wrongKey] = [await envelopeOf(undefined, 2 ** 52), await envelopeOf(OTHER_KEY, 2 ** 52)];
    const datagrams = [
      ...packetsOf(inClear, 'datagram'),
      ...packetsOf(wrongKey, 'datagram'),
      ...Array.from({ length: 100 }, (_, index) => randomBytes(1 + index * 14)),
      ...configured.heard.slice(0, 8),
    ];
    const sentBytes = async (): Promise<number> => (await alpha.status()).network.datagrams.sent.bytes;
    const quietFrom = { ms: performance.now(), bytes: await sentBytes() };
    await duration(QUIET_MS);
    const from = { ms: performance.now(), bytes: await sentBytes() };
    const quietRate = (from.bytes - quietFrom.bytes) / (from.ms - quietFrom.ms);

    let strangersBytes = 0;
    let sent = 0;
    const counted = await sumOfDrops(alpha);
    for (let round = 0; round < ROUNDS; round += 1) {
      for (let at = 0; at < datagrams.length; at += BURST) {
        for (const [index, bytes] of datagrams.slice(at, at + BURST).entries()) {
          strangers[index % 2]?.socket.send(bytes, alpha.port, '127.0.0.1');
          strangersBytes += bytes.length;
          sent += 1;
        }
        await waitUntil(`${sent} datagrams counted`, async () => (await sumOfDrops(alpha)) - counted >= sent);
      }
    }
    const tookMs = performance.now() - from.ms;
    const caused = (await sentBytes()) - from.bytes - quietRate * tookMs;
    const { drops } = await alpha.status();
    report(
      `${strangersBytes} bytes of strangers in ${Math.round(tookMs)} ms; sent ${Math.round(caused)} more than at rest, ${Math.round(quietRate * tookMs)}; ${JSON.stringify(drops)}`,
    );
    assert.ok(caused <= strangersBytes * UNEVEN_SHARE, `${caused} bytes for ${strangersBytes}`);
    for (const reason of ['notSealed', 'badSeal', 'badHeader', 'tooShort', 'ownEcho'])
      assert.ok((drops[reason] ?? 0) > 0, `nothing dropped as ${reason}`);
    for (const { heard } of strangers) assert.equal(heard.length, 0);

    const frames = [...packetsOf(inClear, 'stream'), ...packetsOf(wrongKey, 'stream')];
    assert.equal(await sayOverTcp(alpha.port, frames), 0);
    assert.ok(((await alpha.status()).network.faults['unprovenConnection'] ?? 0) >= frames.length);
  }).timeout(60_000);

  it('with the key are answered at the address that their name has in servers.txt, whatever kind of message they send', async () => {
    const { alpha, configured } = await prepare();
    const stranger = await bind(0);
    const send = (bytes: Buffer): void => {
      stranger.socket.send(bytes, alpha.port, '127.0.0.1');
    };
    const newer = await envelopeOf(KEY, 2 ** 51 + 1);
    for (const bytes of packetsOf(newer, 'datagram')) send(bytes);
    // An outdated incarnation is always answered: FENCED.
    const older = await envelopeOf(KEY, 2 ** 51);
    const known = configured.heard.length;
    for (const bytes of packetsOf(older, 'datagram')) send(bytes);
    await waitUntil('more at the configured address', () => configured.heard.length > known + 2);
    assert.equal(stranger.heard.length, 0);
    assert.ok(alpha.isRunning);
  }).timeout(60_000);
});
