/** LEAVING: not live at once, and nothing else changes; the next process is live as soon as it is heard; what was under way with it ends. */
import assert from 'node:assert/strict';
import { isHeard, liveIds } from '../../src/core/liveness.ts';
import { buildLeaving } from '../../src/core/leaving.ts';
import type { KeepaliveMessage, Message } from '../../src/core/messages.ts';
import type { PeerView } from '../../src/core/peerView.ts';
import { successorOf } from '../../src/core/ring.ts';
import { defaultLimits, defaultSettings } from '../../src/core/settings.ts';
import type { Incarnation, PeerId } from '../../src/core/types.ts';
import { Cluster } from './cluster.ts';
import { sent, THREE } from './three.ts';
import { assertSound, bounded, cluster, makeJoin } from './transfers.ts';

const LEAVING: Message = { kind: 'leaving' };
/** Nothing here may be owed to a silence. */
const PATIENT = { ...defaultSettings, deadAfterMs: 60_000 };

function patient(settings = PATIENT): Cluster {
  const made = new Cluster(THREE, 1, settings);
  made.run(1000);
  return made;
}

function viewAt(made: Cluster, at: string, of: string): PeerView {
  const view = made.at(at).state.peers.get(of as PeerId);
  assert.ok(view !== undefined);
  return view;
}

/** A clean stop, as the others see it. */
function leave(made: Cluster, id: string): void {
  made.at(id).isUp = false;
  for (const other of made.members) if (other.id !== id && other.isUp) made.deliver(id, other.id, LEAVING);
}

function lastKeepalive(made: Cluster, id: string): KeepaliveMessage {
  const message = sent(made, 'keepalive', id).at(-1)?.message;
  assert.ok(message?.kind === 'keepalive');
  return message;
}

