/**
 * Part: the sticky client's near cache at one peer, while another writes: what it saves, how old what it serves is, and what a cut or a pause of its peer does.
 *
 * Owns the mix (Zipf over the keys, readers at one peer, a paced writer at another), the probe of single writes, and the cuts. All clocks are this process's. Invariant: a value
 * older than one whose write was acknowledged before the read began counts as stale, from that acknowledgement on; nothing is left out.
 */
import { StickyClient } from '../../src/client/index.ts';
import type { NearCacheCounts, StickyClientOptions } from '../../src/client/index.ts';
import { chooseZipf } from '../../src/cli/bench/keyChooser.ts';
import { openStream } from '../../src/simulator/random.ts';
import type { Bench } from './budget.ts';
import { openLine } from './pausableLine.ts';
import { startPeers, timeToConverge, waitUntil } from './peers.ts';
import type { ServedPeer } from './peers.ts';
import type { Gate, PartResult, Section } from './report.ts';
import { formatCount, formatDecimal, formatRatio, percentile } from './statistics.ts';
import { HOST } from './workspace.ts';

const EXPONENT = 0.99;
/** One key in so many fits into the cache. */
const KEYS_AN_ENTRY = 10;
const READERS = 16;
/** Reads of one reader before the event loop has a turn: a hit takes none. */
const READS_A_TURN = 16;
const WRITES_PER_SECOND = 100;
const VALUE_BYTES = 100;
const LEASE_MS = 400;
const HEARTBEAT_MS = 100;
const CONVERGE_TIMEOUT_MS = 10_000;
const CUT_TIMEOUT_MS = 20_000;
const SEED = 7;
/** A timer, and a turn of the event loop, come later than they were asked for. */
const LEASE_SLACK = 1.1;

interface Mix {
  readonly title: string;
  readonly perSecond: number;
  readonly latenciesMs: readonly number[];
  readonly counts: NearCacheCounts | undefined;
  /** How long the value that was served had been replaced, one a stale read, milliseconds. */
  readonly staleMs: readonly number[];
  readonly writes: number;
}

interface Places {
  readonly near: ServedPeer;
  readonly far: ServedPeer;
}

const nextTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

function connect(port: number, options: StickyClientOptions = {}): Promise<StickyClient> {
  return StickyClient.connect({ peers: [`${HOST}:${port}`], ...options });
}

function valueOf(version: number): string {
  return `${version} `.padEnd(VALUE_BYTES, 'v');
}

/** What was written to each key, and when its write was acknowledged. */
class History {
  readonly #acknowledgedAtMs: number[][];

  constructor(keys: number) {
    this.#acknowledgedAtMs = Array.from({ length: keys }, () => [0]);
  }

  async write(client: StickyClient, key: number): Promise<void> {
    const ofKey = this.#acknowledgedAtMs[key] ?? [];
    const version = ofKey.push(Infinity) - 1;
    await client.set(`key:${key}`, valueOf(version));
    ofKey[version] = performance.now();
  }

