/**
 * A new client password, other users, another certificate while a peer runs: by `toposphere reload` and by SIGHUP.
 *
 * Owns who gets in afterwards, and that a file which is refused changes nothing. The server's part is test/server's, the file's test/peer's.
 */
import assert from 'node:assert/strict';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { addClientUser, removeClientUser } from '../../src/peer/clientUsers.ts';
import { AUTHORITY, OTHER_CERTIFICATE, OTHER_KEY } from '../server/certificates.ts';
import type { ChildPeer } from './childPeer.ts';
import { TLS_DISTANCE, useClusters } from './cluster.ts';
import { runCommand } from './command.ts';
import { RespClient } from './respClient.ts';
import { waitUntil, withDeadline } from './waiting.ts';

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

describe('users and a certificate that were changed on disk', () => {
  const clusters = useClusters();

  /** Whose certificate a new connection is shown. */
  function shownAt(port: number): Promise<string> {
    const shown = new Promise<string>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, ca: AUTHORITY }, () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      });
      socket.once('error', reject);
    });
    return withDeadline('a handshake', shown);
  }

  it('hold from SIGHUP or reload on: a user who is gone is closed and refused; of a faulty file nothing is taken, nor of the others', async () => {
    const { folder } = await clusters.prepare({ ids: [] });
    const clientUsersFile = join(folder, 'users');
    const write = (path: string, text: string): Promise<void> => writeFile(path, text, { mode: 0o600 });
    const user = (name: string) => ({ name, rights: 'admin', prefixes: ['*'], password: `${name}-horse` });
    const both = addClientUser(addClientUser(undefined, 'users', user('shop')), 'users', user('ops'));
    await write(clientUsersFile, both);
    const opsPassword = join(folder, 'ops.password');
    await write(opsPassword, 'ops-horse');
    const clientPasswordFile = join(folder, 'password');
    await write(clientPasswordFile, PASSWORDS[0]);
    const settings = { clientUsersFile, clientPasswordFile };
    const cluster = await clusters.start({ ids: ['alpha'], tls: true, settings });
    const alpha = cluster.peer('alpha');
    const tlsPort = alpha.clientPort + TLS_DISTANCE;
    const enter = async (name: string): Promise<RespClient> => {
      const client = await clusters.connect(alpha);
      await client.call('AUTH', name, `${name}-horse`);
      return client;
    };
    const [shop, ops] = [await enter('shop'), await enter('ops')];
    const awaitLog = async (pattern: RegExp): Promise<void> => {
      const seen = alpha.log.length;
      alpha.signal('SIGHUP');
      await waitUntil(`a line like ${pattern}`, () =>
        alpha.log.slice(seen).some((line) => pattern.test(line)),
      );
    };

    await write(clientUsersFile, removeClientUser(both, 'users', 'shop'));
    await write(join(cluster.folder, 'peer.crt'), OTHER_CERTIFICATE);
    await awaitLog(/peer\.crt.*cannot be used \(ERR_OSSL_X509_KEY_VALUES_MISMATCH\).*; nothing was changed$/);
    assert.equal(await shownAt(tlsPort), 'peer');
    assert.equal(String(await shop.call('PING')), 'PONG');
    await enter('shop');

    await write(join(cluster.folder, 'peer.key'), OTHER_KEY);
    await awaitLog(
      /users was read again: 1 users; 2 connections of users who may do something else now were closed$/,
    );
    await waitUntil('the end of the connection of shop', () => shop.isBroken);
    await assert.rejects(enter('shop'), /WRONGPASS/);
    assert.equal(await shownAt(tlsPort), 'another');
    assert.equal(String(await ops.call('PING')), 'PONG');

    const reload = (): ReturnType<typeof runCommand> =>
      runCommand([
        ...['reload', '--peer', `127.0.0.1:${tlsPort}`, '--tls', '--tls-ca-file', join(folder, 'ca.crt')],
        ...['--client-user', 'ops', '--client-password-file', opsPassword],
      ]);
    await write(join(folder, 'ca.crt'), AUTHORITY);
    await write(clientUsersFile, 'shop\n');
    const refused = await reload();
    assert.equal(refused.ended.code, 1);
    assert.match(
      refused.errorLines.join('|'),
      /^[^|]*users:1: 'shop' has no hash [^|]*; nothing was changed$/,
    );
    await enter('ops');
    await write(clientUsersFile, both);
    const { ended, lines } = await reload();
    assert.equal(ended.code, 0, lines.join('\n'));
    assert.match(
      lines.join(),
      /users was read again: 2 users; .*peer\.crt was read again: new connections are/,
    );
    await enter('shop');
  }).timeout(30_000);
});
