/**
 * Real sockets on 127.0.0.1 and on ::1: what one network sends another hears, and what cannot be sent is counted.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { ToposphereError } from '../../src/core/errors.ts';
import type { PeerId } from '../../src/core/types.ts';
import { openDatagrams } from '../../src/network/datagrams.ts';
import { createFaultCounts } from '../../src/network/faultCounts.ts';
import { MAX_FRAME_BYTES } from '../../src/network/frames.ts';
import { openNetwork } from '../../src/network/network.ts';
import type { NetworkOptions } from '../../src/network/network.ts';
import { REDIAL_PAUSE_MS } from '../../src/network/outgoingStreams.ts';
import { dialTcp, formatAddress, listenTcp } from '../../src/network/tcp.ts';
import type { Socket } from '../../src/network/tcp.ts';
import { findPeerPorts } from '../ports.ts';
import { closeNetworks, HOST, openTestNetwork, peersOn } from './support.ts';
import type { TestNetwork } from './support.ts';

const alpha = 'alpha' as PeerId;
const beta = 'beta' as PeerId;

/** Where the same tests run: an address of this machine, two groups of its family, and an address that no interface has (RFC 5737, RFC 3849). */
interface Place {
  readonly host: string;
  readonly groups: readonly [string, string];
  readonly absent: string;
  /** Why there is no multicast here. */
  readonly withoutMulticast?: string;
}

const IPV6 = { groups: ['ff12::efc3:5301', 'ff12::efc3:5302'], absent: '2001:db8::1' } as const;
const places: Place[] = [
  { host: HOST, groups: ['239.77.83.1', '239.77.83.2'], absent: '192.0.2.1' },
  {
    host: '::1',
    ...IPV6,
    ...(process.platform === 'linux'
      ? { withoutMulticast: 'Linux has no IPv6 multicast on its loopback' }
      : {}),
  },
];
// Set by test/sockets/ipv6.test.ts, which runs this file where an interface takes IPv6 multicast.
const namespaceHost = process.env['TEST_HOST_IPV6'];
if (namespaceHost !== undefined) places.splice(0, places.length, { host: namespaceHost, ...IPV6 });

function texts(network: TestNetwork, channel: 'multicast' | 'unicast'): string[] {
  return network.datagrams
    .filter((datagram) => datagram.channel === channel)
    .map(({ bytes }) => bytes.toString());
}

function escapeDots(address: string): string {
  return address.replaceAll('.', '\\.');
}

