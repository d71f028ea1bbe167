/** Every scenario in scenarios/, each a directed schedule with its expectations; and how scenarios are read. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import type { ToposphereError } from '../../src/core/errors.ts';
import { peerNames } from '../../src/simulator/generate.ts';
import { runScenario } from '../../src/simulator/scenario.ts';
import { parseScenario } from '../../src/simulator/scenarioParser.ts';
import { loadHashing, type Hashing } from '../../src/wire/hash.ts';

const FOLDER = new URL('scenarios/', import.meta.url);

describe('scenarios', () => {
  let hashing: Hashing;
  before(async () => {
    hashing = await loadHashing();
  });

  for (const name of readdirSync(FOLDER)) {
    it(name, () => {
      const { failure } = runScenario(readFileSync(new URL(name, FOLDER), 'utf8'), { hashing });
      assert.equal(failure, undefined);
    });
  }

  const failureOf = (text: string): string | undefined => runScenario(text, { hashing }).failure?.detail;

  it('fails an expectation that does not come true, with its line', () => {
    assert.match(failureOf('wait 1s\nexpect x=1 everywhere within 1s') ?? '', /line 2.*alpha has x absent/);
    assert.match(failureOf('wait 1s; set x=1 at alpha; expect x absent at alpha') ?? '', /alpha has x = 1/);
    assert.match(
      failureOf('wait 1s; cut alpha from beta,gamma,delta; set x=1 at alpha; expect equal within 2s') ?? '',
      /do not have the same/,
    );
    assert.match(failureOf('wait 1s; expect refused set x=1 at alpha') ?? '', /expectation/);
    assert.match(failureOf('crash alpha; set x=1 at alpha') ?? '', /unreachable/);
  });

  it('counts, as clients do, and fails what is refused', () => {
    const counted = 'limits maxCounterCells=1; wait 1s; add 2 to c at alpha durable; add 0.5 to c at alpha';
    assert.equal(
      failureOf(`${counted}; expect c=2.5 everywhere within 1s; expect refused add 1 to d at beta`),
      undefined,
    );
    assert.match(failureOf(`${counted}; expect c=2 at alpha`) ?? '', /alpha has c = 2\.5/);
    assert.match(failureOf(`${counted}; add 1 to d at alpha`) ?? '', /alpha says NO_ROOM/);
    assert.match(failureOf(`${counted}; expect refused add 0.25 to c at alpha`) ?? '', /alpha says 2\.75/);
    assert.match(failureOf('wait 1s; set c=x at alpha; add 1 to c at alpha') ?? '', /says notAnInteger/);
    assert.match(failureOf('crash alpha; add 1 to c at alpha') ?? '', /alpha says unreachable/);
  });

  it('says of every line that it cannot read what it would understand, all lines together', () => {
    const text = [
      'set x at alpha',
      'cut alpha beta',
      'jump',
      'wait 3 parsecs',
      'lose 130%',
      'crash zeta',
      'set k{9..1}=v at alpha',
      'disk alpha broken',
      'add much to c at alpha',
    ].join('\n');
    assert.throws(
      () => parseScenario(text, peerNames),
      (error: ToposphereError) => {
        assert.equal(error.code, 'BAD_ARGUMENT');
        for (let line = 1; line <= 9; line += 1) assert.match(error.message, new RegExp(`line ${line}:`));
        return true;
      },
    );
  });

  it('reads series, quotes, sizes, comments and several statements a line', () => {
    const { statements, peers, seed } = parseScenario(
      'peers 3; seed 9 # three\nset "a key; with = all"="v # no comment" at alpha durable; set k{1..3}=<7 bytes> at beta',
      peerNames,
    );
    assert.deepEqual(peers, ['alpha', 'beta', 'gamma']);
    assert.equal(seed, 9);
    assert.deepEqual(
      statements.map(({ does }) =>
        does.kind === 'write' ? [does.peer, does.level, does.writes] : does.kind,
      ),
      [
        ['alpha', 'durable', [{ key: 'a key; with = all', value: 'v # no comment' }]],
        ['beta', 'committed', ['k1', 'k2', 'k3'].map((key) => ({ key, value: 7 }))],
      ],
    );
  });
});
