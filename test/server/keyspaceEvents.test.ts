/**
 * Keyspace notifications: which events each command tells of, in which order, by which letters, and how changes are called that no command made.
 *
 * The expected events were compared with redis-server 7.0.15, command by command.
 */
import { deepEqual, equal } from 'node:assert/strict';
import { ToposphereError } from '../../src/core/errors.ts';
import type { Key } from '../../src/core/types.ts';
import { EVENT_CLASSES, formatEventClasses, parseEventClasses } from '../../src/peer/eventClasses.ts';
import { createKeyspaceEvents } from '../../src/server/keyspaceEvents.ts';
import type { RedisServer } from '../../src/server/server.ts';
import { startRedisServer } from '../../src/server/server.ts';
import { createLimits } from '../../src/server/serverLimits.ts';
import type { MapBackend } from './mapBackend.ts';
import { createMapBackend } from './mapBackend.ts';
import { encode, openRawClient } from './rawClient.ts';
import type { RawClient } from './rawClient.ts';

const MARK = 'the end of a step';
const MESSAGE = /\*4\r\n\$8\r\npmessage\r\n\$\d+\r\n[^\r]*\r\n\$\d+\r\n([^\r]*)\r\n\$\d+\r\n([^\r]*)\r\n/gs;
/** Each command, and what it tells: `event key`, with new keys and misses. */
const COMMANDS: readonly (readonly [command: string, ...events: string[]])[] = [
  ['SET a 1', 'new a', 'set a'],
  ['SET a 2', 'set a'],
  ['SET a 3 EX 100', 'set a', 'expire a'],
  ['SET a 4 KEEPTTL', 'set a'],
  ['SET a x NX'],
  ['SET b x XX'],
  ['SET b x NX', 'new b', 'set b'],
  ['SET a 5 GET', 'set a'],
  ['SET c 1 GET', 'keymiss c', 'new c', 'set c'],
  ['SET c 1 NX GET'],
  ['SET c 1 PXAT 1000', 'set c', 'expire c', 'expired c'],
  ['SET c 1 PXAT 1000', 'new c', 'set c', 'expire c', 'expired c'],
  ['SETEX d 100 1', 'new d', 'set d', 'expire d'],
  ['PSETEX d 100000 1', 'set d', 'expire d'],
  ['SETNX d 1'],
  ['SETNX e 1', 'new e', 'set e'],
  ['MSET e 1 f 2 e 3', 'set e', 'new f', 'set f', 'set e'],
  ['MSETNX f 1 g 2'],
  ['MSETNX g 1 h 2', 'new g', 'set g', 'new h', 'set h'],
  ['GETSET h 1', 'set h'],
  ['GETSET i 1', 'keymiss i', 'new i', 'set i'],
  ['GETDEL i', 'del i'],
  ['GETDEL i', 'keymiss i'],
  ['GET a'],
  ['GET i', 'keymiss i'],
  ['MGET a i j', 'keymiss i', 'keymiss j'],
  ['STRLEN i', 'keymiss i'],
  ['GETRANGE i 0 1', 'keymiss i'],
  ['SUBSTR i 0 1', 'keymiss i'],
  ['EXISTS i a', 'keymiss i'],
  ['TOUCH i a', 'keymiss i'],
  ['TTL i', 'keymiss i'],
  ['PEXPIRETIME i', 'keymiss i'],
  ['TYPE i', 'keymiss i'],
  ['OBJECT ENCODING i'],
  ['MEMORY USAGE i'],
  ['GETEX i', 'keymiss i'],
  ['GETEX b'],
  ['GETEX b PXAT 3000000000000', 'expire b'],
  ['GETEX b PXAT 3000000000000', 'expire b'],
  ['GETEX b PERSIST', 'persist b'],
  ['GETEX b PERSIST'],
  ['GETEX b PXAT 1000', 'del b'],
  ['APPEND k x', 'new k', 'append k'],
  ['APPEND k x', 'append k'],
  ['SETRANGE k 5 x', 'setrange k'],
  ['SETRANGE l 2 x', 'new l', 'setrange l'],
  ['SETRANGE m 0 '],
  ['INCR n', 'new n', 'incrby n'],
  ['DECR n', 'incrby n'],
  ['INCRBY n 0', 'incrby n'],
  ['DECRBY n 2', 'incrby n'],
  ['INCRBYFLOAT n 1.5', 'incrbyfloat n'],
  ['INCR k'],
  ['EXPIRE k 100', 'expire k'],
  ['EXPIRE k 100 NX'],
  ['PEXPIRE k 100000', 'expire k'],
  ['EXPIREAT k 3000000000', 'expire k'],
  ['EXPIRE o 100'],
  ['PERSIST k', 'persist k'],
  ['PERSIST k'],
  ['EXPIRE k -1', 'del k'],
  ['RENAME l p', 'new p', 'rename_from l', 'rename_to p'],
  ['RENAME p n', 'new n', 'rename_from p', 'rename_to n'],
  ['RENAME n n'],
  ['RENAME p n'],
  ['RENAMENX n a'],
  ['RENAMENX n q', 'new q', 'rename_from n', 'rename_to q'],
  ['COPY q r', 'new r', 'copy_to r'],
  ['COPY q r'],
  ['COPY q r REPLACE', 'new r', 'copy_to r'],
  ['COPY s r', 'keymiss s'],
  ['DEL q s r', 'del q', 'del r'],
  ['UNLINK a s', 'del a'],
  ['FLUSHALL'],
];

