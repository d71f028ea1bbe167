/**
 * 200,000 hostile datagrams and frames at a peer that runs in a cluster.
 *
 * Owns what must hold: no crash, bounded memory, every datagram counted by a reason, and a peer that still
 * serves and replicates. The bytes are hostileInput.ts's. Sent in bursts, each followed by a question to the
 * peer: its answer says that it has read on, so that the system's receive buffer does not eat the attack.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { connect } from 'node:net';
import type { Incarnation, PeerId } from '../../../src/core/types.ts';
import { createEnvelope } from '../../../src/wire/envelope.ts';
import { sealing } from '../../wire/sealing.ts';
import { loadHashing } from '../../../src/wire/hash.ts';
import type { ChildPeer, FullStatus } from '../childPeer.ts';
import { useClusters } from '../cluster.ts';
import type { ChildCluster, Clusters } from '../cluster.ts';
import { awaitAllPresent, awaitEqualDigests } from '../convergence.ts';
import { choose, hostileFrame, hostileRequest, mutate, randomPacket } from './hostileInput.ts';
import { createRandom } from '../load.ts';
import { duration, report, waitUntil } from '../waiting.ts';

const SPOILED_DATAGRAMS = 120_000;
const RESEALED_DATAGRAMS = 40_000;
const CLIENT_FRAMES = 36_000;
const PEER_FRAMES = 4_000;
/** Datagrams between two questions: fewer than the receive buffer holds. */
const BURST_DATAGRAMS = 500;
/** Frames on one connection at most, unless the peer closes it before. */
const FRAMES_PER_CONNECTION = 12;
const CONNECTIONS_AT_ONCE = 16;
/** Resident memory may grow by this over the whole attack, bytes. */
const GROWTH_LIMIT_BYTES = 128 * 1024 * 1024;
/** Offset of the 6-byte packet number in the envelope's header (src/wire/envelopeHeader.ts). */
const PACKET_NUMBER_AT = 16;
/** Real packets to mutate. */
const CAPTURED = 60;
/** A member that is not started: what others send to its port can be captured, and it can be impersonated. */
const GHOST = 'ghost';

interface Captured {
  /** As they came, envelope and all. */
  readonly packets: readonly Buffer[];
  /** What was in them. */
  readonly payloads: readonly Buffer[];
}

/** Sockets on 127.0.0.1 that hear what the cluster says: to the group, and to the ghost. */
async function capture(clusters: Clusters, cluster: ChildCluster, target: ChildPeer): Promise<Captured> {
  const packets: Buffer[] = [];
  const note = (bytes: Buffer): void => void packets.push(bytes);
  const listen = async (address: string, port: number, onBound: (socket: Socket) => void): Promise<void> => {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    clusters.onEnd(() => void socket.close());
    socket.on('message', note);
    await new Promise<void>((resolve) => socket.bind({ address, port }, resolve));
    onBound(socket);
  };
  await listen(cluster.group.group, cluster.group.port, (socket) => {
    socket.addMembership(cluster.group.group, '127.0.0.1');
  });
  await listen('127.0.0.1', cluster.ports.get(GHOST) ?? 0, () => undefined);
  let written = 0;
  await waitUntil('captured packets', async () => {
    await Promise.all(
      cluster.peers.map((peer) => peer.set(`captured:${written++}`, 'x'.repeat(written * 20))),
    );
    return packets.length >= CAPTURED;
  });
  const hashing = await loadHashing();
  const reader = createEnvelope({ hashing, clusterId: 'toposphere', self: ghostOf(1), membershipHash: 0 });
  const captured: { packets: Buffer[]; payloads: Buffer[] } = { packets: [], payloads: [] };
  for (const packet of packets.splice(0)) {
    const opened = reader.open(packet, 'datagram');
    // What the target itself said is passed over in silence: it hears its own multicast all the time.
    if (!opened.ok || opened.sender === target.id) continue;
    captured.packets.push(packet);
    captured.payloads.push(Buffer.from(opened.payload));
  }
  return captured;
}

function ghostOf(incarnation: number): { readonly id: PeerId; readonly incarnation: Incarnation } {
  return { id: GHOST as PeerId, incarnation: incarnation as Incarnation };
}

