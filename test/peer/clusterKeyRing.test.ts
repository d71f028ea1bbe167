/** The cluster keys of a peer that runs, and the file that they came from: what is taken, what is refused, and what is said of either. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Incarnation, PeerId } from '../../src/core/types.ts';
import { addKey, generateKeyText, promoteKey, readClusterKeys } from '../../src/peer/clusterKeyFile.ts';
import { ClusterKeyRing } from '../../src/peer/reloading.ts';
import { createEnvelope } from '../../src/wire/envelope.ts';
import type { ClusterKey } from '../../src/wire/envelope.ts';
import { loadHashing } from '../../src/wire/hash.ts';
import { sealing } from '../wire/sealing.ts';

describe('the cluster keys of a running peer', () => {
  let folder = '';
  let path = '';

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-ring-'));
    path = join(folder, 'cluster.key');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const write = (text: string): Promise<void> => writeFile(path, text, { mode: 0o600 });

  async function ringOf(text: string): Promise<ClusterKeyRing> {
    await write(text);
    const keys = await readClusterKeys(path);
    const self = { id: 'alpha' as PeerId, incarnation: 1 as Incarnation };
    const hashing = await loadHashing();
    const envelope = createEnvelope({
      hashing,
      clusterId: 'ring',
      self,
      membershipHash: 0,
      keys: keys.keys,
    });
    return new ClusterKeyRing(keys, envelope);
  }

  it('is not told to retire a key with which a member that is heard seals', async () => {
    const added = addKey(generateKeyText(), path).text;
    await write(added);
    const keys = await readClusterKeys(path);
    const [first, second] = keys.keys;
    assert.ok(first && second);
    const hashing = await loadHashing();
    const envelopeOf = (id: string, given: readonly ClusterKey[]) =>
      sealing(
        createEnvelope({
          ...{ hashing, clusterId: 'ring', membershipHash: 0, keys: given },
          self: { id: id as PeerId, incarnation: 1 as Incarnation },
        }),
      );
    const alpha = envelopeOf('alpha', [second, first]);
    const ring = new ClusterKeyRing(keys, alpha);
    const [beta, gamma] = [envelopeOf('beta', [first, second]), envelopeOf('gamma', [second, first])];
    const hear = (from: typeof beta): void => {
      assert.ok(alpha.open(from.seal(Buffer.from([1]), 'datagram'), 'datagram').ok);
    };
    hear(beta);
    hear(gamma);
    const heard = ['beta', 'gamma', 'delta'] as PeerId[];
    assert.throws(() => {
      ring.assertRetirable([second], heard);
    }, /without key 1 beta would be cut off, .* nothing was changed: .* toposphere reload --force$/);
    // Whoever is not heard any more is not waited for, and both keys cut nobody off.
    ring.assertRetirable([second], ['gamma', 'delta'] as PeerId[]);
    ring.assertRetirable([second, first], heard);
    beta.setKeys([second, first]);
    hear(beta);
    ring.assertRetirable([second], heard);
  });

  it('tells doctor by ids alone what the file holds now, and why it could not be taken', async () => {
    const text = generateKeyText();
    const ring = await ringOf(text);
    assert.deepEqual(await ring.examine(), { path, keyIds: [1], fault: null });
    const added = addKey(text, path).text;
    await write(added);
    assert.deepEqual(await ring.examine(), { path, keyIds: [1, 2], fault: null });
    await write(promoteKey(added, path).text);
    assert.deepEqual(await ring.examine(), { path, keyIds: [2, 1], fault: null });

    const other = generateKeyText();
    await write(other);
    const another = await ring.examine();
    assert.equal(another.keyIds, null);
    assert.match(another.fault ?? '', /key 1 is not the one that is in use under this id/);
    const secrets = [text, other].flatMap((one) => one.match(/[0-9a-f]{64}/g) ?? []);
    assert.equal(secrets.length, 2);
    for (const secret of secrets) assert.ok(!JSON.stringify(another).includes(secret.slice(0, 8)));

    await chmod(path, 0o644);
    assert.match((await ring.examine()).fault ?? '', /can be read or changed by others \(mode 644\)/);
    await rm(path);
    assert.match((await ring.examine()).fault ?? '', /ENOENT/);
  });
});
