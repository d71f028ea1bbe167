import assert from 'node:assert/strict';
import { PeerVersions } from '../../src/peer/peerVersions.ts';
import { createVersionsLog } from '../../src/peer/versionsApart.ts';
import type { Incarnation, PeerId } from '../../src/core/types.ts';
import type { VersionRange } from '../../src/wire/versions.ts';

const [ALPHA, BETA, GAMMA] = ['alpha' as PeerId, 'beta' as PeerId, 'gamma' as PeerId];
const range = (lowest: number, highest = lowest): VersionRange => ({ lowest, highest });
const process = (number: number): Incarnation => number as Incarnation;

describe('what members read', () => {
  let nowMs = 0;
  const open = (own: VersionRange): PeerVersions => {
    nowMs = 0;
    const versions = new PeerVersions(2000, () => nowMs);
    versions.open(own);
    return versions;
  };

  it('is unknown until they are heard: they are spoken to in the lowest version', () => {
    const versions = open(range(1, 2));
    assert.deepEqual([versions.toOne(ALPHA), versions.toAll(), versions.missedBy(1)], [1, 1, []]);
  });

  it('decides the version for each and for all, at once', () => {
    const versions = open(range(1, 2));
    versions.note(ALPHA, process(1), range(1, 2));
    assert.deepEqual([versions.toOne(ALPHA), versions.toAll()], [2, 2]);
    versions.note(BETA, process(1), range(1));
    assert.deepEqual([versions.toOne(ALPHA), versions.toOne(BETA), versions.toAll()], [2, 1, 1]);
    versions.note(BETA, process(2), range(1, 2));
    assert.deepEqual([versions.toOne(BETA), versions.toAll()], [2, 2]);
  });

  it('of an earlier process does not count, nor holds up the others once it is silent', () => {
    const versions = open(range(1, 2));
    versions.note(ALPHA, process(2), range(1, 2));
    assert.equal(versions.note(ALPHA, process(1), range(1)), undefined);
    assert.equal(versions.toAll(), 2);
    versions.note(BETA, process(1), range(1));
    nowMs = 1000;
    versions.note(ALPHA, process(2), range(1, 2));
    assert.equal(versions.toAll(), 1);
    nowMs = 2001;
    assert.deepEqual([versions.toAll(), versions.toOne(BETA)], [2, 1]);
    assert.deepEqual(Object.keys(versions.describe().members), ['alpha']);
  });

  it('shares no version: all are told, each in one that it reads', () => {
    const versions = open(range(1, 3));
    versions.note(ALPHA, process(1), range(3));
    versions.note(BETA, process(1), range(2, 3));
    versions.note(GAMMA, process(1), range(1));
    assert.equal(versions.toAll(), 3);
    assert.deepEqual([versions.missedBy(3), versions.toOne(GAMMA)], [[GAMMA], 1]);
  });

  it('is told of when it becomes apart from what is read here, and when it is shared again', () => {
    const versions = open(range(1));
    assert.equal(versions.note(ALPHA, process(1), range(1)), undefined);
    assert.equal(versions.note(ALPHA, process(2), range(2)), 'apart');
    assert.equal(versions.note(ALPHA, process(2), range(2)), undefined);
    assert.deepEqual(versions.missedBy(1), [], 'there is nothing that it could be told');
    assert.equal(versions.note(ALPHA, process(3), range(1, 2)), 'shared');
    assert.equal(versions.note(BETA, process(1), range(2)), 'apart', 'at its first packet too');
  });

  it('is logged with what to do, whichever of the two is older', () => {
    const said: string[] = [];
    const log = createVersionsLog((event, message) => void said.push(`${event}: ${message}`), {
      id: 'alpha',
      reads: range(2, 3),
    });
    log(BETA, range(1), 'apart');
    log(BETA, range(4, 5), 'apart');
    log(BETA, range(3), 'shared');
    assert.deepEqual(said, [
      'versionsApart: the protocol is read in version 1 by beta, and in version 2 to 3 by alpha: nothing passes between them; upgrade toposphere on beta, or go back on alpha to a release that reads version 1',
      'versionsApart: the protocol is read in version 2 to 3 by alpha, and in version 4 to 5 by beta: nothing passes between them; upgrade toposphere on alpha, or go back on beta to a release that reads version 3',
      'versionsShared: alpha and beta share a version of the protocol again',
    ]);
  });
});
