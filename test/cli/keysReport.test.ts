/**
 * Which step of a key rotation `status` calls safe, and which it does not.
 */
import assert from 'node:assert/strict';
import { asKeysReport, describeKeys } from '../../src/cli/keysReport.ts';
import type { PeerKeys } from '../../src/cli/keysReport.ts';

/** `accepted` with the sealing key first. */
function peer(name: string, accepted: readonly number[], heard: Record<string, number> = {}): PeerKeys {
  return { name, keys: asKeysReport({ sealing: accepted[0], accepted, heard }) };
}
const silent = (name: string): PeerKeys => ({ name, keys: undefined });

/** What is said after the table. */
function advice(...peers: readonly PeerKeys[]): string {
  const lines = describeKeys(peers);
  const header = lines.findIndex((line) => line.startsWith('peer '));
  assert.ok(header >= 0, lines.join('\n'));
  return lines.slice(header + 1 + peers.filter(({ keys }) => keys).length).join(' | ');
}

describe('the report of cluster keys', () => {
  it('is silent without keys, and one line while there is one key', () => {
    assert.deepEqual(describeKeys([{ name: 'alpha', keys: null }, silent('beta')]), []);
    assert.deepEqual(describeKeys([peer('alpha', [1]), peer('beta', [1])]), [
      'cluster key: every peer seals with key 1 and accepts no other',
    ]);
    assert.match(describeKeys([peer('alpha', [1]), silent('beta')])[0] ?? '', /every peer that answered/);
  });

  it('shows a row a peer while there are several', () => {
    const lines = describeKeys([peer('alpha', [1, 2], { beta: 1 }), peer('beta', [1])]);
    assert.deepEqual(
      lines.slice(1, 4).map((line) => line.split(/ {2,}/)),
      [
        ['peer', 'seals with key', 'accepts', 'heard others under'],
        ['alpha', '1', '1 2', 'beta:1'],
        ['beta', '1', '1', '-'],
      ],
    );
  });

  it('lets a key be promoted when every peer accepts it, and not before', () => {
    assert.equal(
      advice(peer('alpha', [1, 2]), peer('beta', [1]), peer('gamma', [1])),
      'key 2 is not accepted yet by beta, gamma: copy the key file there, then: toposphere reload',
    );
    assert.equal(
      advice(peer('alpha', [1, 2]), peer('beta', [1, 2]), silent('gamma')),
      'gamma did not answer: promote and retire no key before it has the file',
    );
    assert.equal(
      advice(peer('alpha', [1, 2]), peer('beta', [1, 2])),
      'every peer accepts key 2: toposphere key promote may follow',
    );
  });

  it('lets keys be retired when every peer seals with the newest, and not before', () => {
    assert.equal(
      advice(peer('alpha', [2, 1]), peer('beta', [1, 2])),
      'key 2 does not seal yet at beta: copy the key file there, then: toposphere reload',
    );
    assert.equal(
      advice(peer('alpha', [2, 1]), peer('beta', [1])),
      'key 2 is not accepted yet by beta: copy the key file there, then: toposphere reload',
    );
    assert.match(advice(peer('alpha', [2, 1]), silent('beta')), /^beta did not answer/);
    assert.match(
      advice(peer('alpha', [2, 1], { beta: 2, delta: 1 }), peer('beta', [2, 1])),
      /but another was the last that delta was heard under: wait for it/,
    );
    assert.equal(
      advice(peer('alpha', [2, 1], { beta: 2 }), peer('beta', [2, 1], { alpha: 2 })),
      'every peer seals with key 2: toposphere key retire may follow',
    );
  });

  it('names who still accepts what others do not', () => {
    assert.equal(
      advice(peer('alpha', [2]), peer('beta', [2, 1])),
      'key 1 is still accepted by beta: copy the key file there, then: toposphere reload',
    );
  });

  it('knows that key 1 comes after key 255', () => {
    assert.match(
      advice(peer('alpha', [255, 1]), peer('beta', [255, 1])),
      /accepts key 1: toposphere key promote/,
    );
  });

  for (const value of [undefined, null, 7, {}, { sealing: 'x', accepted: [] }, { sealing: 1, accepted: 1 }])
    it(`takes ${JSON.stringify(value)} for none`, () => {
      assert.equal(asKeysReport(value), undefined);
    });
});