const CLASSES: Readonly<Record<string, readonly string[]>> = {
  g: ['del', 'expire', 'persist', 'rename_from', 'rename_to', 'copy_to'],
  $: ['set', 'append', 'setrange', 'incrby', 'incrbyfloat'],
  x: ['expired'],
  n: ['new'],
  m: ['keymiss'],
};

describe('keyspace notifications', () => {
  let backend: MapBackend;
  let server: RedisServer;
  let clients: RawClient[] = [];
  let asker: RawClient;
  let listener: RawClient;
  let heard = 0;

  /** A server that tells of these, and who listens to all of them. */
  async function start(letters: string): Promise<void> {
    backend = createMapBackend();
    const keyspaceEventClasses = parseEventClasses(letters) ?? 0;
    server = await startRedisServer({ backend, host: '127.0.0.1', port: 0, keyspaceEventClasses });
    asker = openRawClient(server.port);
    listener = openRawClient(server.port);
    clients = [asker, listener];
    await listener.ask('PSUBSCRIBE *\r\n', '*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n');
    heard = listener.received().length;
  }

  afterEach(async () => {
    for (const client of clients) client.destroy();
    await server.close();
  });

  /** Who listens is told in order: what comes before the mark was told by then. */
  async function told(): Promise<string[]> {
    const marker = openRawClient(server.port);
    clients.push(marker);
    await marker.ask(encode('PUBLISH', MARK, ''), ':1\r\n');
    for (;;) {
      const messages = [...listener.received().slice(heard).matchAll(MESSAGE)];
      const end = messages.findIndex(([, channel]) => channel === MARK);
      if (end !== -1) {
        heard = listener.received().length;
        return messages.slice(0, end).map(([, channel = '', message = '']) => {
          const event = /^__keyevent@0__:(.*)$/.exec(channel)?.[1];
          return event === undefined ? `${channel} ${message}` : `${event} ${message}`;
        });
      }
      await listener.waitForBytes(listener.received().length + 1);
    }
  }

  /** Says each line, and waits for its reply; the events of all of them. */
  async function eventsOf(...lines: readonly string[]): Promise<string[]> {
    for (const line of lines) {
      const before = asker.received().length;
      asker.send(encode(...line.split(' ')));
      await asker.waitForBytes(before + 1);
    }
    return told();
  }

  it('tells what each command does, in Redis’s order', async () => {
    await start('EAmn');
    for (const [command, ...events] of COMMANDS) deepEqual(await eventsOf(command), events, command);
  });

  it('tells by each letter of its events, and of no others', async () => {
    const all = COMMANDS.flatMap(([, ...events]) => events);
    for (const [letter, names] of Object.entries(CLASSES)) {
      await start(`E${letter}`);
      const expected = all.filter((event) => names.includes(event.split(' ')[0] ?? ''));
      deepEqual(await eventsOf(...COMMANDS.map(([command]) => command)), expected, letter);
      if (letter === 'm') break; // the last one's are afterEach's to end
      for (const client of clients) client.destroy();
      await server.close();
    }
  });

  it('tells under K on the key’s channel, under E on the event’s, under none nobody, and may be told so while it runs', async () => {
    await start('');
    deepEqual(await eventsOf('SET a 1'), []);
    deepEqual(await eventsOf('CONFIG SET notify-keyspace-events A', 'SET a 2'), []);
    deepEqual(await eventsOf('CONFIG SET notify-keyspace-events KE', 'SET a 2'), []);
    deepEqual(await eventsOf('CONFIG SET notify-keyspace-events KEA', 'SET a 2'), [
      '__keyspace@0__:a set',
      'set a',
    ]);
    deepEqual(await eventsOf('CONFIG SET notify-keyspace-events KA', 'DEL a'), ['__keyspace@0__:a del']);
    deepEqual(await eventsOf('CONFIG SET notify-keyspace-events Elshztde', 'SET a 2'), []);
    equal(backend.watchCount(), 0);
    backend.watchKeys('' as Key, () => undefined);
    backend.tellsLate = true;
    backend.write('b' as Key, Buffer.from('1')); // before anybody asks for it
    deepEqual(await eventsOf('CONFIG SET notify-keyspace-events E$', 'SET c 2'), ['set c']);
    asker.send(encode('CONFIG', 'SET', 'notify-keyspace-events', ''));
    deepEqual(await eventsOf('SET a 2'), []);
  });

  it('carries keys of any bytes', async () => {
    await start('KEA');
    const before = listener.received().length;
    asker.send(encode('SET', '\x00\xff\n', '1'));
    const expected = ['__keyspace@0__:\x00\xff\n', 'set', '__keyevent@0__:set', '\x00\xff\n'];
    const bytes = expected.map((text) => `$${text.length}\r\n${text}\r\n`);
    const frames = `*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n${bytes[0]}${bytes[1]}*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n${bytes[2]}${bytes[3]}`;
    equal((await listener.waitForBytes(before + frames.length)).slice(before), frames);
  });

  it('tells of a transaction when it is executed, in its order, and nothing of one that is not', async () => {
    await start('EAmn');
    deepEqual(await eventsOf('MULTI', 'SET a 1', 'INCR a', 'DEL a', 'GET a', 'SET a 2 EX 100'), []);
    deepEqual(await eventsOf('EXEC'), [
      ...['new a', 'set a', 'incrby a', 'del a', 'keymiss a', 'new a', 'set a', 'expire a'],
    ]);
    deepEqual(await eventsOf('MULTI', 'SET a 1', 'DISCARD'), []);
    deepEqual(await eventsOf('MULTI', 'SET b 1', 'FLUSHALL', 'SET c 1', 'EXEC'), [
      ...['new b', 'set b', 'new c', 'set c'],
    ]);
  });

  it('tells once of a request that may be sent again, and nothing of one that is refused', async () => {
    await start('EAmn');
    const request = 'TOPOSPHERE DO ID one RUN SET a 1';
    deepEqual(await eventsOf(request), ['new a', 'set a']);
    deepEqual(await eventsOf('TOPOSPHERE DO ID one AGAIN RUN SET a 1'), []);
    deepEqual(await eventsOf('TOPOSPHERE DO ID two RUN MSET a 1 ahead 2', 'MSET a 1 ahead 2'), []);
    deepEqual(await eventsOf('MULTI', 'INCR n', 'INCR n', 'TOPOSPHERE DO ID three RUN EXEC'), [
      ...['new n', 'incrby n', 'incrby n'],
    ]);
    backend.executeRequest = () => {
      throw new ToposphereError('DISK_FULL', 'the disk is full');
    };
    deepEqual(await eventsOf('TOPOSPHERE DO ID four RUN SET a 1'), []);
  });

  it('tells nothing of what FLUSHALL deletes, also where that takes several turns', async () => {
    await start('EA');
    for (let number = 0; number < 1500; number += 1) backend.write(`${number}` as Key, Buffer.from('1'));
    equal((await told()).length, 1500);
    await asker.ask(encode('FLUSHALL'), '+OK\r\n');
    deepEqual(await told(), []);
    equal(backend.keyCount(), 0);
  });

  it('tells what no command of this server did as the change that it is', async () => {
    await start('EAmn');
    const key = 'a' as Key;
    const [old, value] = [Buffer.from('1'), Buffer.from('2')];
    const changes = [
      [{ previous: undefined, value, how: 'written', hadExpired: false }, 'new a', 'set a'],
      [{ previous: old, value, how: 'written', hadExpired: false }, 'set a'],
      [{ previous: old, value, how: 'written', hadExpired: true }, 'expired a', 'new a', 'set a'],
      [{ previous: old, value: undefined, how: 'deleted', hadExpired: false }, 'del a'],
      [{ previous: old, value: undefined, how: 'deleted', hadExpired: true }, 'expired a'],
      [{ previous: old, value: undefined, how: 'expired', hadExpired: false }, 'expired a'],
      [{ previous: undefined, value, how: 'counted', hadExpired: false }, 'new a', 'incrby a'],
      [{ previous: old, value, how: 'counted', hadExpired: false }, 'incrby a'],
      [{ previous: old, value, how: 'counted', hadExpired: true }],
      [{ previous: old, value, how: 'expired', hadExpired: false }, 'expired a', 'new a', 'incrby a'],
    ] as const;
    for (const [change, ...events] of changes) {
      backend.tell({ key, ...change });
      deepEqual(await told(), events, JSON.stringify(change));
    }
    // It takes effect behind the command, which a majority is asked for first.
    deepEqual(await eventsOf('TOPOSPHERE DO READ LINEARIZABLE RUN SET b 1'), ['new b', 'set b']);
  });

  it('tells of an expiry once, before what comes in its place, and not as the next command’s', async () => {
    await start('EAn');
    backend.tellsLate = true;
    const expire = (name: string): void => {
      backend.write(name as Key, Buffer.from('1'), Date.now() - 1);
    };
    expire('a');
    deepEqual(await eventsOf('SET b 1', 'SET a 2'), [
      'new a',
      'set a',
      'new b',
      'set b',
      'expired a',
      'new a',
      'set a',
    ]);
    expire('a');
    deepEqual(await eventsOf('GET a', 'SET a 3'), ['set a', 'expired a', 'new a', 'set a']);
    expire('a');
    deepEqual(await eventsOf('MULTI', 'SET b 1', 'SET a 2', 'EXEC'), [
      'set a',
      'set b',
      'expired a',
      'new a',
      'set a',
    ]);
  });
});

