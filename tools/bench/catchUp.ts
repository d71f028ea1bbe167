/**
 * Part: a peer was cut off while the others wrote: how long after the cut heals it has everything, and how many bytes that takes against those of the difference.
 *
 * Owns the cut, the writes and the gates. The difference is key and value of each key that was written, once; what the peers sent is all of it, by datagram and by
 * stream, of all four. Invariant: a cluster that does not converge in time fails the run: there is no figure then.
 */
import { openConnection } from '../../src/cli/connection.ts';
import type { Connection } from '../../src/cli/connection.ts';
import type { Bench } from './budget.ts';
import { fillStore, KEY_DIGITS } from './fillStore.ts';
import { startPeers, timeToConverge, waitForRest, waitUntil } from './peers.ts';
import type { ServedPeer } from './peers.ts';
import type { Gate, PartResult } from './report.ts';
import { formatCount, formatMs, formatRatio } from './statistics.ts';
import { HOST } from './workspace.ts';

/** Updates to each key. */
const UPDATES_A_KEY = 10;
/** Keys written in turn, as machines do that report the same ones again and again; and in no order, which takes more bytes to say. */
const LOADS = [
  { valueBytes: 100, isShuffled: false },
  { valueBytes: 1000, isShuffled: false },
  { valueBytes: 100, isShuffled: true },
] as const;
const SECONDS_BOUND = 2;
const BYTES_BOUND = 1.2;
/** Milliseconds after which peers that do not agree are called broken, and a cut that is not noticed. */
const CONVERGE_TIMEOUT_MS = 60_000;
const CUT_TIMEOUT_MS = 15_000;
/** What is younger than a HEARTBEAT period is left to NAKs (lacked.ts), and would not be missed as the rest is, milliseconds. */
const AGED_MS = 1100;
const COLUMNS = [
  'missed',
  'equal after ms',
  'records',
  'keys',
  'bytes sent',
  'difference',
  'sent/difference',
];

interface Run {
  readonly title: string;
  readonly equalAfterMs: number;
  readonly records: number;
  readonly keys: number;
  readonly sentBytes: number;
  readonly differenceBytes: number;
}

/** What the peers have sent so far: bytes, and records of SYNCs. */
async function readSent(
  peers: readonly ServedPeer[],
): Promise<{ readonly bytes: number; readonly records: number }> {
  const statuses = await Promise.all(peers.map(({ status }) => status()));
  return {
    bytes: statuses.reduce(
      (sum, { network }) => sum + network.datagrams.sent.bytes + network.streams.outgoing.bytes,
      0,
    ),
    records: statuses.reduce((sum, { counters }) => sum + (counters['syncRecordsSent'] ?? 0), 0),
  };
}

/** Cuts one peer off from the others, on both sides, or ends that; resolves when it is noticed. */
async function setCut(
  peers: readonly ServedPeer[],
  connections: readonly Connection[],
  word: 'CUT' | 'HEAL',
): Promise<void> {
  const cutOff = peers[0]?.id ?? '';
  const others = peers.slice(1).map(({ id }) => id);
  await Promise.all(
    connections.map((one, index) =>
      one.request(['TOPOSPHERE', 'FAULTS', word, ...(index === 0 ? others : [cutOff])]),
    ),
  );
  if (word === 'HEAL') return;
  const isNoticed = await waitUntil(async () => {
    const statuses = await Promise.all(peers.map(({ status }) => status()));
    return statuses.every(
      ({ members }, index) =>
        members.filter(({ alive }) => !alive).length === (index === 0 ? others.length : 1),
    );
  }, CUT_TIMEOUT_MS);
  if (!isNoticed) throw new Error(`the cut was not noticed within ${CUT_TIMEOUT_MS} ms`);
}

async function measure(
  peers: readonly ServedPeer[],
  connections: readonly Connection[],
  keys: number,
  { valueBytes, isShuffled }: (typeof LOADS)[number],
): Promise<Run> {
  await setCut(peers, connections, 'CUT');
  const others = peers.slice(1);
  const prefix = `missed:${valueBytes}:${isShuffled ? 's' : 'o'}:`;
  for (let pass = 0; pass < UPDATES_A_KEY; pass++)
    await fillStore(others[pass % others.length]?.clientPort ?? 0, { prefix, keys, valueBytes, isShuffled });
  if ((await timeToConverge(others, CONVERGE_TIMEOUT_MS)) === undefined)
    throw new Error(`the others are not equal after ${CONVERGE_TIMEOUT_MS} ms`);
  await waitForRest(others);
  await new Promise((resolve) => setTimeout(resolve, AGED_MS));
  const before = await readSent(peers);
  const startedMs = performance.now();
  await setCut(peers, connections, 'HEAL');
  if ((await timeToConverge(peers, CONVERGE_TIMEOUT_MS)) === undefined)
    throw new Error(`not equal ${CONVERGE_TIMEOUT_MS} ms after the cut healed`);
  const equalAfterMs = performance.now() - startedMs;
  const after = await readSent(peers);
  await waitForRest(peers);
  return {
    title: `${formatCount(keys * UPDATES_A_KEY)} x ${valueBytes} B on ${formatCount(keys)} keys${isShuffled ? ' in no order' : ''}`,
    equalAfterMs,
    records: after.records - before.records,
    keys,
    sentBytes: after.bytes - before.bytes,
    differenceBytes: keys * (prefix.length + KEY_DIGITS + valueBytes),
  };
}

function buildGates({
  title,
  equalAfterMs,
  records,
  keys,
  sentBytes,
  differenceBytes,
}: Run): readonly Gate[] {
  return [
    {
      name: `${title} missed: seconds until all are equal`,
      value: equalAfterMs / 1000,
      bound: { kind: 'atMost', value: SECONDS_BOUND },
      sides: `${formatMs(equalAfterMs * 1e6)} ms after the cut healed`,
    },
    {
      name: `${title} missed: bytes sent / difference`,
      value: sentBytes / differenceBytes,
      bound: { kind: 'atMost', value: BYTES_BOUND },
      sides: `${formatCount(sentBytes)} / ${formatCount(differenceBytes)} bytes`,
    },
    {
      name: `${title} missed: records sent / keys`,
      value: records / keys,
      bound: { kind: 'atMost', value: 1 },
      sides: `${formatCount(records)} / ${formatCount(keys)}`,
    },
  ];
}

export async function runCatchUp(bench: Bench): Promise<PartResult> {
  const peers = await startPeers(bench, 4, ['--allow-faults']);
  const connections = await Promise.all(
    peers.map(({ clientPort }) => openConnection({ host: HOST, port: clientPort })),
  );
  const runs: Run[] = [];
  for (const load of LOADS) runs.push(await measure(peers, connections, bench.sizes.missedKeys, load));
  const rows = runs.map(({ title, equalAfterMs, records, keys, sentBytes, differenceBytes }) => [
    title,
    formatMs(equalAfterMs * 1e6),
    formatCount(records),
    formatCount(keys),
    formatCount(sentBytes),
    formatCount(differenceBytes),
    formatRatio(sentBytes / differenceBytes),
  ]);
  const notes = [
    'one of four was cut off while the others wrote each key ten times; from the end of the cut, the time in which it is noticed included, until all four have the same vector',
    'bytes: all that the four sent in that time, without the headers of UDP and TCP; the difference: key and value of each key, once',
  ];
  return {
    sections: [{ title: 'A peer catches up after a cut', columns: COLUMNS, rows, notes }],
    gates: runs.flatMap(buildGates),
  };
}
