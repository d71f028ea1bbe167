/**
 * Backup and restore as an operator does it, with the shipped commands: a file asked for, disks gone, one put back.
 *
 * Owns what is damaged and wiped. What a file looks like is test/storage/checkpointFile.test.ts's.
 */
import assert from 'node:assert/strict';
import { readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { buildArguments } from '../../src/cli/settingsOptions.ts';
import { awaitTakingPart, useClusters } from './cluster.ts';
import { runCommand } from './command.ts';
import type { ChildPeer } from './childPeer.ts';
import { assertAllPresent, awaitAllPresent, awaitEqualDigests } from './convergence.ts';

/** Runs `toposphere restore` with the settings the peer is started with. */
function restore({ settings }: ChildPeer, ...words: readonly string[]) {
  return runCommand(['restore', ...words, ...buildArguments(settings)]);
}

async function writeKeys(
  peers: readonly ChildPeer[],
  prefix: string,
  count: number,
): Promise<Map<string, string>> {
  const written = new Map<string, string>();
  for (let at = 0; at < count; at += 1) {
    const key = `${prefix}:${at}`;
    written.set(key, `${prefix} ${at}`);
    await peers[at % peers.length]?.set(key, `${prefix} ${at}`);
  }
  return written;
}

describe('backup', () => {
  const clusters = useClusters();

  it('brings everything back when all disks are gone: one is restored, the others join it', async () => {
    const site = await clusters.start();
    const { peers, peer } = site;
    const written = await writeKeys(peers, 'before', 200);
    await peer('beta').ask('DEL', 'before:0');
    written.delete('before:0');
    await awaitEqualDigests(peers);
    const path = String(await peer('alpha').ask('TOPOSPHERE', 'CHECKPOINT'));
    assert.ok((await stat(path)).size > 0);
    const { checkpoints } = await peer('alpha').status();
    assert.deepEqual(
      { newest: checkpoints.newest, failure: checkpoints.failure },
      { newest: path, failure: null },
    );
    await Promise.all(peers.map((one) => one.stop()));
    for (const one of peers) await rm(one.dataDirectory, { recursive: true });
    const { ended, lines } = await restore(peer('alpha'), '--begin');
    assert.equal(ended.code, 0, lines.join('\n'));
    assert.ok(
      lines.some((line) => line.includes('199 keys')),
      lines.join('\n'),
    );
    const starting = Promise.all(peers.map((one) => one.start()));
    const { serversPath } = site;
    const waited = await runCommand(['wait-ready', '--servers', serversPath]);
    assert.deepEqual(waited.lines.slice(-1), ['out ready: alpha, beta, gamma, delta']);
    await starting;
    await assertAllPresent(peers, written);
    const { visible } = await awaitEqualDigests(peers);
    assert.equal(visible, 199);
    await peer('delta').set('after', 'restore');
    await awaitAllPresent(peers, new Map([['after', 'restore']]));
  }).timeout(90_000);

  it('is an older disk where others go on: its peer joins them, and what was deleted since stays deleted', async () => {
    const { peers, peer } = await clusters.start({ settings: { gcIntervalMs: 300, heartbeatMs: 100 } });
    const alpha = peer('alpha');
    const written = await writeKeys(peers, 'before', 50);
    await awaitEqualDigests(peers);
    const path = String(await alpha.ask('TOPOSPHERE', 'CHECKPOINT'));
    await peer('beta').ask('DEL', 'before:7');
    written.delete('before:7');
    for (const [key, value] of await writeKeys([peer('beta')], 'since', 20)) written.set(key, value);
    await awaitEqualDigests(peers);
    await alpha.kill();
    const refused = await restore(alpha, path);
    assert.equal(refused.ended.code, 1);
    assert.match(
      refused.errorLines.join('\n'),
      /holds a store already, and nothing was changed: .*--replace/,
    );
    const { ended, lines } = await restore(alpha, path, '--replace');
    assert.equal(ended.code, 0, lines.join('\n'));
    const folders = await readdir(join(alpha.dataDirectory, '..'));
    assert.ok(
      folders.some((name) => name.startsWith('alpha-before-')),
      folders.join(' '),
    );
    await alpha.start();
    await awaitTakingPart(peers);
    await awaitAllPresent(peers, written);
    await awaitEqualDigests(peers);
    assert.equal(await alpha.get('before:7'), null);
    assert.ok(
      alpha.log.some((line) => line.includes('joined: ')),
      alpha.log.join('\n'),
    );
  }).timeout(90_000);

  it('is written at a clean stop if anything changed; of two files the damaged one is named and the other used', async () => {
    const { peers, peer } = await clusters.start({
      ids: ['alpha', 'beta'],
      settings: { checkpointsKept: 2 },
    });
    const alpha = peer('alpha');
    const files = async (): Promise<string[]> =>
      (await readdir(join(alpha.dataDirectory, '..')))
        .filter((name) => /^alpha-.*\.checkpoint$/.test(name))
        .sort();
    await alpha.set('k', '1');
    await awaitEqualDigests(peers);
    await alpha.stop();
    assert.equal((await files()).length, 1);
    await alpha.start();
    await alpha.stop();
    assert.equal((await files()).length, 1, 'nothing had changed');
    await alpha.start();
    await alpha.set('k', '2');
    await alpha.stop();
    const [older, newer = ''] = await files();
    assert.notEqual(older, undefined);
    await truncate(join(alpha.dataDirectory, '..', newer), 5000);
    await rm(alpha.dataDirectory, { recursive: true });
    const { ended, lines, errorLines } = await restore(alpha);
    assert.equal(ended.code, 0, errorLines.join('\n'));
    assert.ok(
      errorLines.some((line) => line.includes(`${newer} is not used: it is cut short`)),
      errorLines.join('\n'),
    );
    assert.ok(
      lines.some((line) => line.includes(older ?? '?')),
      lines.join('\n'),
    );
    await alpha.start();
    await awaitTakingPart(peers);
    await awaitAllPresent(peers, new Map([['k', '2']])); // beta has it
    await Promise.all(peers.map((one) => one.stop()));
    const kept = await files();
    await rm(alpha.dataDirectory, { recursive: true });
    await alpha.start();
    await alpha.stop();
    assert.deepEqual(await files(), kept, 'a disk that holds nothing');
  }).timeout(90_000);
});
