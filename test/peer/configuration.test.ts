/**
 * Settings become options: defaults, ranges, relations, and all faults at once.
 */
import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ToposphereError } from '../../src/core/errors.ts';
import { resolvePeerOptions, resolveServeOptions } from '../../src/peer/configuration.ts';
import { formatEventClasses } from '../../src/peer/eventClasses.ts';
import { silentLogger } from '../../src/peer/logger.ts';
import type { Logger } from '../../src/peer/logger.ts';
import { optionName, TUNABLES } from '../../src/peer/tunables.ts';
import type { PeerOptions } from '../../src/peer/configuration.ts';
import type { Settings, Tunable, TunableName } from '../../src/peer/tunables.ts';

const logger = silentLogger;
const KEY = 'ab'.repeat(32);
let folder = '';

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await rm(path, { force: true });
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

/** Two peers on loopback, this one alpha. */
async function base(): Promise<Settings> {
  return { id: 'alpha', servers: await file('servers.txt', 'alpha 127.0.0.1 7401\nbeta 127.0.0.1 7402\n') };
}

async function peerOf(settings: Settings): Promise<PeerOptions> {
  return resolvePeerOptions({ ...(await base()), ...settings }, logger);
}

async function refusal(resolving: Promise<unknown>): Promise<readonly string[]> {
  const outcome = await resolving.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(outcome instanceof ToposphereError, `not refused: ${String(outcome)}`);
  assert.equal(outcome.code, 'BAD_CONFIGURATION');
  return outcome.message.split('\n');
}

async function faultsOf(settings: Settings): Promise<readonly string[]> {
  return refusal(resolveServeOptions({ ...(await base()), ...settings }, logger));
}

