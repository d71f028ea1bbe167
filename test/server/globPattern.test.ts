/**
 * Glob patterns: Redis's corners by example (against Redis itself: redisOracle.test.ts), and the bound on time.
 */
import { equal, ok } from 'node:assert/strict';
import { compileGlob, GLOB_TOKEN_LIMIT } from '../../src/server/globPattern.ts';

const CASES: readonly (readonly [pattern: string, text: string, isMatch: boolean])[] = [
  ['*', '', true],
  ['**', '', false],
  ['', '', true],
  ['', 'a', false],
  ['a*c', 'abbc', true],
  ['a*c', 'abbd', false],
  ['*a*b', 'xaxb', true],
  ['h?llo', 'hello', true],
  ['h?llo', 'hllo', false],
  ['h[ae]llo', 'hallo', true],
  ['h[ae]llo', 'hillo', false],
  ['h[^e]llo', 'hallo', true],
  ['h[^e]llo', 'hello', false],
  ['[a-c]', 'b', true],
  ['[c-a]', 'b', true],
  ['[a-c]', 'd', false],
  ['[abc', 'c', true],
  ['[', 'a', false],
  ['[^', 'a', true],
  ['[\\]]', ']', true],
  ['[a-]', ']', true],
  ['\\*', '*', true],
  ['\\*', 'a', false],
  ['a\\', 'a\\', true],
  ['a**b', 'ab', true],
  ['a*', 'a', true],
  ['[\x80-\xff]', '\xc3', true],
];

describe('glob pattern', () => {
  for (const [pattern, text, expected] of CASES) {
    it(`${JSON.stringify(pattern)} ${expected ? 'matches' : 'does not match'} ${JSON.stringify(text)}`, () => {
      equal(compileGlob(pattern).isMatch(text), expected);
    });
  }

  it('tells the literal beginning that every match has', () => {
    equal(compileGlob('user:\\*[12]*').prefix, 'user:*');
    equal(compileGlob('*').prefix, '');
    equal(compileGlob('plain').prefix, 'plain');
  });

  it('needs no exponential time and no deep stack for many stars', () => {
    const { isMatch } = compileGlob(`${'a*'.repeat(1000)}b`);
    const before = performance.now();
    equal(isMatch('a'.repeat(2000)), false);
    ok(performance.now() - before < 1000);
  });

  it('says no to a pattern with more characters than a key can have', () => {
    equal(compileGlob('?'.repeat(GLOB_TOKEN_LIMIT + 2)).isMatch('a'), false);
  });
});
