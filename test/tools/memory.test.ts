/**
 * What the memory tool concludes from what it saw of the peers, and how it draws it.
 *
 * Owns no measurement: that is `npm run memory`. Invariant under test: what was not seen is never taken for flat, fallen or explained.
 */
import assert from 'node:assert/strict';
import { TUNABLES } from '../../src/peer/tunables.ts';
import type { Figures } from '../../tools/memory/messages.ts';
import { describeSettings, FULL, makePlan, PHASES, SHORT } from '../../tools/memory/plan.ts';
import type { PhaseName } from '../../tools/memory/plan.ts';
import { drawPage, drawSvg } from '../../tools/memory/plot.ts';
import { formatBars, formatSamples, formatVerdict } from '../../tools/memory/report.ts';
import { columnsOf, extremesOf, lastOf, samplesOf } from '../../tools/memory/samples.ts';
import type { Sample, Span } from '../../tools/memory/samples.ts';
import { judgeExplained, judgeFallen, judgeFlat, judgeTrimmed } from '../../tools/memory/verdicts.ts';

const PLAN = { ...makePlan(1_000, 1_000, 1), maxTableRows: 10_000 };

function figures(rows: number, tombstones: number): Figures {
  const none = { count: 0, bytes: 0 };
  return {
    tableRows: { count: rows, bytes: rows * 48 },
    tombstones: { count: tombstones, bytes: tombstones * 52 },
    voidRanges: none,
    vectorEntries: none,
    longestTableRows: rows,
    tableLimitRows: 10_000,
    residentBytes: 1,
    fileBytes: 1,
  };
}

/** One peer, `rows` and `tombstones` at the end of what was seen, and the spans when they differ. */
function sample(
  phase: PhaseName,
  updates: number,
  rows: number,
  tombstones: number,
  span: Partial<Record<'tableRows' | 'tombstones', Span>> = {},
): Sample {
  const peer = {
    figures: figures(rows, tombstones),
    tableRows: span.tableRows ?? { low: rows, high: rows },
    tombstones: span.tombstones ?? { low: tombstones, high: tombstones },
    longestTableRows: { low: rows, high: rows },
    roundsLearned: 1,
  };
  return { phase, updates, elapsedMs: updates, peers: new Map([['alpha', peer]]) };
}

/** All up at 100 rows and 10 tombstones, then away, then back. */
const COURSE: readonly Sample[] = [
  sample('all up', 0, 0, 0),
  sample('all up', 100, 90, 10),
  sample('all up', 200, 100, 9),
  sample('gamma down', 300, 500, 50),
  sample('gamma down', 400, 600, 60),
  sample('gamma back', 500, 600, 60),
  sample('gamma back', 600, 80, 8),
];

describe('plans of the memory tool', () => {
  it('leave every setting at its default for the run that issue 4 asks for', () => {
    const plan = makePlan(FULL.updates, FULL.keys, 1);
    assert.deepEqual(describeSettings(plan), []);
    assert.equal(plan.updates['all up'], 10_000_000);
    // Each of the two that are left fills its table, and has it cut more than once.
    assert.ok(plan.updates['gamma down'] / 2 > 2 * TUNABLES.maxTableRows.default);
  });

  it('name what a smaller run changes, and are bounded', () => {
    const plan = makePlan(SHORT.updates, SHORT.keys, 1);
    assert.match(describeSettings(plan).join(), /^gcUpdateCount 4000 \(default 20000\),maxTableRows 12000 /);
    assert.ok(Number.isFinite(plan.limitMs));
    assert.ok(plan.updates['gamma down'] / 2 > 2 * plan.maxTableRows);
    assert.equal(makePlan(1, 100, 1).maxTableRows, TUNABLES.maxTableRows.minimum);
  });
});

describe('samples of the memory tool', () => {
  it('are parted by updates, the middle with the first half', () => {
    const updatesOf = (half: 'first' | 'second'): number[] =>
      samplesOf(COURSE, 'all up', half).map(({ updates }) => updates);
    assert.deepEqual(updatesOf('first'), [0, 100]);
    assert.deepEqual(updatesOf('second'), [200]);
  });

  it('take extremes from all that was seen between two of them', () => {
    const seen = [sample('all up', 1, 5, 0, { tableRows: { low: 2, high: 900 } })];
    assert.deepEqual(extremesOf(seen, 'tableRows'), { low: 2, high: 900 });
    assert.equal(lastOf(seen, 'all up', 'tableRows'), 5);
  });

  it('have no extreme, and no last, where nothing was seen', () => {
    assert.ok(Number.isNaN(extremesOf([], 'tombstones').high));
    assert.ok(Number.isNaN(lastOf(COURSE, 'gamma forgotten', 'tombstones')));
  });

  it('fall into columns over all updates, the last one into the last', () => {
    const highs = columnsOf(COURSE, 'tableRows', 6).map(({ high }) => high);
    assert.deepEqual(highs, [0, 90, 100, 500, 600, 600]);
  });
});

