/**
 * What the benchmark concludes from what it measured: percentiles, verdicts, figures read from other programs.
 *
 * Owns no measurement: those run by `npm run bench`. Invariant under test: a figure that is missing never passes for one.
 */
import assert from 'node:assert/strict';
import { parseMemory } from '../../tools/bench/peakMemory.ts';
import { parseMachineTicks, parseProcessorTime } from '../../tools/bench/processorTime.ts';
import { summarise } from '../../tools/bench/profileSummary.ts';
import { parseBenchmarkCsv } from '../../tools/bench/redisBenchmark.ts';
import { formatGate, formatTable, judgeGate } from '../../tools/bench/report.ts';
import type { Gate } from '../../tools/bench/report.ts';
import { formatMs, median, percentile, spread } from '../../tools/bench/statistics.ts';

const CSV = [
  '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"',
  '"SET","42419.05","1.100","0.200","0.999","1.500","4.863","9.000"',
].join('\n');

function gate(value: number, kind: 'atLeast' | 'atMost'): Gate {
  return { name: 'a gate', value, bound: { kind, value: 0.7 }, sides: '7 / 10', why: 'no redis here' };
}

describe('figures of the benchmark', () => {
  it('takes percentiles by nearest rank, whatever the order, and leaves the sample as it was', () => {
    const values = [5, 1, 4, 2, 3];
    assert.deepEqual([percentile(values, 0.5), percentile(values, 0.99), percentile(values, 0)], [3, 5, 1]);
    assert.deepEqual(values, [5, 1, 4, 2, 3]);
  });

  it('sorts numbers as numbers', () => {
    assert.equal(median([9, 10, 100]), 10);
  });

  it('takes the mean of the two middle values of an even number', () => {
    assert.equal(median([4, 1, 3, 2]), 2.5);
  });

  it('has no figure for an empty sample, and prints a dash', () => {
    assert.ok([median([]), percentile([], 0.5), spread([])].every(Number.isNaN));
    assert.equal(formatMs(median([])), '-');
  });
});

describe('gates of the benchmark', () => {
  it('are met on the bound itself, on the right side of it, and missed on the wrong one', () => {
    assert.deepEqual(
      [0.7, 0.8, 0.69].map((value) => judgeGate(gate(value, 'atLeast'))),
      ['met', 'met', 'missed'],
    );
    assert.deepEqual(
      [0.7, 0.8, 0.69].map((value) => judgeGate(gate(value, 'atMost'))),
      ['met', 'missed', 'met'],
    );
  });

  it('are skipped with the reason when there is no figure', () => {
    for (const kind of ['atLeast', 'atMost'] as const) {
      assert.equal(judgeGate(gate(NaN, kind)), 'skipped');
      assert.match(formatGate(gate(NaN, kind)), /skipped.*no redis here/);
    }
    assert.equal(judgeGate(gate(1 / 0, 'atLeast')), 'skipped');
  });

  it('are printed with both sides', () => {
    assert.match(formatGate(gate(0.75, 'atLeast')), /^met .*0\.750 \(at least 0\.7; 7 \/ 10\)$/);
  });
});

describe('tables of the benchmark', () => {
  it('keep columns below each other', () => {
    assert.equal(
      formatTable(
        ['load', '/s'],
        [
          ['SET', '10,000'],
          ['longer', '9'],
        ],
      ),
      'load        /s\n------  ------\nSET     10,000\nlonger       9',
    );
  });
});

describe('figures read from other programs', () => {
  it('finds the command it asked for in the CSV of redis-benchmark', () => {
    assert.deepEqual(parseBenchmarkCsv(CSV, 'SET'), { perSecond: 42_419.05, p50Ms: 0.999, p99Ms: 4.863 });
  });

  it('refuses CSV without that command, without a rate, or cut short', () => {
    for (const text of [CSV.replace('SET', 'GET'), CSV.replace('42419.05', '0'), CSV.slice(0, 40), '']) {
      assert.throws(() => parseBenchmarkCsv(text, 'SET'), /no figure for SET/);
    }
  });

  it('reads the processor time of a process whose name holds blanks and brackets', () => {
    const stat = '12 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 150 30 40 20 0';
    assert.deepEqual(parseProcessorTime(stat), { userUs: 2_500_000, systemUs: 1_500_000, allUs: 4_000_000 });
    assert.ok(Object.values(parseProcessorTime('')).every(Number.isNaN));
  });

  it('reads the memory of a process in MiB, and has no figure for a process that is gone', () => {
    const status =
      'Name:\tnode\nVmPeak:\t  999999 kB\nVmHWM:\t  104448 kB\nVmRSS:\t   51200 kB\nRssAnon:\t   20480 kB\n';
    assert.deepEqual(parseMemory(status), { nowMiB: 50, peakMiB: 102, ownMiB: 20 });
    assert.deepEqual(parseMemory(''), { nowMiB: NaN, peakMiB: NaN, ownMiB: NaN });
  });

  it('sums a profile by file, within the spans asked for, and leaves out the time in which the thread waited', () => {
    const frame = (id: number, functionName: string, url = '') => ({ id, callFrame: { functionName, url } });
    const profile = {
      nodes: [
        frame(1, 'run', 'file:///x/dist/server/dispatch.js'),
        frame(2, '(idle)'),
        frame(3, 'get', 'file:///x/node_modules/lmdb/dist/read.js'),
        frame(4, 'parse', 'file:///x/dist/server/dispatch.js'),
        frame(5, 'writev'),
        frame(6, '(garbage collector)'),
      ],
      startTime: 1000,
      samples: [1, 2, 3, 4, 5, 6, 1],
      timeDeltas: [0, 100, 500, 100, 200, 100, 1000],
    };
    // The first is before the span, the garbage collection behind it.
    const found = summarise(profile, [{ startUs: 1050, endUs: 2000 }]);
    assert.deepEqual(
      [...found],
      [
        ['src/server/dispatch.ts', 0.5],
        ['lmdb', 0.25],
        ['native code', 0.25],
      ],
    );
    assert.equal(summarise(profile, [{ startUs: 0, endUs: 1000 }]).size, 0);
  });

  it('counts neither idle time nor waiting for disks as work of the machine', () => {
    const { busy, all } = parseMachineTicks('cpu  10 1 20 500 300 2 3 4 9 9\ncpu0 1 1 1 1 1 1 1 1 0 0\n');
    assert.deepEqual([busy, all], [40, 840]);
    assert.ok(Number.isNaN(parseMachineTicks('').busy));
  });
});
