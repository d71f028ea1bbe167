/**
 * Rounds of acknowledgement: one question a turn and level, each waiter told once, after the writes of its turn.
 */
import { deepEqual, equal, notEqual } from 'node:assert/strict';
import type { AcknowledgementWaiter } from '../../src/server/acknowledgements.ts';
import { createAcknowledgements } from '../../src/server/acknowledgements.ts';
import { createMapBackend } from './mapBackend.ts';

describe('acknowledgements', () => {
  function recordingWaiter(told: (string | undefined)[]): AcknowledgementWaiter {
    return { onAcknowledged: (failure) => told.push(failure?.message) };
  }

  it('puts all who join in one turn into one question a level', async () => {
    const backend = createMapBackend();
    backend.mode = 'held';
    const acknowledgements = createAcknowledgements(backend);
    const told: (string | undefined)[] = [];
    const round = acknowledgements.currentRound('committed');
    for (let joined = 0; joined < 3; joined += 1) {
      equal(acknowledgements.currentRound('committed'), round);
      round.waiters.push(recordingWaiter(told));
    }
    const durable = acknowledgements.currentRound('durable');
    notEqual(durable, round);
    equal(backend.acknowledgeCalls, 0);
    await backend.whenPending(2);
    deepEqual(
      backend.pending.map(({ level }) => level),
      ['committed', 'durable'],
    );
    equal(acknowledgements.outstanding(), 2);
    deepEqual(told, []);
    backend.pending[0]?.callback();
    deepEqual(told, [undefined, undefined, undefined]);
    equal(round.isDone, true);
    equal(durable.isDone, false);
    equal(acknowledgements.outstanding(), 1);
  });

  it('begins a new round in the next turn, and tells a failure once', async () => {
    const backend = createMapBackend();
    backend.mode = 'held';
    const acknowledgements = createAcknowledgements(backend);
    const told: (string | undefined)[] = [];
    const first = acknowledgements.currentRound('committed');
    first.waiters.push(recordingWaiter(told));
    await backend.whenPending(1);
    notEqual(acknowledgements.currentRound('committed'), first);
    backend.pending[0]?.callback(new Error('disk full'));
    backend.pending[0]?.callback(new Error('again'));
    deepEqual(told, ['disk full']);
    await backend.whenPending(2);
  });
});