describe('who leaves', () => {
  it('is not live from that moment, not heard, and told of once; it stays a member', () => {
    const made = patient();
    made.notices.length = 0;
    leave(made, 'gamma');
    made.deliver('gamma', 'alpha', LEAVING);
    const alpha = made.at('alpha');
    assert.deepEqual(liveIds(alpha.state), ['beta']);
    assert.equal(isHeard(alpha.state, viewAt(made, 'alpha', 'gamma'), made.now(alpha)), false);
    assert.deepEqual([...alpha.state.admitted].sort(), THREE);
    assert.equal(successorOf(made.at('beta').state), 'alpha');
    made.run(1000);
    assert.deepEqual(
      made.notices.filter(({ at }) => at === 'alpha'),
      [{ at: 'alpha', name: 'peerLeft' }],
    );
    const { listed, others } = lastKeepalive(made, 'alpha');
    assert.equal(listed.find(({ id }) => id === 'gamma')?.how ?? others, 'unheard');
  });

  it('is not live for one that stood still either, and judges nobody yet', () => {
    const made = patient({ ...PATIENT, deadAfterMs: 2000 });
    made.at('alpha').isPaused = true;
    made.run(1500);
    made.resumeTimers('alpha');
    leave(made, 'gamma');
    assert.deepEqual(liveIds(made.at('alpha').state), ['beta']);
  });

  it('is not revived by what it said before, which is taken in all the same', () => {
    const made = patient();
    made.loses = (message, from) => from === 'gamma' && message.kind === 'update';
    made.write('gamma', 'k', '1');
    made.run(10);
    const update = sent(made, 'update', 'gamma').at(-1)?.message;
    assert.ok(update !== undefined);
    leave(made, 'gamma');
    made.deliver('gamma', 'alpha', lastKeepalive(made, 'gamma'), 'multicast');
    made.deliver('gamma', 'alpha', update, 'multicast');
    assert.deepEqual(liveIds(made.at('alpha').state), ['beta']);
    assert.equal(viewAt(made, 'alpha', 'gamma').hasLeft, true);
    assert.equal(made.read('alpha', 'k'), '1');
    made.run(1000);
    assert.deepEqual(liveIds(made.at('alpha').state), ['beta']);
    assert.equal(made.read('beta', 'k'), '1', 'by way of alpha');
  });

  it('is live again with its next process, as soon as that hears the others', () => {
    const made = patient();
    leave(made, 'gamma');
    made.run(1000);
    made.restart('gamma');
    made.run(100);
    assert.deepEqual(liveIds(made.at('alpha').state), ['beta', 'gamma']);
    assert.equal(viewAt(made, 'alpha', 'gamma').hasLeft, false);
  });

  it('was an earlier process, when the next one is there: nothing changes, and it is counted', () => {
    const made = patient();
    const before = made.at('gamma').state.self.incarnation;
    made.restart('gamma');
    made.run(1000);
    made.deliver('gamma', 'alpha', LEAVING, 'multicast', before);
    assert.deepEqual(liveIds(made.at('alpha').state), ['beta', 'gamma']);
    assert.equal(made.at('alpha').state.counters.droppedMisdirected, 1);
  });

  it('takes the word of its next process with it where that was not heard before', () => {
    const made = patient();
    const next = (made.at('gamma').state.self.incarnation + 1) as Incarnation;
    made.deliver('gamma', 'alpha', LEAVING, 'multicast', next);
    assert.deepEqual(liveIds(made.at('alpha').state), ['beta']);
    assert.equal(viewAt(made, 'alpha', 'gamma').incarnation, next);
  });

  it('tells everybody by multicast, and by unicast whom that does not reach either way', () => {
    const made = patient();
    made.loses = (_message, _from, to, channel) => channel === 'multicast' && to === 'gamma';
    made.run(5000);
    const alpha = made.at('alpha');
    assert.deepEqual(buildLeaving(alpha.state, made.now(alpha)), {
      kind: 'multicast',
      message: LEAVING,
      alsoTo: ['gamma'],
      after: 'committed',
    });
    const alone = new Cluster(['alpha']).at('alpha');
    assert.equal(buildLeaving(alone.state, made.now(alone)), undefined);
  });

  it('is asked for nothing more: what it alone wrote others give', () => {
    const made = patient();
    made.loses = (message, _from, to) =>
      to === 'alpha' && message.kind === 'update' && message.records[0]?.sequence === 1;
    made.write('gamma', 'k', '1');
    made.write('gamma', 'next', '2');
    for (let waitedMs = 0; made.read('alpha', 'next') === undefined && waitedMs < 5; waitedMs += 0.1)
      made.run(0.1);
    assert.equal(made.read('alpha', 'k'), undefined);
    leave(made, 'gamma');
    const naks = sent(made, 'nak', 'alpha').length;
    made.run(1000);
    assert.equal(made.read('alpha', 'k'), '1');
    assert.deepEqual(
      sent(made, 'nak', 'alpha')
        .slice(naks)
        .filter(({ to }) => to === 'gamma'),
      [],
    );
  });

  it('ends the round that waits for it, and those that are due name it at once', () => {
    const made = patient({ ...PATIENT, gcUpdateCount: 5, gcIntervalMs: 1e9 });
    made.loses = (message, from) => from === 'gamma' && message.kind === 'prepared';
    for (let at = 0; at < 6; at += 1) made.write('alpha', `k${at}`, '1');
    made.run(400);
    assert.ok(made.at('alpha').state.round !== undefined);
    leave(made, 'gamma');
    made.run(5);
    const { round, rounds } = made.at('alpha').state;
    assert.equal(round, undefined);
    assert.deepEqual([...rounds.waitingFor.keys()], ['gamma']);
    made.restart('gamma');
    made.loses = () => false;
    made.run(2000);
    assert.equal(made.at('alpha').state.rounds.finished, 1);
    assertSound(made);
  });

  it('coordinates nothing more: what it asked for before is not promised', () => {
    const made = patient();
    leave(made, 'gamma');
    const { promised, incarnations, membershipHash } = made.at('alpha').state;
    const named = Array.from(incarnations, ([id, incarnation]) => ({ id, incarnation }));
    made.deliver('gamma', 'alpha', { kind: 'prepare', number: 1, membershipHash, incarnations: named });
    assert.equal(made.at('alpha').state.promised, promised);
    assert.equal(made.at('alpha').state.counters.droppedLeft, 1);
  });
});

