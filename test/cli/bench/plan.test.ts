/** The words of `toposphere bench`: what they mean, and that all that is wrong is said at once. */
import assert from 'node:assert/strict';
import { readPlan } from '../../../src/cli/bench/plan.ts';
import type { PlanWords } from '../../../src/cli/bench/plan.ts';

const WORDS: PlanWords = {
  mix: 'get=90,set=10',
  size: '100',
  keys: '1000',
  zipf: undefined,
  clients: '50',
  pipeline: '1',
  threads: '1',
  rate: undefined,
  seconds: undefined,
  operations: undefined,
  write: undefined,
  read: undefined,
  within: undefined,
  seed: '1',
  keep: false,
};

function faultsOf(words: Partial<PlanWords>): readonly string[] {
  try {
    readPlan({ ...WORDS, ...words }, 'p:');
  } catch (error) {
    assert.ok(error instanceof Error);
    return error.message.split('\n');
  }
  return [];
}

describe('the plan of a load', () => {
  it('has the mixes of YCSB by their letters, and weights as given, without those of 0', () => {
    const mixOf = (mix: string): unknown => readPlan({ ...WORDS, mix }, 'p:').mix;
    assert.deepEqual(mixOf('a'), [
      { operation: 'get', weight: 50 },
      { operation: 'set', weight: 50 },
    ]);
    assert.deepEqual(mixOf('c'), mixOf('get=100'));
    assert.deepEqual(mixOf('set=0.5,get=0,del=2'), [
      { operation: 'set', weight: 0.5 },
      { operation: 'del', weight: 2 },
    ]);
  });

  it('has levels as the words of TOPOSPHERE DO, with the deadline behind each', () => {
    const plan = readPlan({ ...WORDS, write: 'replicated:2', read: 'session', within: '500' }, 'p:');
    assert.deepEqual(plan.writeChoices, ['ACK', 'REPLICATED', '2', 'WITHIN', '500']);
    assert.deepEqual(plan.readChoices, ['READ', 'SESSION', 'WITHIN', '500']);
    assert.equal(plan.hasSessions, true);
    assert.deepEqual(readPlan({ ...WORDS, write: 'linearizable' }, 'p:').writeChoices, [
      'READ',
      'LINEARIZABLE',
    ]);
    const plain = readPlan({ ...WORDS, read: 'stale:400' }, 'p:');
    assert.deepEqual([plain.writeChoices, plain.readChoices], [[], ['READ', 'STALE', '400']]);
    assert.equal(plain.hasSessions, false);
  });

  it('ends after ten seconds, unless time or number are given', () => {
    const { seconds, operations } = readPlan(WORDS, 'p:');
    assert.deepEqual([seconds, operations], [10, undefined]);
    const counted = readPlan({ ...WORDS, operations: '500' }, 'p:');
    assert.deepEqual([counted.seconds, counted.operations], [undefined, 500]);
  });

  it('takes sizes as one number or a range', () => {
    assert.deepEqual(readPlan({ ...WORDS, size: '10-20' }, 'p:').sizes, { least: 10, most: 20 });
    assert.deepEqual(readPlan({ ...WORDS, size: '0' }, 'p:').sizes, { least: 0, most: 0 });
  });

  it('says every fault of the words at once', () => {
    const faults = faultsOf({
      mix: 'get=1,get=2',
      size: '5-1',
      keys: '1.5',
      zipf: '0',
      clients: 'x',
      pipeline: '',
      threads: '65',
      rate: '0',
      seconds: '-1',
      write: 'a:b:c',
      read: '',
      within: '1e9',
      seed: 'NaN',
    });
    assert.equal(faults.length, 13);
    for (const [
      index,
      option,
    ] of 'within seconds mix size keys zipf clients pipeline threads rate write read seed'
      .split(' ')
      .entries())
      assert.match(faults[index] ?? '', new RegExp(`^--${option} `));
  });

  it('refuses mixes without an operation, unknown ones, and more data than a peer should take', () => {
    for (const mix of ['get=0', 'incr=1', 'get', 'get=-1', 'get=Infinity', ''])
      assert.equal(faultsOf({ mix }).length, 1, mix);
    assert.match(faultsOf({ threads: '3', clients: '2' }).join(), /each needs a client/);
    assert.match(faultsOf({ keys: '100000000', size: '1000' }).join(), /on every peer/);
  });
});