describe('an expiry in the middle of a command', () => {
  const KEY = 'k' as Key;
  /** What a command tells that notes these, and whose write comes when the time of the value that it read is past. */
  function told(...notes: readonly (readonly [eventClass: number, event: string])[]): string[] {
    const backend = createMapBackend();
    const heard: string[] = [];
    const onMessage = (channel: string): number => heard.push(channel.replace('__keyevent@0__:', ''));
    backend.subscriptions.addPattern('*', () => true, { onMessage });
    const keyspaceEventClasses = parseEventClasses('EAmn') ?? 0;
    const events = createKeyspaceEvents(backend, createLimits({ keyspaceEventClasses }));
    events.renew();
    events.run(true, () => {
      const [previous, value] = [Buffer.from('1'), Buffer.from('2')];
      backend.tell({ key: KEY, previous, value, how: 'written', hadExpired: true });
      for (const [eventClass, event] of notes) events.note(eventClass, event, KEY);
    });
    return heard;
  }

  it('is told before a key that comes in its place, which is new then, and is none to who changes what it found', () => {
    const { created, generic, missed, string } = EVENT_CLASSES;
    deepEqual(told([string, 'set'], [generic, 'expire']), ['expired', 'new', 'set', 'expire']);
    deepEqual(told([created, 'new'], [string, 'set']), ['expired', 'new', 'set']);
    deepEqual(told([missed, 'keymiss'], [created, 'new'], [string, 'set']), [
      ...['expired', 'keymiss', 'new', 'set'],
    ]);
    deepEqual(told([generic, 'persist']), ['persist']);
    deepEqual(told([generic, 'del'], [created, 'new'], [string, 'set']), ['del', 'new', 'set']);
    deepEqual(told(), ['expired', 'new', 'set']);
  });
});

describe('the letters of notify-keyspace-events', () => {
  it('are written in Redis’s order, all of them by A, and read again as the same', () => {
    for (const [given, written] of [
      ['', ''],
      ['KEA', 'AKE'],
      ['AKE', 'AKE'],
      ['Egx', 'gxE'],
      ['$K', '$K'],
      ['mnKE', 'nKEm'],
      ['dtezhsl$xg', 'A'],
      ['dtezhslxg', 'glshzxetd'],
      ['AKEmn', 'AnKEm'],
    ] as const) {
      const classes = parseEventClasses(given);
      equal(classes === undefined ? undefined : formatEventClasses(classes), written, given);
      equal(parseEventClasses(written), classes, given);
    }
    for (const letters of ['q', 'KEa', 'K E', 'KEé']) equal(parseEventClasses(letters), undefined, letters);
  });
});