describe('verdicts of the memory tool', () => {
  it('flat: up to one and a half times the first half', () => {
    assert.equal(judgeFlat(COURSE, 'all up', 'tableRows').isMet, true);
    const grown = [sample('all up', 0, 100, 1), sample('all up', 10, 151, 1)];
    assert.equal(judgeFlat(grown, 'all up', 'tableRows').isMet, false);
    assert.equal(judgeFlat(grown, 'all up', 'tombstones').isMet, true);
    assert.match(judgeFlat(grown, 'all up', 'tableRows').sides, /151 \/ of the first 100 = 1\.51/);
  });

  it('trimmed: within the limit, and not for want of rows', () => {
    assert.equal(judgeTrimmed(COURSE, 'gamma down', PLAN, 2).isMet, true);
    assert.equal(judgeTrimmed(COURSE, 'gamma down', PLAN, 0).isMet, false);
    const long = [sample('gamma down', 0, 10, 1), sample('gamma down', 1, 99_000, 1)];
    assert.equal(judgeTrimmed(long, 'gamma down', PLAN, 2).isMet, false);
  });

  it('explained: by every peer that runs, in the words of status, and no more than one a key', () => {
    const line = 'alpha: round alpha/9 waits for gamma since 16:08; 60 tombstones, 3.1 kB';
    const said = { peer: 'alpha', waitingFor: ['gamma'], line };
    const judge = (
      explanations: readonly (typeof said | { peer: string; waitingFor: string[]; line: undefined })[],
    ) => judgeExplained(COURSE, 'gamma down', PLAN, 'gamma', explanations);
    assert.equal(judge([said]).isMet, true);
    assert.equal(judge([said, { peer: 'beta', waitingFor: ['gamma'], line: undefined }]).isMet, false);
    assert.match(judge([{ ...said, waitingFor: ['beta', 'gamma'] }]).sides, /not by alpha/);
    assert.equal(judge([]).isMet, false);
    const many = [...COURSE, sample('gamma down', 450, 1, 1_001)];
    assert.equal(judgeExplained(many, 'gamma down', PLAN, 'gamma', [said]).isMet, false);
  });

  it('fallen: below what it was, and back to what is normal', () => {
    assert.equal(judgeFallen(COURSE, 'gamma back', 'gamma down', 'tableRows').isMet, true);
    const stuck = [...COURSE.slice(0, -1), sample('gamma back', 600, 590, 8)];
    assert.equal(judgeFallen(stuck, 'gamma back', 'gamma down', 'tableRows').isMet, false);
    const above = [...COURSE.slice(0, -1), sample('gamma back', 600, 160, 8)];
    assert.equal(judgeFallen(above, 'gamma back', 'gamma down', 'tableRows').isMet, false);
  });

  it('are missed where nothing was seen', () => {
    for (const verdict of [
      judgeFlat([], 'all up', 'tableRows'),
      judgeTrimmed([], 'gamma down', PLAN, 1),
      judgeFallen(COURSE, 'gamma forgotten', 'gamma down again', 'tombstones'),
    ])
      assert.match(formatVerdict(verdict), /^MISSED/);
  });
});

describe('pictures of the memory tool', () => {
  it('bars rise with the highest, and say which phase is which', () => {
    const [rows, , phases] = formatBars(COURSE);
    assert.match(rows ?? '', /▁.*█.*highest 600$/);
    assert.match(phases ?? '', /1+2+3+ {2}1 all up, 2 gamma down/);
  });

  it('the table has a line a peer for the first and the last sample of a phase', () => {
    const lines = formatSamples(COURSE).split('\n').slice(2);
    assert.equal(lines.length, COURSE.length);
    assert.match(lines[0] ?? '', /^all up +0 /);
  });

  it('the plot is one SVG that fetches nothing, with every phase that was seen, and text that is text', () => {
    const facts = { title: 'a <title> & more', notes: ['note'], verdicts: [] };
    const svg = drawSvg(COURSE, facts);
    assert.ok(svg.startsWith('<svg ') && svg.includes('a &lt;title&gt; &amp; more'));
    assert.doesNotMatch(svg, /NaN|href|url\(|<script/);
    assert.ok(PHASES.slice(0, 3).every((phase) => svg.includes(phase)));
    assert.equal(svg.match(/<polyline/g)?.length, 2);
    assert.match(drawPage(COURSE, facts), /^<!doctype html>[\s\S]*<svg /);
  });
});
