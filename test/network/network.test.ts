/**
 * Real sockets on 127.0.0.1: what one network sends another hears, and what cannot be sent is counted.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { ToposphereError } from '../../src/core/errors.ts';
import type { PeerId } from '../../src/core/types.ts';
import { openDatagrams } from '../../src/network/datagrams.ts';
import { createFaultCounts } from '../../src/network/faultCounts.ts';
import { MAX_FRAME_BYTES } from '../../src/network/frames.ts';
import { openNetwork } from '../../src/network/network.ts';
import { REDIAL_PAUSE_MS } from '../../src/network/outgoingStreams.ts';
import { dialTcp, listenTcp } from '../../src/network/tcp.ts';
import type { Socket } from '../../src/network/tcp.ts';
import { findPeerPorts } from '../ports.ts';
import { closeNetworks, HOST, openTestNetwork, peersOn } from './support.ts';
import type { TestNetwork } from './support.ts';

const GROUP = '239.77.83.1';
const alpha = 'alpha' as PeerId;
const beta = 'beta' as PeerId;

async function openPair(multicast = true): Promise<[TestNetwork, TestNetwork]> {
  const [alphaPort = 0, betaPort = 0, groupPort = 0] = await findPeerPorts(3);
  const peers = peersOn({ alpha: alphaPort, beta: betaPort });
  const options = multicast ? { multicast: { group: GROUP, port: groupPort, interface: HOST } } : {};
  return [await openTestNetwork(alphaPort, peers, options), await openTestNetwork(betaPort, peers, options)];
}

function texts(network: TestNetwork, channel: 'multicast' | 'unicast'): string[] {
  return network.datagrams
    .filter((datagram) => datagram.channel === channel)
    .map(({ bytes }) => bytes.toString());
}

describe('network', () => {
  afterEach(closeNetworks);

  it('lets all members of the group, the sender too, hear a multicast', async () => {
    const [a, b] = await openPair();
    a.network.multicast(Buffer.from('to all'));
    b.network.multicast(Buffer.from('me too'));
    for (const peer of [a, b]) {
      await peer.until(() => peer.datagrams.length === 2);
      assert.deepEqual(texts(peer, 'multicast').sort(), ['me too', 'to all']);
    }
    assert.equal(a.network.report().datagrams.multicastJoined, true);
    assert.equal(a.network.report().datagrams.received.multicast, 2);
  });

  it('keeps groups on one port apart', async () => {
    const [alphaPort = 0, betaPort = 0, groupPort = 0] = await findPeerPorts(3);
    const multicast = (group: string) => ({ multicast: { group, port: groupPort, interface: HOST } });
    const a = await openTestNetwork(alphaPort, peersOn({}), multicast(GROUP));
    const b = await openTestNetwork(
      betaPort,
      peersOn({ alpha: alphaPort, beta: betaPort }),
      multicast('239.77.83.2'),
    );
    a.network.multicast(Buffer.from('for another group'));
    b.network.multicast(Buffer.from('own'));
    await b.until(() => b.datagrams.length > 0);
    assert.deepEqual(texts(b, 'multicast'), ['own']);
  });

  it('carries unicast to the configured port, from the own port, and to nobody else', async () => {
    const [a, b] = await openPair();
    a.network.unicast(beta, Buffer.from('to beta'));
    await b.until(() => b.datagrams.length === 1);
    b.network.unicast(alpha, Buffer.from('to alpha'));
    await a.until(() => a.datagrams.length === 1);
    assert.deepEqual(texts(b, 'unicast'), ['to beta']);
    assert.deepEqual(texts(a, 'unicast'), ['to alpha']);
  });

  it('works without multicast', async () => {
    const [a, b] = await openPair(false);
    a.network.multicast(Buffer.from('nobody hears'));
    a.network.unicast(beta, Buffer.from('heard'));
    await b.until(() => b.datagrams.length === 1);
    assert.equal(a.network.report().datagrams.multicastJoined, false);
  });

  it('goes on by unicast, and says so, when the group cannot be joined', async () => {
    const [alphaPort = 0, betaPort = 0, groupPort = 0] = await findPeerPorts(3);
    const peers = peersOn({ alpha: alphaPort, beta: betaPort });
    // An address for documentation (RFC 5737): no interface here has it.
    const multicast = { group: GROUP, port: groupPort, interface: '192.0.2.1' };
    const a = await openTestNetwork(alphaPort, peers, { multicast });
    const b = await openTestNetwork(betaPort, peers);
    assert.match(
      a.faults[0] ?? '',
      /multicastUnavailable: cannot join group 239\.77\.83\.1 on interface 192\.0\.2\.1/,
    );
    assert.equal(a.network.report().datagrams.multicastJoined, false);
    a.network.unicast(beta, Buffer.from('still here'));
    await b.until(() => b.datagrams.length === 1);
  });

  it('carries a frame of 5 MB whole, and frames in order', async () => {
    const [a, b] = await openPair(false);
    const large = Buffer.alloc(5_000_000, 'large');
    assert.ok(a.network.stream(beta, large));
    for (let index = 0; index < 100; index++)
      assert.ok(a.network.stream(beta, Buffer.from(`frame ${index}`)));
    await b.until(() => b.frames.length === 101);
    assert.equal(Buffer.compare(b.frames[0] ?? Buffer.alloc(0), large), 0);
    assert.deepEqual(
      b.frames.slice(1).map(String),
      Array.from({ length: 100 }, (_, index) => `frame ${index}`),
    );
    assert.equal(b.network.report().streams.incoming.connections, 1);
    assert.equal(b.network.report().streams.incoming.unfinishedBytes, 0);
  });

  it('says when the bytes of a frame have left, so that their memory may be used again', async () => {
    const [a, b] = await openPair(false);
    const memory = Buffer.alloc(8_000_000);
    for (let turn = 0; turn < 5; turn++) {
      memory.fill(turn);
      await new Promise<void>((resolve) => {
        assert.ok(a.network.stream(beta, memory, resolve));
      });
      memory.fill(0xff);
    }
    await b.until(() => b.frames.length === 5);
    b.frames.forEach((frame, turn) => {
      assert.ok(
        frame.every((byte) => byte === turn),
        `frame ${turn}`,
      );
    });
  });

  it('carries the longest frame, and refuses a longer or an empty one', async () => {
    const [a, b] = await openPair(false);
    assert.ok(a.network.stream(beta, Buffer.alloc(MAX_FRAME_BYTES)));
    assert.ok(!a.network.stream(beta, Buffer.alloc(MAX_FRAME_BYTES + 1)));
    assert.ok(!a.network.stream(beta, Buffer.alloc(0)));
    await b.until(() => b.frames.length === 1);
    assert.equal(b.frames[0]?.length, MAX_FRAME_BYTES);
    assert.equal(a.network.report().faults.frameTooLongToSend, 2);
  });

  it('uses one connection a destination', async () => {
    const [a, b] = await openPair(false);
    for (const text of ['one', 'two', 'three']) {
      a.network.stream(beta, Buffer.from(text));
      await b.until(() => b.frames.at(-1)?.toString() === text);
    }
    assert.equal(b.network.report().streams.incoming.connections, 1);
    assert.equal(a.network.report().streams.outgoing.connections, 1);
  });

  it('drops and counts frames for a peer that refuses, and reaches it once it is back', async function () {
    const [alphaPort = 0, betaPort = 0] = await findPeerPorts(2);
    const peers = peersOn({ alpha: alphaPort, beta: betaPort });
    const a = await openTestNetwork(alphaPort, peers);
    a.network.stream(beta, Buffer.from('lost'));
    await a.until(() => a.network.report().faults.streamRefused === 1);
    assert.ok(!a.network.stream(beta, Buffer.from('too soon')));
    assert.equal(a.network.report().faults.streamBackOff, 1);
    const b = await openTestNetwork(betaPort, peers);
    // The pause itself is what is tested: time has to pass.
    await new Promise((resolve) => setTimeout(resolve, REDIAL_PAUSE_MS));
    assert.ok(a.network.stream(beta, Buffer.from('back')));
    await b.until(() => b.frames.length === 1);
    assert.equal(String(b.frames[0]), 'back');
  });

  it('reaches a peer that was restarted', async () => {
    const [a, b] = await openPair(false);
    a.network.stream(beta, Buffer.from('before'));
    await b.until(() => b.frames.length === 1);
    await b.network.close();
    const again = await openTestNetwork(b.port, peersOn({ alpha: a.port }));
    // The first frame after a restart may still go into the dead connection: repair sends again, and so does this.
    const resend = setInterval(() => a.network.stream(beta, Buffer.from('after')), 20);
    try {
      await again.until(() => again.frames.length > 0);
    } finally {
      clearInterval(resend);
    }
    assert.equal(String(again.frames[0]), 'after');
  });

  it('bounds what waits for a peer that does not read', async () => {
    const held: Socket[] = [];
    const listener = await listenTcp({
      host: HOST,
      port: 0,
      onSocket: (socket) => held.push(socket.pause()),
    });
    const [alphaPort = 0] = await findPeerPorts(1);
    const a = await openTestNetwork(alphaPort, peersOn({ beta: listener.port }));
    const frame = Buffer.alloc(8 * 1024 * 1024);
    const taken = Array.from({ length: 8 }, () => a.network.stream(beta, frame)).filter(Boolean).length;
    assert.ok(taken >= 2 && taken <= 4, `took ${taken}`);
    assert.equal(a.network.report().faults.streamQueueFull, 8 - taken);
    assert.ok(a.network.streamQueuedBytes(beta) > 0);
    await listener.close();
  });

  it('counts a frame that breaks off because the peer hung up at its first bytes', async () => {
    const listener = await listenTcp({
      host: HOST,
      port: 0,
      onSocket: (socket) => {
        socket.once('data', () => socket.destroy());
      },
    });
    const [alphaPort = 0] = await findPeerPorts(1);
    const a = await openTestNetwork(alphaPort, peersOn({ beta: listener.port }));
    try {
      assert.equal(a.network.stream(beta, Buffer.alloc(MAX_FRAME_BYTES)), true);
      await a.until(() => a.network.report().faults.streamBroken === 1);
      assert.match(a.faults.join('\n'), new RegExp(`frames of ${MAX_FRAME_BYTES} bytes were dropped`));
    } finally {
      await listener.close();
    }
  });

  it('counts sends to unknown peers and goes on', async () => {
    const [a] = await openPair(false);
    a.network.unicast('nobody' as PeerId, Buffer.from('x'));
    assert.ok(!a.network.stream('nobody' as PeerId, Buffer.from('x')));
    assert.equal(a.network.report().faults.unknownPeer, 2);
    assert.match(a.faults[0] ?? '', /unknownPeer: no address is configured for nobody/);
  });

  it('counts a datagram that the system refuses', async () => {
    const [a] = await openPair(false);
    a.network.unicast(beta, Buffer.alloc(70_000));
    await a.until(() => a.network.report().faults.sendFailed === 1);
    assert.match(a.faults[0] ?? '', /EMSGSIZE/);
  });

  it('survives a handler that throws, and counts it', async () => {
    const [alphaPort = 0, betaPort = 0] = await findPeerPorts(2);
    const peers = peersOn({ alpha: alphaPort, beta: betaPort });
    const fail = (): never => {
      throw new Error('broken handler');
    };
    const a = await openTestNetwork(alphaPort, peers);
    const b = await openTestNetwork(betaPort, peers, { onDatagram: fail, onFrame: fail });
    a.network.unicast(beta, Buffer.from('x'));
    a.network.stream(beta, Buffer.from('x'));
    await b.until(() => b.network.report().faults.handlerFailed === 1);
    await new Promise((resolve) => setImmediate(resolve));
    a.network.unicast(beta, Buffer.from('x'));
    a.network.unicast(beta, Buffer.from('x'));
    // Counts of 2 and 3 are not described, so there is no event to wait for but the next turns of the loop.
    const failedTimes = (): number => b.network.report().faults.handlerFailed ?? 0;
    for (let turn = 0; turn < 10_000 && failedTimes() < 4; turn++)
      await new Promise((resolve) => setImmediate(resolve));
    assert.equal(failedTimes(), 4);
  });

  it('says what receive buffer was asked and granted', async () => {
    const [alphaPort = 0] = await findPeerPorts(1);
    const a = await openTestNetwork(alphaPort, peersOn({}), { receiveBufferBytes: 2 ** 30 });
    const { askedBytes, grantedBytes } = a.network.report().datagrams.receiveBuffer;
    assert.equal(askedBytes, 2 ** 30);
    assert.ok(grantedBytes > 0 && grantedBytes < askedBytes);
    assert.match(a.faults[0] ?? '', /smallReceiveBuffer: asked the system for 1073741824 bytes, got \d+/);
  });

  it('answers a taken TCP or UDP port with one clear line and leaves nothing open', async () => {
    const [port = 0, groupPort = 0] = await findPeerPorts(2);
    const holder = await openTestNetwork(port, peersOn({}));
    const open = () =>
      openNetwork({
        self: { host: HOST, port },
        peers: peersOn({}),
        multicast: { group: GROUP, port: groupPort, interface: HOST },
        onDatagram: () => undefined,
        onFrame: () => undefined,
        onFault: () => undefined,
      });
    await assert.rejects(open(), (failure) => {
      assert.ok(failure instanceof ToposphereError);
      assert.equal(failure.code, 'ADDRESS_IN_USE');
      assert.equal(failure.message.includes('\n'), false);
      assert.match(failure.message, new RegExp(`cannot listen on TCP 127.0.0.1:${port}: another process`));
      return true;
    });
    await holder.network.close();
    const sockets = { self: { host: HOST, port }, multicast: undefined, receiveBufferBytes: 65_536 };
    const faults = createFaultCounts(() => undefined);
    const datagrams = await openDatagrams({ ...sockets, onDatagram: () => undefined, faults });
    await assert.rejects(open(), /cannot listen on UDP 127.0.0.1:\d+: another process/);
    await datagrams.close();
    // The same port must now be free for both: a network that closed, and one that failed, hold nothing.
    await (await open()).close();
  });

  it('answers an address that is not this machine’s with one clear line', async () => {
    const open = (host: string) =>
      openNetwork({
        self: { host, port: 1 },
        peers: peersOn({}),
        multicast: undefined,
        onDatagram: () => undefined,
        onFrame: () => undefined,
        onFault: () => undefined,
      });
    const isClear = (failure: unknown): boolean =>
      failure instanceof ToposphereError && failure.code === 'BAD_CONFIGURATION';
    await assert.rejects(open('192.0.2.1'), isClear);
    await assert.rejects(open('::1'), isClear);
  });

  it('finds a peer by a host name', async () => {
    const [alphaPort = 0, betaPort = 0] = await findPeerPorts(2);
    const b = await openTestNetwork(betaPort, peersOn({}));
    const a = await openTestNetwork(alphaPort, new Map([[beta, { host: 'localhost', port: betaPort }]]));
    // The first sends find the name not yet looked up: they are lost, as a datagram may be.
    const resend = setInterval(() => {
      a.network.unicast(beta, Buffer.from('by name'));
    }, 10);
    try {
      await b.until(() => b.datagrams.length > 0);
    } finally {
      clearInterval(resend);
    }
  });

  it('ignores sends after it was closed, and may be closed twice', async () => {
    const [a] = await openPair();
    await a.network.close();
    await a.network.close();
    a.network.multicast(Buffer.from('x'));
    a.network.unicast(beta, Buffer.from('x'));
    assert.ok(!a.network.stream(beta, Buffer.from('x')));
  });

  it('sends what waits in a stream before it closes', async () => {
    const [a, b] = await openPair(false);
    a.network.stream(beta, Buffer.from('first'));
    await b.until(() => b.frames.length === 1);
    a.network.stream(beta, Buffer.alloc(3_000_000, 'last'));
    await a.network.close();
    await b.until(() => b.frames.length === 2);
    assert.equal(b.frames[1]?.length, 3_000_000);
  });

  it('closes a stranger that claims a frame too long, or an empty one', async () => {
    const [a] = await openPair(false);
    for (const [claim, fault] of [
      [MAX_FRAME_BYTES + 1, 'frameTooLong'],
      [0, 'emptyFrame'],
    ] as const) {
      const stranger = dialTcp({ host: HOST, port: a.port });
      const header = Buffer.alloc(4);
      header.writeUInt32BE(claim);
      stranger.write(header);
      stranger.resume();
      await once(stranger, 'close');
      assert.equal(a.network.report().faults[fault], 1);
    }
  });
});