  /** How long the value had been replaced when it was asked for; 0 or less when it had not. */
  staleMs(key: number, value: string | undefined, askedAtMs: number): number {
    if (value === undefined) throw new Error(`key:${key} is missing at the peer that is read from`);
    return askedAtMs - (this.#acknowledgedAtMs[key]?.[Number.parseInt(value, 10) + 1] ?? Infinity);
  }
}

/** Writes at the pace until `isOver`, one key after the other as chance has it; resolves with how many when all are acknowledged. */
async function writePaced(
  client: StickyClient,
  history: History,
  choose: () => number,
  isOver: () => boolean,
): Promise<number> {
  const startedMs = performance.now();
  const writes: Promise<void>[] = [];
  while (!isOver()) {
    const due = ((performance.now() - startedMs) * WRITES_PER_SECOND) / 1000;
    while (writes.length < due) writes.push(history.write(client, choose()));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await Promise.all(writes);
  return writes.length;
}

async function runMix(
  { near, far }: Places,
  keys: number,
  mixMs: number,
  nearCache: StickyClientOptions['nearCache'],
): Promise<Mix> {
  const writer = await connect(far.clientPort);
  const history = new History(keys);
  await Promise.all(Array.from({ length: keys }, (_, key) => writer.set(`key:${key}`, valueOf(0))));
  if ((await timeToConverge([near, far], CONVERGE_TIMEOUT_MS)) === undefined)
    throw new Error(`two peers were not equal after ${CONVERGE_TIMEOUT_MS} ms`);
  const client = await connect(near.clientPort, { ...(nearCache === undefined ? {} : { nearCache }) });
  const chooserOf = (concern: string) => chooseZipf(openStream(SEED, concern), keys, EXPONENT);
  const endsMs = performance.now() + mixMs;
  const isOver = (): boolean => performance.now() >= endsMs;
  const latenciesMs: number[] = [];
  const staleMs: number[] = [];
  const read = async (reader: number): Promise<void> => {
    const choose = chooserOf(`reader ${reader}`);
    for (let reads = 1; !isOver(); reads += 1) {
      const key = choose();
      const askedAtMs = performance.now();
      const value = await client.getText(`key:${key}`);
      latenciesMs.push(performance.now() - askedAtMs);
      const ageMs = history.staleMs(key, value, askedAtMs);
      if (ageMs > 0) staleMs.push(ageMs);
      if (reads % READS_A_TURN === 0) await nextTurn();
    }
  };
  const readers = Array.from({ length: READERS }, (_, reader) => read(reader));
  const [writes] = await Promise.all([writePaced(writer, history, chooserOf('writer'), isOver), ...readers]);
  const counts = client.stats().nearCache;
  await Promise.all([client.close(), writer.close()]);
  const title = nearCache === undefined ? 'each read asks the peer' : 'near cache';
  return { title, perSecond: (latenciesMs.length * 1000) / mixMs, latenciesMs, counts, staleMs, writes };
}

/** From the acknowledgement of a write at the other peer until a reader that asks all the time has it, milliseconds; below 0: it had it before. */
async function probeWrites(
  { near, far }: Places,
  count: number,
  nearCache: boolean,
): Promise<readonly number[]> {
  const [reader, writer] = [await connect(near.clientPort, { nearCache }), await connect(far.clientPort)];
  const seenAfterMs: number[] = [];
  for (let probe = 0; probe < count; probe += 1) {
    let acknowledgedAtMs = Infinity;
    const writing = writer.set('probe', `${probe}`).then(() => {
      acknowledgedAtMs = performance.now();
    });
    while ((await reader.getText('probe')) !== `${probe}`) await nextTurn();
    const seenAtMs = performance.now();
    await writing;
    seenAfterMs.push(seenAtMs - acknowledgedAtMs);
  }
  await Promise.all([reader.close(), writer.close()]);
  return seenAfterMs;
}

interface Cut {
  readonly title: string;
  /** Port of the near peer, or of the line to it. */
  readonly port: number;
  readonly begin: () => void;
  readonly end: () => void;
}

/** How long after a write at the other peer, made as soon as the near one is cut off, the old value was still served, milliseconds. */
async function cutOnce({ port, begin, end }: Cut, far: ServedPeer, turn: number): Promise<number> {
  const writer = await connect(far.clientPort);
  await writer.set('cut', `old ${turn}`);
  const client = await connect(port, {
    nearCache: { leaseMs: LEASE_MS },
    heartbeatMs: HEARTBEAT_MS,
    operationTimeoutMs: CUT_TIMEOUT_MS,
    deadlineMs: CUT_TIMEOUT_MS,
  });
  const isOld = await waitUntil(async () => (await client.getText('cut')) === `old ${turn}`, CUT_TIMEOUT_MS);
  if (!isOld) throw new Error('the near peer did not get a write of the other one');
  begin();
  await writer.set('cut', `new ${turn}`);
  const replacedAtMs = performance.now();
  let lastStaleAtMs = replacedAtMs;
  for (;;) {
    const hits = client.stats().nearCache?.hits;
    const asked = client.getText('cut');
    if (client.stats().nearCache?.hits === hits) {
      end();
      await asked;
      break;
    }
    if ((await asked) === `old ${turn}`) lastStaleAtMs = performance.now();
    await nextTurn();
  }
  const isNew = await waitUntil(async () => (await client.getText('cut')) === `new ${turn}`, CUT_TIMEOUT_MS);
  if (!isNew) throw new Error('the write did not come when the cut was over');
  await Promise.all([client.close(), writer.close()]);
  return lastStaleAtMs - replacedAtMs;
}

async function runCuts(
  { near, far }: Places,
  count: number,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const line = await openLine(near.clientPort);
  const { processId } = near.child;
  if (processId === undefined) throw new Error('a peer without a process');
  const cuts: readonly Cut[] = [
    { title: 'the line is cut', port: line.port, begin: line.cut, end: line.mend },
    {
      title: 'the peer is paused',
      port: near.clientPort,
      begin: () => process.kill(processId, 'SIGSTOP'),
      end: () => process.kill(processId, 'SIGCONT'),
    },
  ];
  const staleMs = new Map<string, readonly number[]>();
  for (const cut of cuts) {
    const ofCut: number[] = [];
    for (let turn = 0; turn < count; turn += 1) ofCut.push(await cutOnce(cut, far, turn));
    staleMs.set(cut.title, ofCut);
  }
  await line.close();
  return staleMs;
}

function buildMixSection(mixes: readonly Mix[], keys: number): Section {
  const rows = mixes.map(({ title, perSecond, latenciesMs, counts, staleMs, writes }) => [
    title,
    formatCount(perSecond),
    formatDecimal(percentile(latenciesMs, 0.5)),
    formatDecimal(percentile(latenciesMs, 0.99)),
    counts === undefined ? '-' : formatRatio(hitRate(counts)),
    formatCount(writes),
    formatRatio(staleMs.length / latenciesMs.length),
    formatDecimal(percentile(staleMs, 0.99)),
  ]);
  const columns = ['reads', 'reads /s', 'p50 ms', 'p99 ms', 'hit rate', 'writes', 'stale', 'stale p99 ms'];
  return {
    title: 'A near cache at one peer while another is written to',
    columns,
    rows,
    notes: [
      `${formatCount(keys)} keys by Zipf's law (exponent ${EXPONENT}), one in ${KEYS_AN_ENTRY} fits; ${READERS} readers in one client, ${WRITES_PER_SECOND} writes a second to the other peer by the same law`,
      'stale: reads that began after a newer value was acknowledged there; how long before, for the 99th of a hundred of them',
    ],
  };
}

function hitRate({ hits, misses, doubted }: NearCacheCounts): number {
  return hits / (hits + misses + doubted);
}

export async function runNearCache(bench: Bench): Promise<PartResult> {
  const { nearKeys, nearMixMs, nearProbes, nearCuts } = bench.sizes;
  const [near, far] = await startPeers(bench, 2);
  if (near === undefined || far === undefined) throw new Error('two peers were asked for');
  const places = { near, far };
  const maxEntries = Math.ceil(nearKeys / KEYS_AN_ENTRY);
  const mixes = [
    await runMix(places, nearKeys, nearMixMs, undefined),
    await runMix(places, nearKeys, nearMixMs, { maxEntries }),
  ];
  const [without, cached] = [
    await probeWrites(places, nearProbes, false),
    await probeWrites(places, nearProbes, true),
  ];
  const cuts = await runCuts(places, nearCuts);
  const probeRows = [
    ['each read asks the peer', without],
    ['near cache', cached],
  ] as const;
  const sections: readonly Section[] = [
    buildMixSection(mixes, nearKeys),
    {
      title: 'From the OK to a write at the other peer until a reader has it',
      columns: ['reads', 'writes', 'p50 ms', 'p99 ms'],
      rows: probeRows.map(([title, values]) => [
        title,
        formatCount(values.length),
        formatDecimal(percentile(values, 0.5)),
        formatDecimal(percentile(values, 0.99)),
      ]),
      notes: ['below zero: the reader had it before the writer had its OK'],
    },
    {
      title: `How long the near cache served what was replaced while it was cut off; lease ${LEASE_MS} ms`,
      columns: ['cut', 'times', 'p50 ms', 'max ms'],
      rows: Array.from(cuts, ([title, values]) => [
        title,
        formatCount(values.length),
        formatDecimal(percentile(values, 0.5)),
        formatDecimal(Math.max(...values)),
      ]),
      notes: [],
    },
  ];
  return { sections, gates: buildGates(mixes, cuts) };
}

function buildGates(mixes: readonly Mix[], cuts: ReadonlyMap<string, readonly number[]>): readonly Gate[] {
  const [without, cached] = mixes.map(({ perSecond }) => perSecond);
  return [
    {
      name: 'reads a second with a near cache / without',
      value: (cached ?? NaN) / (without ?? NaN),
      bound: { kind: 'atLeast', value: 1 },
      sides: `${formatCount(cached ?? NaN)} / ${formatCount(without ?? NaN)}`,
    },
    ...Array.from(cuts, ([title, values]): Gate => {
      const longestMs = Math.max(...values);
      return {
        name: `${title}: longest time that a replaced value was served / lease`,
        value: longestMs / LEASE_MS,
        bound: { kind: 'atMost', value: LEASE_SLACK },
        sides: `${formatDecimal(longestMs)} / ${LEASE_MS} ms`,
      };
    }),
  ];
}
