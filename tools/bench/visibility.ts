/**
 * Part: time from the start of a write on one of four until it is visible on the last of the other three.
 *
 * Owns the four systems (bare multicast ping, embedded peers, redis with replicas, peers through Redis clients), their
 * interleaving round by round, and the gate. Leaves clock readings to the probes. Invariant: all systems stay up through the run, so
 * each bears the idle traffic of the others alike; a write that was not seen everywhere is counted as lost, not left out silently.
 */
import { DERIVED_PORT_DISTANCE } from '../../src/peer/serversFile.ts';
import type { Bench } from './budget.ts';
import { hasTimeFor } from './budget.ts';
import type { Child } from './children.ts';
import { waitUntil } from './peers.ts';
import { startReplicatedRedis } from './redisServers.ts';
import type { Gate, PartResult } from './report.ts';
import { formatMs, formatRatio, median, percentile } from './statistics.ts';
import type {
  ArrivalsMessage,
  BurstMessage,
  CollectMessage,
  ProbeReadyMessage,
  StartsMessage,
} from './visibilityMessages.ts';

const PROCESSES = 4;
const VALUE_BYTES = 100;
/** A ping is as long as the UPDATE of such a value is. */
const PING_BYTES = 200;
/** Milliseconds until a probe must be ready, and until a burst must be over (paced at 5 ms at most, and a good reserve). */
const READY_TIMEOUT_MS = 20_000;
const BURST_TIMEOUT_MS = 30_000;
/** Milliseconds that the last arrivals of a burst are waited for. */
const ARRIVAL_TIMEOUT_MS = 3000;
const COLUMNS = [
  'system',
  'writes',
  'lost',
  'p50 ms',
  'p90 ms',
  'p99 ms',
  'each p50',
  'each p99',
  'OK p50',
  'p50/ping',
];

interface System {
  readonly name: string;
  readonly writer: Child;
  /** Processes that notice; the writer itself for clients in one process. */
  readonly receivers: readonly Child[];
  /** Until the last receiver saw it, one a write. */
  readonly lastNs: number[];
  /** p50 of each round. */
  readonly roundP50Ns: number[];
  /** Until each receiver saw it, one a delivery. */
  readonly eachNs: number[];
  readonly acknowledgedNs: number[];
  lost: number;
}

function createSystem(name: string, writer: Child, receivers: readonly Child[]): System {
  return { name, writer, receivers, lastNs: [], roundP50Ns: [], eachNs: [], acknowledgedNs: [], lost: 0 };
}

async function collect(
  system: System,
  first: number,
  count: number,
): Promise<readonly (readonly number[])[]> {
  const answers = system.receivers.map((receiver) => {
    receiver.send({ kind: 'collect', first, count } satisfies CollectMessage);
    return receiver.next<ArrivalsMessage>('arrivals', ARRIVAL_TIMEOUT_MS);
  });
  return (await Promise.all(answers)).flatMap(({ arrivalsNs }) => arrivalsNs);
}

/** One burst of paced writes; its times join the system's unless `isWarmUp`. */
async function runBurst(system: System, first: number, count: number, isWarmUp: boolean): Promise<void> {
  system.writer.send({ kind: 'burst', first, count } satisfies BurstMessage);
  const { startsNs, acknowledgedNs } = await system.writer.next<StartsMessage>('starts', BURST_TIMEOUT_MS);
  let arrivalsNs: readonly (readonly number[])[] = [];
  await waitUntil(async () => {
    arrivalsNs = await collect(system, first, count);
    return arrivalsNs.every((times) => !times.includes(0));
  }, ARRIVAL_TIMEOUT_MS);
  if (isWarmUp) return;
  const roundNs: number[] = [];
  for (const [index, startNs] of startsNs.entries()) {
    const times = arrivalsNs.map((byReceiver) => byReceiver[index] ?? 0);
    if (times.includes(0)) {
      system.lost += 1;
      continue;
    }
    roundNs.push(Math.max(...times) - startNs);
    for (const timeNs of times) system.eachNs.push(timeNs - startNs);
    const acknowledged = acknowledgedNs[index] ?? 0;
    if (acknowledged > 0) system.acknowledgedNs.push(acknowledged - startNs);
  }
  system.lastNs.push(...roundNs);
  system.roundP50Ns.push(median(roundNs));
}

async function whenReady(probes: readonly Child[]): Promise<void> {
  await Promise.all(probes.map((probe) => probe.next<ProbeReadyMessage>('probeReady', READY_TIMEOUT_MS)));
}

function forkProbe(bench: Bench, name: string, file: string, task: object): Child {
  return bench.children.fork(name, new URL(file, import.meta.url), [JSON.stringify(task)]);
}

async function startPing(bench: Bench): Promise<System> {
  const task = { processes: PROCESSES, valueBytes: PING_BYTES, ...(await bench.workspace.freeMulticast()) };
  const probes = Array.from({ length: PROCESSES }, (_, index) =>
    forkProbe(bench, `ping ${index}`, 'pingProbe.ts', task),
  );
  await whenReady(probes);
  const [writer, ...receivers] = probes;
  if (writer === undefined) throw new Error('no ping process');
  return createSystem('bare multicast ping', writer, receivers);
}

