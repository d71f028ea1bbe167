/**
 * Commands over TLS and as named users: which settings go together, and the one line that each thing which stands in the way is told by.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openConnection, withConnection } from '../../src/cli/connection.ts';
import type { Address, Credentials } from '../../src/cli/connection.ts';
import { CommandFailure, PeerRefusal } from '../../src/cli/failure.ts';
import { findTargets } from '../../src/cli/target.ts';
import { hashPassword, parseClientUsers } from '../../src/peer/clientUsers.ts';
import type { TlsMaterial } from '../../src/peer/backend.ts';
import { startRedisServer } from '../../src/server/server.ts';
import type { RedisServer } from '../../src/server/server.ts';
import {
  AUTHORITY,
  EXPIRED_CERTIFICATE,
  OTHER_CERTIFICATE,
  OTHER_KEY,
  PEER_CERTIFICATE,
  PEER_KEY,
  STRANGER_CERTIFICATE,
  STRANGER_KEY,
} from '../server/certificates.ts';
import { createMapBackend } from '../server/mapBackend.ts';

const HOST = '127.0.0.1';
const PASSWORD = 'correct-horse';
const PEER = { certificate: PEER_CERTIFICATE, key: PEER_KEY };

describe('a connection of the command line to a peer with TLS and users', () => {
  let server: RedisServer;
  afterEach(() => server.close());

  async function start(material: TlsMaterial = PEER): Promise<void> {
    const shop = `shop sha256:${hashPassword('shop-horse').toString('hex')} read shop:`;
    server = await startRedisServer({
      backend: createMapBackend(),
      host: HOST,
      port: 0,
      password: PASSWORD,
      users: parseClientUsers(shop, 'users'),
      tls: { host: HOST, port: 0, material },
    });
  }

  const overTls = (credentials: Credentials = {}): Address => ({
    host: HOST,
    port: server.tlsPort ?? 0,
    password: PASSWORD,
    tls: { authority: AUTHORITY },
    ...credentials,
  });
  const ask = (address: Address, ...words: readonly string[]): Promise<unknown> =>
    withConnection(address, (connection) => connection.request(words));

  /** Refused for good, in one line that names the peer, says `seen` and what to do. */
  async function assertRefused(address: Address, seen: RegExp, words = ['PING']): Promise<void> {
    await assert.rejects(ask(address, ...words), (error: unknown) => {
      assert.ok(error instanceof PeerRefusal, String(error));
      assert.match(error.message, /^127\.0\.0\.1:\d+ [^\n]*$/);
      assert.match(error.message, seen);
      return true;
    });
  }

  it('is one, as the user that it names', async () => {
    await start();
    assert.deepEqual(await ask(overTls(), 'SET', 'shop:a', '1'), Buffer.from('OK'));
    const shop = { user: 'shop', password: 'shop-horse' };
    assert.deepEqual(await ask(overTls(shop), 'GET', 'shop:a'), Buffer.from('1'));
    await assertRefused(overTls(shop), /NOPERM .*--client-user.*the line of 'shop' in its users file/, [
      'SET',
      'shop:a',
      '2',
    ]);
    await assertRefused(overTls({ ...shop, password: PASSWORD }), /knows no user 'shop' with this password/);
    await assertRefused(overTls({ password: 'another-horse' }), /has another client password/);
  });

  it('says so of a port of the other kind', async () => {
    await start();
    await assertRefused(
      { ...overTls(), port: server.port },
      /does not speak TLS there: .*--client-tls-port.*leave out --tls/,
    );
    await assert.rejects(
      openConnection({ host: HOST, port: server.tlsPort ?? 0, password: PASSWORD }),
      (error: unknown) =>
        error instanceof CommandFailure && /closed the connection.*add --tls$/.test(error.message),
    );
  });

  it('says what is wrong with the certificate that it is shown', async () => {
    await start();
    await assertRefused(overTls({ tls: {} }), /authority that is not known here: .*--tls-ca-file/);
    await server.close();
    await start({ certificate: STRANGER_CERTIFICATE, key: STRANGER_KEY });
    await assertRefused(overTls(), /a certificate that signs itself: .*--tls-ca-file/);
    await assertRefused(
      overTls({ tls: { authority: STRANGER_CERTIFICATE } }),
      /of another name \(it holds no address and no name\): name the peer/,
    );
    await server.close();
    await start({ certificate: EXPIRED_CERTIFICATE, key: STRANGER_KEY });
    await assertRefused(
      overTls({ tls: { authority: EXPIRED_CERTIFICATE } }),
      /a certificate that has expired: see that the clocks are right/,
    );
  });

  it('shows a certificate where one is asked for', async () => {
    await start({ ...PEER, authority: AUTHORITY });
    const own = { authority: AUTHORITY, certificate: OTHER_CERTIFICATE, key: OTHER_KEY };
    assert.deepEqual(await ask(overTls({ tls: own }), 'PING'), Buffer.from('PONG'));
    await assertRefused(overTls(), /asks for a certificate, and was shown none: .*--tls-certificate-file/);
    const stranger = { authority: AUTHORITY, certificate: STRANGER_CERTIFICATE, key: STRANGER_KEY };
    await assert.rejects(ask(overTls({ tls: stranger }), 'PING'), /another certificate than the one that it/);
  });
});

