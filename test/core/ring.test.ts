/** Section 5: with no shuffled contact, every HEARTBEAT goes to the next of the live in order of id, and from the last to the first. */
import assert from 'node:assert/strict';
import { defaultLimits, defaultSettings } from '../../src/core/settings.ts';
import { Cluster } from './cluster.ts';

describe('the ring', () => {
  it('leads each to the next of the live, the last to the first, and past who has died', () => {
    const limits = { ...defaultLimits, shuffledContacts: 0 };
    const made = new Cluster(['gamma', 'alpha', 'delta', 'beta'], 1, { ...defaultSettings, limits });
    const contacts = (): string[] => {
      made.sent.length = 0;
      made.run(2 * defaultSettings.heartbeatMs);
      const heartbeats = made.sent.filter(({ message }) => message.kind === 'heartbeat');
      return [...new Set(heartbeats.map(({ from, to }) => `${from} ${to}`))].sort();
    };
    made.run(2000);
    assert.deepEqual(contacts(), ['alpha beta', 'beta delta', 'delta gamma', 'gamma alpha']);
    made.at('beta').isUp = false;
    made.run(2 * defaultSettings.deadAfterMs);
    assert.deepEqual(contacts(), ['alpha delta', 'delta gamma', 'gamma alpha']);
  });
});
