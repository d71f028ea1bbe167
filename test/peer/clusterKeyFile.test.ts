/**
 * The cluster key file: what it may say, the steps of a rotation, and who may read it.
 */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readClientPassword } from '../../src/peer/clientPassword.ts';
import {
  addKey,
  generateKeyText,
  parseClusterKeys,
  promoteKey,
  readClusterKeys,
  retireKeys,
} from '../../src/peer/clusterKeyFile.ts';
import { createSecretFile, readSecretFile, replaceSecretFile } from '../../src/peer/secretFiles.ts';

const OLD = 'ab'.repeat(32);
const NEW = 'CD'.repeat(32);
let folder = '';

/** Ids in the order of the file. */
function idsOf(text: string): readonly number[] {
  return parseClusterKeys(text, 'key').map(({ id }) => id);
}

function fault(text: string): string {
  try {
    parseClusterKeys(text, 'key');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'no fault';
}

describe('cluster key file', () => {
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-keys-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('holds id and key a line, the sealing one first, with comments and blank lines', () => {
    const keys = parseClusterKeys(`# ours\n\n 7  ${NEW} # the new one\r\n1 ${OLD}\n`, 'key');
    assert.deepEqual(
      keys.map(({ id, secret }) => [id, Buffer.from(secret).toString('hex')]),
      [
        [7, NEW.toLowerCase()],
        [1, OLD],
      ],
    );
  });

  it('takes a bare key for key 1', () => {
    assert.deepEqual(parseClusterKeys(OLD, 'key'), [{ id: 1, secret: Buffer.from(OLD, 'hex') }]);
  });

  it('tells every fault with its line, and quotes none of it', () => {
    const text = `0 ${OLD}\n256 ${OLD}\n2 ${OLD.slice(1)}\n3 ${OLD}0\nx ${OLD}\n4 ${OLD}\n4 ${NEW}\n5 zz${OLD.slice(2)}\n6\n`;
    const lines = fault(text).split('\n');
    assert.deepEqual(
      lines.map((line) => line.split(':', 2).join(':')),
      [1, 2, 3, 4, 5, 7, 8, 9].map((number) => `key:${number}`),
    );
    assert.ok(!lines.join().includes('abab'));
    for (const empty of ['', '# nothing\n']) assert.match(fault(empty), /holds no cluster key/);
  });

  it('adds a key that does not seal, promotes it, and retires what does not seal any more', () => {
    const generated = generateKeyText();
    assert.deepEqual(idsOf(generated), [1]);
    const added = addKey(generated, 'key');
    assert.deepEqual([added.keyId, idsOf(added.text)], [2, [1, 2]]);
    const promoted = promoteKey(added.text, 'key');
    assert.deepEqual([promoted.keyId, idsOf(promoted.text)], [2, [2, 1]]);
    const retired = retireKeys(promoted.text, 'key');
    assert.deepEqual([retired.keyId, idsOf(retired.text)], [2, [2]]);
    // Each step keeps the keys' bytes.
    assert.deepEqual(parseClusterKeys(retired.text, 'key')[0], parseClusterKeys(added.text, 'key')[1]);
  });

  it('draws another key each time', () => {
    assert.notDeepEqual(generateKeyText(), generateKeyText());
  });

  it('keeps comments and order, and gives a bare key its id', () => {
    const added = addKey(`# mine\n${OLD} # old\n# end\n`, 'key').text.split('\n');
    assert.deepEqual(added.slice(0, 3), ['# mine', `1 ${OLD} # old`, '# end']);
    assert.match(added[3] ?? '', /^2 [0-9a-f]{64}$/);
    const promoted = promoteKey(`# mine\n1 ${OLD} # old\n2 ${NEW}\n# end`, 'key');
    assert.equal(promoted.text, `# mine\n2 ${NEW}\n1 ${OLD} # old\n# end\n`);
    assert.equal(retireKeys(promoted.text, 'key').text, `# mine\n2 ${NEW}\n# end\n`);
  });

  it('refuses to promote twice, which would bring the old key back, and to retire what is to seal next', () => {
    const two = `1 ${OLD}\n2 ${NEW}\n`;
    const promoted = promoteKey(two, 'key').text;
    assert.throws(
      () => promoteKey(promoted, 'key'),
      /key 2 is the newest and seals already; nothing was changed/,
    );
    assert.throws(() => promoteKey(`1 ${OLD}\n`, 'key'), /add one first: toposphere key add key/);
    assert.throws(() => retireKeys(two, 'key'), /key 2 does not seal yet; promote it first/);
    assert.throws(() => retireKeys(`1 ${OLD}\n`, 'key'), /there is none to retire/);
  });

  it('goes round with ids: after 255 comes 1, and the newest is still the newest', () => {
    const added = addKey(`255 ${OLD}\n`, 'key');
    assert.equal(added.keyId, 1);
    assert.deepEqual(idsOf(promoteKey(added.text, 'key').text), [1, 255]);
    let text = generateKeyText();
    for (let turns = 0; turns < 600; turns += 1)
      text = retireKeys(promoteKey(addKey(text, 'key').text, 'key').text, 'key').text;
    assert.deepEqual(idsOf(text), [(600 % 255) + 1]);
  });

  it('is written for its owner alone, and never over one that is there', async () => {
    const path = join(folder, 'cluster.key');
    const before = process.umask(0);
    try {
      await createSecretFile(path, `1 ${OLD}\n`);
      assert.equal((await stat(path)).mode & 0o777, 0o600);
      await assert.rejects(createSecretFile(path, 'other'), /is there already, and was not touched/);
      assert.equal(await readFile(path, 'utf8'), `1 ${OLD}\n`);
      await replaceSecretFile(path, `2 ${NEW}\n`);
      assert.equal((await stat(path)).mode & 0o777, 0o600);
    } finally {
      process.umask(before);
    }
    assert.deepEqual(await readClusterKeys(path), { path, keys: parseClusterKeys(`2 ${NEW}\n`, path) });
    assert.deepEqual(await readdir(folder), ['cluster.key'], 'no temporary file is left');
  });

  it('leaves nothing behind where it cannot be written', async () => {
    await assert.rejects(replaceSecretFile(join(folder, 'none', 'key'), 'x'), /not written \(ENOENT\)/);
    await writeFile(join(folder, 'plain'), '');
    await assert.rejects(replaceSecretFile(join(folder, 'plain', 'key'), 'x'), /not written \(ENOTDIR\)/);
    assert.deepEqual(await readdir(folder), ['plain']);
  });

  it('is refused where others can read or change it, with what to do', async function () {
    if (process.platform === 'win32') {
      console.log('      skipped: Windows has no mode bits');
      return;
    }
    const path = join(folder, 'cluster.key');
    await writeFile(path, `1 ${OLD}\n`);
    for (const [mode, shown] of [
      [0o640, '640'],
      [0o604, '604'],
      [0o620, '620'],
      [0o644, '644'],
    ] as const) {
      await chmod(path, mode);
      await assert.rejects(
        readClusterKeys(path),
        new RegExp(`can be read or changed by others \\(mode ${shown}\\); run: chmod 600 ${path}`),
      );
    }
    for (const mode of [0o600, 0o400]) {
      await chmod(path, mode);
      assert.equal((await readClusterKeys(path)).keys.length, 1);
    }
  });

  it('is refused when it is too long to be one, or no file', async () => {
    const path = join(folder, 'long');
    await writeFile(path, 'x'.repeat(70_000), { mode: 0o600 });
    await assert.rejects(readSecretFile(path, 'cluster key'), /has 70000 bytes, too many for a cluster key/);
    await chmod(folder, 0o700);
    await assert.rejects(readSecretFile(folder, 'cluster key'), /cluster key cannot be read \(EISDIR\)/);
  });
});

describe('client password file', () => {
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-password-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  const read = async (text: string, mode = 0o600): Promise<string> => {
    const path = join(folder, 'password');
    await rm(path, { force: true });
    await writeFile(path, text, { mode });
    await chmod(path, mode);
    return readClientPassword(path);
  };

  it('is one line, with its end or without', async () => {
    for (const text of ['correct horse', 'correct horse\n', 'correct horse\r\n'])
      assert.equal(await read(text), 'correct horse');
    assert.equal(await read('pässword #1'), 'pässword #1');
  });

  it('refuses what is short, has several lines or blanks that nobody sees, and what others can read', async () => {
    await assert.rejects(read(''), /holds less than 8 characters/);
    await assert.rejects(read('seven77\n'), /holds less than 8 characters/);
    await assert.rejects(read('secret-one\nsecret-two\n'), (error: Error) => {
      assert.match(error.message, /has more than one line/);
      return !error.message.includes('secret-');
    });
    await assert.rejects(read('trailing blank '), /begins or ends with a blank/);
    await assert.rejects(read('long enough', 0o644), /the client password can be read .* chmod 600/);
  });
});
