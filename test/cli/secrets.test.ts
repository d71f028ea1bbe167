/**
 * Key and password files from the command line: what each command says, and that none of it is a secret.
 */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findGroup, findPeerPorts } from '../ports.ts';
import { runCommand, startCommand } from './runCommand.ts';
import type { Outcome } from './runCommand.ts';

const PASSWORD = 'correct horse battery';

describe('secrets on the command line', function () {
  this.timeout(60_000);
  let folder = '';

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-secrets-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  const run = (words: readonly string[], environment?: NodeJS.ProcessEnv): Promise<Outcome> =>
    runCommand(words, folder, environment);

  it('key takes a file through a rotation, says what comes next, and prints no key', async () => {
    const path = join(folder, 'cluster.key');
    let said = '';
    const step = async (action: string): Promise<string> => {
      const { code, output, errors } = await run(['key', action, 'cluster.key']);
      assert.equal(code, 0, errors);
      assert.equal((await stat(path)).mode & 0o777, 0o600);
      said += output.toString();
      return output.toString();
    };
    assert.match(await step('generate'), /--cluster-key-file cluster\.key/);
    assert.match(
      await step('add'),
      /key 2 was added .*\n.*toposphere reload\n.*accepts key 2: toposphere key promote/,
    );
    assert.match(
      await step('promote'),
      /key 2 seals .*\n.*toposphere reload\n.*seals with key 2: toposphere key retire/,
    );
    const both = await readFile(path, 'utf8');
    assert.match(await step('retire'), /key 2 is the only one left/);
    const keys = both.match(/[0-9a-f]{64}/g) ?? [];
    assert.equal(keys.length, 2);
    for (const key of keys) assert.ok(!said.includes(key.slice(0, 8)));
  });

  it('key generate overwrites nothing, and no step is taken on a file that others can read', async () => {
    await writeFile(join(folder, 'cluster.key'), 'mine');
    const again = await run(['key', 'generate', 'cluster.key']);
    assert.equal(again.code, 1);
    assert.match(again.errors, /^toposphere: cluster\.key: it is there already, and was not touched/);
    assert.equal(await readFile(join(folder, 'cluster.key'), 'utf8'), 'mine');
    await chmod(join(folder, 'cluster.key'), 0o644);
    assert.match((await run(['key', 'add', 'cluster.key'])).errors, /run: chmod 600 cluster\.key/);
  });

  describe('with peers that ask for a password', () => {
    let peers: ReturnType<typeof startCommand> | undefined;
    const servers = ['--servers', 'servers.txt'];
    const withFile = (name: string): readonly string[] => [...servers, '--client-password-file', name];

    beforeEach(async () => {
      const ports = await findPeerPorts(2);
      await writeFile(
        join(folder, 'servers.txt'),
        ports.map((port, index) => `p${index} 127.0.0.1 ${port}\n`).join(''),
      );
      await writeFile(join(folder, 'password'), `${PASSWORD}\n`, { mode: 0o600 });
      await writeFile(join(folder, 'other'), 'another password\n', { mode: 0o600 });
      const words = ['--multicast-port', String((await findGroup()).port), ...withFile('password')];
      peers = startCommand(['up', ...words], folder);
      const { child, outcome } = peers;
      let seen = '';
      await Promise.race([
        new Promise<void>((resolve) => {
          child.stdout?.on('data', (bytes: Buffer) => {
            seen += bytes.toString();
            if (seen.includes('Stop with Ctrl-C')) resolve();
          });
        }),
        outcome.then(({ errors }) => assert.fail(`ended before it was ready: ${seen}${errors}`)),
      ]);
    });
    afterEach(async () => {
      peers?.child.kill('SIGTERM');
      const outcome = await peers?.outcome;
      assert.ok(!`${outcome?.output.toString() ?? ''}${outcome?.errors ?? ''}`.includes(PASSWORD));
    });

    it('commands give the one in a file, named by option or environment', async () => {
      assert.equal((await run(['set', 'a', '1', ...withFile('password')])).output.toString(), 'OK\n');
      const environment = { TOPOSPHERE_CLIENT_PASSWORD_FILE: 'password' };
      for (const words of [['get', 'a'], ['range'], ['status'], ['wait-ready'], ['digest'], ['reload']]) {
        const { code, errors } = await run([...words, ...servers], environment);
        assert.equal(code, 0, `${words.join(' ')}: ${errors}`);
      }
      const status = await run(['status', '--json', ...servers], environment);
      assert.ok(!status.output.includes(PASSWORD));
    });

    it('commands without it, or with another, say so at once', async () => {
      for (const words of [
        ['get', 'a'],
        ['set', 'a', '1'],
        ['status'],
        ['wait-ready'],
        ['digest'],
        ['reload'],
        ['forget', 'p1'],
      ]) {
        const none = await run([...words, ...servers]);
        assert.equal(none.code, 1, words.join(' '));
        assert.match(
          none.errors,
          /wants a client password: name its file with --client-password-file or TOPOSPHERE_CLIENT_PASSWORD_FILE/,
        );
        const wrong = await run([...words, ...withFile('other')]);
        assert.equal(wrong.code, 1, words.join(' '));
        assert.match(wrong.errors, /has another client password: name a file/);
        assert.ok(!wrong.errors.includes('another password'));
      }
      assert.match(
        (await run(['get', 'a', ...withFile('none')])).errors,
        /none: client password cannot be read \(ENOENT\)/,
      );
    });
  });

  it('a password for peers that ask for none does no harm', async () => {
    const [port = 0] = await findPeerPorts(1);
    await writeFile(join(folder, 'servers.txt'), `p0 127.0.0.1 ${port}\n`);
    await writeFile(join(folder, 'password'), PASSWORD, { mode: 0o600 });
    const group = String((await findGroup()).port);
    const { child, outcome } = startCommand(
      ['serve', '--servers', 'servers.txt', '--multicast-port', group],
      folder,
    );
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const words = ['--servers', 'servers.txt', '--client-password-file', 'password'];
    assert.equal((await run(['set', 'a', '1', ...words])).output.toString(), 'OK\n');
    child.kill('SIGTERM');
    assert.equal((await outcome).code, 0);
  });
});
