/** When a peer that has started is whole again, by what it hears. */
import assert from 'node:assert/strict';
import { openMemoryStore } from '../../src/storage/memoryStore.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import { isCaughtUp } from '../../src/peer/caughtUp.ts';
import { Cluster } from '../core/cluster.ts';

const STILL = { ...defaultSettings, gcUpdateCount: 1e9, gcIntervalMs: 1e9 };

describe('caught up', () => {
  let made: Cluster;
  let startedMs = 0;
  const isSo = (id = 'gamma'): boolean => {
    const member = made.at(id);
    return isCaughtUp(member.state, made.now(member), startedMs);
  };
  const restart = (id: string): void => {
    made.restart(id);
    startedMs = made.timeMs;
  };

  beforeEach(() => {
    startedMs = 0;
    made = new Cluster(['alpha', 'beta', 'gamma'], 1, STILL);
    made.write('alpha', 'k', '1');
    made.run(3000);
  });

  it('is not right after a start, and is when nothing is missing of what the others have', () => {
    made.at('gamma').isUp = false;
    for (let at = 0; at < 20; at += 1) made.write('alpha', `k${at}`, '2');
    made.run(3000);
    restart('gamma');
    assert.equal(isSo(), false);
    made.loses = (message, _from, to) =>
      to === 'gamma' && (message.kind === 'update' || message.kind === 'sync');
    made.run(3000);
    assert.equal(isSo(), false, 'it knows what it lacks');
    made.loses = () => false;
    made.run(3000);
    assert.equal(isSo(), true);
    assert.equal(made.read('gamma', 'k19'), '2');
  });

  it('is not while a peer joins', () => {
    assert.equal(isSo(), true);
    made.loses = (message) => message.kind === 'checkpoint';
    made.at('gamma').state.phase = 'joining';
    made.run(4000);
    assert.equal(isSo(), false, 'though it lacks nothing');
    made.at('gamma').disk = openMemoryStore();
    restart('gamma');
    made.at('gamma').state.phase = 'joining';
    made.run(4000);
    assert.equal(isSo(), false);
    made.loses = () => false;
    made.run(8000);
    assert.equal(isSo(), true);
  });

  it('is where a peer has more than the others', () => {
    made.loses = (message, from) => from === 'gamma' && message.kind !== 'keepalive';
    made.write('gamma', 'more', '1');
    made.run(3000);
    assert.equal(made.read('alpha', 'more'), undefined);
    assert.equal(isSo(), true);
  });

  it('waits for the silent only as long as a silence takes to mean anything', () => {
    for (const id of ['alpha', 'beta']) made.at(id).isUp = false;
    made.run(3000);
    restart('gamma');
    made.run(STILL.deadAfterMs - 100);
    assert.equal(isSo(), false);
    made.run(200);
    assert.equal(isSo(), true);
  });

  it('does not wait for who has left', () => {
    for (const id of ['alpha', 'beta']) made.at(id).isUp = false;
    made.run(3000);
    restart('gamma');
    for (const id of ['alpha', 'beta']) {
      assert.equal(isSo(), false);
      made.deliver(id, 'gamma', { kind: 'leaving' });
    }
    assert.equal(isSo(), true);
  });

  it('is not while one that is heard has other data and has not said which', () => {
    made.at('gamma').isUp = false;
    made.write('alpha', 'k', '2');
    made.run(3000);
    made.at('alpha').isUp = false;
    restart('gamma');
    made.loses = (message, _from, to) => to === 'gamma' && message.kind !== 'keepalive';
    made.run(3000);
    assert.equal(isSo(), false);
    made.loses = () => false;
    made.run(3000);
    assert.equal(isSo(), true);
  });
});
