/** The requests of a load: whole RESP, of the mix, the same for the same seed. */
import assert from 'node:assert/strict';
import { readPlan } from '../../../src/cli/bench/plan.ts';
import type { Plan } from '../../../src/cli/bench/plan.ts';
import { createRequests } from '../../../src/cli/bench/requests.ts';

function planOf(changed: Partial<Plan>): Plan {
  const words = {
    mix: 'get=6,set=3,del=1',
    size: '0-40',
    keys: '100',
    clients: '1',
    pipeline: '1',
    threads: '1',
  };
  const left = ['zipf', 'rate', 'seconds', 'operations', 'write', 'read', 'within'] as const;
  const none = Object.fromEntries(left.map((name) => [name, undefined])) as Record<
    (typeof left)[number],
    undefined
  >;
  return { ...readPlan({ ...words, ...none, seed: '5', keep: false }, 'p:'), ...changed };
}

/** The words of one request; fails unless it is whole and nothing follows it. */
function parse(text: string): readonly string[] {
  const [, count = '', rest = ''] = /^\*([0-9]+)\r\n([\s\S]*)$/.exec(text) ?? [];
  const words: string[] = [];
  let left = rest;
  while (left !== '') {
    const [head = '', length = ''] = /^\$([0-9]+)\r\n/.exec(left) ?? [];
    const word = left.slice(head.length, head.length + Number(length));
    assert.equal(left.slice(head.length + word.length, head.length + word.length + 2), '\r\n');
    words.push(word);
    left = left.slice(head.length + word.length + 2);
  }
  assert.equal(words.length, Number(count));
  return words;
}

function draw(plan: Plan, thread: number, count: number): readonly string[] {
  const next = createRequests(plan, thread);
  return Array.from({ length: count }, () => next().text);
}

describe('the requests of a load', () => {
  it('are whole, of the mix, on keys under the prefix, with values in their range', () => {
    const requests = draw(planOf({}), 0, 10_000).map(parse);
    const count = (name: string): number => requests.filter(([command]) => command === name).length;
    assert.ok(Math.abs(count('GET') - 6000) < 200 && Math.abs(count('SET') - 3000) < 200);
    assert.equal(count('GET') + count('SET') + count('DEL'), requests.length);
    const keys = new Set(requests.map(([, key]) => key));
    assert.deepEqual(keys, new Set(Array.from({ length: 100 }, (_, number) => `p:${number}`)));
    const sizes = new Set(requests.filter(([name]) => name === 'SET').map(([, , value]) => value?.length));
    assert.deepEqual(sizes, new Set(Array.from({ length: 41 }, (_, size) => size)));
    for (const [name, ...rest] of requests) assert.equal(rest.length, name === 'SET' ? 2 : 1);
  });

  it('have the chosen words before them, those of writes before del too', () => {
    const plan = planOf({ writeChoices: ['ACK', 'FAST'], readChoices: ['READ', 'LOCAL'] });
    const heads = new Set(
      draw(plan, 0, 500).map((text) => {
        const words = parse(text);
        return words.slice(0, words.indexOf('RUN') + 2).join(' ');
      }),
    );
    assert.deepEqual(
      heads,
      new Set([
        'TOPOSPHERE DO READ LOCAL RUN GET',
        'TOPOSPHERE DO ACK FAST RUN SET',
        'TOPOSPHERE DO ACK FAST RUN DEL',
      ]),
    );
  });

  it('are the same for the same seed, and others for another seed or thread', () => {
    for (const zipf of [undefined, 0.99]) {
      const plan = planOf({ zipf });
      assert.deepEqual(draw(plan, 0, 200), draw(plan, 0, 200));
      assert.notDeepEqual(draw(plan, 0, 200), draw({ ...plan, seed: 6 }, 0, 200));
      assert.notDeepEqual(draw(plan, 0, 200), draw(plan, 1, 200));
    }
  });
});
