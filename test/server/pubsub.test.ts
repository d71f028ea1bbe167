/**
 * Channels and patterns byte by byte: who is told what, in which frame, and what PUBLISH and PUBSUB answer.
 */
import { deepEqual, equal, match } from 'node:assert/strict';
import { encode } from './rawClient.ts';
import type { RawClient } from './rawClient.ts';
import { useServer } from './served.ts';

function frame(type: '*' | '>', ...words: readonly string[]): string {
  const texts = words.map((word) =>
    word.startsWith(':') ? `${word}\r\n` : `$${word.length}\r\n${word}\r\n`,
  );
  return `${type}${words.length}\r\n${texts.join('')}`;
}

describe('publish and subscribe', () => {
  const at = useServer();

  /** What comes to a client while `act` runs, in so many bytes as `expected` has. */
  async function told(client: RawClient, expected: string, act: () => Promise<void>): Promise<void> {
    const before = client.received().length;
    await act();
    equal((await client.waitForBytes(before + expected.length)).slice(before), expected);
  }

  it('tells who listens to the channel, or by a pattern, once for each, and answers how many that were', async () => {
    const [one, other, third] = [at.open(), await at.openRespThree(), at.open()];
    await one.ask('SUBSCRIBE news\r\n', frame('*', 'subscribe', 'news', ':1'));
    await one.ask('PSUBSCRIBE n*\r\n', frame('*', 'psubscribe', 'n*', ':2'));
    await other.ask('PSUBSCRIBE n?ws\r\n', frame('>', 'psubscribe', 'n?ws', ':1'));
    const toOne = frame('*', 'message', 'news', 'tea') + frame('*', 'pmessage', 'n*', 'news', 'tea');
    await told(one, toOne, () =>
      told(other, frame('>', 'pmessage', 'n?ws', 'news', 'tea'), () =>
        third.ask('PUBLISH news tea\r\nPUBLISH other tea\r\n', ':3\r\n:0\r\n'),
      ),
    );
  });

  it('keeps order, and any bytes, and messages behind the replies that came before', async () => {
    const [listener, publisher] = [await at.openRespThree(), at.open()];
    await listener.ask('SUBSCRIBE a\r\nGET none\r\n', `${frame('>', 'subscribe', 'a', ':1')}_\r\n`);
    const binary = Buffer.from([0, 255, 13, 10, 42]);
    const expected = frame('>', 'message', 'a', '1') + frame('>', 'message', 'a', binary.toString('latin1'));
    await told(listener, expected, async () => {
      publisher.send(Buffer.concat([encode('PUBLISH', 'a', '1'), encode('PUBLISH', 'a', binary)]));
      await publisher.waitForBytes(8);
    });
    // By itself: the reply comes first, and it is the same connection's.
    await listener.ask('PUBLISH a self\r\n', `:1\r\n${frame('>', 'message', 'a', 'self')}`);
  });

  it('tells nobody any more after UNSUBSCRIBE, RESET, or when the connection has gone', async () => {
    const [first, second, third, publisher] = [at.open(), at.open(), at.open(), at.open()];
    for (const client of [first, second, third])
      await client.ask(
        'SUBSCRIBE a\r\nPSUBSCRIBE a*\r\n',
        frame('*', 'subscribe', 'a', ':1') + frame('*', 'psubscribe', 'a*', ':2'),
      );
    await publisher.ask(
      'PUBSUB NUMSUB a b\r\nPUBSUB NUMPAT\r\n',
      '*4\r\n$1\r\na\r\n:3\r\n$1\r\nb\r\n:0\r\n:1\r\n',
    );
    await first.ask(
      'UNSUBSCRIBE\r\nPUNSUBSCRIBE a*\r\nPUNSUBSCRIBE\r\n',
      frame('*', 'unsubscribe', 'a', ':1') +
        frame('*', 'punsubscribe', 'a*', ':0') +
        '*3\r\n$12\r\npunsubscribe\r\n$-1\r\n:0\r\n',
    );
    await second.ask('RESET\r\nGET none\r\n', '+RESET\r\n$-1\r\n');
    third.destroy();
    while (at.server.connectionCount() > 3) await new Promise((resolve) => setImmediate(resolve));
    await publisher.ask('PUBLISH a x\r\nPUBSUB CHANNELS\r\nPUBSUB NUMPAT\r\n', ':0\r\n*0\r\n:0\r\n');
  });

  it('lists channels, by pattern too, and shows in CLIENT LIST what a connection listens to', async () => {
    const [listener, publisher] = [at.open(), at.open()];
    const frames = ['news.a', 'news.b', 'other'].map((channel, at) =>
      frame('*', 'subscribe', channel, `:${at + 1}`),
    );
    await listener.ask('SUBSCRIBE news.a news.b other\r\n', frames.join(''));
    await listener.ask('PSUBSCRIBE *\r\n', frame('*', 'psubscribe', '*', ':4'));
    await publisher.ask('PUBSUB CHANNELS news.?\r\n', '*2\r\n$6\r\nnews.a\r\n$6\r\nnews.b\r\n');
    publisher.send('CLIENT LIST\r\n');
    match(await publisher.waitForBytes(300), / flags=P db=0 sub=3 psub=1 /);
  });

  it('lets a RESP2 connection that listens say nothing else, in Redis’s words, and a RESP3 one everything', async () => {
    const [two, three] = [at.open(), await at.openRespThree()];
    await two.ask('PSUBSCRIBE *\r\n', frame('*', 'psubscribe', '*', ':1'));
    await two.ask(
      'PUBLISH a b\r\n',
      "-ERR Can't execute 'publish': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context\r\n",
    );
    await two.ask('PING\r\n', '*2\r\n$4\r\npong\r\n$0\r\n\r\n');
    await three.ask('SUBSCRIBE b\r\nGET none\r\n', `${frame('>', 'subscribe', 'b', ':1')}_\r\n`);
  });

  it('refuses a message above the limit by the peer’s own words', async () => {
    const publisher = at.open();
    publisher.send(encode('PUBLISH', 'a', 'x'.repeat(1024 * 1024 + 1)));
    match(await publisher.waitForBytes(20), /^-VALUETOOLONG a message of 1048577 bytes\r\n$/);
  });

  it('closes a listener that does not take its messages, counts it, and goes on for others', async () => {
    const [slow, publisher] = [at.open(), at.open()];
    await slow.ask('SUBSCRIBE a\r\n', frame('*', 'subscribe', 'a', ':1'));
    slow.pause();
    const message = 'x'.repeat(1024 * 1024);
    let sent = 0;
    for (let bytes = 0; at.server.counters.subscriberLimitClosed === 0 && sent < 100; sent += 1) {
      publisher.send(encode('PUBLISH', 'a', message));
      bytes += 4;
      await publisher.waitForBytes(bytes);
    }
    deepEqual([at.server.counters.subscriberLimitClosed, at.server.counters.outputLimitClosed], [1, 0]);
    while (at.server.connectionCount() > 1) await new Promise((resolve) => setImmediate(resolve));
    deepEqual([...at.backend.subscriptions.channels()], []);
    const before = publisher.received().length;
    publisher.send('PUBLISH a x\r\n');
    equal((await publisher.waitForBytes(before + 4)).slice(before), ':0\r\n');
  });
});