describe('configuration', () => {
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-configuration-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('has the documented defaults', async () => {
    const { servers, ...options } = await peerOf({});
    assert.equal(servers.servers.length, 2);
    assert.deepEqual(options, {
      id: 'alpha',
      dataDirectory: join('checkpoints', 'alpha'),
      known: [],
      discovery: undefined,
      clusterId: 'toposphere',
      multicast: { group: '239.195.74.1', port: 7400, interface: '127.0.0.1' },
      keepaliveMs: 250,
      heartbeatMs: 500,
      deadAfterMs: 2000,
      maxDriftMs: 500,
      maxValueBytes: 16 * 1024 * 1024,
      receiveBufferBytes: 8 * 1024 * 1024,
      allowFaults: false,
      bootstrap: false,
      gcIntervalMs: 30_000,
      gcUpdateCount: 20_000,
      maxTableRows: 1_000_000,
      maxCheckpointBytes: 512 * 1024 * 1024,
      requestsKeptMs: 600_000,
      maxRequests: 1_000_000,
      maxCounterCells: 1_000_000,
      maxTransactionBytes: 8_388_608,
      transferBytesPerSecond: 0,
      maxPublishBytes: 1024 * 1024,
      publishKeptMs: 2000,
      publishKeptBytes: 16 * 1024 * 1024,
      versions: { lowest: 1, highest: 1 },
      minFreeBytes: 256 * 1024 * 1024,
      checkpointDirectory: 'checkpoints',
      checkpointIntervalMs: 3_600_000,
      checkpointsKept: 2,
      clockOffsetMs: 0,
      logger,
    });
  });

  it('serves Redis clients at the own address, 1000 below the own port, acknowledging when committed', async () => {
    const { clients } = await resolveServeOptions(await base(), logger);
    assert.deepEqual(clients, {
      host: '127.0.0.1',
      port: 6401,
      acknowledge: 'committed',
      isOpen: false,
      unauthenticatedClientMs: 30_000,
      maxTrackedKeys: 1_000_000,
      maxClients: 10_000,
      clientIdleMs: 0,
      clientStalledMs: 60_000,
      slowCommandMicroseconds: 10_000,
      slowCommandsKept: 128,
      keyspaceEventClasses: 0,
      maxTransactionBytes: 8_388_608,
    });
  });

  it('asks of a port for TLS a certificate and its key, and of these a port', async () => {
    const [fault = '', ...others] = await faultsOf({ clientTlsPort: 6501 });
    assert.match(fault, /add --client-tls-certificate-file and --client-tls-key-file/);
    assert.deepEqual(others, []);
    assert.match((await faultsOf({ clientTlsKeyFile: 'x' })).join(), /add --client-tls-port/);
    const clientTlsCertificateFile = await file('peer.crt', 'no certificate');
    const clientTlsKeyFile = await file('peer.key', 'no key');
    const files = { clientTlsCertificateFile, clientTlsKeyFile };
    assert.match((await faultsOf({ clientTlsPort: 6501, ...files })).join(), /cannot be used/);
    assert.match((await faultsOf({ clientTlsPort: 6401, ...files })).join(), /choose another/);
    await chmod(clientTlsKeyFile, 0o644);
    assert.match((await faultsOf({ clientTlsPort: 6501, ...files })).join(), /chmod 600/);
    assert.match(
      (await faultsOf({ clientTlsPort: 6501, clientTlsHost: '10.0.0.1', ...files })).join(),
      /would need no password/,
    );
  });

  it('takes users in place of a client password, and refuses a file that others can read', async () => {
    const clientUsersFile = await file('users', `shop sha256:${'0'.repeat(64)} read shop:\n`);
    const settings = { ...(await base()), clientHost: '10.0.0.1', clientUsersFile };
    assert.equal((await resolveServeOptions(settings, logger)).clients.users?.[0]?.name, 'shop');
    assert.match((await faultsOf({ clientUsersFile, openClients: true })).join(), /leave one of them out/);
    await chmod(clientUsersFile, 0o640);
    assert.match((await faultsOf({ clientUsersFile })).join(), /chmod 600/);
  });

  it('takes numbers as numbers and as text', async () => {
    assert.equal((await peerOf({ keepaliveMs: 100 })).keepaliveMs, 100);
    assert.equal((await peerOf({ keepaliveMs: '100' })).keepaliveMs, 100);
    assert.equal((await peerOf({ clockOffsetMs: '-400', allowFaults: true })).clockOffsetMs, -400);
  });

  for (const [name, tunable] of Object.entries(TUNABLES) as [TunableName, Tunable][]) {
    if (tunable.kind !== 'number') continue;
    // The port of a peer that no servers.txt lists; with one, it has no place at all.
    const around: Settings = name === 'port' ? { servers: undefined, discover: true } : {};
    it(`refuses --${optionName(name)} that is no whole number or out of its range, saying the range`, async () => {
      for (const value of [
        'abc',
        '',
        '1.5',
        '1e3',
        ' 7',
        NaN,
        Infinity,
        tunable.minimum - 1,
        tunable.maximum + 1,
      ]) {
        const faults = (await faultsOf({ allowFaults: true, ...around, [name]: value })).join('|');
        assert.match(
          faults,
          new RegExp(
            `^--${optionName(name)} is .*; use ${tunable.minimum} to ${tunable.maximum} \\(${tunable.unit}\\)$`,
          ),
        );
      }
    });
  }

  describe('discovery without a servers.txt', () => {
    const unlisted = (settings: Settings): Promise<PeerOptions> =>
      resolvePeerOptions({ id: 'alpha', discover: true, dataDirectory: folder, ...settings }, logger);

    it('needs an id alone: loopback without a key, port 7401, nobody else known', async () => {
      const { servers, known, discovery } = await unlisted({});
      assert.deepEqual(
        servers.servers.map(({ id, address, port }) => [id, address, port]),
        [['alpha', '127.0.0.1', 7401]],
      );
      assert.deepEqual(known, []);
      const knownPeersPath = join(folder, 'alpha', 'known-servers.txt');
      assert.deepEqual(discovery, { port: 5353, admits: false, isUnlisted: true, knownPeersPath });
    });

    it('remembers where the others were, less those that a named servers.txt lists', async () => {
      await mkdir(join(folder, 'alpha'));
      await file(
        join('alpha', 'known-servers.txt'),
        'alpha 127.0.0.1 7499\nbeta 127.0.0.1 7402\ngamma 127.0.0.1 7403\n',
      );
      const idsOf = ({ known }: PeerOptions): string => known.map(({ id }) => id).join(' ');
      assert.equal(idsOf(await unlisted({})), 'beta gamma');
      const { servers } = await base();
      const listed = await unlisted({ servers });
      assert.equal(idsOf(listed), 'gamma');
      assert.equal(listed.discovery?.isUnlisted, false);
      assert.equal(idsOf(await unlisted({ servers, discover: undefined })), '');
    });

    it('never refuses a start for what it remembered: it says which line is passed over, why and what to do', async () => {
      await mkdir(join(folder, 'alpha'));
      await file(
        join('alpha', 'known-servers.txt'),
        'beta 127.0.0.1 7402\ngamma 127.0.0.1 7403\ndelta 10.0.0.4 7404\nepsilon 127.0.0.1 7405\n',
      );
      const lines: string[] = [];
      const log: Logger = ({ event, message }) => {
        assert.equal(event, 'knownServersUnusable');
        lines.push(message.replace(/^.*known-servers\.txt: /, ''));
      };
      const settings = {
        id: 'alpha',
        discover: true,
        dataDirectory: folder,
        port: 7402,
        multicastPort: 7403,
      };
      const { known } = await resolvePeerOptions(settings, log);
      assert.deepEqual(
        known.map(({ id }) => id),
        ['epsilon'],
      );
      assert.deepEqual(lines, [
        'beta at 127.0.0.1:7402 is passed over: alpha is there now; start beta with another --port, or --host',
        'gamma at 127.0.0.1:7403 is passed over: its port is the multicast port now; change --multicast-port, or start gamma with another --port',
        'delta at 10.0.0.4:7404 is passed over: beyond loopback peers talk only with a cluster key; give one with --cluster-key-file',
      ]);
    });

    it('refuses what does not fit together, each with what to do', async () => {
      assert.match(
        (await refusal(unlisted({ id: undefined }))).join(),
        /^--id is missing; without a servers\.txt name/,
      );
      assert.match(
        (await refusal(unlisted({ host: '::1' }))).join(),
        /^--host is '::1'; give an IPv4 address/,
      );
      assert.match((await refusal(unlisted({ host: '203.0.113.9' }))).join(), /this machine has/);
      const wrong = { multicastInterface: 'eth0' };
      const said = (faults: readonly string[]): readonly string[] =>
        faults.filter((fault) => fault.includes("--multicast-interface is 'eth0'; give an IPv4 address"));
      assert.equal(said(await refusal(unlisted(wrong))).length, 1, 'it stands for the host as well');
      assert.equal(said(await refusal(unlisted({ ...wrong, host: '127.0.0.1' }))).length, 1);
      assert.equal(said(await faultsOf(wrong)).length, 1);
      assert.match(
        (await refusal(unlisted({ admitDiscovered: true }))).join(),
        /needs --discover, and --cluster-key-file/,
      );
      assert.match((await faultsOf({ port: 7405 })).join(), /^--port is for --discover without --servers/);
      assert.match(
        (await refusal(unlisted({ multicastPort: 7401 }))).join(),
        /is the multicast port; change one/,
      );
    });
  });

  it('reports all faults together, those of servers.txt among them', async () => {
    const servers = await file('bad.txt', 'alpha 127.0.0.1 1\nbeta nowhere_ 7402\n');
    const faults = await faultsOf({
      servers,
      keepaliveMs: 'abc',
      multicastGroup: '10.0.0.1',
      clusterId: 'a b',
      acknowledge: 'maybe',
      logFormat: 'xml',
    });
    assert.equal(faults.length, 7, faults.join('\n'));
    for (const part of [
      'bad.txt:1:',
      'bad.txt:2:',
      '--keepalive-ms',
      '--multicast-group',
      '--cluster-id',
      '--acknowledge',
      '--log-format',
    ]) {
      assert.equal(faults.filter((fault) => fault.includes(part)).length, 1, part);
    }
  });

  it('refuses to call a peer dead after fewer than three keepalives', async () => {
    assert.match(
      (await faultsOf({ keepaliveMs: 700 })).join(),
      /--dead-after-ms is 2000, less than 3 times --keepalive-ms \(700\); use at least 2100/,
    );
    assert.equal((await peerOf({ keepaliveMs: 700, deadAfterMs: 2100 })).deadAfterMs, 2100);
  });

  it('refuses a rehearsed clock error without --allow-faults', async () => {
    assert.match((await faultsOf({ clockOffsetMs: 400 })).join(), /rehearsed fault; add --allow-faults/);
    assert.equal((await peerOf({ clockOffsetMs: 400, allowFaults: true })).clockOffsetMs, 400);
  });

  it('refuses groups that are none, stay on the machine, or are assigned to some protocol', async () => {
    const groups = [
      '10.0.0.1',
      '240.0.0.1',
      '224.0.0.1',
      'group',
      '239.1.1',
      'fd00::1',
      'ff01::7',
      'ff11::7',
    ];
    for (const multicastGroup of [...groups, 'ff02::1', 'ff02::fb', 'ff12::7%eth0', 'ff00::7', 'ff0f::7']) {
      assert.match(
        (await faultsOf({ multicastGroup })).join('|'),
        /^--multicast-group is '[^|]*'; use an IPv4 group, best of 239\.0\.0\.0\/8, or an IPv6 group, best of ff12::\/16$/,
      );
    }
    assert.equal((await peerOf({ multicastGroup: '224.0.1.1' })).multicast.group, '224.0.1.1');
    const servers = await file('six.txt', 'alpha ::1 7401\n');
    for (const multicastGroup of ['ff12::7', 'ff15::7', 'ff05::7', 'ff18::7'])
      assert.equal((await peerOf({ servers, multicastGroup })).multicast.group, multicastGroup);
  });

  it('refuses a multicast port that is some peer’s own', async () => {
    assert.match(
      (await faultsOf({ multicastPort: 7402 })).join(),
      /servers\.txt:2: port 7402 of 'beta' is the multicast port/,
    );
  });

  it('takes a group and an interface of the family of the peers', async () => {
    const servers = await file('six.txt', 'alpha ::1 7401\n');
    assert.deepEqual((await peerOf({ servers })).multicast, {
      group: 'ff12::efc3:4a01',
      port: 7400,
      interface: '::1',
    });
    const clusterKeyFile = await file('key', KEY);
    const chosen = { servers, clusterKeyFile, multicastGroup: 'FF15:0::7', multicastInterface: 'FD00:0::7' };
    assert.deepEqual((await peerOf(chosen)).multicast, {
      group: 'ff15::7',
      port: 7400,
      interface: 'fd00::7',
    });
    assert.deepEqual(
      await faultsOf({ servers, multicastGroup: '239.1.1.1', multicastInterface: '127.0.0.1' }),
      [
        '--multicast-group is 239.1.1.1, and the peers have IPv6 addresses; use an IPv6 group, or leave it out',
        "--multicast-interface is '127.0.0.1'; give an IPv6 address of this machine",
      ],
    );
    assert.deepEqual(
      await faultsOf({ clusterKeyFile, multicastGroup: 'ff12::7', multicastInterface: 'fd00::7' }),
      [
        '--multicast-group is ff12::7, and the peers have IPv4 addresses; use an IPv4 group, or leave it out',
        "--multicast-interface is 'fd00::7'; give an IPv4 address of this machine",
      ],
    );
  });

  it('counts ::1 as loopback, and a unique local address as beyond', async () => {
    const loopback = await file('six.txt', 'alpha ::1 7401\nbeta ::1 7402\n');
    const { peer, clients } = await resolveServeOptions({ ...(await base()), servers: loopback }, logger);
    assert.equal(peer.clusterKeys, undefined);
    assert.equal(clients.host, '::1');
    const servers = await file('lan.txt', 'alpha ::1 7401\nbeta fd00::2 7401\n');
    assert.match((await faultsOf({ servers })).join('|'), /^[^|]*beyond loopback \(beta fd00::2\)/);
    assert.match(
      (await faultsOf({ servers: loopback, clientHost: 'fd00::1' })).join(),
      /Redis clients at fd00::1 would need no password/,
    );
  });

  it('refuses to talk beyond loopback without a cluster key, by name', async () => {
    const servers = await file('lan.txt', 'alpha 127.0.0.1 7401\nbeta 10.0.0.2 7401\ngamma 10.0.0.3 7401\n');
    assert.match(
      (await faultsOf({ servers })).join('|'),
      /^[^|]*beyond loopback \(beta 10\.0\.0\.2, gamma 10\.0\.0\.3\)[^|]*--cluster-key-file$/,
    );
    const clusterKeyFile = await file('key', `${KEY}\n`);
    assert.deepEqual((await peerOf({ servers, clusterKeyFile })).clusterKeys, {
      path: clusterKeyFile,
      keys: [{ id: 1, secret: Buffer.from(KEY, 'hex') }],
    });
  });

  it('refuses a multicast interface beyond loopback without a cluster key', async () => {
    const multicastInterface = '10.0.0.1';
    assert.match(
      (await faultsOf({ multicastInterface })).join('|'),
      /^--multicast-interface is 10\.0\.0\.1: beyond loopback [^|]*--cluster-key-file$/,
    );
    const clusterKeyFile = await file('key', KEY);
    assert.equal(
      (await peerOf({ multicastInterface, clusterKeyFile })).multicast.interface,
      multicastInterface,
    );
  });

  it('refuses a key file that is missing or is no key, without showing what it holds', async () => {
    assert.match(
      (await faultsOf({ clusterKeyFile: join(folder, 'none') })).join(),
      /cluster key cannot be read \(ENOENT\)/,
    );
    for (const text of ['', KEY.slice(2), `${KEY}ab`, `zz${KEY.slice(2)}`]) {
      const fault = (await faultsOf({ clusterKeyFile: await file('key', text) })).join();
      assert.match(fault, /: is no key: write an id|holds no cluster key/);
      assert.ok(!fault.includes('abab'));
    }
  });

  it('serves clients beyond loopback with a password, or without one when told to by name', async () => {
    const clientHost = '10.0.0.1';
    assert.match(
      (await faultsOf({ clientHost })).join(),
      /Redis clients at 10\.0\.0\.1 would need no password; give one with --client-password-file/,
    );
    const clientPasswordFile = await file('password', 'correct horse\n');
    const resolve = async (settings: Settings) =>
      (await resolveServeOptions({ ...(await base()), clientHost, ...settings }, logger)).clients;
    assert.equal((await resolve({ clientPasswordFile })).password, 'correct horse');
    const open = await resolve({ openClients: true });
    assert.deepEqual([open.host, open.password], [clientHost, undefined]);
  });

  it('refuses to be told of a password and that there is none', async () => {
    const clientPasswordFile = await file('password', 'correct horse\n');
    assert.match(
      (await faultsOf({ clientPasswordFile, openClients: true })).join('|'),
      /^--client-password-file gives a password [^|]*; leave one of them out$/,
    );
  });

  it('refuses a password file that cannot be used, without showing what it holds', async () => {
    assert.match(
      (await faultsOf({ clientPasswordFile: join(folder, 'none') })).join('|'),
      /^[^|]*client password cannot be read \(ENOENT\)[^|]*$/,
    );
    const faults = await faultsOf({ clientPasswordFile: await file('password', 'two-of\nthem') });
    assert.equal(faults.length, 1);
    assert.ok(!faults.join().includes('two-of'));
  });

  it('serves HTTP where Redis clients are served, 1000 above the own port, or nowhere', async () => {
    const httpOf = async (settings: Settings): Promise<unknown> =>
      (await resolveServeOptions({ ...(await base()), ...settings }, logger)).http;
    assert.deepEqual(await httpOf({}), { host: '127.0.0.1', port: 8401 });
    assert.deepEqual(await httpOf({ clientHost: '127.0.0.2' }), { host: '127.0.0.2', port: 8401 });
    assert.deepEqual(await httpOf({ httpHost: '127.0.0.3', httpPort: 9000 }), {
      host: '127.0.0.3',
      port: 9000,
    });
    assert.equal(await httpOf({ httpPort: 0 }), undefined);
  });

  it('refuses HTTP beyond loopback unless clients may be anybody, and on a port in use', async () => {
    assert.match(
      (await faultsOf({ httpHost: '10.0.0.1' })).join(),
      /^HTTP at 10\.0\.0\.1 would be open .*--open-clients/,
    );
    assert.deepEqual(
      (await resolveServeOptions({ ...(await base()), httpHost: '10.0.0.1', openClients: true }, logger))
        .http,
      { host: '10.0.0.1', port: 8401 },
    );
    assert.match((await faultsOf({ httpHost: '0.0.0.0' })).join(), /^--http-host is '0\.0\.0\.0'/);
    for (const httpPort of [7401, 6401])
      assert.match(
        (await faultsOf({ httpPort })).join(),
        /^--http-port is \d+, which the peer or its Redis clients use/,
      );
  });

  it('refuses a client port that is the peer’s own', async () => {
    assert.match(
      (await faultsOf({ clientPort: 7401 })).join(),
      /--client-port is 7401, the port of 'alpha' itself/,
    );
  });

  it('takes Redis’s letters for keyspace events, and refuses others by naming them all', async () => {
    const { clients } = await resolveServeOptions({ ...(await base()), notifyKeyspaceEvents: 'Ex' }, logger);
    assert.equal(formatEventClasses(clients.keyspaceEventClasses), 'xE');
    const faults = await faultsOf({ notifyKeyspaceEvents: 'KEq' });
    assert.equal(faults.length, 1);
    assert.match(
      faults.join(),
      /--notify-keyspace-events is 'KEq'; use some of the letters Ag\$lshzxeKEtmdn/,
    );
  });

  it('writes nothing, refused or not', async () => {
    const dataDirectory = join(folder, 'data');
    await faultsOf({ dataDirectory, keepaliveMs: 'abc' });
    await peerOf({ dataDirectory });
    assert.deepEqual(await readdir(folder), ['servers.txt']);
  });

  it('describes every tunable, and gives each number a default within its range', () => {
    for (const [name, tunable] of Object.entries(TUNABLES) as [TunableName, Tunable][]) {
      assert.ok(tunable.meaning.length > 10, name);
      if (tunable.kind !== 'number') continue;
      assert.ok(tunable.raising.length > 10, name);
      assert.ok(tunable.minimum < tunable.maximum, name);
      const value = tunable.default ?? tunable.minimum;
      assert.ok(value >= tunable.minimum && value <= tunable.maximum, name);
    }
  });
});
