/**
 * What is said before a member is forgotten: every incarnation of it counts, and whatever shows that an update exists.
 */
import assert from 'node:assert/strict';
import { noteAnnounced } from '../../src/core/gaps.ts';
import { addRanges } from '../../src/core/haveSet.ts';
import { learnClosures } from '../../src/core/facts.ts';
import { createPeerState } from '../../src/core/loadState.ts';
import { learnMembers } from '../../src/core/members.ts';
import type { PeerView } from '../../src/core/peerView.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import { originOf, type PeerState } from '../../src/core/state.ts';
import { originKey, type Incarnation, type PeerId } from '../../src/core/types.ts';
import { describeForgetting } from '../../src/peer/forgetting.ts';
import { countLag } from '../../src/peer/lag.ts';
import { openMemoryStore } from '../../src/storage/memoryStore.ts';

const ALPHA = 'alpha' as PeerId;
const BETA = 'beta' as PeerId;
const GAMMA = 'gamma' as PeerId;
const NOW = { monotonicMs: 10_000, wallMs: Date.UTC(2026, 0, 1) };
const OLD = 5 as Incarnation;
const YOUNG = 9 as Incarnation;

describe('what forgetting would lose', () => {
  let state: PeerState;
  const say = (id = 'beta'): string => describeForgetting(state, NOW, id);
  const viewOf = (id: PeerId): PeerView => {
    const view = state.peers.get(id);
    assert.ok(view !== undefined);
    return view;
  };
  const have = (incarnation: Incarnation, ...ranges: number[]): void => {
    addRanges(originOf(state, BETA, incarnation).have, ranges);
  };
  beforeEach(() => {
    state = createPeerState(
      {
        id: ALPHA,
        members: [ALPHA, BETA, GAMMA],
        settings: defaultSettings,
        store: openMemoryStore().store,
        random: () => 0.5,
        isBootstrap: true,
      },
      NOW,
    );
    viewOf(BETA).incarnation = YOUNG;
  });

  it('has nothing to count of a member that never wrote', () => {
    assert.match(
      say(),
      /^beta has not been heard since this peer started; all of its updates that this peer/,
    );
    viewOf(BETA).lastHeardMs = NOW.monotonicMs - 5000;
    assert.match(say(), /^beta was last heard 5 s ago; all of its updates that this peer knows of are here/);
  });

  it('counts what an earlier incarnation announced and this peer lacks', () => {
    have(OLD, 1, 6);
    have(YOUNG, 1, 4);
    noteAnnounced(state, NOW, originOf(state, BETA, OLD), 10);
    assert.match(say(), /of its updates 4 are known not to be here\./);
  });

  it('counts a gap that only what arrived above it shows, as after a restart of this peer', () => {
    have(OLD, 1, 6, 9, 12);
    assert.match(say(), /of its updates 2 are known not to be here\./);
    assert.equal(countLag(state), 2);
  });

  const claim = (incarnation: Incarnation, contiguous: number) => ({
    id: BETA,
    incarnation,
    contiguous,
    gaps: [],
    trim: 0,
  });

  it('says how many of them another member has', () => {
    have(OLD, 1, 6);
    noteAnnounced(state, NOW, originOf(state, BETA, OLD), 10);
    viewOf(GAMMA).claims = new Map([
      [originKey(BETA, OLD), claim(OLD, 8)],
      [originKey(BETA, YOUNG), claim(YOUNG, 1)],
    ]);
    assert.match(say(), /of its updates 5 are known not to be here, 3 of them at other members\./);
  });

  it('counts nothing of incarnations that are settled, whatever was claimed of them', () => {
    viewOf(GAMMA).claims = new Map([[originKey(BETA, OLD), claim(OLD, 8)]]);
    assert.equal(countLag(state), 8);
    learnClosures(state, NOW, [
      { id: BETA, closedBelow: YOUNG, foldedBelow: YOUNG, foldedHash: 0, kept: [] },
    ]);
    assert.match(say(), /all of its updates/);
    assert.equal(countLag(state), 0);
  });

  it('refuses who is no member, is forgotten already, or is asked to forget itself', () => {
    assert.throws(() => say('delta'), /delta is no member; members are beta, gamma/);
    assert.throws(() => say('alpha'), /alpha cannot forget itself/);
    learnMembers(state, { admitted: [], forgotten: [BETA] });
    assert.throws(() => say(), /beta is forgotten already/);
  });
});
