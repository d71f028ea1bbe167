/**
 * CLIENT TRACKING byte by byte: who is told of which key, when, and in which place between two replies.
 */
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import type { Key } from '../../src/core/types.ts';
import { createTrackingTable } from '../../src/server/trackingTable.ts';
import { encode } from './rawClient.ts';
import type { RawClient } from './rawClient.ts';
import { useServer } from './served.ts';

/** The push that tells of these keys. */
function invalidation(...keys: readonly string[]): string {
  const texts = keys.map((key) => `$${key.length}\r\n${key}\r\n`);
  return `>2\r\n$10\r\ninvalidate\r\n*${keys.length}\r\n${texts.join('')}`;
}

describe('client tracking', () => {
  const at = useServer();

  /** A RESP3 connection that says `words` after HELLO. */
  async function openTracking(words = 'CLIENT TRACKING ON'): Promise<RawClient> {
    const client = await at.openRespThree();
    await client.ask(`${words}\r\n`, '+OK\r\n');
    return client;
  }

  /** Whatever came to a client beside the answer to this PING, since it was last looked. */
  function createReader(client: RawClient): () => Promise<string> {
    let seen = client.received().length;
    return async () => {
      client.send(encode('ECHO', 'mark'));
      const mark = '$4\r\nmark\r\n';
      for (;;) {
        const text = client.received();
        const end = text.indexOf(mark, seen);
        if (end !== -1) {
          const news = text.slice(seen, end);
          seen = end + mark.length;
          return news;
        }
        await client.waitForBytes(text.length + 1);
      }
    };
  }

  it('tells a reader once of a key that another connection changed, and again only when it has read it again', async () => {
    const reader = await openTracking();
    const news = createReader(reader);
    const writer = at.open();
    await writer.ask('SET a 1\r\nSET b 1\r\n', '+OK\r\n+OK\r\n');
    equal(await news(), '');
    await reader.ask('GET a\r\nMGET b c\r\n', '$1\r\n1\r\n*2\r\n$1\r\n1\r\n_\r\n');
    await news();
    await writer.ask('SET a 2\r\nSET a 3\r\n', '+OK\r\n+OK\r\n');
    equal(await news(), invalidation('a'));
    await writer.ask('SET c 1\r\nDEL b\r\nSET z 1\r\n', '+OK\r\n:1\r\n+OK\r\n');
    equal(await news(), invalidation('c') + invalidation('b'));
    await reader.ask('GET a\r\n', '$1\r\n3\r\n');
    await news();
    await writer.ask('PEXPIRE a 100000\r\n', ':1\r\n');
    equal(await news(), invalidation('a'));
    equal(at.server.counters.invalidationsSent, 4);
  });

  it('tells a writer of its own key before the reply to the write, behind what it had read before', async () => {
    const client = await openTracking();
    const news = createReader(client);
    client.send('SET a 1\r\nGET a\r\nSET a 2\r\nGET a\r\nMSET a 3 b 3\r\nPING\r\n');
    const expected =
      `+OK\r\n$1\r\n1\r\n${invalidation('a')}+OK\r\n` + `$1\r\n2\r\n${invalidation('a')}+OK\r\n+PONG\r\n`;
    equal(await news(), expected);
  });

  it('does not let an invalidation overtake an older value whose reply is held back behind a write', async () => {
    const reader = await openTracking();
    const before = reader.received().length;
    at.backend.mode = 'held';
    at.backend.values.set('a' as Key, Buffer.from('old'));
    reader.send('SET other 1\r\nGET a\r\n');
    await at.backend.whenPending(1);
    const writer = at.open();
    writer.send('TOPOSPHERE ACK fast\r\nSET a new\r\n');
    await writer.waitForBytes(10);
    await writer.ask('GET a\r\n', '$3\r\nnew\r\n');
    equal(reader.received().length, before);
    at.backend.pending[0]?.callback();
    const expected = `+OK\r\n$3\r\nold\r\n${invalidation('a')}`;
    equal((await reader.waitForBytes(before + expected.length)).slice(before), expected);
  });

  it('tells of what changed before a read ahead of its reply, also within one turn of the event loop', async () => {
    const reader = await openTracking();
    const news = createReader(reader);
    await reader.ask('GET a\r\n', '_\r\n');
    await news();
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        reader.send('GET b\r\n'); // is there when sockets are read next, before anything that is left for the turn's end
        at.backend.write('a' as Key, Buffer.from('1'));
        at.backend.write('b' as Key, Buffer.from('1'));
        resolve();
      });
    });
    equal(await news(), `${invalidation('a')}$1\r\n1\r\n`);
  });

  it('NOLOOP: nothing of its own writes, and of the next one by somebody else', async () => {
    const client = await openTracking('CLIENT TRACKING ON NOLOOP');
    const news = createReader(client);
    client.send('SET a 1\r\nGET a\r\nSET a 2\r\n');
    equal(await news(), '+OK\r\n$1\r\n1\r\n+OK\r\n');
    await at.open().ask('SET a 3\r\n', '+OK\r\n');
    equal(await news(), invalidation('a'));
  });

  it('OPTIN: only what is read right after CACHING YES; OPTOUT: all but what is read right after CACHING NO', async () => {
    const optIn = await openTracking('CLIENT TRACKING ON OPTIN');
    const optOut = await openTracking('CLIENT TRACKING ON OPTOUT');
    const [inNews, outNews] = [createReader(optIn), createReader(optOut)];
    optIn.send(
      'GET a\r\nCLIENT CACHING YES\r\nCLIENT ID\r\nGET b\r\nGET c\r\nCLIENT CACHING YES\r\nFOO\r\nGET d\r\nCLIENT CACHING YES\r\nCLIENT FOO\r\nGET d\r\n',
    );
    optOut.send('GET a\r\nCLIENT CACHING NO\r\nGET b\r\nGET c\r\n');
    await Promise.all([inNews(), outNews()]);
    await at.open().ask('MSET a 1 b 1 c 1 d 1\r\n', '+OK\r\n');
    equal(await inNews(), invalidation('b'));
    equal(await outNews(), invalidation('a') + invalidation('c'));
  });

  it('BCAST: told of every key with a prefix, read or not, those of one command in one frame', async () => {
    const all = await openTracking('CLIENT TRACKING ON BCAST');
    const some = await openTracking('CLIENT TRACKING ON BCAST PREFIX user: PREFIX x NOLOOP');
    const [allNews, someNews] = [createReader(all), createReader(some)];
    await at.open().ask('MSET user:1 a y b user:2 c\r\n', '+OK\r\n');
    equal(await allNews(), invalidation('user:1', 'y', 'user:2'));
    equal(await someNews(), invalidation('user:1', 'user:2'));
    some.send('SET x1 1\r\nSET y 1\r\n');
    equal(await someNews(), '+OK\r\n+OK\r\n');
    equal(await allNews(), invalidation('x1') + invalidation('y'));
    all.send('SET q 1\r\n');
    equal(await allNews(), `${invalidation('q')}+OK\r\n`);
    const infoOf = async (): Promise<string> => {
      const client = at.open();
      client.send('INFO clients stats\r\n');
      return client.waitForBytes(700);
    };
    match(await infoOf(), /tracking_clients:2\r\n[^]*tracking_total_prefixes:3\r\n/);
    await some.ask('CLIENT TRACKING OFF\r\n', '+OK\r\n');
    match(await infoOf(), /tracking_clients:1\r\n[^]*tracking_total_prefixes:1\r\n/);
  });

  it('tells of what changed outside of any command, of which a client that is not told of its own writes is told too', async () => {
    const reader = await openTracking();
    const wide = await openTracking('CLIENT TRACKING ON BCAST NOLOOP');
    const [news, wideNews] = [createReader(reader), createReader(wide)];
    await reader.ask('GET a\r\nGET b\r\n', '_\r\n_\r\n');
    await news();
    at.backend.tellsLate = true;
    at.backend.write('a' as Key, Buffer.from('1'));
    at.backend.write('b' as Key, Buffer.from('1'));
    wide.send('SET c 1\r\n'); // its own is no reason to keep the others from it
    const wideTold = (await wideNews()) + (await wideNews());
    equal(wideTold, `+OK\r\n${invalidation('a', 'b')}`);
    equal(await news(), invalidation('a') + invalidation('b'));
  });

  it('REDIRECT: tells another connection, and the one that tracks when that has gone', async () => {
    const target = at.open();
    target.send('HELLO 3\r\n');
    await target.waitForBytes(100);
    const targetNews = createReader(target);
    await targetNews();
    target.send('CLIENT ID\r\n');
    const id = /:(\d+)/.exec(await targetNews())?.[1] ?? '';
    const reader = await openTracking(`CLIENT TRACKING ON REDIRECT ${id}`);
    const news = createReader(reader);
    await reader.ask(`CLIENT GETREDIR\r\nGET a\r\n`, `:${id}\r\n_\r\n`);
    await news();
    const writer = at.open();
    await writer.ask('SET a 1\r\n', '+OK\r\n');
    equal(await targetNews(), invalidation('a'));
    equal(await news(), '');
    await reader.ask('GET a\r\n', '$1\r\n1\r\n');
    await news();
    target.destroy();
    while (at.server.connectionCount() > 2) await new Promise((resolve) => setImmediate(resolve));
    await writer.ask('SET a 2\r\n', '+OK\r\n');
    equal(await news(), `>2\r\n$21\r\ntracking-redir-broken\r\n:${id}\r\n`);
    reader.send('CLIENT TRACKINGINFO\r\nCLIENT LIST\r\n');
    match(
      await news(),
      /^%3\r\n\$5\r\nflags\r\n~2\r\n\$2\r\non\r\n\$15\r\nbroken_redirect\r\n[^]* flags=tR [^]* redir=\d+ /,
    );
  });

  it('REDIRECT to RESP2: tells a connection that listens, and which may say nothing else meanwhile', async () => {
    const target = at.open();
    target.send('CLIENT ID\r\n');
    const id = /:(\d+)/.exec(await target.waitForBytes(4))?.[1] ?? '';
    const reader = at.open();
    await reader.ask(`CLIENT TRACKING ON REDIRECT ${id}\r\nGET a\r\n`, '+OK\r\n$-1\r\n');
    const writer = at.open();
    await writer.ask('SET a 1\r\n', '+OK\r\n'); // nobody listens yet: as in Redis, lost
    await target.ask(
      'SUBSCRIBE __redis__:invalidate\r\n',
      '*3\r\n$9\r\nsubscribe\r\n$20\r\n__redis__:invalidate\r\n:1\r\n',
    );
    await reader.ask('MGET a b\r\n', '*2\r\n$1\r\n1\r\n$-1\r\n');
    const before = target.received().length;
    await writer.ask('DEL a\r\nSET b 1\r\n', ':1\r\n+OK\r\n');
    const message = (key: string): string =>
      `*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\n${key}\r\n`;
    const told = message('a') + message('b');
    equal((await target.waitForBytes(before + told.length)).slice(before), told);
    await target.ask(
      'SUBSCRIBE news\r\nUNSUBSCRIBE news\r\n',
      '*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:2\r\n*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:1\r\n',
    );
    writer.send('CLIENT LIST\r\n');
    match(await writer.waitForBytes(500), new RegExp(` flags=P db=0 sub=1 [^]* flags=t [^]* redir=${id} `));
    await target.ask(
      'UNSUBSCRIBE\r\nGET b\r\n',
      '*3\r\n$11\r\nunsubscribe\r\n$20\r\n__redis__:invalidate\r\n:0\r\n$1\r\n1\r\n',
    );
  });

  it('ends with OFF, RESET and the connection, and then costs nothing', async () => {
    const [first, second, third] = [await openTracking(), await openTracking(), await openTracking()];
    for (const client of [first, second, third]) await client.ask('GET a\r\nGET b\r\n', '_\r\n_\r\n');
    deepEqual(at.server.tracking(), { clients: 3, keys: 2, pairs: 6, prefixes: 0, bytes: 662 });
    await first.ask('CLIENT TRACKING OFF\r\nCLIENT GETREDIR\r\n', '+OK\r\n:-1\r\n');
    await second.ask('RESET\r\nCLIENT GETREDIR\r\n', '+RESET\r\n:-1\r\n');
    third.destroy();
    while (at.server.connectionCount() > 2) await new Promise((resolve) => setImmediate(resolve));
    deepEqual(at.server.tracking(), { clients: 0, keys: 0, pairs: 0, prefixes: 0, bytes: 0 });
    const before = first.received().length;
    await at.open().ask('SET a 1\r\n', '+OK\r\n');
    await first.ask('PING\r\n', '+PONG\r\n');
    equal(first.received().length, before + 7);
  });

  it('remembers a bounded number of keys, and tells of those it lets go as if they had changed', async () => {
    await at.restart({ maxTrackedKeys: 10 });
    const reader = await openTracking();
    const news = createReader(reader);
    for (let index = 0; index < 13; index += 1) reader.send(`GET k${index}\r\n`);
    const told = (await news()) + (await news());
    for (const key of ['k0', 'k1', 'k2']) ok(told.includes(invalidation(key)), key);
    equal(told.split('invalidate').length, 4);
    equal(at.server.counters.trackedKeysEvicted, 3);
    equal(at.server.tracking().keys, 10);
    // A long key takes the place of several.
    reader.send(`GET ${'l'.repeat(600)}\r\n`);
    const lateNews = (await news()) + (await news()); // behind the reply to the read that needed the room
    equal(lateNews.split('invalidate').length, 4);
    equal(at.server.tracking().keys, 8);
  });

  it('is refused a prefix too many, and tracks as before then', async () => {
    const client = await openTracking('CLIENT TRACKING ON BCAST PREFIX a');
    const many = Array.from({ length: 1024 }, (_, index) => ['PREFIX', `p${index}.`]).flat();
    await client.ask(
      encode('CLIENT', 'TRACKING', 'ON', 'BCAST', ...many),
      '-ERR a connection tracks at most 1024 prefixes\r\n',
    );
    await client.ask('CLIENT TRACKING ON BCAST PREFIX b\r\n', '+OK\r\n');
    equal(at.server.tracking().prefixes, 2);
  });
});