/** Sends `count` datagrams, in turn to the peer's own port and to the group. */
async function bombard(
  clusters: Clusters,
  cluster: ChildCluster,
  target: ChildPeer,
  count: number,
  next: () => Buffer,
): Promise<void> {
  const socket = createSocket('udp4');
  clusters.onEnd(() => void socket.close());
  await new Promise<void>((resolve) => socket.bind({ address: '127.0.0.1', port: 0 }, resolve));
  socket.setMulticastInterface('127.0.0.1');
  socket.setMulticastTTL(0);
  for (let sent = 0; sent < count;) {
    for (const end = Math.min(count, sent + BURST_DATAGRAMS); sent < end; sent += 1) {
      const toGroup = sent % 2 === 0;
      socket.send(
        next(),
        toGroup ? cluster.group.port : target.port,
        toGroup ? cluster.group.group : '127.0.0.1',
      );
    }
    await new Promise<void>((resolve) => setImmediate(resolve));
    await target.ask('PING');
  }
}

/** Sends frames over as many connections as it takes: a peer may close any of them at any time. */
async function pester(
  port: number,
  count: number,
  next: () => Buffer,
): Promise<{ connections: number; closed: number }> {
  let left = count;
  let connections = 0;
  let closed = 0;
  const one = async (): Promise<void> => {
    const socket = connect({ host: '127.0.0.1', port });
    connections += 1;
    socket.on('error', () => undefined); // a reset is an answer too
    socket.on('data', () => undefined);
    const end = new Promise<void>((resolve) => {
      socket.once('close', () => {
        resolve();
      });
    });
    for (let frames = 0; frames < FRAMES_PER_CONNECTION && left > 0 && !socket.destroyed; frames += 1) {
      left -= 1;
      socket.write(next());
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    if (socket.destroyed) closed += 1;
    socket.end();
    // Whoever waits for the rest of a frame that never comes would wait for ever.
    await Promise.race([end, duration(20)]);
    socket.destroy();
  };
  const worker = async (): Promise<void> => {
    while (left > 0) await one();
  };
  await Promise.all(Array.from({ length: CONNECTIONS_AT_ONCE }, worker));
  return { connections, closed };
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function growth(before: FullStatus, after: FullStatus): Record<string, number> {
  const names = Object.keys(after.drops);
  const grown = names.map((name) => [name, (after.drops[name] ?? 0) - (before.drops[name] ?? 0)] as const);
  return Object.fromEntries(grown.filter(([, count]) => count > 0));
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}

describe('hostile input', () => {
  const clusters = useClusters();

  /** A peer under attack, one beside it, and what it takes in memory before. */
  async function prepare(random: () => number) {
    const cluster = await clusters.start({ ids: ['alpha', 'beta', GHOST], absent: [GHOST] });
    const target = cluster.peer('alpha');
    const captured = await capture(clusters, cluster, target);
    assert.ok(captured.packets.length >= CAPTURED / 3);
    // Memory that reading takes anyway is not the attack's.
    await bombard(clusters, cluster, target, 4 * BURST_DATAGRAMS, () => randomPacket(random));
    return { cluster, target, captured, startBytes: await target.residentBytes() };
  }

  async function assertUnharmed(target: ChildPeer, startBytes: number): Promise<void> {
    const grownBytes = (await target.residentBytes()) - startBytes;
    report(`resident memory ${mebibytes(startBytes)} MiB, grown by ${mebibytes(grownBytes)} MiB`);
    assert.ok(target.isRunning, 'it still runs');
    assert.deepEqual(
      target.log.filter((line) => /internal error|handlerFailed/.test(line)),
      [],
    );
    assert.ok(grownBytes <= GROWTH_LIMIT_BYTES, `grown by ${mebibytes(grownBytes)} MiB`);
  }

  it('160,000 spoiled datagrams and frames: no crash, bounded memory, each drop counted, still equal', async () => {
    const random = createRandom(2);
    const { cluster, target, captured, startBytes } = await prepare(random);
    const { packets } = captured;
    const before = await target.status();
    await bombard(clusters, cluster, target, SPOILED_DATAGRAMS, () =>
      random() < 0.25 ? randomPacket(random) : spoil(random, packets),
    );
    const spoiled = growth(before, await target.status());
    report(`${SPOILED_DATAGRAMS} spoiled datagrams dropped as ${JSON.stringify(spoiled)}`);
    const clientFrames = await pester(target.clientPort, CLIENT_FRAMES, () => hostileRequest(random));
    const peerFrames = await pester(target.port, PEER_FRAMES, () => hostileFrame(random, packets));
    const after = await target.status();
    report(
      `${CLIENT_FRAMES} client frames on ${clientFrames.connections} connections, ${PEER_FRAMES} peer frames on ` +
        `${peerFrames.connections}: ${JSON.stringify(pickCounts(after))}, network ${JSON.stringify(after.network.faults)}`,
    );
    await assertUnharmed(target, startBytes);
    // What the system's buffer lost never reached the peer; all else must have a reason.
    const counted = sumOf(spoiled);
    assert.ok(counted >= SPOILED_DATAGRAMS * 0.99, `${counted} of ${SPOILED_DATAGRAMS} counted`);
    for (const reason of ['badHeader', 'tooShort', 'badChecksum', 'otherCluster', 'replayed']) {
      assert.ok((spoiled[reason] ?? 0) > 0, `nothing dropped as ${reason}`);
    }
    assert.ok((after.clients['protocolErrors'] ?? 0) > 0);
    assert.ok((after.clients['httpDropped'] ?? 0) > 0);
    assert.ok((after.network.faults['frameTooLong'] ?? 0) > 0);
    await target.set('still', 'serves');
    await cluster.peer('beta').set('and', 'replicates');
    await awaitEqualDigests(cluster.peers);
    assert.equal(await target.get('and'), 'replicates');
    assert.equal(await cluster.peer('beta').get('still'), 'serves');
  }).timeout(150_000);

  it('40,000 spoiled messages in envelopes that hold, as a defective member would send them: dropped by reason', async () => {
    const random = createRandom(3);
    const { cluster, target, captured, startBytes } = await prepare(random);
    const { payloads } = captured;
    const hashing = await loadHashing();
    let incarnation = 1000;
    const sealAs = () =>
      sealing(
        createEnvelope({ hashing, clusterId: 'toposphere', self: ghostOf(incarnation), membershipHash: 0 }),
      );
    let envelope = sealAs();
    const before = await target.status();
    await bombard(clusters, cluster, target, RESEALED_DATAGRAMS, () => {
      if (random() < 0.001) {
        incarnation += 1;
        envelope = sealAs();
      }
      return envelope.seal(mutate(random, choose(random, payloads), choose(random, payloads)), 'datagram');
    });
    const dropped = growth(before, await target.status());
    report(`${RESEALED_DATAGRAMS} datagrams with spoiled payloads dropped as ${JSON.stringify(dropped)}`);
    await assertUnharmed(target, startBytes);
    // The rest are messages that make sense: other bytes in a value, another key.
    assert.ok(sumOf(dropped) >= RESEALED_DATAGRAMS / 2, `${sumOf(dropped)} of ${RESEALED_DATAGRAMS} counted`);
    for (const reason of ['leftOver', 'cutShort', 'badNumber', 'unknownKind']) {
      assert.ok((dropped[reason] ?? 0) > 0, `nothing dropped as ${reason}`);
    }
    // Digests may differ now: the ghost said different things to different peers under one name (I1), which
    // is beyond the protocol. The others' own writes still reach each other.
    const fresh = new Map(Array.from({ length: 100 }, (_, index) => [`fresh:${index}`, String(index)]));
    for (const [index, [key, value]] of [...fresh].entries()) await cluster.peers[index % 2]?.set(key, value);
    await awaitAllPresent(cluster.peers, fresh);
  }).timeout(100_000);
});

/** A real packet spoiled; half of them numbered anew, so that not all are taken for repetitions at once. */
function spoil(random: () => number, packets: readonly Buffer[]): Buffer {
  const packet = mutate(random, choose(random, packets), choose(random, packets));
  if (random() < 0.5 && packet.length >= PACKET_NUMBER_AT + 6) {
    packet.writeUIntBE(2 ** 40 + Math.floor(random() * 2 ** 20), PACKET_NUMBER_AT, 6);
  }
  return packet;
}

function pickCounts({ clients }: FullStatus): Record<string, number> {
  const names = ['protocolErrors', 'httpDropped', 'inputLimitClosed', 'commandsRefused', 'socketErrors'];
  return Object.fromEntries(names.map((name) => [name, clients[name] ?? 0]));
}
