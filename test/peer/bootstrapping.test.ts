/**
 * What is said before a peer takes part on its own: every other member, and when it is refused.
 */
import assert from 'node:assert/strict';
import { createPeerState } from '../../src/core/loadState.ts';
import type { Phase } from '../../src/core/messages.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import type { PeerState } from '../../src/core/state.ts';
import type { PeerId } from '../../src/core/types.ts';
import { describeBootstrap } from '../../src/peer/bootstrapping.ts';
import { openMemoryStore } from '../../src/storage/memoryStore.ts';

const IDS = ['alpha', 'beta', 'gamma', 'delta'] as PeerId[];
const NOW = { monotonicMs: 600_000, wallMs: Date.UTC(2026, 0, 1) };

describe('what a bootstrap would mean', () => {
  let state: PeerState;
  const hear = (id: string, agoMs: number, phase: Phase, isLive: boolean): void => {
    const view = state.peers.get(id as PeerId);
    assert.ok(view !== undefined);
    Object.assign(view, { lastHeardMs: NOW.monotonicMs - agoMs, phase, isLive });
  };
  const say = (): string => describeBootstrap(state, NOW);
  beforeEach(() => {
    const store = openMemoryStore().store;
    const options = { settings: defaultSettings, store, random: () => 0.5, isBootstrap: false };
    state = createPeerState({ ...options, id: 'alpha' as PeerId, members: IDS }, NOW);
  });

  it('names every other member with when it was heard and how it was then', () => {
    state.phase = 'joining';
    state.visibleKeys = 1234;
    hear('beta', 1000, 'joining', true);
    hear('gamma', 300_000, 'member', false);
    const lines = say().split('\n');
    assert.deepEqual(lines.slice(0, 4), [
      'alpha has to join first; its disk holds 1,234 keys',
      'beta was last heard 1 s ago; then it had to join first',
      'delta has not been heard since this peer started',
      'gamma was last heard 5 min ago; then it took part',
    ]);
    assert.match(lines[4] ?? '', /^If one of the others can be started with its data, start it first/);
    assert.match(lines[5] ?? '', /the others must join from it.* lost if they never are/);
  });

  it('is refused while one that takes part is heard, to a member and to the forgotten', () => {
    assert.match(say(), /^alpha has never joined; its disk holds 0 keys\n/);
    hear('beta', 1000, 'member', true);
    assert.throws(say, /beta takes part and is heard: alpha joins from it by itself/);
    state.phase = 'member';
    assert.throws(say, /alpha takes part already/);
    state.phase = 'forgotten';
    assert.throws(say, /alpha was forgotten for good/);
  });
});
