import assert from 'node:assert/strict';
import { Faults } from '../../src/peer/faults.ts';
import type { PeerId } from '../../src/core/types.ts';

const BETA = 'beta' as PeerId;
const GAMMA = 'gamma' as PeerId;
const DELTA = 'delta' as PeerId;

function faults(isAllowed = true, random = 0.1, members: readonly PeerId[] = [BETA, GAMMA]): Faults {
  return new Faults(
    isAllowed,
    () => members,
    () => random,
  );
}

describe('rehearsed faults', () => {
  it('are refused on a peer that was not started for them, and nothing is lost', () => {
    const refused = faults(false);
    assert.throws(() => refused.rehearse(['cut', 'beta']), {
      code: 'BAD_ARGUMENT',
      message: /--allow-faults/,
    });
    assert.equal(refused.losesArrival(BETA, 'update', 'unicast'), false);
  });

  it('cut both ways from those named, and from nobody else', () => {
    const cut = faults();
    assert.equal(cut.rehearse(['CUT', 'beta']), 'cut from beta; nothing dropped');
    assert.deepEqual([cut.losesArrival(BETA, 'sync', 'unicast'), cut.cutsOff(BETA)], [true, true]);
    assert.deepEqual([cut.losesArrival(GAMMA, 'sync', 'unicast'), cut.cutsOff(GAMMA)], [false, false]);
  });

  it('cut from a member that was admitted since, and heal one that was forgotten since', () => {
    const members = [BETA];
    const cut = faults(true, 0.1, members);
    assert.throws(() => cut.rehearse(['cut', 'delta']), /'delta' is no other member: the others are beta$/);
    members.push(DELTA);
    assert.equal(cut.rehearse(['cut', 'delta']), 'cut from delta; nothing dropped');
    assert.ok(cut.cutsOff(DELTA));
    members.splice(0);
    assert.equal(cut.rehearse(['heal', 'delta']), 'no cut; nothing dropped');
    assert.throws(
      () => cut.rehearse(['cut', 'delta']),
      /'delta' is no other member: this peer knows of none$/,
    );
  });

  it('drop the named share of one kind, or of all', () => {
    const unlucky = faults(true, 0.15);
    unlucky.rehearse(['drop', '20%', 'update']);
    assert.deepEqual(
      [unlucky.losesArrival(BETA, 'update', 'unicast'), unlucky.losesArrival(BETA, 'nak', 'unicast')],
      [true, false],
    );
    unlucky.rehearse(['drop', '10']);
    assert.equal(unlucky.losesArrival(BETA, 'nak', 'unicast'), false);
    unlucky.rehearse(['drop', '16']);
    assert.equal(unlucky.losesArrival(BETA, 'nak', 'unicast'), true);
    assert.equal(unlucky.losesArrival(BETA, 'sync', 'stream'), false, 'TCP loses nothing');
    unlucky.rehearse(['drop', '16', 'sync']);
    assert.equal(unlucky.losesArrival(BETA, 'sync', 'stream'), true);
  });

  it('heal one cut by name, and everything without a name', () => {
    const cut = faults();
    cut.rehearse(['cut', 'beta', 'gamma']);
    cut.rehearse(['drop', '50']);
    assert.equal(cut.rehearse(['heal', 'beta']), 'cut from gamma; dropping 50% of all');
    assert.equal(cut.rehearse(['heal']), 'no cut; nothing dropped');
    assert.equal(cut.isActive, false);
  });

  it('name what is wrong and change nothing', () => {
    const cut = faults();
    for (const words of [
      ['cut'],
      ['cut', 'beta', 'omega'],
      ['drop'],
      ['drop', '101'],
      ['drop', 'x'],
      ['drop', '5', 'letters'],
      ['explode'],
    ]) {
      assert.throws(() => cut.rehearse(words), { code: 'BAD_ARGUMENT' }, words.join(' '));
    }
    assert.equal(cut.isActive, false);
  });
});
