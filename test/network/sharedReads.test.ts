/** Sockets that share the memory they read into are as others are: order, ends, pauses, and the listener's count of them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Socket as NetSocket } from 'node:net';
import { shareReads } from '../../src/network/sharedReads.ts';
import { dialTcp, listenTcp } from '../../src/network/tcp.ts';
import type { Socket, TcpListener } from '../../src/network/tcp.ts';
import { HOST } from './support.ts';

describe('sockets that share reads', () => {
  let listener: TcpListener;
  let accepted: Socket[];
  let onAccepted: (() => void) | undefined;

  beforeEach(async () => {
    accepted = [];
    listener = await listenTcp({
      host: HOST,
      port: 0,
      sharesReads: true,
      onSocket: (socket) => {
        accepted.push(socket);
        onAccepted?.();
      },
    });
  });
  afterEach(() => listener.close());

  /** A client, and the socket that the listener has for it. */
  async function connectPair(): Promise<readonly [client: Socket, server: Socket]> {
    const isAccepted = new Promise<void>((resolve) => {
      onAccepted = resolve;
    });
    const client = dialTcp({ host: HOST, port: listener.port });
    await Promise.all([once(client, 'connect'), isAccepted]);
    return [client, accepted.at(-1) ?? assert.fail()];
  }

  it('give each its own bytes, in memory that the next read writes over', async () => {
    const pairs = [await connectPair(), await connectPair()];
    const memories = new Set<ArrayBufferLike>();
    const received = pairs.map(([, server]) => {
      const chunks: Buffer[] = [];
      server.on('data', (chunk: Buffer) => {
        memories.add(chunk.buffer);
        chunks.push(Buffer.from(chunk));
      });
      return chunks;
    });
    const sent = pairs.map((_, at) => Buffer.alloc(300_000, at === 0 ? 'alpha' : 'be'));
    const ended = pairs.map(([, server]) => once(server, 'end'));
    for (let from = 0; from < 300_000; from += 7_000)
      for (const [at, [client]] of pairs.entries())
        client.write(sent[at]?.subarray(from, from + 7_000) ?? '');
    for (const [client] of pairs) client.end();
    await Promise.all(ended);
    for (const [at, chunks] of received.entries())
      assert.ok(Buffer.concat(chunks).equals(sent[at] ?? Buffer.alloc(0)));
    assert.equal(memories.size, 1);
  });

  it('can be paused, answer after the other side has ended, and tell who is there', async () => {
    const [client, server] = await connectPair();
    server.allowHalfOpen = true;
    assert.deepEqual([server.remoteAddress, server.remotePort], [client.localAddress, client.localPort]);
    let text = '';
    server.on('data', (chunk: Buffer) => (text += chunk.toString()));
    server.pause();
    client.write('question');
    const [other] = await connectPair(); // whatever was on its way to the first has come by then
    assert.equal(text, '');
    const ended = once(server, 'end');
    server.resume();
    client.end();
    await ended;
    assert.equal(text, 'question');
    const answered = once(client, 'data');
    server.end('answer');
    assert.equal(String((await answered)[0]), 'answer');
    other.destroy();
  });

  it('are the accepted ones as they are, where node:net shows no handle', () => {
    const bare = new NetSocket();
    assert.equal(shareReads(bare), bare);
  });

  it('are counted out when they close: the listener closes with and after them', async () => {
    const [first, server] = await connectPair();
    server.resume();
    first.end();
    await once(server, 'close');
    const [second] = await connectPair();
    const closed = once(second, 'close');
    await listener.close();
    await closed;
  });
});
