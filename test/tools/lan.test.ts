/**
 * What the laboratory makes of a script, and when it calls hosts equal. The laboratory itself is `npm run lan`: it takes root.
 *
 * Invariant under test: what cannot be carried out is refused before anything begins, every fault with its line.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { PeerRefusal } from '../../src/cli/failure.ts';
import { generateChaos } from '../../tools/lan/chaos.ts';
import { listLacking, uniteVectors } from '../../tools/lan/equality.ts';
import { Ledger } from '../../tools/lan/ledger.ts';
import { explain, type HostState } from '../../tools/lan/load.ts';
import { drawPage } from '../../tools/lan/plot.ts';
import { readScript } from '../../tools/lan/script.ts';
import { isConfigured } from '../../tools/lan/capture.ts';

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

describe('the ledger', () => {
  it('expects the last acknowledged write of a key, or one after it whose answer was lost', () => {
    const ledger = new Ledger();
    ledger.begin('k', 'one')('acknowledged');
    assert.equal(ledger.findFault('k', 'one'), undefined);
    ledger.begin('k', 'two')('unknown');
    ledger.begin('k', 'three')('refused');
    assert.equal(ledger.findFault('k', 'one'), undefined);
    assert.equal(ledger.findFault('k', 'two'), undefined);
    assert.match(ledger.findFault('k', 'three') ?? '', /k is three; acknowledged last: one/);
    ledger.begin('k', 'four')('acknowledged');
    assert.match(ledger.findFault('k', 'two') ?? '', /acknowledged last: four/);
    assert.match(ledger.findFault('k', null) ?? '', /k is absent/);
    assert.equal(ledger.acknowledged, 2);
  });

  it('knows deletions, and keys that nobody wrote', () => {
    const ledger = new Ledger();
    ledger.begin('k', 'one')('acknowledged');
    ledger.begin('k', undefined)('acknowledged');
    assert.equal(ledger.findFault('k', null), undefined);
    assert.match(ledger.findFault('k', 'one') ?? '', /deleted/);
    assert.match(ledger.findFault('stranger', 'x') ?? '', /never written/);
  });
});

describe('an error of a client', () => {
  const now = performance.now();
  const calm: HostState = {
    isServing: true,
    servingSinceMs: now - 60_000,
    isPaused: false,
    resumedMs: now - 60_000,
    isDiskFull: false,
    roomSinceMs: now - 60_000,
  };
  const refused = new PeerRefusal('10.77.0.6:6401 answered: DISKFULL write refused');
  const broken = new Error('the connection to 10.77.0.2:6401 broke (ECONNRESET)');
  const unanswered = new Error('10.77.0.2:6401 did not answer within 5000 ms');
  const second = now - 1_000;

  it('is explained by the fault that was under way, and is of its kind', () => {
    assert.equal(explain({ ...calm, isDiskFull: true }, refused, second), 'its disk is full');
    assert.equal(
      explain({ ...calm, roomSinceMs: performance.now() - 500 }, refused, second),
      'its disk is full',
    );
    assert.equal(explain({ ...calm, isServing: false }, broken, second), 'it was killed');
    assert.equal(explain({ ...calm, servingSinceMs: now - 500 }, broken, second), 'it was killed');
    assert.equal(explain({ ...calm, isPaused: true }, unanswered, second), 'it was paused');
    assert.equal(explain({ ...calm, resumedMs: now - 500 }, unanswered, second), 'it was paused');
  });

  it('is not explained by one that was over before, by one of another kind, or by none', () => {
    const another = new PeerRefusal('10.77.0.6:6401 answered: ERR something else');
    for (const error of [refused, broken, unanswered, another])
      assert.equal(explain(calm, error, second), undefined);
    assert.equal(explain({ ...calm, roomSinceMs: now - 3_000 }, refused, second), undefined);
    assert.equal(explain({ ...calm, servingSinceMs: now - 2_000 }, broken, second), undefined);
    assert.equal(explain({ ...calm, resumedMs: now - 2_000 }, unanswered, second), undefined);
    assert.equal(explain({ ...calm, isServing: false }, refused, second), undefined);
    assert.equal(explain({ ...calm, isServing: false }, another, second), undefined);
    assert.equal(explain({ ...calm, isPaused: true }, broken, second), undefined);
    assert.equal(explain({ ...calm, isDiskFull: true }, another, second), undefined);
  });
});

describe('scripts by chance', () => {
  const ids = ['alpha', 'beta', 'gamma', 'delta'];
  const generate = (seed: number) => generateChaos({ ids, seed, durationMs: 120_000 });

  it('are the same for the same seed, and what a laboratory can do', () => {
    assert.deepEqual(generate(7), generate(7));
    assert.notDeepEqual(generate(7), generate(8));
    for (let seed = 1; seed <= 50; seed += 1) {
      const { course, finale } = generate(seed);
      const { lines, smallDisks } = readScript(`peers ${ids.join(' ')}\n${course}\n${finale}`);
      const kinds = new Set(lines.map(({ does }) => does.kind));
      for (const kind of ['cut', 'links', 'rate', 'crash', 'start', 'pause', 'resume', 'disk', 'heal'])
        assert.ok(kinds.has(kind as 'cut'), `seed ${seed} has no ${kind}`);
      assert.deepEqual(smallDisks, ['delta']);
    }
  });

  it('take back what they do, a start before all else', () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const { course, finale } = generate(seed);
      for (const round of `${course}\n${finale}`.split(/^expect equal.*$/m)) {
        const count = (pattern: RegExp): number => round.match(pattern)?.length ?? 0;
        assert.equal(count(/^crash/gm), count(/^start/gm), round);
        assert.equal(count(/^pause/gm), count(/^resume/gm), round);
        assert.equal(count(/^disk \S+ full/gm), count(/^disk \S+ ok/gm), round);
        assert.equal(count(/^cut/gm) > 0, count(/^heal/gm) > 0, round);
        assert.equal(count(/^rate .*bit/gm), count(/^rate .*off/gm), round);
      }
    }
  });

  it('without a restart end no process and leave multicast alone', () => {
    const { course } = generateChaos({ ids, seed: 3, durationMs: 300_000, keepsProcesses: true });
    assert.doesNotMatch(course, /crash|pause|disk|multicast/);
    assert.match(course, /cut/);
  });
});

describe('the plot of healings', () => {
  it('has a dot for each, also for one that never came to an end', () => {
    const healings = [
      { after: 'cut', tookMs: 500, atMs: 1 },
      { after: 'cut + loss', tookMs: Infinity, atMs: 2 },
    ];
    const page = drawPage([{ title: 'a <title>', healings }], [], ['a note']);
    assert.equal(page.match(/<circle class="dot"/g)?.length, 1);
    assert.equal(page.match(/<circle class="never"/g)?.length, 2);
    assert.match(page, /a &lt;title>|a &lt;title&gt;/);
    assert.doesNotMatch(page, /NaN/);
  });
});

describe('frames in a capture', () => {
  const addresses = ['10.77.0.1', '10.77.0.2'];

  for (const frame of [
    '0x0800|17|10.77.0.1|10.77.0.2|7401|7401||',
    '0x0800|17|10.77.0.1|239.195.74.1|7401|7400||',
    '0x0800|6|10.77.0.1|10.77.0.2|||40000|7401',
    '0x0800|6|10.77.0.2|10.77.0.1|||7401|40000',
    '0x0800|2|10.77.0.1|224.0.0.22||||',
    '0x0806|||||||',
  ])
    it(`are of those in servers.txt: ${frame}`, () => {
      assert.ok(isConfigured(frame, addresses));
    });

  for (const frame of [
    '0x0800|17|10.77.0.3|10.77.0.2|7401|7401||',
    '0x0800|17|10.77.0.1|10.77.0.3|7401|7401||',
    '0x0800|17|10.77.0.1|239.195.74.1|7401|5353||',
    '0x0800|17|10.77.0.1|224.0.0.251|5353|5353||',
    '0x0800|17|10.77.0.1|10.77.0.2|40000|7401||',
    '0x0800|6|10.77.0.1|10.77.0.9|||40000|7401',
    '0x0800|6|10.77.0.1|10.77.0.2|||40000|6401',
    '0x86dd|||||||',
  ])
    it(`are of nobody that is configured: ${frame}`, () => {
      assert.ok(!isConfigured(frame, addresses));
    });
});
