/**
 * A command's connection: each request settles once, whatever the other side does.
 */
import assert from 'node:assert/strict';
import { encodeRequest, openConnection, replyText, withConnection } from '../../src/cli/connection.ts';
import type { Reply } from '../../src/cli/connection.ts';
import { CommandFailure } from '../../src/cli/failure.ts';
import { parseAddress } from '../../src/cli/target.ts';
import { array, bulk, mapAnswer, startFakePeer } from './fakePeer.ts';
import type { Answer, FakePeer } from './fakePeer.ts';

describe('a connection of the command line', () => {
  let peer: FakePeer | undefined;
  const start = async (answer: Answer): Promise<{ host: string; port: number }> => {
    peer = await startFakePeer(answer);
    return { host: '127.0.0.1', port: peer.port };
  };
  afterEach(async () => {
    await peer?.close();
    peer = undefined;
  });

  it('encodes words as bulk strings, by bytes', () => {
    assert.equal(
      encodeRequest(['SET', 'ü', Buffer.from('\r\n')]).toString(),
      '*3\r\n$3\r\nSET\r\n$2\r\nü\r\n$2\r\n\r\n\r\n',
    );
  });

  it('gives each reply to its own request, in order', async () => {
    const address = await start(mapAnswer(new Map([['a', Buffer.from([0, 255])]])));
    const replies = await withConnection(address, (connection) =>
      Promise.all([
        connection.request(['GET', 'a']),
        connection.request(['GET', 'b']),
        connection.request(['DEL', 'a']),
      ]),
    );
    assert.deepEqual(replies, [Buffer.from([0, 255]), null, 1]);
  });

  it('puts a reply together that comes byte by byte', async () => {
    const address = await start((_, socket) => {
      const bytes = array(bulk('k'), bulk(undefined), ':7\r\n');
      const sendFrom = (at: number): void => {
        if (at < bytes.length) socket.write(bytes.subarray(at, at + 1), () => setImmediate(sendFrom, at + 1));
      };
      sendFrom(0);
      return undefined;
    });
    assert.deepEqual(await withConnection(address, (connection) => connection.request(['X'])), [
      Buffer.from('k'),
      null,
      7,
    ]);
  });

  it('refuses a request that the peer answers with an error, and goes on', async () => {
    const address = await start(mapAnswer(new Map()));
    await withConnection(address, async (connection) => {
      await assert.rejects(
        connection.request(['BOGUS']),
        /127\.0\.0\.1:\d+ answered: ERR unknown command 'BOGUS'/,
      );
      assert.equal(await connection.request(['DEL', 'a']), 0);
    });
  });

  it('fails every waiting request when the peer goes away, and every later one', async () => {
    const address = await start((_, socket) => {
      socket.destroy();
      return undefined;
    });
    await withConnection(address, async (connection) => {
      const outcomes = await Promise.allSettled([
        connection.request(['GET', 'a']),
        connection.request(['GET', 'b']),
      ]);
      assert.ok(
        outcomes.every(
          (outcome) => outcome.status === 'rejected' && outcome.reason instanceof CommandFailure,
        ),
      );
      await assert.rejects(connection.request(['GET', 'c']), CommandFailure);
    });
  });

  it('fails when the peer does not answer in time', async () => {
    const address = await start(() => undefined);
    await withConnection(address, async (connection) => {
      await assert.rejects(connection.request(['GET', 'a'], 20), /did not answer within 20 ms/);
    });
  });

  it('fails when the other side speaks another protocol', async () => {
    const address = await start(() => 'HTTP/1.1 400 Bad Request\r\n\r\n');
    await withConnection(address, async (connection) => {
      await assert.rejects(connection.request(['GET', 'a']), /does not speak the Redis protocol/);
    });
  });

  it('fails when nobody listens', async () => {
    const address = await start(() => undefined);
    await peer?.close();
    await assert.rejects(openConnection(address), /cannot reach a peer at 127\.0\.0\.1:\d+ \(ECONNREFUSED\)/);
  });

  it('hands on what nobody asked for, and tells when the connection ends', async () => {
    const address = await start((_, socket) => {
      setImmediate(() => socket.end(Buffer.concat([array(bulk('one')), array(bulk('two'))])));
      return '+OK\r\n';
    });
    await withConnection(address, async (connection) => {
      const pushes: Reply[] = [];
      const ended = connection.listen((push) => pushes.push(push));
      ended.catch(() => undefined);
      assert.equal(replyText(await connection.request(['WATCH'])), 'OK');
      await assert.rejects(ended, /closed the connection/);
      assert.deepEqual(pushes, [[Buffer.from('one')], [Buffer.from('two')]]);
    });
  });
});

describe('--peer', () => {
  it('takes host:port, IPv6 in brackets', () => {
    assert.deepEqual(parseAddress('127.0.0.1:6401'), { host: '127.0.0.1', port: 6401 });
    assert.deepEqual(parseAddress('[::1]:1'), { host: '::1', port: 1 });
    assert.deepEqual(parseAddress('Shop-1:65535'), { host: 'shop-1', port: 65_535 });
  });
  for (const text of [
    '',
    '6401',
    '127.0.0.1',
    '127.0.0.1:',
    ':6401',
    'a:0',
    'a:65536',
    'a:b',
    '::1:6401',
    '999.0.0.1:1',
  ]) {
    it(`refuses '${text}'`, () => {
      assert.throws(() => parseAddress(text), /give host:port/);
    });
  }
});