for (const { host, groups, absent, withoutMulticast } of places) {
  describe(`network over ${host}`, () => {
    const [GROUP_A, GROUP_B] = groups;

    before(function () {
      if (
        Object.values(networkInterfaces())
          .flat()
          .some((own) => own?.address === host)
      )
        return;
      console.log(`      skipped: this machine has no ${host}`);
      this.skip();
    });
    afterEach(closeNetworks);

    const here = formatAddress(host, 0)
      .slice(0, -2)
      .replace(/[.[\]]/g, '\\$&');
    const findPorts = (count: number): Promise<readonly number[]> => findPeerPorts(count, host);
    const peersHere = (ports: Readonly<Record<string, number>>): ReturnType<typeof peersOn> =>
      peersOn(ports, host);
    const open = (
      port: number,
      peers: NetworkOptions['peers'],
      options: Partial<NetworkOptions> = {},
    ): Promise<TestNetwork> => openTestNetwork(port, peers, { self: { host, port }, ...options });

    async function openPair(multicast = true): Promise<[TestNetwork, TestNetwork]> {
      const [alphaPort = 0, betaPort = 0, groupPort = 0] = await findPorts(3);
      const peers = peersHere({ alpha: alphaPort, beta: betaPort });
      const options = multicast ? { multicast: { group: GROUP_A, port: groupPort, interface: host } } : {};
      return [await open(alphaPort, peers, options), await open(betaPort, peers, options)];
    }

    function skipWithoutMulticast(running: Mocha.Context): void {
      if (withoutMulticast === undefined) return;
      console.log(`      skipped: ${withoutMulticast}`);
      running.skip();
    }

    it('lets all members of the group, the sender too, hear a multicast', async function () {
      skipWithoutMulticast(this);
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

    it('keeps groups on one port apart', async function () {
      skipWithoutMulticast(this);
      const [alphaPort = 0, betaPort = 0, groupPort = 0] = await findPorts(3);
      const multicast = (group: string) => ({ multicast: { group, port: groupPort, interface: host } });
      const a = await open(alphaPort, peersHere({}), multicast(GROUP_A));
      const b = await open(betaPort, peersHere({ alpha: alphaPort, beta: betaPort }), multicast(GROUP_B));
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

    const itWithoutMulticast = withoutMulticast === undefined ? undefined : it;
    itWithoutMulticast?.('says that there is no way to the group, and goes on by unicast', async () => {
      const [a, b] = await openPair();
      a.network.multicast(Buffer.from('nobody hears'));
      await a.until(() => a.network.report().faults.multicastUnavailable === 1);
      assert.match(
        a.faults.at(-1) ?? '',
        new RegExp(`cannot reach group ${GROUP_A} on interface ${host}: ENETUNREACH; going on by unicast`),
      );
      assert.equal(a.network.report().datagrams.multicastJoined, false);
      a.network.multicast(Buffer.from('not even tried'));
      a.network.unicast(beta, Buffer.from('still here'));
      await b.until(() => b.datagrams.length === 1);
      assert.equal(a.network.report().faults.multicastUnavailable, 1);
    });

    it('goes on by unicast, and says so, when the group cannot be joined', async () => {
      const [alphaPort = 0, betaPort = 0, groupPort = 0] = await findPorts(3);
      const peers = peersHere({ alpha: alphaPort, beta: betaPort });
      const multicast = { group: GROUP_A, port: groupPort, interface: absent };
      const a = await open(alphaPort, peers, { multicast });
      const b = await open(betaPort, peers);
      assert.match(
        a.faults[0] ?? '',
        new RegExp(
          `multicastUnavailable: cannot join group ${escapeDots(GROUP_A)} on interface ${escapeDots(absent)}: no interface of this machine has that address; going on by unicast`,
        ),
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
      const [alphaPort = 0, betaPort = 0] = await findPorts(2);
      const peers = peersHere({ alpha: alphaPort, beta: betaPort });
      const a = await open(alphaPort, peers);
      a.network.stream(beta, Buffer.from('lost'));
      await a.until(() => a.network.report().faults.streamRefused === 1);
      assert.ok(!a.network.stream(beta, Buffer.from('too soon')));
      assert.equal(a.network.report().faults.streamBackOff, 1);
      const b = await open(betaPort, peers);
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
      const again = await open(b.port, peersHere({ alpha: a.port }));
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
        host: host,
        port: 0,
        onSocket: (socket) => held.push(socket.pause()),
      });
      const [alphaPort = 0] = await findPorts(1);
      const a = await open(alphaPort, peersHere({ beta: listener.port }));
      const frame = Buffer.alloc(8 * 1024 * 1024);
      const taken = Array.from({ length: 8 }, () => a.network.stream(beta, frame)).filter(Boolean).length;
      assert.ok(taken >= 2 && taken <= 4, `took ${taken}`);
      assert.equal(a.network.report().faults.streamQueueFull, 8 - taken);
      assert.ok(a.network.streamQueuedBytes(beta) > 0);
      await listener.close();
    });

    it('counts a frame that breaks off because the peer hung up at its first bytes', async () => {
      const listener = await listenTcp({
        host,
        port: 0,
        onSocket: (socket) => {
          socket.once('data', () => socket.destroy());
        },
      });
      const [alphaPort = 0] = await findPorts(1);
      const a = await open(alphaPort, peersHere({ beta: listener.port }));
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
      const [alphaPort = 0, betaPort = 0] = await findPorts(2);
      const peers = peersHere({ alpha: alphaPort, beta: betaPort });
      const fail = (): never => {
        throw new Error('broken handler');
      };
      const a = await open(alphaPort, peers);
      const b = await open(betaPort, peers, { onDatagram: fail, onFrame: fail });
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
      const [alphaPort = 0] = await findPorts(1);
      const a = await open(alphaPort, peersHere({}), { receiveBufferBytes: 2 ** 30 });
      const { askedBytes, grantedBytes } = a.network.report().datagrams.receiveBuffer;
      assert.equal(askedBytes, 2 ** 30);
      assert.ok(grantedBytes > 0 && grantedBytes < askedBytes);
      assert.match(a.faults[0] ?? '', /smallReceiveBuffer: asked the system for 1073741824 bytes, got \d+/);
    });

    it('answers a taken TCP or UDP port with one clear line and leaves nothing open', async () => {
      const [port = 0, groupPort = 0] = await findPorts(2);
      const holder = await open(port, peersHere({}));
      const openAgain = () =>
        openNetwork({
          self: { host, port },
          peers: peersHere({}),
          multicast: { group: GROUP_A, port: groupPort, interface: host },
          onDatagram: () => undefined,
          onFrame: () => true,
          onFault: () => undefined,
        });
      await assert.rejects(openAgain(), (failure) => {
        assert.ok(failure instanceof ToposphereError);
        assert.equal(failure.code, 'ADDRESS_IN_USE');
        assert.equal(failure.message.includes('\n'), false);
        assert.match(failure.message, new RegExp(`cannot listen on TCP ${here}:${port}: another process`));
        return true;
      });
      await holder.network.close();
      const sockets = { self: { host: host, port }, multicast: undefined, receiveBufferBytes: 65_536 };
      const faults = createFaultCounts(() => undefined);
      const datagrams = await openDatagrams({ ...sockets, onDatagram: () => undefined, faults });
      await assert.rejects(openAgain(), new RegExp(`cannot listen on UDP ${here}:\\d+: another process`));
      await datagrams.close();
      // The same port must now be free for both: a network that closed, and one that failed, hold nothing.
      await (await openAgain()).close();
    });

    it('answers an address that is not this machine’s with one clear line', async () => {
      const openAt = (elsewhere: string) =>
        openNetwork({
          self: { host: elsewhere, port: 1 },
          peers: peersHere({}),
          multicast: undefined,
          onDatagram: () => undefined,
          onFrame: () => true,
          onFault: () => undefined,
        });
      const isClear = (failure: unknown): boolean =>
        failure instanceof ToposphereError && failure.code === 'BAD_CONFIGURATION';
      await assert.rejects(openAt(absent), isClear);
      await assert.rejects(openAt('no-such-name.invalid'), isClear);
    });

    it('finds a peer by a host name', async function () {
      const names = await lookup('localhost', { all: true });
      if (!names.some(({ address }) => address === host)) {
        console.log(`      skipped: the name localhost is not ${host} here`);
        this.skip();
      }
      const [alphaPort = 0, betaPort = 0] = await findPorts(2);
      const b = await open(betaPort, peersHere({}));
      const a = await open(alphaPort, new Map([[beta, { host: 'localhost', port: betaPort }]]));
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
        const stranger = dialTcp({ host: host, port: a.port });
        const header = Buffer.alloc(4);
        header.writeUInt32BE(claim);
        stranger.write(header);
        stranger.resume();
        await once(stranger, 'close');
        assert.equal(a.network.report().faults[fault], 1);
      }
    });
  });
}
