/**
 * What the log is told, and how often.
 */
import assert from 'node:assert/strict';
import type { NoticeName } from '../../src/core/effects.ts';
import { createLog } from '../../src/peer/logger.ts';
import { createNoticeLog } from '../../src/peer/noticeLog.ts';

describe('the log of notices', () => {
  const said: string[] = [];
  let nowMs = 0;
  const log = createNoticeLog(
    createLog(
      ({ level, message }) => said.push(`${level} ${message}`),
      () => ({ peer: 'alpha' }),
    ),
    500,
    () => nowMs,
  );
  const tell = (name: NoticeName, peer: string): void => {
    log({ kind: 'notice', name, detail: { peer } });
  };
  beforeEach(() => {
    said.length = 0;
  });

  it('says what happens each time it does', () => {
    tell('peerAlive', 'beta');
    tell('peerAlive', 'beta');
    assert.deepEqual(said, ['info beta is alive', 'info beta is alive']);
  });

  it('says once in ten seconds that a peer goes on asking for what cannot be given, of each peer', () => {
    for (nowMs = 0; nowMs < 20_000; nowMs += 1000) {
      tell('checkpointTooLarge', 'beta');
      if (nowMs === 5000) tell('checkpointTooLarge', 'gamma');
    }
    assert.deepEqual(
      said.map((line) => line.split(' ').slice(0, 2).join(' ')),
      ['warn beta', 'warn gamma', 'warn beta'],
    );
  });
});
