/**
 * Named users: who gets in, what each may do, and what a changed users file does to those who are connected.
 */
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import type { Key } from '../../src/core/types.ts';
import { parseClientUsers, hashPassword } from '../../src/peer/clientUsers.ts';
import type { ClientUser } from '../../src/peer/clientUsers.ts';
import type { Command } from '../../src/server/command.ts';
import { allCommands } from '../../src/server/commandTable.ts';
import type { RedisServer } from '../../src/server/server.ts';
import { startRedisServer } from '../../src/server/server.ts';
import { createMapBackend } from './mapBackend.ts';
import type { MapBackend } from './mapBackend.ts';
import { encode, openRawClient } from './rawClient.ts';
import type { RawClient } from './rawClient.ts';

const WRONGPASS = '-WRONGPASS invalid username-password pair or user is disabled.\r\n';
const NO_KEYS = '-NOPERM this user has no permissions to access one of the keys used as arguments\r\n';
const noCommand = (name: string): string =>
  `-NOPERM this user has no permissions to run the '${name}' command\r\n`;

/** `reader read a:`: its password is its name. */
function usersOf(...lines: readonly string[]): readonly ClientUser[] {
  const text = lines.map((line) => {
    const [name = '', ...rest] = line.split(' ');
    return `${name} sha256:${hashPassword(name).toString('hex')} ${rest.join(' ')}`;
  });
  return parseClientUsers(text.join('\n'), 'users');
}

/** The replies to `request`, whatever they are. */
async function answer(client: RawClient, request: string): Promise<string> {
  const before = client.received().length;
  const end = '$11\r\nend-of-test\r\n';
  client.send(`${request}\r\nECHO end-of-test\r\n`);
  while (!client.received().slice(before).endsWith(end))
    await client.waitForBytes(client.received().length + 1);
  return client.received().slice(before, -end.length);
}

