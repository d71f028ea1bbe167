/**
 * `toposphere doctor` in front of peers that ask their clients for a password, over IPv4 and over IPv6.
 *
 * Owns what is said with the password, without one and with another. What else doctor finds is doctor.test.ts's.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { generateKeyText } from '../../src/peer/clusterKeyFile.ts';
import type { ChildCluster } from './cluster.ts';
import { useClusters } from './cluster.ts';
import { runCommand } from './command.ts';
import { examine, only, QUIET } from './examine.ts';
import type { Found } from './examine.ts';
import { waitUntil } from './waiting.ts';

const IDS = ['alpha', 'beta', 'gamma'];
const PASSWORD = 'doctor knows this';
const OTHER_PASSWORD = 'another password';

for (const host of ['127.0.0.1', '::1']) {
  describe(`doctor where clients give a password, at ${host}`, () => {
    const clusters = useClusters();

    before(function () {
      const own = Object.values(networkInterfaces()).flat();
      if (own.some((one) => one?.address === host)) return;
      console.log(`      skipped: this machine has no ${host}`);
      this.skip();
    });

    /** `files` by name, beside the data. */
    async function start(gammaPassword = PASSWORD): Promise<{
      cluster: ChildCluster;
      fileOf: (name: string) => string;
      withFile: (name: string) => readonly string[];
    }> {
      const { folder } = await clusters.prepare({ ids: IDS, host });
      const fileOf = (name: string): string => join(folder, name);
      const texts = {
        right: PASSWORD,
        other: OTHER_PASSWORD,
        gamma: gammaPassword,
        key: generateKeyText(),
        wrongKey: generateKeyText(),
      };
      for (const [name, text] of Object.entries(texts)) await writeFile(fileOf(name), text, { mode: 0o600 });
      const cluster = await clusters.start({
        ids: IDS,
        host,
        settings: { ...QUIET, clientPasswordFile: fileOf('right'), clusterKeyFile: fileOf('key') },
        settingsOf: { gamma: { clientPasswordFile: fileOf('gamma') } },
      });
      return { cluster, fileOf, withFile: (name) => ['--client-password-file', fileOf(name)] };
    }

    /** ::1 has no multicast under Linux, which is no more than a note. */
    async function findMatters(servers: string, words: readonly string[]): Promise<readonly Found[]> {
      const { findings } = await examine(servers, ...words);
      return findings.filter(({ severity }) => severity !== 'note');
    }

    it('finds nothing to mend with it; without it, or with another, says so once and not what else may be', async () => {
      const { cluster, withFile } = await start();
      const { serversPath } = cluster;
      let latest: readonly Found[] = [];
      await waitUntil(
        'nothing is found',
        async () => {
          latest = await findMatters(serversPath, withFile('right'));
          return latest.length === 0;
        },
        30_000,
        () => JSON.stringify(latest, undefined, 2),
      );
      for (const [words, seen, fix] of [
        [
          [],
          'alpha, beta, gamma want a client password, and doctor was given none: nothing there could be examined',
          'name its file: toposphere doctor --client-password-file <file>, or TOPOSPHERE_CLIENT_PASSWORD_FILE',
        ],
        [
          withFile('other'),
          'alpha, beta, gamma have another client password than the one that doctor was given: nothing there could be examined',
          'name the file that alpha, beta, gamma go by (--client-password-file or TOPOSPHERE_CLIENT_PASSWORD_FILE)',
        ],
      ] as const) {
        const { ended, lines } = await runCommand(['doctor', '--servers', serversPath, ...words], 60_000);
        assert.equal(ended.code, 1);
        assert.deepEqual(lines, [
          'out risk (works, but not well or not for long):',
          `out   ${seen}; fix: ${fix}`,
          'err toposphere: 1 finding to mend',
        ]);
      }
      const named = await examine(serversPath, '--id', 'beta');
      assert.deepEqual(only(named.findings, 'clientPassword').peers, ['beta']);
      assert.equal(named.findings.length, 1);
    }).timeout(90_000);

    it('names the one peer that asks for another password than the others', async () => {
      const { cluster, withFile } = await start(OTHER_PASSWORD);
      const { code, findings } = await examine(cluster.serversPath, ...withFile('right'));
      const found = only(findings, 'clientPassword');
      assert.deepEqual([code, found.severity, found.peers], [1, 'fault', ['gamma']]);
      assert.match(
        found.seen,
        /^gamma has another client password than alpha, beta: clients that move there/,
      );
      assert.match(found.fix, /copy the client password file of the others to gamma/);
      assert.ok(!findings.some((one) => one.code === 'unreachable'), JSON.stringify(findings));
    }).timeout(60_000);

    it('finds a peer with another cluster key, by where its packets came from', async () => {
      const { cluster, fileOf, withFile } = await start();
      await cluster.peer('gamma').stop();
      await clusters.restarted(cluster.peer('gamma'), { clusterKeyFile: fileOf('wrongKey') }).start();
      let latest: readonly Found[] = [];
      await waitUntil(
        'wrongKey and nothing else',
        async () => {
          latest = await findMatters(cluster.serversPath, withFile('right'));
          return latest.length === 1 && latest[0]?.code === 'wrongKey';
        },
        30_000,
        () => JSON.stringify(latest, undefined, 2),
      );
      const { peers, seen } = only(latest, 'wrongKey');
      assert.deepEqual(peers, ['gamma']);
      assert.match(seen, /gamma sends is refused by alpha, beta \(badSeal\).* under the same id 1/);
    }).timeout(90_000);
  });
}
