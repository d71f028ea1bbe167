import assert from 'node:assert/strict';
import { createHaveSet } from '../../src/core/haveSet.ts';
import { originKey } from '../../src/core/types.ts';
import type { Incarnation, PeerId } from '../../src/core/types.ts';
import { BrokenInvariant } from '../../src/simulator/brokenInvariant.ts';
import { generateSchedule } from '../../src/simulator/generate.ts';
import { createNewestList } from '../../src/simulator/newestList.ts';
import { createPlotRecorder } from '../../src/simulator/plot.ts';
import { MESSAGE_KINDS, PLOT_CAPS } from '../../src/simulator/plotData.ts';
import type { PlotData } from '../../src/simulator/plotData.ts';
import { chooseKey } from '../../src/simulator/plotKey.ts';
import { countLag, findLacking, thinLag } from '../../src/simulator/plotLag.ts';
import type { Held } from '../../src/simulator/plotLag.ts';
import { jsonForScript } from '../../src/simulator/plotPage.ts';
import { runSchedule } from '../../src/simulator/run.ts';
import type { RunOptions, RunResult } from '../../src/simulator/run.ts';
import { GOOD_LINK } from '../../src/simulator/schedule.ts';
import type { Schedule, ScheduleEvent } from '../../src/simulator/schedule.ts';
import { kindOf } from '../../src/simulator/sniffer.ts';
import type { Written } from '../../src/simulator/truth.ts';
import { loadHashing } from '../../src/wire/hash.ts';
import type { Hashing } from '../../src/wire/hash.ts';

const PEERS = ['alpha', 'beta', 'gamma'];
const HOSTILE = `</script><script>alert("x")</script><!-- '&`;

let hashing: Hashing;
before(async () => {
  hashing = await loadHashing();
});

function scheduleOf(events: readonly ScheduleEvent[], durationMs = 2_000): Schedule {
  return {
    version: 1,
    seed: 7,
    peers: PEERS,
    durationMs,
    settings: {},
    link: GOOD_LINK,
    healthyCore: [],
    events,
  };
}

function setAt(atMs: number, key: string, value = 'v', peer = 'alpha'): ScheduleEvent {
  return { atMs, do: 'set', peer, key, value, level: 'durable' };
}

interface Plotted {
  readonly html: string;
  readonly data: PlotData;
  readonly result: RunResult;
}

function plot(
  schedule: Schedule,
  more: Partial<RunOptions> & { readonly key?: string; readonly replay?: string } = {},
): Plotted {
  const { key, replay = 'toposphere simulate --seed 7', ...options } = more;
  const recorder = createPlotRecorder({ peers: schedule.peers, ...(key === undefined ? {} : { key }) });
  const result = runSchedule(schedule, {
    hashing,
    ...options,
    observers: [recorder.observer],
    workload: (world) => {
      recorder.attach(world);
    },
  });
  const html = recorder.finish(result, { title: 'seed 7', replay });
  return { html, data: dataOf(html), result };
}

function dataOf(html: string): PlotData {
  const text = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html)?.[1];
  assert.ok(text !== undefined);
  return JSON.parse(text) as PlotData;
}

function spansOf(data: PlotData, kind: string): readonly (readonly [string | undefined, number, number])[] {
  return data.spans
    .filter((span) => span[1] === kind)
    .map(([lane, , from, to]) => [data.lanes[lane]?.name, from, to]);
}

