/**
 * Starts that are refused, and the start of everything at once (`up`, what `npm start` runs).
 *
 * Owns what an operator sees: one clear line a fault on stderr, exit code 1, an untouched data directory.
 * The wording is the configuration's and the network's; here each line must name what is wrong.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { buildArguments } from '../../src/cli/settingsOptions.ts';
import { useClusters } from './cluster.ts';
import type { Clusters, Site } from './cluster.ts';
import { Command, runCommand } from './command.ts';
import { RespClient } from './respClient.ts';
import { report, waitUntil } from './waiting.ts';

/** The system's remark about buffers is no refusal. */
const REMARK = /smallReceiveBuffer/;

/** `serve` as the peer `id` of `site` must end at once with exactly these lines on stderr. */
async function assertRefused(
  site: Site,
  settings: Record<string, string>,
  lines: readonly RegExp[],
): Promise<void> {
  const { ended, errorLines } = await runCommand([
    'serve',
    ...buildArguments({ ...site.settings, ...settings }),
  ]);
  const said = errorLines.filter((line) => !REMARK.test(line));
  assert.equal(said.length, lines.length, `one line a fault:\n${said.join('\n')}`);
  lines.forEach((pattern, index) => {
    assert.match(said[index] ?? '', pattern);
  });
  assert.deepEqual(ended, { code: 1, signal: null });
  assert.equal(existsSync(join(site.folder, 'data')), false, 'the data directory was written');
}

async function holdTcp(clusters: Clusters, port: number): Promise<void> {
  const server = createServer();
  clusters.onEnd(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      }),
  );
  await new Promise<void>((resolve) => {
    server.listen({ host: '127.0.0.1', port }, resolve);
  });
}

async function holdUdp(clusters: Clusters, port: number): Promise<void> {
  const socket = createSocket('udp4');
  clusters.onEnd(() => void socket.close());
  await new Promise<void>((resolve) => socket.bind({ address: '127.0.0.1', port }, resolve));
}

