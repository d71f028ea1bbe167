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

  it('says that a disk is nearly full', () => {
    const full = report({ disk: { freeBytes: 1, isLow: true } });
    assert.match(listRemarks('alpha', full).join('\n'), /refuses writes: its disk is nearly full/);
    assert.doesNotMatch(listRemarks('alpha', report({ disk: { isLow: false } })).join('\n'), /disk/);
  });

  it('names who shares no version of the protocol with it, and what to do', () => {
    const protocol = {
      reads: { lowest: 1, highest: 1 },
      toAll: 1,
      members: {
        beta: { reads: { lowest: 2, highest: 3 }, spoken: null },
        gamma: { reads: { lowest: 1, highest: 2 }, spoken: 1 },
      },
    };
    assert.deepEqual(listRemarks('alpha', report({ protocol })), [
      'the protocol is read in version 1 by alpha, and in version 2 to 3 by beta: nothing passes between them; upgrade toposphere on alpha, or go back on beta to a release that reads version 1',
    ]);
    for (const odd of [7, { reads: 1 }, { ...protocol, members: [null, 3, { reads: {} }] }])
      assert.deepEqual(listRemarks('alpha', report({ protocol: odd })), []);
  });

  it('tells who has left from who is silent', () => {
    const members = [
      member('beta', { alive: false, heard: false, left: true }),
      member('gamma', { alive: false, heard: false, left: false }),
    ];
    assert.equal(statusRow('alpha', report({ members }))[4], '!beta(left) !gamma');
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

  describe('of a peer that waits to join', () => {
    const joining = (fields: object): string =>
      listRemarks('127.0.0.1:6401', report({ phase: 'joining', ...fields })).join('\n');
    const donor = member('beta', { phase: 'member' });

    it('says to start one that takes part where none is heard, and names the peer by its id', () => {
      const text = joining({
        members: [member('beta', { phase: 'joining' }), member('gamma', { alive: false })],
      });
      assert.match(text, /^alpha takes no writes until .*none that takes part is heard: start one/);
      assert.match(text, /`toposphere bootstrap --id alpha`/);
      for (const one of [donor, member('beta')])
        assert.equal(
          joining({ members: [one] }),
          'alpha takes no writes until it has caught up from another peer',
        );
    });

    it('says that nothing comes of its requests, and whose log to read', () => {
      const asking = (asked: number, joined: number): string =>
        joining({ members: [donor], joining: { asked, askedOf: 'beta', joined } });
      assert.match(
        asking(1200, 0),
        /; it has asked for a checkpoint 1,200 times in vain, last beta: see the log of this peer and of beta/,
      );
      for (const text of [asking(3, 0), asking(1200, 1)]) assert.doesNotMatch(text, /in vain/);
    });

    it('says how much has come', () => {
      const text = joining({
        members: [donor],
        joining: { asked: 1, askedOf: 'beta', joined: 0, bytes: 5_242_880 },
      });
      assert.match(text, /; 5\.2 MB have come from beta so far$/);
    });

    it('says who is not up before a first start, and nothing of bootstrap', () => {
      const members = [member('beta', { phase: 'fresh' }), member('gamma', { alive: false, phase: null })];
      const text = listRemarks('alpha', report({ phase: 'fresh', members })).join('\n');
      assert.match(text, /begins when all members are up; not in touch with gamma$/);
    });
  });

  it('shows who is heard and does not take part', () => {
    const members = [member('beta', { phase: 'member' }), member('gamma', { phase: 'joining' })];
    assert.equal(statusRow('alpha', report({ members }))[4], 'beta gamma(joining)');
  });

  it('says of each for whom a round waits why, and advises to forget only who is not there', () => {
    const remark = (why: string): string | undefined =>
      listRemarks(
        'alpha',
        report({
          collection: {
            round: 'alpha/3',
            waitingFor: ['beta'],
            waitingWhy: { beta: why },
            tableLimitRows: 10,
          },
        }),
      )[0];
    const text = 'alpha: round alpha/3 waits for beta; 0 tombstones, 0 B; tables 0% of their limit; ';
    assert.equal(
      remark('silent'),
      `${text}beta is not heard: \`toposphere forget beta\` if it will not return`,
    );
    assert.equal(
      remark('left'),
      `${text}beta was stopped: start it again, or \`toposphere forget beta\` if it will not return`,
    );
    assert.equal(remark('deaf'), `${text}beta does not hear this peer`);
    assert.equal(remark('joining'), `${text}beta is joining`);
    assert.equal(remark('members'), `${text}beta has another list of members`);
    assert.equal(remark('apart'), `${text}beta was started apart from this peer`);
    assert.equal(remark('unanswered'), `${text}beta has not answered yet`);
  });

  it('says that nothing passes between peers that were started apart, and what to do', () => {
    const remarks = listRemarks(
      'alpha',
      report({ members: [member('beta', { apart: true }), member('gamma')] }),
    );
    assert.equal(remarks.length, 1);
    assert.match(remarks[0] ?? '', /^alpha and beta were started apart.*empty data directory$/);
  });

  describe('what was discovered', () => {
    const found = (standing: string, state = 'fresh'): object => ({
      id: 'beta',
      host: '10.0.0.2',
      port: 7401,
      standing,
      state,
    });
    const remarks = (phase: string, ...all: object[]): string =>
      listRemarks(
        '127.0.0.1:6401',
        report({ phase, discovery: { isUnlisted: true, unavailable: null, found: all } }),
      ).join('|');

    it('is proposed with the command that admits it', () => {
      assert.equal(
        remarks('member', found('proposed')),
        'alpha: beta at 10.0.0.2:7401 was discovered and is no member: `toposphere admit beta --peer 127.0.0.1:6401` admits it',
      );
    });

    it('is warned of where it proves nothing or was forgotten; members and other clusters are no news', () => {
      assert.match(remarks('member', found('unproved')), /does not prove the cluster key/);
      assert.match(remarks('member', found('forgotten')), /was forgotten: give it a new id/);
      assert.equal(remarks('member', found('member'), found('otherCluster'), {}), '');
    });

    it('tells a peer without data whom to ask to be admitted, or how to begin', () => {
      const said = remarks('fresh', found('proposed', 'member')).split('|');
      assert.match(
        said[0] ?? '',
        /toposphere admit alpha.*toposphere bootstrap --peer 127\.0\.0\.1:6401 --yes/,
      );
      assert.match(said[1] ?? '', /beta at 10\.0\.0\.2:7401 takes part: `toposphere admit alpha` there/);
    });
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