describe('a plot of a simulated run', () => {
  it('is recorded without changing the run, whatever its faults', () => {
    for (const seed of [2, 4]) {
      const schedule = generateSchedule({ seed, servers: 4, minutes: 0.2 });
      const plain = runSchedule(schedule, { hashing });
      const { result } = plot(schedule);
      assert.deepEqual(result, plain, `seed ${seed}`);
    }
  });

  it('is one file that asks for nothing from elsewhere', () => {
    const { html } = plot(scheduleOf([setAt(100, 'k')]));
    assert.match(html, /default-src 'none'/);
    assert.doesNotMatch(html, /<(?:link|img|iframe)\b|\bsrc=|@import|\bfetch\(|XMLHttpRequest/);
  });

  it('has a script that parses', () => {
    const { html } = plot(scheduleOf([]));
    const script = /<script>\n(.*)<\/script>/s.exec(html)?.[1];
    assert.ok(script !== undefined);
    // eslint-disable-next-line @typescript-eslint/no-implied-eval
    assert.doesNotThrow(() => new Function(script));
  });

  it('shows seed, servers, verdict, trace hash and the replay command', () => {
    const { html, result } = plot(scheduleOf([setAt(100, 'k')]), { replay: 'replay --seed 7' });
    for (const part of ['seed 7', '<dd>3</dd>', 'passed', result.traceHash, 'replay --seed 7'])
      assert.ok(html.includes(part), part);
  });

  it('draws the arrows of a key, a lost UPDATE and its repair among them, and no others', () => {
    const { data } = plot(
      scheduleOf([
        setAt(500, 'other'),
        { atMs: 600, do: 'link', from: ['alpha'], to: ['gamma'], quality: { updateLoss: 1 } },
        setAt(700, 'k'),
      ]),
      { key: 'k' },
    );
    const arrows = data.messages.map(([sentMs, takesMs, from, to, kind, fate, text]) => ({
      sentMs,
      takesMs,
      route: `${data.lanes[from]?.name ?? ''}>${data.lanes[to]?.name ?? ''}`,
      kind: MESSAGE_KINDS[kind],
      isLost: fate === 1,
      text: data.texts[text] ?? '',
    }));
    const updates = arrows.filter(({ kind }) => kind === 'UPDATE');
    assert.deepEqual(
      updates.map(({ route, isLost }) => ({ route, isLost })),
      [
        { route: 'alpha>beta', isLost: false },
        { route: 'alpha>gamma', isLost: true },
      ],
    );
    assert.ok(updates.every(({ sentMs, takesMs }) => sentMs >= 700 && takesMs > 0));
    assert.ok(arrows.some(({ kind, route }) => kind !== 'UPDATE' && route.includes('gamma')));
    assert.ok(arrows.some(({ kind }) => kind === 'NAK'));
    assert.ok(!arrows.some(({ text }) => text.includes('other')));
  });

  it('shows writes with what came of them', () => {
    const { data } = plot(
      scheduleOf([
        setAt(500, 'k', 'taken'),
        { atMs: 600, do: 'pause', peer: 'beta' },
        setAt(700, 'k', 'unheard', 'beta'),
        { atMs: 800, do: 'delete', peer: 'gamma', key: 'j', level: 'fast' },
      ]),
      { key: 'k' },
    );
    const rows = data.writes.map(([, lane, level, outcome, isOfKey, text]) => [
      data.lanes[lane]?.name,
      level,
      outcome,
      isOfKey,
      text,
    ]);
    assert.deepEqual(rows, [
      ['alpha', 2, 0, 1, 'k=taken'],
      ['beta', -1, 2, 1, 'set k=unheard: not reachable'],
      ['gamma', 0, 0, 0, 'j deleted'],
    ]);
  });

  it('shows who was down, paused, cut off or out of order, and when', () => {
    const { data } = plot(
      scheduleOf(
        [
          { atMs: 500, do: 'crash', peer: 'alpha', power: true },
          { atMs: 600, do: 'cut', from: ['beta'], to: ['gamma'], oneWay: true },
          { atMs: 700, do: 'pause', peer: 'beta' },
          { atMs: 800, do: 'clock', peer: 'gamma', offsetMs: 250 },
          { atMs: 850, do: 'disk', peer: 'gamma', state: 'slow' },
          { atMs: 900, do: 'resume', peer: 'beta' },
          { atMs: 1_000, do: 'heal' },
          { atMs: 1_500, do: 'start', peer: 'alpha' },
        ],
        1_800,
      ),
    );
    assert.deepEqual(spansOf(data, 'down'), [['alpha', 500, 1_500]]);
    assert.deepEqual(spansOf(data, 'paused'), [['beta', 700, 900]]);
    assert.deepEqual(spansOf(data, 'clock'), [['gamma', 800, 1_800]]);
    assert.deepEqual(spansOf(data, 'disk'), [['gamma', 850, 1_800]]);
    assert.deepEqual(data.cuts, [[600, 1_000, [[1, 2]]]]);
    assert.deepEqual(
      data.moments.map(([, kind]) => kind),
      ['healed', 'equal'],
    );
  });

  it('ends the span of a process whose disk failed where it failed', () => {
    const { data } = plot(
      scheduleOf([
        { atMs: 500, do: 'disk', peer: 'alpha', state: 'full' },
        setAt(600, 'k'),
        { atMs: 900, do: 'disk', peer: 'alpha', state: 'ok' },
        { atMs: 1_000, do: 'start', peer: 'alpha' },
      ]),
    );
    const [span, ...rest] = spansOf(data, 'down');
    assert.deepEqual(rest, []);
    assert.ok(span !== undefined && span[1] >= 600 && span[1] < 620 && span[2] === 1_000, String(span));
  });

  it('gives a twin a lane of its own, empty while there is none', () => {
    const { data } = plot(
      scheduleOf([
        { atMs: 500, do: 'twin', peer: 'alpha' },
        { atMs: 900, do: 'endTwin', peer: 'alpha' },
      ]),
    );
    assert.deepEqual(
      data.lanes.map(({ name }) => name),
      ['alpha', "alpha'", 'beta', 'gamma'],
    );
    assert.deepEqual(spansOf(data, 'absent'), [
      ["alpha'", 0, 500],
      ["alpha'", 900, data.endMs],
    ]);
  });

  it('shows the lag of a peer that is cut off, and that it ends', () => {
    const writes = Array.from({ length: 10 }, (_, at) => setAt(600 + at * 10, `k${at}`));
    const { data } = plot(
      scheduleOf([
        { atMs: 500, do: 'cut', from: ['gamma'], to: ['alpha', 'beta'], oneWay: false },
        ...writes,
        { atMs: 1_200, do: 'heal' },
      ]),
    );
    const highest = data.lag.map((points) => Math.max(...points.filter((_, at) => at % 2 === 1)));
    assert.deepEqual(highest, [0, 0, 10]);
    assert.equal(data.lag[2]?.at(-1), 0);
  });

  it('counts the lag of a peer that is down from what its disk holds', () => {
    const writes = [500, 520, 540, 1_000, 1_020].map((atMs) => setAt(atMs, `k${atMs}`));
    const { data } = plot(
      scheduleOf([
        ...writes.slice(0, 3),
        { atMs: 900, do: 'crash', peer: 'gamma', power: true },
        ...writes.slice(3),
        { atMs: 1_500, do: 'start', peer: 'gamma' },
      ]),
    );
    const gamma = data.lag[2] ?? [];
    assert.equal(Math.max(...gamma.filter((_, at) => at % 2 === 1)), 2);
    assert.equal(gamma.at(-1), 0);
  });

  it('shows the failure of a failing run, and follows its key', () => {
    const { html, data, result } = plot(
      scheduleOf([setAt(500, 'often'), setAt(600, 'often'), setAt(700, 'seldom')]),
      {
        checkers: [
          {
            afterStep: (world) => {
              if (world.nowMs > 1_000) throw new BrokenInvariant('I2', 'beta holds seldom of <nobody>');
            },
          },
        ],
      },
    );
    assert.ok(result.failure !== undefined);
    assert.equal(data.key, 'seldom');
    const [atMs, kind, text] = data.moments.at(-1) ?? [];
    assert.equal(kind, 'failed');
    assert.ok(Math.abs((atMs ?? 0) - result.failure.atMs) < 0.001);
    assert.equal(text, 'I2: beta holds seldom of <nobody>');
    assert.ok(html.includes('failed: I2'));
    assert.ok(html.includes('I2: beta holds seldom of &lt;nobody&gt;'));
    assert.deepEqual(data.log.at(-1)?.[2], 'FAILED I2: beta holds seldom of <nobody>');
  });

  it('lets no key, value or command become markup', () => {
    const { html, data } = plot(scheduleOf([setAt(500, HOSTILE, HOSTILE)]), { replay: HOSTILE });
    assert.equal(data.key, HOSTILE);
    assert.equal(data.writes[0]?.[5], `${HOSTILE}=${HOSTILE}`);
    assert.ok(!html.includes('alert("x")'));
    assert.equal(html.split('</script>').length, 3); // the data and the code
    assert.doesNotMatch(/id="data">(.*?)<\/script>/s.exec(html)?.[1] ?? '<', /</);
  });

  it('keeps to its caps, the newest, and says what it left out', () => {
    const packets: Uint8Array[] = [];
    const writes: Written[] = [];
    const result = runSchedule(scheduleOf([setAt(500, 'k')]), {
      hashing,
      observers: [
        { onPacket: (_atMs, _fate, _from, _to, bytes) => kindOf(bytes) === 'update' && packets.push(bytes) },
        { onWritten: (_atMs, _where, written) => writes.push(written) },
      ],
    });
    const [packet] = packets;
    const [written] = writes;
    assert.ok(packet !== undefined && written !== undefined);
    const recorder = createPlotRecorder({ peers: PEERS });
    const { onPacket, onWritten, onEvent } = recorder.observer;
    for (let at = 0; at < 3 * PLOT_CAPS.messages; at += 1) {
      onPacket?.(at, 'sent', 'alpha', 'beta', packet, 'multicast');
      onWritten?.(at, 'alpha', written);
      onEvent?.(at, 'alpha', 'beta is alive');
    }
    const data = dataOf(recorder.finish(result, { title: 'much', replay: 'none' }));
    const last = 3 * PLOT_CAPS.messages - 1;
    for (const name of ['messages', 'writes', 'marks'] as const) {
      assert.equal(data[name].length, PLOT_CAPS[name], name);
      assert.equal(data.leftOut[name], last + 1 - PLOT_CAPS[name], name);
      assert.equal(data[name].at(-1)?.[0], last, name);
    }
    assert.equal(data.log.length, PLOT_CAPS.log);
  });

  it('shortens long values', () => {
    const { html, data } = plot(scheduleOf([setAt(500, 'k'.repeat(500), 'v'.repeat(50))]));
    assert.ok(html.length < 150_000);
    for (const [, , , , , text] of data.writes) assert.ok(text.length <= 160);
  });
});

describe('what stands in a script element', () => {
  it('holds no character that could end it, and reads back as it was', () => {
    const data = { text: HOSTILE, lines: '\u2028\u2029', number: 1.5 };
    const json = jsonForScript(data);
    assert.doesNotMatch(json, /[<>&\u2028\u2029]/);
    assert.deepEqual(JSON.parse(json), data);
  });
});

describe('the key that a plot follows', () => {
  const evidence = {
    detail: undefined,
    lackingKey: undefined,
    counts: new Map([
      ['user', 5],
      ['user 1', 2],
      ['beta', 9],
    ]),
    keyOfDot: new Map([['alpha/77/3', 'user 1']]),
    peers: PEERS,
  };

  it('is the most written one of a run that passed', () => {
    assert.equal(chooseKey(evidence), 'beta');
  });

  it('is the one a failure names, the longest, and no peer', () => {
    assert.equal(chooseKey({ ...evidence, detail: 'I5: beta put an older entry of user over it' }), 'user');
    assert.equal(chooseKey({ ...evidence, detail: 'R1: user 1 (alpha/9/9) is nowhere' }), 'user 1');
  });

  it('is that of a dot a failure names', () => {
    assert.equal(chooseKey({ ...evidence, detail: 'liveness: alpha/77/3 did not reach user' }), 'user 1');
  });

  it('is that of an update that not all have when a failure names none', () => {
    assert.equal(chooseKey({ ...evidence, detail: 'convergence: 60 s', lackingKey: 'user' }), 'user');
    assert.equal(chooseKey({ ...evidence, detail: 'superuser, users' }), 'beta');
  });

  it('is empty when nothing was written', () => {
    assert.equal(chooseKey({ ...evidence, counts: new Map() }), '');
  });
});

describe('lag', () => {
  const held = (id: string, contiguous: number, ...gaps: number[]): Held => ({
    key: originKey(id as PeerId, 1 as Incarnation),
    have: createHaveSet(contiguous, gaps),
  });

  it('is what exists anywhere less what is here', () => {
    assert.deepEqual(countLag([[held('a', 5)], [held('a', 5)]]), [0, 0]);
    assert.deepEqual(countLag([[held('a', 5)], [held('a', 2)], []]), [0, 3, 5]);
    assert.deepEqual(countLag([[held('a', 5)], [held('b', 2)]]), [2, 5]);
  });

  it('counts an update above a gap once, wherever it is', () => {
    // 1..3, 5..8 and 10 exist.
    assert.deepEqual(countLag([[held('a', 2, 5, 6)], [held('a', 3, 6, 8, 10, 10)]]), [4, 1]);
  });

  it('names an update that somebody lacks', () => {
    assert.equal(findLacking([[held('a', 5)], [held('a', 5)]]), undefined);
    assert.deepEqual(findLacking([[held('a', 2)], [held('a', 2, 4, 4)]]), { origin: 'a/1', sequence: 4 });
    assert.deepEqual(findLacking([[], [held('b', 1)]]), { origin: 'b/1', sequence: 1 });
  });

  it('keeps its peaks and its end when thinned', () => {
    const points = Array.from({ length: 10_000 }, (_, at) => ({
      atMs: at,
      lagUpdates: at === 5_432 ? 99 : at % 7,
    }));
    const thinned = thinLag(points, 100);
    assert.ok(thinned.length <= 102);
    assert.ok(thinned.some(({ lagUpdates }) => lagUpdates === 99));
    assert.equal(thinned.at(-1), points.at(-1));
    assert.equal(thinLag(points, 10_000), points);
  });
});

describe('a list of the newest', () => {
  it('keeps so many, oldest first, and counts the rest', () => {
    const list = createNewestList<number>(3);
    assert.deepEqual(list.take(), { items: [], leftOut: 0 });
    for (let at = 1; at <= 8; at += 1) list.add(at);
    assert.deepEqual(list.take(), { items: [6, 7, 8], leftOut: 5 });
  });
});
