/** What a peer measures for `toposphere doctor`: bounded in number and time, whatever the machine answers. */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PeerId } from '../../src/core/types.ts';
import { probeTcp } from '../../src/network/probe.ts';
import { listenTcp } from '../../src/network/tcp.ts';
import { AddressBook } from '../../src/peer/addressBook.ts';
import { resolvePeerOptions } from '../../src/peer/configuration.ts';
import { DiskSpace } from '../../src/peer/diskSpace.ts';
import { createDiskTrend } from '../../src/peer/diskTrend.ts';
import { createExaminer } from '../../src/peer/examination.ts';
import { silentLogger } from '../../src/peer/logger.ts';
import { measureFlushes } from '../../src/peer/flushTimes.ts';
import { readServersFile } from '../../src/peer/serversFile.ts';
import { Cluster } from '../core/cluster.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../storage/temporaryStores.ts';

const MINUTE_MS = 60_000;
const GIBIBYTE = 2 ** 30;
const logger = silentLogger;

describe('the trend of a disk', () => {
  it('says how long what is free lasts, from a minute on, and nothing while it does not fill', () => {
    const trend = createDiskTrend();
    assert.equal(trend.lastsMs(0), null);
    for (let second = 0; second <= 120; second += 1) {
      if (second === 59) assert.equal(trend.lastsMs(0), null);
      trend.note(second * 1000, 10 * GIBIBYTE - second * 2 ** 20);
    }
    // 10 GiB less 120 MiB at a MiB a second, of which 1 GiB is to stay.
    assert.equal(trend.lastsMs(GIBIBYTE), (10 * 1024 - 120 - 1024) * 1000);
    const full = createDiskTrend();
    full.note(0, GIBIBYTE);
    full.note(2 * MINUTE_MS, GIBIBYTE / 2);
    assert.equal(full.lastsMs(GIBIBYTE), 0);
    const resting = createDiskTrend();
    resting.note(0, GIBIBYTE);
    resting.note(10 * MINUTE_MS, GIBIBYTE - 2 ** 20);
    assert.equal(resting.lastsMs(0), null, 'one write may have been that');
  });

  it('goes by the last ten minutes', () => {
    const trend = createDiskTrend();
    for (let second = 0; second <= 3600; second += 1) {
      const fallMebibytes = second < 2400 ? 10 * second : 24_000;
      trend.note(second * 1000, 100 * GIBIBYTE - fallMebibytes * 2 ** 20);
    }
    assert.equal(trend.lastsMs(0), null);
  });
});

describe('an examination', () => {
  let folder: TemporaryDirectory;
  beforeEach(() => {
    folder = makeTemporaryDirectory();
  });
  afterEach(() => {
    folder.remove();
  });

  it('measures flushes and leaves no file behind; says what the system answered where there is no disk to write to', async () => {
    const { count, medianMs, worstMs, fault } = await measureFlushes(folder.path);
    assert.ok(count >= 1 && count <= 7, `${count}`);
    assert.ok(medianMs > 0 && worstMs >= medianMs);
    assert.equal(fault, null);
    assert.deepEqual(readdirSync(folder.path), []);
    const nowhere = await measureFlushes(join(folder.path, 'gone'));
    assert.deepEqual([nowhere.count, nowhere.fault], [0, 'ENOENT']);
  });

  it('tells an open port from one where nobody listens', async () => {
    let connections = 0;
    const listener = await listenTcp({ host: '127.0.0.1', port: 0, onSocket: () => (connections += 1) });
    const address = { host: '127.0.0.1', port: listener.port };
    assert.equal(await probeTcp(address), 'open');
    await listener.close();
    assert.equal(await probeTcp(address), 'refused');
    assert.equal(connections, 1);
  });

  async function examinerOf(servers: string) {
    const path = join(folder.path, 'servers.txt');
    writeFileSync(path, servers);
    const options = await resolvePeerOptions(
      { id: 'alpha', servers: path, dataDirectory: folder.path },
      logger,
    );
    const cluster = new Cluster(['alpha', 'beta', 'gamma']);
    cluster.run(3000);
    const alpha = cluster.at('alpha');
    let reports = 0;
    const datagrams = {
      multicastJoined: true,
      receiveBuffer: { askedBytes: 2, grantedBytes: 1 },
      sent: { multicast: 0, unicast: 0, bytes: 0 },
      received: { multicast: 0, unicast: 0, bytes: 0 },
    };
    const streams = {
      outgoing: { connections: 0, frames: 0, bytes: 0 },
      incoming: { connections: 0, frames: 0, unfinishedBytes: 0 },
    };
    const examine = createExaminer({
      options: { ...options, dataDirectory: folder.path },
      addresses: new AddressBook('alpha' as PeerId, await readServersFile(path)),
      state: alpha.state,
      keys: undefined,
      network: {
        report: () => {
          reports += 1;
          return { datagrams, streams, faults: {} };
        },
      },
      space: await DiskSpace.watch(folder.path, 0, () => undefined),
      now: () => cluster.now(alpha),
    });
    return { examine, path, reports: () => reports };
  }

  const SERVERS = 'alpha 127.0.0.1 2401\nbeta 127.0.0.1 2402\n';

  it('is made once, however many ask for it', async () => {
    const { examine, reports } = await examinerOf(SERVERS);
    await Promise.all([examine(), examine(), examine()]);
    await examine();
    assert.equal(reports(), 1);
  });

  it('tells servers.txt as it was read and as it is, and whom it hears how', async () => {
    const { examine, path } = await examinerOf(SERVERS);
    writeFileSync(path, `${SERVERS}# a comment changes nothing\ngamma 127.0.0.1 2403\n`);
    const { servers, members, receiveBuffer, multicast } = await examine();
    assert.equal(servers?.text, SERVERS);
    assert.equal(servers.fileText, `${SERVERS}gamma 127.0.0.1 2403\n`);
    assert.deepEqual(
      members.map(({ id, address, heard, hearsMe, multicastHeard, stream }) => [
        id,
        address,
        heard,
        hearsMe,
        multicastHeard,
        stream,
      ]),
      [
        ['beta', '127.0.0.1:2402', true, true, true, 'refused'],
        ['gamma', null, true, true, true, null],
      ],
    );
    assert.deepEqual([receiveBuffer.askedBytes, receiveBuffer.grantedBytes, multicast.joined], [2, 1, true]);
  });

  it('says why servers.txt cannot be read any more', async () => {
    const { examine, path } = await examinerOf(SERVERS);
    writeFileSync(path, 'alpha');
    const { servers } = await examine();
    assert.equal(servers?.fileText, null);
    assert.match(servers.fault ?? '', /servers\.txt:1: has 1 column/);
  });
});