describe('a transfer of which one side leaves', () => {
  const LIMITS = { checkpointPartBytes: 100, transferWindow: 1, joinRetryMs: 60_000 };

  /** Gamma joins, and part of a checkpoint has come. */
  function joining(): { readonly made: Cluster; readonly donor: string } {
    const made = cluster(THREE, { ...bounded(LIMITS), deadAfterMs: 60_000 });
    for (let at = 0; at < 40; at += 1) made.write('alpha', `k${at}`, 'v'.repeat(50));
    made.run(1000);
    makeJoin(made, 'gamma', true);
    let seen = 0;
    made.loses = (message, _from, to) => to === 'gamma' && message.kind === 'checkpoint' && (seen += 1) > 3;
    made.run(3000);
    const donor = made.at('gamma').state.joining.askedOf?.id;
    assert.ok(donor !== undefined && made.at('gamma').state.joining.arrived > 0);
    made.loses = () => false;
    return { made, donor };
  }

  it('is asked of another donor at once', () => {
    const { made, donor } = joining();
    leave(made, donor);
    assert.notEqual(made.at('gamma').state.joining.askedOf?.id, donor);
    made.run(500);
    assert.equal(made.at('gamma').state.phase, 'member');
    assertSound(made);
  });

  it('is let go of by the donor', () => {
    const { made, donor } = joining();
    assert.equal(made.at(donor).state.giving.size, 1);
    leave(made, 'gamma');
    assert.equal(made.at(donor).state.giving.size, 0);
    made.deliver('gamma', donor, { kind: 'join', snapshot: 0, part: 0 }, 'stream');
    assert.equal(made.at(donor).state.giving.size, 0, 'nor is one begun for it');
  });

  it('goes on when all of it has come', () => {
    const { made, donor } = joining();
    const { state } = made.at('gamma');
    // Its last parts come, and the first of them is still being joined.
    const last = { ...state.joining.parts[0], kind: 'checkpoint', snapshot: state.joining.snapshot } as const;
    state.joining.parts.push({
      ...last,
      part: 99,
      joiner: state.self.incarnation,
      entries: [],
      rows: [],
      isLast: true,
    });
    const { checkpointsAsked } = state.counters;
    leave(made, donor);
    made.run(2000);
    assert.equal(state.joining.askedOf?.id, donor);
    assert.equal(state.counters.checkpointsAsked, checkpointsAsked);
  });

  it('of what was missed is pulled from another giver, and from the next process of that one', () => {
    const limits = { ...defaultLimits, maxNakBacklog: 20, streamThresholdBytes: 1000, maxAnswerBytes: 2000 };
    const made = cluster(THREE, { ...bounded(limits), deadAfterMs: 60_000 });
    made.loses = (_message, from, to) => from === 'gamma' || to === 'gamma';
    for (let at = 0; at < 400; at += 1) made.write('alpha', `k${at}`, `${at}`);
    made.run(1000);
    const isPart = (message: Message): boolean => message.kind === 'sync' && message.catchUp !== undefined;
    made.loses = (message, _from, to) => to === 'gamma' && isPart(message);
    made.run(1500);
    const { taking } = made.at('gamma').state;
    const giver = taking.from?.id;
    assert.ok(giver !== undefined);
    leave(made, giver);
    assert.equal(taking.from, undefined);
    assert.equal(taking.notBeforeMs.has(giver), false);
    made.loses = () => false;
    made.run(2000);
    assert.equal(made.read('gamma', 'k399'), '399');
    assertSound(made);
  });
});