describe('startup', () => {
  const clusters = useClusters();

  /** A site whose servers.txt says `text`. */
  async function siteWith(text: string): Promise<Site> {
    const site = await clusters.prepare({ ids: ['alpha'] });
    await writeFile(site.serversPath, text);
    return site;
  }

  it('refuses a duplicate id', async () => {
    const site = await siteWith('alpha 127.0.0.1 17401\nalpha 127.0.0.1 17402\n');
    await assertRefused(site, { id: 'alpha' }, [
      /^toposphere: .*servers\.txt:2: duplicate id 'alpha', already on line 1/,
    ]);
  });

  it('refuses a bad port, and tells all faults of the file together', async () => {
    const site = await siteWith('alpha 127.0.0.1 99999\nbeta 127.0.0.1 abc\n');
    await assertRefused(site, { id: 'alpha' }, [
      /^toposphere: .*servers\.txt:1: bad port '99999'/,
      /^toposphere: .*servers\.txt:2: bad port 'abc'/,
    ]);
  });

  it('refuses to start when no line has an address of this machine', async () => {
    // 203.0.113.0/24 is for documentation: no machine should have it. With a key, only the address is wrong.
    const site = await siteWith('alpha 203.0.113.1 17401\nbeta 203.0.113.2 17401\n');
    const clusterKeyFile = join(site.folder, 'key');
    await writeFile(clusterKeyFile, 'ab'.repeat(32), { mode: 0o600 });
    await assertRefused(site, { clusterKeyFile }, [
      /^toposphere: .*no line has an address of this machine .*alpha 203\.0\.113\.1/,
    ]);
    await assertRefused(site, { clusterKeyFile, id: 'alpha' }, [
      /^toposphere: .*the address of 'alpha' is 203\.0\.113\.1/,
    ]);
  });

  it('refuses a servers.txt that cannot be read, or is none', async () => {
    const site = await siteWith('');
    await assertRefused(site, { id: 'alpha', servers: join(site.folder, 'none.txt') }, [
      /^toposphere: .*none\.txt: cannot be read \(ENOENT\)/,
    ]);
    await assertRefused(site, { id: 'alpha', servers: site.folder }, [
      /^toposphere: .*cannot be read \(EISDIR\)/,
    ]);
    await assertRefused(site, { id: 'alpha' }, [/^toposphere: .*servers\.txt: lists no peer/]);
  });

  it('refuses an id that servers.txt does not list', async () => {
    const site = await clusters.prepare();
    await assertRefused(site, { id: 'omega' }, [
      /^toposphere: .*has no line with id 'omega'; it lists alpha/,
    ]);
  });

  it("refuses a taken port: clients' TCP, peers' TCP, peers' UDP", async () => {
    const site = await clusters.prepare({ ids: ['alpha', 'beta', 'gamma'] });
    const [alpha = 0, beta = 0, gamma = 0] = [...site.ports.values()];
    await holdTcp(clusters, alpha - 1000);
    await holdTcp(clusters, beta);
    await holdUdp(clusters, gamma);
    const taken = (protocol: string, port: number): RegExp =>
      new RegExp(
        `^toposphere: cannot listen on ${protocol} 127\\.0\\.0\\.1:${port}: another process uses this port`,
      );
    await assertRefused(site, { id: 'alpha' }, [taken('TCP', alpha - 1000)]);
    await assertRefused(site, { id: 'beta' }, [taken('TCP', beta)]);
    await assertRefused(site, { id: 'gamma' }, [taken('UDP', gamma)]);
  }).timeout(30_000);

  it('refuses a second process for a peer that runs, which goes on serving', async () => {
    const { peer, settings } = await clusters.start({ ids: ['alpha', 'beta'], absent: ['beta'] });
    const alpha = peer('alpha');
    const { ended, errorLines } = await runCommand([
      'serve',
      ...buildArguments({ ...settings, id: 'alpha' }),
    ]);
    assert.deepEqual(ended, { code: 1, signal: null });
    assert.equal(errorLines.filter((line) => !REMARK.test(line)).length, 1, errorLines.join('\n'));
    await alpha.set('still', 'here');
  }).timeout(30_000);

  it('refuses a second process on the same data with ports of its own', async () => {
    const { settings, ports, folder } = await clusters.start({ ids: ['alpha', 'beta'], absent: ['beta'] });
    const elsewhere = join(folder, 'elsewhere.txt');
    await writeFile(elsewhere, `alpha 127.0.0.1 ${ports.get('beta') ?? 0}\n`);
    const words = ['serve', ...buildArguments({ ...settings, id: 'alpha', servers: elsewhere })];
    const { ended, errorLines } = await runCommand(words);
    assert.deepEqual(ended, { code: 1, signal: null });
    const said = errorLines.filter((line) => !REMARK.test(line));
    assert.equal(said.length, 1, errorLines.join('\n'));
    assert.match(said[0] ?? '', /^toposphere: opening .* failed: process \d+ has it open/);
  }).timeout(30_000);

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`up: all peers of servers.txt start, replicate, and stop on ${signal} with exit code 0`, async () => {
      const site = await clusters.prepare();
      const startMs = performance.now();
      const command = new Command(['up', ...buildArguments(site.settings)]);
      clusters.onEnd(() => command.kill());
      await command.awaitLine(/^Stop with Ctrl-C/, 40_000);
      const upMs = performance.now() - startMs;
      const ports = [...site.ports.values()].map((port) => port - 1000);
      const [first = 0, last = 0] = [ports[0], ports.at(-1)];
      for (const port of [first, last]) {
        assert.ok(
          command.lines.some((line) => line.includes(String(port))),
          `says how to reach ${port}`,
        );
      }
      const one = await RespClient.connect(first);
      const other = await RespClient.connect(last);
      await one.call('SET', 'a', '1');
      await waitUntil('a at the last peer', async () => (await other.text('GET', 'a')) === '1');
      one.close();
      other.close();
      const stopMs = performance.now();
      command.signal(signal);
      assert.deepEqual(await command.awaitEnd(30_000), { code: 0, signal: null }, command.lines.join('\n'));
      report(
        `up: ${site.ports.size} peers in touch after ${Math.round(upMs)} ms, stopped after ${Math.round(performance.now() - stopMs)} ms`,
      );
      for (const port of ports) await assert.rejects(RespClient.connect(port), /ECONNREFUSED/);
    }).timeout(90_000);
  }

  it('up: a taken port starts nobody', async () => {
    const site = await clusters.prepare();
    const [, second = 0] = [...site.ports.values()];
    await holdTcp(clusters, second - 1000);
    const { ended, errorLines } = await runCommand(['up', ...buildArguments(site.settings)], 40_000);
    assert.deepEqual(ended, { code: 1, signal: null });
    assert.equal(errorLines.length, 1, errorLines.join('\n'));
    assert.match(errorLines[0] ?? '', new RegExp(`cannot listen on TCP 127\\.0\\.0\\.1:${second - 1000}`));
    assert.equal(existsSync(join(site.folder, 'data')), false);
  }).timeout(60_000);
});