describe('the settings of a command that goes over TLS', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-tls-'));
    await write('servers.txt', 'alpha 127.0.0.1 7401\nbeta 127.0.0.2 7401\n');
    await write('ca.crt', AUTHORITY);
    await write('own.crt', OTHER_CERTIFICATE);
    await write('own.key', OTHER_KEY);
    await write('password', PASSWORD);
  });
  after(() => rm(folder, { recursive: true }));

  const write = (name: string, text: string): Promise<void> =>
    writeFile(join(folder, name), text, { mode: 0o600 });
  const at = (name: string): string => join(folder, name);
  const find = (given: object): ReturnType<typeof findTargets> => {
    const argv = { peer: undefined, id: undefined, servers: at('servers.txt'), ...given };
    return findTargets(argv);
  };
  const faultsOf = async (given: object): Promise<readonly string[]> => {
    try {
      await find(given);
      return [];
    } catch (error) {
      assert.ok(error instanceof Error);
      return error.message.split('\n');
    }
  };

  it('lead to the one TLS port of all peers of servers.txt, with what is shown and trusted there', async () => {
    const files = {
      'tls-ca-file': at('ca.crt'),
      'tls-certificate-file': at('own.crt'),
      'tls-key-file': at('own.key'),
    };
    const user = { 'client-user': 'shop', 'client-password-file': at('password') };
    const targets = await find({ tls: true, 'client-tls-port': '6501', ...files, ...user });
    const tls = { authority: AUTHORITY, certificate: OTHER_CERTIFICATE, key: OTHER_KEY };
    const credentials = { password: PASSWORD, user: 'shop', tls };
    assert.deepEqual(targets, [
      { id: 'alpha', host: '127.0.0.1', port: 6501, ...credentials },
      { id: 'beta', host: '127.0.0.2', port: 6501, ...credentials },
    ]);
    const [named] = await find({ tls: true, ...files, peer: '10.0.0.1:6502' });
    assert.deepEqual([named?.host, named?.port, named?.tls], ['10.0.0.1', 6502, tls]);
    const [plain] = await find({ tls: false, 'client-tls-port': '6501', ...files });
    assert.deepEqual([plain?.port, plain?.tls], [6401, undefined]);
  });

  it('are refused together where one says what another does not', async () => {
    assert.match((await faultsOf({ tls: true })).join(), /asked at --client-tls-port, which was not given/);
    assert.deepEqual(await faultsOf({ 'tls-ca-file': at('ca.crt'), 'client-user': 'shop' }), [
      "--client-user is 'shop', and no password was given; name a file with the user's own with --client-password-file, or leave the user out",
      '--tls-ca-file is for TLS, which was not asked for; add --tls (or --no-tls)',
    ]);
    const faults = await faultsOf({ tls: true, 'tls-ca-file': at('none'), 'tls-key-file': at('own.key') });
    assert.equal(faults.length, 2, faults.join('\n'));
    assert.match(faults.join('|'), /needs its key, and the other way round.*\|.*cannot be read \(ENOENT\)/);
    const mixed = { 'tls-certificate-file': at('ca.crt'), 'tls-key-file': at('own.key') };
    assert.match(
      (await faultsOf({ tls: true, 'client-tls-port': '6501', ...mixed })).join(),
      /cannot be used/,
    );
  });
});