describe('the table of tracked keys', () => {
  it('agrees with a plain list of pairs through thousands of made-up steps', () => {
    const readers = [{ id: 0 }, { id: 1 }, { id: 2 }, { id: 3 }];
    let evicted = 0;
    const pairs = new Set<string>();
    const table = createTrackingTable<{ id: number }>(40, (key, gone) => {
      evicted += 1;
      for (const { id } of gone) ok(pairs.delete(`${id} ${key}`));
    });
    let seed = 11;
    const next = (limit: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % limit;
    };
    for (let step = 0; step < 20_000; step += 1) {
      const key = `k${next(30)}` as Key;
      const reader = readers[next(4)] ?? { id: -1 };
      const what = next(20);
      if (what === 0) {
        table.forget(reader);
        for (const pair of [...pairs]) if (pair.startsWith(`${reader.id} `)) pairs.delete(pair);
      } else if (what < 6) {
        const told = [...table.take(key)].map(({ id }) => id).sort();
        const expected = readers.filter(({ id }) => pairs.delete(`${id} ${key}`)).map(({ id }) => id);
        deepEqual(told, expected);
      } else {
        pairs.add(`${reader.id} ${key}`);
        table.remember(reader, key);
        equal(table.has(reader, key), pairs.has(`${reader.id} ${key}`)); // it may have been the oldest
      }
      equal(table.pairs(), pairs.size);
      equal(table.keys(), new Set([...pairs].map((pair) => pair.slice(2))).size);
      ok(table.pairs() <= 40);
    }
    ok(evicted > 100, `${evicted}`);
  });
});
