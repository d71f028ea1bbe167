/**
 * Part: writes through all four peers while datagrams are lost at every receiver: how long after the last write all four hold the same.
 *
 * Owns the pace, the kinds of loss and the two gates. The loss stays on until all are equal. Invariant: a write that was refused, or a
 * cluster that does not converge in time, fails the run: there is no figure then.
 */
import { openConnection } from '../../src/cli/connection.ts';
import type { Connection } from '../../src/cli/connection.ts';
import type { Bench } from './budget.ts';
import { startPeers, timeToConverge, waitForRest } from './peers.ts';
import type { ServedPeer } from './peers.ts';
import type { Gate, PartResult } from './report.ts';
import { formatCount, formatMs } from './statistics.ts';
import { HOST } from './workspace.ts';

const ASKED_PER_SECOND = 5000;
/** A little above what is asked, so that the pace itself is not what falls short. */
const PACED_PER_SECOND = 5300;
const CONVERGED_WITHIN_MS = 2000;
/** Milliseconds after which a cluster that is not equal is called broken. */
const CONVERGE_TIMEOUT_MS = 60_000;
const TICK_MS = 5;
/** Unanswered writes at which the load waits for replies. */
const OWED_LIMIT = 16_000;
const KEY_SPACE = 30_000;
const VALUE = 'v'.repeat(100);
const COLUMNS = ['lost at every receiver', 'datagrams lost', 'writes', 'writes /s', 'equal after ms'];

interface Loss {
  readonly title: string;
  readonly words: readonly string[];
}

const LOSSES: readonly Loss[] = [
  { title: 'nothing', words: ['0'] },
  { title: '20% of all datagrams', words: ['20'] },
  { title: '60% of UPDATE', words: ['60', 'update'] },
];

interface Run {
  readonly loss: Loss;
  readonly datagramsLost: number;
  readonly perSecond: number;
  readonly equalAfterMs: number;
}

/** Writes `count` values, paced, to one connection after the other. Resolves with the writes a second when the last reply is here; rejects on a refusal. */
async function write(connections: readonly Connection[], count: number): Promise<number> {
  const startedMs = performance.now();
  let sent = 0;
  let answered = 0;
  const failures: unknown[] = [];
  const replies: Promise<void>[] = [];
  while (sent < count && failures.length === 0) {
    const due = Math.min(count, Math.ceil(((performance.now() - startedMs) / 1000) * PACED_PER_SECOND));
    for (; sent < due && sent - answered < OWED_LIMIT; sent += 1) {
      const key = `key:${Math.floor(Math.random() * KEY_SPACE)}`;
      const reply = connections[sent % connections.length]?.request(['SET', key, `${sent} ${VALUE}`]);
      if (reply === undefined) throw new Error('no peer to write to');
      replies.push(
        reply.then(
          () => void (answered += 1),
          (error: unknown) => void failures.push(error),
        ),
      );
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  await Promise.all(replies);
  if (failures.length > 0) throw failures[0];
  return (sent * 1000) / (performance.now() - startedMs);
}

async function countLost(peers: readonly ServedPeer[]): Promise<number> {
  const statuses = await Promise.all(peers.map(({ status }) => status()));
  return statuses.reduce((sum, { drops }) => sum + (drops['rehearsedFault'] ?? 0), 0);
}

async function measure(
  peers: readonly ServedPeer[],
  connections: readonly Connection[],
  loss: Loss,
  count: number,
): Promise<Run> {
  const setLoss = (words: readonly string[]): Promise<unknown> =>
    Promise.all(connections.map((one) => one.request(['TOPOSPHERE', 'FAULTS', 'DROP', ...words])));
  const lostBefore = await countLost(peers);
  await setLoss(loss.words);
  const perSecond = await write(connections, count);
  const equalAfterMs = await timeToConverge(peers, CONVERGE_TIMEOUT_MS);
  if (equalAfterMs === undefined)
    throw new Error(`${loss.title} lost: not equal after ${CONVERGE_TIMEOUT_MS} ms`);
  const datagramsLost = (await countLost(peers)) - lostBefore;
  await setLoss(['0', ...loss.words.slice(1)]);
  await waitForRest(peers);
  return { loss, datagramsLost, perSecond, equalAfterMs };
}

function buildGates({ loss, perSecond, equalAfterMs }: Run): readonly Gate[] {
  return [
    {
      name: `${loss.title} lost: seconds until all four are equal`,
      value: equalAfterMs / 1000,
      bound: { kind: 'atMost', value: CONVERGED_WITHIN_MS / 1000 },
      sides: `${formatMs(equalAfterMs * 1e6)} ms after the last write`,
    },
    {
      name: `${loss.title} lost: writes a second / ${ASKED_PER_SECOND}`,
      value: perSecond / ASKED_PER_SECOND,
      bound: { kind: 'atLeast', value: 1 },
      sides: `${formatCount(perSecond)}/s`,
    },
  ];
}

export async function runLoss(bench: Bench): Promise<PartResult> {
  const count = bench.sizes.lossWrites;
  const peers = await startPeers(bench, 4, ['--allow-faults']);
  const connections = await Promise.all(
    peers.map(({ clientPort }) => openConnection({ host: HOST, port: clientPort })),
  );
  const runs: Run[] = [];
  for (const loss of LOSSES) runs.push(await measure(peers, connections, loss, count));
  const rows = runs.map(({ loss, datagramsLost, perSecond, equalAfterMs }) => [
    loss.title,
    formatCount(datagramsLost),
    formatCount(count),
    formatCount(perSecond),
    formatMs(equalAfterMs * 1e6),
  ]);
  const notes = [
    `${PACED_PER_SECOND} SETs a second in turn through all four, 100-byte values, ${KEY_SPACE} keys; none refused`,
  ];
  return {
    sections: [
      { title: 'Writes through four peers while datagrams are lost', columns: COLUMNS, rows, notes },
    ],
    gates: runs.slice(1).flatMap(buildGates),
  };
}
