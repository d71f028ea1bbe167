/**
 * `npm run hostile [-- --short]`: clients that mean harm against a peer of the build; what its memory, its other clients and its counters say.
 *
 * Owns the command line, the measuring and the verdicts; the attacks are attacks.ts's. The exit code is 1 when a bound was passed, another client was not answered, or a reason was not
 * counted. Invariant: each attack begins when the one before is gone, and nothing is left behind.
 */
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openConnection, replyText } from '../../src/cli/connection.ts';
import type { Connection } from '../../src/cli/connection.ts';
import { Children } from '../bench/children.ts';
import type { Child } from '../bench/children.ts';
import { startPeer, waitUntil } from '../bench/peers.ts';
import { readMemory, watchOwnMemory } from '../bench/peakMemory.ts';
import { formatTable, print } from '../bench/report.ts';
import { HOST, Workspace } from '../bench/workspace.ts';
import { runTool } from '../runTool.ts';
import { Attackers } from './attackers.ts';
import { ATTACKS, BIG_BYTES, BIG_KEY, STALLED_MS } from './attacks.ts';
import type { Attack } from './attacks.ts';
import type { Latencies } from './innocent.ts';

const { values } = parseArgs({ options: { short: { type: 'boolean', default: false } } });
const FORM = values.short ? 'short' : 'long';
const MAX_CLIENTS = values.short ? 300 : 10_000;
/** Milliseconds in which the peer has to have counted, and to be without the attackers. */
const SETTLE_MS = 15_000;
/** How long each attack is looked at after its last byte was sent, milliseconds: that others are served is measured, not glimpsed. */
const WATCH_MS = values.short ? 300 : 3000;
/** Longest that an innocent client may wait for one reply, milliseconds: it is served beside the attack, not after it. */
const LONGEST_WAIT_MS = 5000;

interface Victim {
  readonly processId: number | undefined;
  readonly port: number;
  readonly connection: Connection;
  readonly innocent: Child;
}

interface Outcome {
  readonly row: readonly string[];
  readonly faults: readonly string[];
}

async function readInfo(connection: Connection, field: string): Promise<number> {
  const text = replyText(await connection.request(['INFO']));
  return Number(new RegExp(`^${field}:(\\d+)\\r$`, 'm').exec(text)?.[1] ?? NaN);
}

async function askLatencies({ innocent }: Victim): Promise<Latencies> {
  innocent.send({ kind: 'ask' });
  return innocent.next<Latencies>('latencies', SETTLE_MS);
}

async function carryOut(attack: Attack, victim: Victim): Promise<Outcome> {
  const { connection } = victim;
  const count = attack.connections[FORM];
  const reasonOf = async (): Promise<number> =>
    attack.reason === undefined ? 0 : readInfo(connection, attack.reason);
  const before = await reasonOf();
  const [{ ownMiB: beforeMiB }, quiet] = [await readMemory(victim.processId), await askLatencies(victim)];
  const peak = watchOwnMemory(victim.processId);
  const attackers = new Attackers(victim.port);
  const least = attack.reasonLeast(count);
  await attack.run(attackers, count);
  await setTimeout(WATCH_MS);
  const isCounted = await waitUntil(async () => (await reasonOf()) - before >= least, SETTLE_MS);
  const peakMiB = Math.max(peak(), (await readMemory(victim.processId)).ownMiB);
  const hereMiB = process.memoryUsage.rss() / 2 ** 20;
  const during = await askLatencies(victim);
  const counted = (await reasonOf()) - before;
  attackers.closeAll();
  const isGone = await waitUntil(
    async () => (await readInfo(connection, 'connected_clients')) <= 2,
    SETTLE_MS,
  );
  const growthMiB = Math.max(0, peakMiB - beforeMiB);
  const boundMiB = attack.boundMiB(count);
  const faults = [
    ...(growthMiB <= boundMiB
      ? []
      : [`the peer grew by ${growthMiB.toFixed(0)} MiB, more than ${boundMiB.toFixed(0)}`]),
    ...(isCounted ? [] : [`${attack.reason ?? ''} rose by ${counted}, not by ${least}`]),
    ...(isGone ? [] : ['connections were left at the peer']),
    ...during.failures.map((failure) => `another client: ${failure}`),
    ...(during.maximumMs < LONGEST_WAIT_MS
      ? []
      : [`another client waited ${during.maximumMs.toFixed(0)} ms`]),
  ];
  const ms = (value: number): string => value.toFixed(1);
  const row = [
    attack.name,
    `${count}`,
    (attackers.sentBytes / 2 ** 20).toFixed(1),
    `${beforeMiB.toFixed(0)} -> ${peakMiB.toFixed(0)} (${boundMiB.toFixed(0)})`,
    hereMiB.toFixed(0),
    `${ms(quiet.p50Ms)} / ${ms(quiet.p99Ms)}`,
    `${ms(during.p50Ms)} / ${ms(during.p99Ms)} / ${ms(during.maximumMs)}`,
    attack.reason === undefined ? '-' : `${attack.reason} ${counted}`,
  ];
  return { row, faults: faults.map((fault) => `${attack.name}: ${fault}`) };
}

await runTool('hostile', async () => {
  const children = new Children(undefined);
  const workspace = await Workspace.create();
  try {
    const cluster = await workspace.cluster(1);
    const words = [`--max-clients=${MAX_CLIENTS}`, `--client-stalled-ms=${STALLED_MS}`, '--http-port=0'];
    const peer = await startPeer({ children }, cluster, 0, words);
    const connection = await openConnection({ host: HOST, port: peer.clientPort });
    peer.connection.close();
    await connection.request(['SET', BIG_KEY, Buffer.alloc(BIG_BYTES, 'x')]);
    const innocent = children.fork('innocent', new URL('innocent.ts', import.meta.url), [
      `${peer.clientPort}`,
    ]);
    const victim: Victim = { processId: peer.child.processId, port: peer.clientPort, connection, innocent };
    if (!(await waitUntil(async () => (await askLatencies(victim)).operations > 0, SETTLE_MS)))
      throw new Error('the innocent client is not served before any attack');
    await setTimeout(WATCH_MS); // what quiet looks like
    const outcomes: Outcome[] = [];
    for (const attack of ATTACKS) outcomes.push(await carryOut(attack, victim));
    print(
      formatTable(
        [
          'attack',
          'connections',
          'sent MiB',
          "peer's own MiB, peak (bound of growth)",
          'attackers MiB',
          'others before, p50 / p99 ms',
          'others meanwhile, p50 / p99 / max ms',
          'counted',
        ],
        outcomes.map(({ row }) => row),
      ),
    );
    const faults = outcomes.flatMap((outcome) => outcome.faults);
    for (const fault of faults) print(`fault: ${fault}`);
    if (faults.length > 0) process.exitCode = 1;
    else print('memory was bounded, other clients were served, every reason was counted');
    connection.close();
  } finally {
    await children.stopAll();
    await workspace.remove();
  }
});
