/**
 * What the laboratory makes of a script, and when it calls hosts equal. The laboratory itself is `npm run lan`: it takes root.
 *
 * Invariant under test: what cannot be carried out is refused before anything begins, every fault with its line.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { listLacking, uniteVectors } from '../../tools/lan/equality.ts';
import { readScript } from '../../tools/lan/script.ts';

const SCENARIOS = fileURLToPath(new URL('../../tools/lan/scenarios/', import.meta.url));

describe('scripts of the laboratory', () => {
  it('are scenarios of the simulator, with rates of their own in the order of the lines', () => {
    const { ids, lines, smallDisks, settings } = readScript(
      'peers alpha beta gamma\nsettings keepaliveMs=100\ncut alpha to beta\nrate beta,gamma 4mbit\nrate beta off\ndisk gamma full\nheal',
    );
    assert.deepEqual(ids, ['alpha', 'beta', 'gamma']);
    assert.deepEqual(settings, { keepaliveMs: 100 });
    assert.deepEqual(smallDisks, ['gamma']);
    assert.deepEqual(
      lines.map(({ does }) => does.kind),
      ['cut', 'rate', 'rate', 'disk', 'heal'],
    );
    assert.deepEqual(lines[1]?.does, { kind: 'rate', peers: ['beta', 'gamma'], bytesPerSecond: 500_000 });
    assert.deepEqual(lines[2]?.does, { kind: 'rate', peers: ['beta'], bytesPerSecond: 0 });
  });

  it('are refused with every fault and its line when a laboratory cannot do what they say', () => {
    const text =
      'limits maxGapIntervals=3\nsettings nonsense=3\nlose update to alpha\nlose 3% of updates\npower off beta\nclock alpha +3s\ndisk alpha slow\nrate omega 3mbit\nrate alpha much';
    assert.throws(
      () => readScript(text),
      (error: Error) => {
        for (const fault of [
          /limits:/,
          /settings nonsense:/,
          /line 3: what a sealed datagram says/,
          /line 4: lose … of updates/,
          /line 5: power off/,
          /line 6: clock/,
          /line 7: disk slow/,
          /line 8: no peer omega/,
          /line 9: 'rate alpha much'/,
        ])
          assert.match(error.message, fault);
        return true;
      },
    );
  });

  it('that are shipped can be carried out', () => {
    const names = readdirSync(SCENARIOS);
    assert.ok(names.length > 0);
    for (const name of names)
      assert.ok(readScript(readFileSync(`${SCENARIOS}${name}`, 'utf8')).lines.length > 0, name);
  });
});

describe('hosts under load', () => {
  const wanted = uniteVectors([
    { 'alpha/1': 3, 'beta/1': 9 },
    { 'alpha/1': 5, 'beta/1': 2 },
  ]);

  it('have caught up when each holds what any of them held', () => {
    assert.deepEqual(
      [...wanted],
      [
        ['alpha/1', 5],
        ['beta/1', 9],
      ],
    );
    const shown = new Set(wanted.keys());
    assert.deepEqual(listLacking(wanted, new Map(Object.entries({ 'alpha/1': 5, 'beta/1': 12 })), shown), []);
    assert.deepEqual(listLacking(wanted, new Map(Object.entries({ 'alpha/1': 4 })), shown), [
      'alpha/1 4 of 5',
      'beta/1 0 of 9',
    ]);
  });

  it('hold what no vector shows any more: it was folded, for all have it', () => {
    assert.deepEqual(listLacking(wanted, new Map([['beta/1', 9]]), new Set(['beta/1'])), []);
    assert.deepEqual(listLacking(wanted, new Map([['beta/1', 9]]), new Set(['beta/1', 'alpha/1'])), [
      'alpha/1 0 of 5',
    ]);
  });
});
