/**
 * A new client password while a peer runs: by `toposphere reload` and by SIGHUP.
 *
 * Owns who gets in afterwards, and that a file which is refused changes nothing. The server's part is test/server's, the file's test/peer's.
 */
import assert from 'node:assert/strict';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChildPeer } from './childPeer.ts';
import { useClusters } from './cluster.ts';
import { runCommand } from './command.ts';
import { RespClient } from './respClient.ts';
import { waitUntil } from './waiting.ts';

const PASSWORDS = ['the first password', 'the second password', 'the third password'] as const;

describe('a new client password', () => {
  const clusters = useClusters();

  /** What a new connection that gives this password is told. */
  async function tryPassword(peer: ChildPeer, password: string): Promise<string> {
    const client = await RespClient.connect(peer.clientPort);
    try {
      return String(await client.call('AUTH', password).catch((error: unknown) => error));
    } finally {
      client.close();
    }
  }

  it('is asked of new connections after reload or SIGHUP, and those before stay; a faulty file changes nothing', async () => {
    const ids = ['alpha', 'beta'];
    const { folder } = await clusters.prepare({ ids });
    const file = join(folder, 'client.password');
    const [first, second, third] = PASSWORDS;
    await writeFile(file, `${first}\n`, { mode: 0o600 });
    const { peers, peer, serversPath } = await clusters.start({
      ids,
      settings: { clientPasswordFile: file },
    });
    const alpha = peer('alpha');
    const early = await alpha.connect();
    clusters.onEnd(() => {
      early.close();
    });

    // The command itself needs the password that still holds: a copy of the old file.
    const old = join(folder, 'old.password');
    await writeFile(old, first, { mode: 0o600 });
    await writeFile(file, second);
    const reload = (passwordFile: string): ReturnType<typeof runCommand> =>
      runCommand(['reload', '--servers', serversPath, '--client-password-file', passwordFile]);
    const wrong = await reload(file);
    assert.equal(wrong.ended.code, 1);
    assert.match(
      wrong.errorLines.join(),
      /has another client password: name a file with the one that it goes by/,
    );
    const { ended, lines } = await reload(old);
    assert.equal(ended.code, 0, lines.join('\n'));
    assert.equal(
      lines.filter((line) => line.endsWith('new connections give the new password')).length,
      2,
      lines.join(),
    );
    for (const one of peers) {
      assert.match(await tryPassword(one, first), /WRONGPASS/);
      assert.equal(await tryPassword(one, second), 'OK');
    }
    assert.equal(String(await early.call('SET', 'still', 'there')), 'OK');
    assert.match((await reload(file)).lines.join(), /client\.password was read again: nothing new/);

    const awaitLog = async (pattern: RegExp): Promise<void> => {
      const seen = alpha.log.length;
      alpha.signal('SIGHUP');
      await waitUntil(`a line like ${pattern}`, () =>
        alpha.log.slice(seen).some((line) => pattern.test(line)),
      );
    };
    const servers = await readFile(serversPath, 'utf8');
    await writeFile(serversPath, `${servers}gamma 127.0.0.1 2403\n`);
    await writeFile(file, 'short');
    await awaitLog(/client\.password: the client password file holds less than 8 characters/);
    await writeFile(file, third);
    await chmod(file, 0o644);
    await awaitLog(/client\.password: the client password can be read or changed by others \(mode 644\)/);
    assert.equal(await tryPassword(alpha, second), 'OK');
    assert.ok(
      !(await alpha.status()).members.some(({ id }) => id === 'gamma'),
      'nothing of any file was taken',
    );
    await chmod(file, 0o600);
    await writeFile(serversPath, servers);
    await awaitLog(/client\.password was read again: new connections give the new password/);
    assert.equal(await tryPassword(alpha, third), 'OK');
    assert.match(await tryPassword(alpha, second), /WRONGPASS/);
    assert.equal(String(await early.call('GET', 'still')), 'there');
    const said = peers.flatMap(({ log }) => log).join('\n');
    for (const password of PASSWORDS) assert.ok(!said.includes(password));
  }).timeout(60_000);
});