async function startClients(
  bench: Bench,
  name: string,
  ports: readonly number[],
  subscribe: readonly string[],
): Promise<System> {
  const task = { processes: PROCESSES, valueBytes: VALUE_BYTES, ports, subscribe, prefix: 'c:' };
  const probe = forkProbe(bench, name, 'clientProbe.ts', task);
  await whenReady([probe]);
  return createSystem(name, probe, [probe]);
}

async function startEmbedded(bench: Bench): Promise<readonly [System, System]> {
  const cluster = await bench.workspace.cluster(PROCESSES);
  const clientPorts = cluster.ports.map((port) => port - DERIVED_PORT_DISTANCE);
  const probes = cluster.ids.map((id, index) =>
    forkProbe(bench, `peer ${id}`, 'peerProbe.ts', {
      processes: PROCESSES,
      valueBytes: VALUE_BYTES,
      id,
      servers: cluster.path,
      dataDirectory: cluster.dataDirectory,
      clusterId: cluster.clusterId,
      multicastGroup: cluster.multicast.group,
      multicastPort: cluster.multicast.port,
      clientPort: clientPorts[index] ?? 0,
    }),
  );
  await whenReady(probes);
  const [writer, ...receivers] = probes;
  if (writer === undefined) throw new Error('no peer process');
  const words = ['TOPOSPHERE', 'WATCH', 'c:'];
  return [
    createSystem('peers, embedded API', writer, receivers),
    await startClients(bench, 'peers, Redis clients', clientPorts, words),
  ];
}

async function startRedis(bench: Bench): Promise<System> {
  const servers = await startReplicatedRedis(bench, PROCESSES - 1, ['--notify-keyspace-events', 'E$']);
  const ports = servers.map(({ port }) => port);
  return startClients(bench, 'redis, 3 replicas', ports, ['PSUBSCRIBE', '__keyevent@0__:set']);
}

function buildRow(system: System, pingP50Ns: number): string[] {
  const { name, lastNs, lost, eachNs, acknowledgedNs } = system;
  return [
    name,
    `${lastNs.length}`,
    `${lost}`,
    ...[0.5, 0.9, 0.99].map((share) => formatMs(percentile(lastNs, share))),
    ...[0.5, 0.99].map((share) => formatMs(percentile(eachNs, share))),
    formatMs(percentile(acknowledgedNs, 0.5)),
    formatRatio(percentile(lastNs, 0.5) / pingP50Ns),
  ];
}

function buildGates(ping: System, embedded: System): readonly Gate[] {
  const p50Ns = percentile(embedded.lastNs, 0.5);
  const against = (pingNs: readonly number[], what: string): Gate => ({
    name: `visible on the last of four, embedded p50 / ping p50 ${what}`,
    value: p50Ns / percentile(pingNs, 0.5),
    bound: { kind: 'atMost', value: 4 },
    sides: `${formatMs(p50Ns)} / ${formatMs(percentile(pingNs, 0.5))} ms`,
  });
  return [against(ping.eachNs, 'of each delivery'), against(ping.lastNs, 'of the last delivery')];
}

export async function runVisibility(bench: Bench): Promise<PartResult> {
  const { sizes, redisMissing } = bench;
  const ping = await startPing(bench);
  const [embedded, throughClients] = await startEmbedded(bench);
  const systems = [ping, embedded, throughClients];
  if (redisMissing === undefined) systems.push(await startRedis(bench));
  for (const system of systems) await runBurst(system, 0, sizes.visibilityWarmUp, true);
  let rounds = 0;
  for (; rounds < sizes.visibilityRounds && hasTimeFor(bench, rounds); rounds++) {
    const first = sizes.visibilityWarmUp + rounds * sizes.visibilityWrites;
    for (const system of systems) await runBurst(system, first, sizes.visibilityWrites, false);
  }
  const pingP50Ns = percentile(ping.lastNs, 0.5);
  const notes = [
    `${PROCESSES} processes; from the start of a write on one until the last of the other ${PROCESSES - 1} noticed it ("each": every delivery); writes 3 to 5 ms apart, ${VALUE_BYTES}-byte values, ${rounds} interleaved rounds`,
    `"OK": from the start of a write until it was acknowledged (peers: committed). The Redis clients are in one more process, for peers and redis alike`,
    ...systems.map(
      ({ name, roundP50Ns }) => `${name}: p50 by round ${roundP50Ns.map(formatMs).join(', ')} ms`,
    ),
  ];
  if (redisMissing !== undefined) notes.push(`redis skipped: ${redisMissing}`);
  return {
    sections: [
      {
        title: 'Visible on the last of four',
        columns: COLUMNS,
        rows: systems.map((system) => buildRow(system, pingP50Ns)),
        notes,
      },
    ],
    gates: buildGates(ping, embedded),
  };
}