describe('a server with named users', () => {
  let backend: MapBackend;
  let server: RedisServer;
  const clients: RawClient[] = [];

  beforeEach(async () => {
    await start('correct-horse');
  });
  afterEach(stop);

  async function start(password?: string): Promise<void> {
    backend = createMapBackend();
    for (const key of ['a:1', 'b:1', 'c:1']) backend.write(key as Key, Buffer.from(key));
    const users = usersOf('reader read a: b:', 'writer write a:', 'operator admin *', 'all write,admin *');
    const given = password === undefined ? {} : { password };
    server = await startRedisServer({ backend, host: '127.0.0.1', port: 0, users, ...given });
  }

  async function stop(): Promise<void> {
    for (const client of clients.splice(0)) client.destroy();
    await server.close();
  }

  async function open(user?: string): Promise<RawClient> {
    const client = openRawClient(server.port);
    clients.push(client);
    if (user !== undefined) await client.ask(encode('AUTH', user, user), '+OK\r\n');
    return client;
  }

  it('lets each in with its own password, by AUTH and by HELLO, and the default user with its', async () => {
    const client = await open();
    await client.ask('AUTH reader writer\r\nAUTH nobody reader\r\nAUTH reader\r\n', WRONGPASS.repeat(3));
    await client.ask('AUTH reader reader\r\nACL WHOAMI\r\n', '+OK\r\n$6\r\nreader\r\n');
    await client.ask('AUTH correct-horse\r\nACL WHOAMI\r\n', '+OK\r\n$7\r\ndefault\r\n');
    const other = await open();
    other.send('HELLO 3 AUTH writer writer\r\nACL WHOAMI\r\n');
    while (!other.received().endsWith('$6\r\nwriter\r\n'))
      await other.waitForBytes(other.received().length + 1);
    equal(server.counters.authenticationsFailed, 3);
  });

  it('asks everybody for a user where there is no client password', async () => {
    await stop();
    await start();
    const client = await open();
    await client.ask('GET a:1\r\n', '-NOAUTH Authentication required.\r\n');
    await client.ask('AUTH default x\r\nAUTH x\r\n', WRONGPASS.repeat(2));
    await client.ask(
      'AUTH reader reader\r\nRESET\r\nGET a:1\r\n',
      '+OK\r\n+RESET\r\n-NOAUTH Authentication required.\r\n',
    );
  });

  it('takes any of several passwords of one user', async () => {
    const [user] = usersOf('twice read *');
    ok(user !== undefined);
    server.changeUsers([{ ...user, passwordHashes: [hashPassword('old'), hashPassword('new')] }]);
    const client = await open();
    await client.ask(
      'AUTH twice old\r\nAUTH twice new\r\nAUTH twice twice\r\n',
      `+OK\r\n+OK\r\n${WRONGPASS}`,
    );
  });

  it('lets a reader read its keys alone, and write nothing', async () => {
    const client = await open('reader');
    await client.ask('GET a:1\r\nMGET a:1 b:1\r\n', '$3\r\na:1\r\n*2\r\n$3\r\na:1\r\n$3\r\nb:1\r\n');
    await client.ask('GET c:1\r\nMGET a:1 c:1\r\nEXISTS a:1 b:1 a\r\n', NO_KEYS.repeat(3));
    await client.ask('SET a:1 2\r\nDEL a:1\r\n', noCommand('set') + noCommand('del'));
    await client.ask(
      'CONFIG GET *\r\nTOPOSPHERE RELOAD\r\n',
      noCommand('config|get') + noCommand('toposphere|reload'),
    );
    await client.ask('PING\r\nECHO x\r\nTYPE a:1\r\n', '+PONG\r\n$1\r\nx\r\n+string\r\n');
    equal(server.counters.commandsDenied, 4);
    equal(server.counters.keysDenied, 3);
    equal(backend.values.size, 3);
  });

  it('lets a writer read and write its keys, all of a command or none', async () => {
    const client = await open('writer');
    await client.ask('SET a:2 x\r\nGET a:2\r\n', '+OK\r\n$1\r\nx\r\n');
    await client.ask('MSET a:3 1 b:3 1\r\nDEL a:2 b:1\r\n', NO_KEYS.repeat(2));
    deepEqual([...backend.values.keys()].sort(), ['a:1', 'a:2', 'b:1', 'c:1']);
    await client.ask('TOPOSPHERE DO ACK fast RUN SET b:1 x\r\n', NO_KEYS);
  });

  it('lets an operator ask and change the peer, and see no key', async () => {
    const client = await open('operator');
    await client.ask('CONFIG GET maxclients\r\n', '*2\r\n$10\r\nmaxclients\r\n$5\r\n10000\r\n');
    await client.ask('GET a:1\r\nKEYS *\r\n', noCommand('get') + noCommand('keys'));
    await client.ask('TOPOSPHERE WATCH a:\r\n', noCommand('toposphere|watch'));
  });

  it('names no key that is not of a prefix, whatever asks for it', async () => {
    const client = await open('reader');
    const within = [
      'KEYS a:*',
      'SCAN 0 MATCH b:*',
      'TOPOSPHERE RANGE a: "" 5',
      'TOPOSPHERE WATCH a:',
      'CLIENT TRACKING OFF',
    ];
    for (const request of within) {
      const said = await answer(client, request);
      ok(!said.includes('NOPERM') && !said.includes('c:1'), request);
    }
    const beyond = [
      ...[
        'KEYS *',
        'KEYS ?:1',
        'KEYS a*',
        'SCAN 0',
        'SCAN 0 MATCH c:*',
        'SCAN 0 MATCH',
        'TOPOSPHERE RANGE "" "" 5',
      ],
      ...[
        'TOPOSPHERE WATCH ""',
        'TOPOSPHERE WATCH c',
        'CLIENT TRACKING ON BCAST',
        'CLIENT TRACKING ON BCAST PREFIX a: PREFIX c',
      ],
    ];
    for (const request of beyond) await client.ask(`${request}\r\n`, NO_KEYS);
  });

  it('lets it listen to channels of its prefixes, and publish only where it may write', async () => {
    const noChannels =
      '-NOPERM this user has no permissions to access one of the channels used as arguments\r\n';
    const client = await open('reader');
    const refused = [
      'SUBSCRIBE a:x c:x',
      'PSUBSCRIBE a:* *',
      'PSUBSCRIBE ?:x',
      'SUBSCRIBE __keyspace@0__:a:1',
      'PSUBSCRIBE __key*@0__:*',
      'PUBSUB CHANNELS',
      'PUBSUB NUMSUB c:x',
    ];
    await client.ask(`${refused.join('\r\n')}\r\n`, noChannels.repeat(refused.length));
    await client.ask(
      'PUBLISH a:x 1\r\nPUBSUB NUMSUB a:x\r\n',
      `${noCommand('publish')}*2\r\n$3\r\na:x\r\n:0\r\n`,
    );
    const writer = await open('writer');
    await writer.ask('PUBLISH a:x 1\r\nPUBLISH b:x 1\r\n', `:0\r\n${noChannels}`);
    await client.ask(
      'SUBSCRIBE a:x __redis__:invalidate\r\n',
      '*3\r\n$9\r\nsubscribe\r\n$3\r\na:x\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$20\r\n__redis__:invalidate\r\n:2\r\n',
    );
  });

  it('walks its keys to the end with SCAN', async () => {
    for (let index = 0; index < 50; index += 1) backend.write(`b:x${index}` as Key, Buffer.from('1'));
    const client = await open('reader');
    let cursor = '0';
    let found = 0;
    do {
      const said = await answer(client, `SCAN ${cursor} MATCH b:* COUNT 7`);
      cursor = /^\*2\r\n\$\d+\r\n(\d+)\r\n/.exec(said)?.[1] ?? '0';
      found += said.match(/b:/g)?.length ?? 0;
    } while (cursor !== '0');
    equal(found, 51);
  });

  it('closes who is gone from the file or may do something else, and nobody whose password alone has changed', async () => {
    const [reader, writer, other] = [await open('reader'), await open('writer'), await open('all')];
    await reader.ask('TOPOSPHERE WATCH b:\r\n', '+OK\r\n');
    const [all] = usersOf('all write,admin *');
    ok(all !== undefined);
    const said = server.changeUsers([
      ...usersOf('reader read a:'),
      { ...all, passwordHashes: [hashPassword('another')] },
    ]);
    match(said, /^2 users; 2 connections/);
    const ended = '-NOAUTH what the user of this connection may do has changed\r\n';
    for (const client of [reader, writer]) ok((await client.waitForClose()).endsWith(ended));
    await other.ask('SET b:2 1\r\n', '+OK\r\n');
    equal(server.counters.userChangedClosed, 2);
    const client = await open('reader');
    await client.ask('GET b:1\r\n', NO_KEYS);
    await client.ask('AUTH writer writer\r\nAUTH all all\r\n', WRONGPASS.repeat(2));
    await client.ask('AUTH all another\r\n', '+OK\r\n');
  });

  it('tells what users may do, and no hash', async () => {
    const client = await open('all');
    await client.ask(
      'ACL USERS\r\n',
      '*5\r\n$7\r\ndefault\r\n$6\r\nreader\r\n$6\r\nwriter\r\n$8\r\noperator\r\n$3\r\nall\r\n',
    );
    const asked = [
      'ACL LIST',
      'ACL GETUSER reader',
      'ACL GETUSER nobody',
      'CLIENT LIST',
      'ACL CAT',
      'ACL CAT write',
    ];
    const said = await answer(client, asked.join('\r\n'));
    match(said, /user reader on ~a:\* ~b:\* &a:\* &b:\* -@all \+@connection \+@read\r\n/);
    match(said, /user default on ~\* &\* \+@all\r\n/);
    match(said, / user=all /);
    ok(!said.includes(hashPassword('reader').toString('hex')));
    await client.ask(
      'ACL CAT nosuch\r\nACL SETUSER x\r\n',
      "-ERR Unknown category 'nosuch'\r\n-ERR unknown subcommand 'SETUSER'. Try ACL HELP.\r\n",
    );
    await (
      await open('reader')
    ).ask('ACL WHOAMI\r\nACL LIST\r\n', `$6\r\nreader\r\n${noCommand('acl|list')}`);
  });

  it('kills the connections of one user', async () => {
    const [reader, own] = [await open('reader'), await open('all')];
    await own.ask(
      'CLIENT KILL USER reader\r\nCLIENT KILL USER nosuch\r\n',
      ":1\r\n-ERR No such user 'nosuch'\r\n",
    );
    await reader.waitForClose();
  });
});

describe('the rows of the table of commands, to a user of one prefix', () => {
  /** Touch no key and name none: counts, digests and what a whole peer is. */
  const ABOUT_ALL: ReadonlySet<string> = new Set(['dbsize']);

  it('say which keys they touch, where they read or write', () => {
    const rows: readonly Command[] = allCommands.flatMap((row) => [row, ...(row.subcommands ?? [])]);
    for (const { name, flags, keys, touches, run } of rows) {
      if (run === undefined) continue;
      const isOfKeys = flags.includes('readonly') || flags.includes('write');
      if (!isOfKeys && !/^p?subscribe$|^publish$|^pubsub\|(?:channels|numsub)$/.test(name)) continue;
      if (ABOUT_ALL.has(name)) continue;
      ok(keys[0] > 0 || touches !== undefined, `${name} reads or writes, and says of no key which`);
    }
  });
});
