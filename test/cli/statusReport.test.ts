/**
 * STATUS as a table row: what a peer said, and nothing more, whatever it sent.
 */
import assert from 'node:assert/strict';
import { hearsAll, listRemarks, parseStatus, statusRow } from '../../src/cli/statusReport.ts';

const member = (id: string, more: object = {}): object => ({
  id,
  alive: true,
  heard: true,
  hearsMe: true,
  multicast: true,
  converged: true,
  sameServers: true,
  ...more,
});

function report(fields: object): ReturnType<typeof parseStatus> {
  return parseStatus(JSON.stringify({ id: 'alpha', ...fields }));
}

describe('a status report', () => {
  it('shows keys, lag, whom the peer hears, its vector by id and its drops', () => {
    const row = statusRow(
      'alpha',
      report({
        keys: 7,
        lagUpdates: 3,
        members: [
          member('alpha'),
          member('beta'),
          member('gamma', { multicast: false }),
          member('delta', { hearsMe: false }),
        ],
        vector: { 'beta/9': 4, 'alpha/20': 5, 'alpha/3': 12 },
        drops: { replayed: 2, none: 0 },
      }),
    );
    assert.deepEqual(row, [
      'alpha',
      'alive',
      '7',
      '3',
      'beta gamma(unicast) delta(one way)',
      'alpha:12+5 beta:4',
      'replayed:2',
    ]);
  });

  it('marks members that are not heard', () => {
    const row = statusRow(
      'alpha',
      report({ members: [member('beta', { alive: false }), member('gamma', { heard: false })] }),
    );
    assert.equal(row[4], '!beta !gamma');
  });

  for (const json of [
    '{}',
    '[]',
    '{"members":7,"vector":[1],"drops":null,"keys":"x"}',
    '{"members":[null,3,{}]}',
  ]) {
    it(`shows what it can of ${json}`, () => {
      const row = statusRow('alpha', parseStatus(json));
      assert.deepEqual([row[0], row[2], row[3]], ['alpha', '-', '-']);
    });
  }
  for (const json of ['', 'null', '7', '"text"', '{']) {
    it(`refuses ${json || 'nothing'}, which is no report`, () => {
      assert.throws(() => parseStatus(json), /unexpected shape/);
    });
  }

  it('remarks on a clock that is ahead and on a servers.txt that differs', () => {
    const bad = report({
      writesRefused: { code: 'CLOCK_AHEAD', message: 'write refused: the clock of alpha is 3600 ms ahead' },
      members: [member('beta', { sameServers: false })],
    });
    assert.equal(statusRow('alpha', bad)[1], 'refuses writes');
    assert.deepEqual(listRemarks('alpha', bad), [
      'alpha refuses writes: the clock of alpha is 3600 ms ahead',
      'the servers.txt of alpha and of beta differ; make them the same',
    ]);
    assert.deepEqual(listRemarks('alpha', report({ writesRefused: null, members: [member('beta')] })), []);
  });

  it('hears all only when every other is alive and heard both ways', () => {
    const ids = ['alpha', 'beta', 'gamma'];
    assert.equal(hearsAll(report({ members: [member('beta'), member('gamma')] }), ids), true);
    assert.equal(hearsAll(report({ members: [member('beta')] }), ids), false);
    for (const no of ['alive', 'heard', 'hearsMe']) {
      assert.equal(
        hearsAll(report({ members: [member('beta'), member('gamma', { [no]: false })] }), ids),
        false,
        no,
      );
    }
    assert.equal(hearsAll(parseStatus('{}'), ids), false);
  });
});
