/**
 * Every metric of /metrics: its name, its meaning, and where its number is read.
 *
 * Owns the names, by Prometheus' conventions: base units (`_seconds`, `_bytes`), `_total` for what only grows while the
 * process lives, a label where a name would repeat. What the core counts comes by the core's own names. Invariant:
 * nothing here is computed for its own sake: each row reads what a peer says of itself anyway.
 */
import { PHASES } from '../core/messages.ts';
import type { PeerDescription } from '../peer/backend.ts';
import type { ServerCounters } from './serverCounters.ts';
import type { TrackingReport } from './tracking.ts';

/** What all rows of one scrape read. */
export interface Moment {
  readonly peer: PeerDescription;
  readonly clients: Readonly<ServerCounters>;
  readonly clientCount: number;
  readonly tracking: TrackingReport;
  readonly loopLagMs: number;
}

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface MetricRow {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
  /** Left out: one number without labels, or none while it is not known. */
  readonly labels?: readonly string[];
  readonly read: (moment: Moment) => readonly Sample[];
}

type ReadNumber = (moment: Moment) => number | boolean | null;
type ReadMany = (moment: Moment) => readonly Sample[];

function plain(kind: MetricRow['kind'], name: string, help: string, read: ReadNumber): MetricRow {
  return {
    name: `toposphere_${name}`,
    kind,
    help,
    read: (moment) => {
      const value = read(moment);
      return value === null ? [] : [{ value: Number(value) }];
    },
  };
}

function labelled(
  kind: MetricRow['kind'],
  name: string,
  labels: readonly string[],
  help: string,
  read: ReadMany,
): MetricRow {
  return { name: `toposphere_${name}`, kind, help, labels, read };
}

const gauge = (name: string, help: string, read: ReadNumber): MetricRow => plain('gauge', name, help, read);
const counter = (name: string, help: string, read: ReadNumber): MetricRow =>
  plain('counter', `${name}_total`, help, read);

/** One sample a field of `numbers`, named by `label`. */
function byLabel(label: string, numbers: Readonly<Record<string, number>>): readonly Sample[] {
  return Object.entries(numbers).map(([name, value]) => ({ labels: { [label]: name }, value }));
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}

function byMember(read: (member: PeerDescription['members'][number]) => number | boolean | null): ReadMany {
  return ({ peer }) =>
    peer.members.flatMap((member) => {
      const value = read(member);
      return value === null ? [] : [{ labels: { member: member.id }, value: Number(value) }];
    });
}

type Amount = PeerDescription['memory']['tableRows'];

function byMemory(read: (amount: Amount) => number): ReadMany {
  return ({ peer: { memory } }) => {
    const kinds = Object.entries<Amount>({ ...memory }).map(
      ([kind, amount]) => [kind, read(amount)] as const,
    );
    return byLabel('kind', Object.fromEntries(kinds));
  };
}

/** The vector's origins, `id/incarnation`, apart. */
function readVector({ peer }: Moment): readonly Sample[] {
  return Object.entries(peer.vector).map(([key, value]) => {
    const end = key.lastIndexOf('/');
    return { labels: { origin: key.slice(0, end), incarnation: key.slice(end + 1) }, value };
  });
}

// prettier-ignore
const PEER_ROWS: readonly MetricRow[] = [
  labelled('gauge', 'peer_info', ['peer', 'incarnation'], 'Who this is; always 1', ({ peer }) => [{ labels: { peer: peer.id, incarnation: String(peer.incarnation) }, value: 1 }]),
  labelled('gauge', 'phase', ['phase'], 'Whether this peer takes part: 1 at the phase it is in', ({ peer }) => PHASES.map((phase) => ({ labels: { phase }, value: Number(peer.phase === phase) }))),
  gauge('caught_up', '1 when this peer takes part and lacks nothing that it knows of', ({ peer }) => peer.caughtUp),
  gauge('lag_updates', 'Updates that are known to exist and are not here', ({ peer }) => peer.lagUpdates),
  labelled('gauge', 'vector_sequence', ['origin', 'incarnation'], 'Version vector: last sequence of an origin without a gap below it', readVector),
  gauge('writes_refused', '1 while a write would be refused: not joined, clock ahead, forgotten, or the disk is nearly full', ({ peer }) => peer.writesRefused !== null || peer.disk.isLow),
  gauge('keys', 'Visible keys', ({ peer }) => peer.keys),
  gauge('clock_ahead_of_median_seconds', "This peer's clock less the median of the live peers' clocks", ({ peer }) => -peer.clock.medianOffsetMs / 1000),
  gauge('members', 'Members besides this peer', ({ peer }) => peer.members.length),
  gauge('members_alive', 'Members besides this peer that it hears and that hear it', ({ peer }) => peer.members.filter(({ alive }) => alive).length),
  labelled('gauge', 'member_alive', ['member'], '1 when the member is heard and hears this peer', byMember(({ alive }) => alive)),
  labelled('gauge', 'member_converged', ['member'], '1 when the member had exactly what this peer has, at its last KEEPALIVE', byMember(({ converged }) => converged)),
  labelled('gauge', 'member_multicast', ['member'], '1 when multicast passes between the member and this peer, both ways', byMember(({ multicast }) => multicast)),
  labelled('gauge', 'member_silent_seconds', ['member'], 'Since the member was last heard; left out when it never was', byMember(({ silentMs }) => seconds(silentMs))),
  labelled('gauge', 'member_clock_offset_seconds', ['member'], "The member's clock less this one's", byMember(({ clockOffsetMs }) => clockOffsetMs / 1000)),
  labelled('counter', 'dropped_total', ['reason'], 'Datagrams, frames and records refused or lost on arrival, by reason; only reasons that occurred', ({ peer }) => byLabel('reason', peer.drops)),
];

// prettier-ignore
const COLLECTION_ROWS: readonly MetricRow[] = [
  counter('rounds_finished', 'Checkpoint rounds that this peer coordinated to their end', ({ peer }) => peer.collection.finished),
  gauge('horizon_timestamp_seconds', 'Up to this time every update is known to all members; left out before the first round has ended', ({ peer }) => seconds(peer.collection.horizonMs)),
  gauge('round_waiting_members', 'Members for whom a checkpoint round waits', ({ peer }) => peer.collection.waitingFor.length),
  gauge('round_waiting_since_timestamp_seconds', 'Since when it waits for the first of them; left out while none waits', ({ peer }) => seconds(peer.collection.waitingSinceMs)),
  gauge('table_longest_rows', 'Rows of the longest update table', ({ peer }) => peer.collection.longestTableRows),
  gauge('table_limit_rows', 'Rows at which the older half of a table is let go', ({ peer }) => peer.collection.tableLimitRows),
  labelled('gauge', 'remembered', ['kind'], 'Table rows, tombstones, void ranges and vector entries that are remembered', byMemory(({ count }) => count)),
  labelled('gauge', 'remembered_bytes', ['kind'], 'What they take in the store, estimated', byMemory(({ bytes }) => bytes)),
];

// prettier-ignore
const NETWORK_ROWS: readonly MetricRow[] = [
  labelled('counter', 'datagrams_sent_total', ['channel'], 'Datagrams handed to the system', ({ peer: { network: { datagrams: { sent } } } }) => byLabel('channel', { multicast: sent.multicast, unicast: sent.unicast })),
  labelled('counter', 'datagrams_received_total', ['channel'], 'Datagrams that arrived', ({ peer: { network: { datagrams: { received } } } }) => byLabel('channel', { multicast: received.multicast, unicast: received.unicast })),
  counter('datagrams_sent_bytes', 'Bytes of datagrams handed to the system, headers of UDP and IP left out', ({ peer }) => peer.network.datagrams.sent.bytes),
  counter('datagrams_received_bytes', 'Bytes of datagrams that arrived', ({ peer }) => peer.network.datagrams.received.bytes),
  counter('datagrams_send_queue_dropped', 'Datagrams that were dropped because too many waited to be sent', ({ peer }) => peer.network.sendQueueDropped),
  counter('frames_sent', 'Frames handed to TCP connections to other peers', ({ peer }) => peer.network.streams.outgoing.frames),
  counter('frames_sent_bytes', 'Bytes of these frames', ({ peer }) => peer.network.streams.outgoing.bytes),
  counter('frames_received', 'Frames that arrived on TCP connections of other peers', ({ peer }) => peer.network.streams.incoming.frames),
  labelled('gauge', 'peer_connections', ['direction'], 'TCP connections to and from other peers', ({ peer: { network: { streams } } }) => byLabel('direction', { outgoing: streams.outgoing.connections, incoming: streams.incoming.connections })),
  labelled('counter', 'network_faults_total', ['fault'], 'Faults of the network, by name; only those that occurred', ({ peer }) => byLabel('fault', peer.network.faults)),
  gauge('multicast_joined', '1 when the multicast group is joined', ({ peer }) => peer.network.datagrams.multicastJoined),
  gauge('receive_buffer_bytes', 'UDP receive buffer that the system granted', ({ peer }) => peer.network.datagrams.receiveBuffer.grantedBytes),
];

// prettier-ignore
const STORE_ROWS: readonly MetricRow[] = [
  counter('commits', 'Turns committed: whatever came within one, in one transaction', ({ peer }) => peer.storage.turns),
  gauge('commits_pending', 'Turns whose commit has not been reported yet', ({ peer }) => peer.storage.pendingTurns),
  counter('folds', 'Folds of the log into the trees', ({ peer }) => peer.storage.folds),
  counter('folded_entries', 'Entries that they wrote', ({ peer }) => peer.storage.foldedEntries),
  gauge('fold_last_seconds', 'How long the last fold took', ({ peer }) => seconds(peer.storage.lastFoldMs)),
  gauge('store_file_bytes', 'Size of the store on disk', ({ peer }) => peer.storage.fileBytes),
  gauge('store_working_set_bytes', 'Memory of what is not folded yet, estimated', ({ peer }) => peer.storage.workingBytes),
  gauge('store_busy', '1 while writes outrun the disk', ({ peer }) => peer.storage.busy),
  gauge('disk_free_bytes', 'Space on the disk of the store; left out where it is not watched', ({ peer }) => peer.disk.freeBytes),
  gauge('disk_low', '1 while less than minFreeBytes is free: nothing more is written', ({ peer }) => peer.disk.isLow),
  gauge('checkpoint_file_timestamp_seconds', 'When this process last wrote a checkpoint file; left out before it has', ({ peer }) => seconds(peer.checkpoints.writtenMs)),
  gauge('checkpoint_file_failed', '1 when the last attempt to write one failed', ({ peer }) => peer.checkpoints.failure !== null),
];

// prettier-ignore
const PROCESS_ROWS: readonly MetricRow[] = [
  gauge('event_loop_lag_seconds', 'How late what was due at once came to run, measured at this scrape', ({ loopLagMs }) => loopLagMs / 1000),
  counter('event_loop_active_seconds', 'Time in which the event loop had something to do', () => performance.eventLoopUtilization().active / 1000),
  counter('event_loop_idle_seconds', 'Time in which it waited for something to do', () => performance.eventLoopUtilization().idle / 1000),
  { name: 'process_cpu_seconds_total', kind: 'counter', help: 'Processor time of this process, all its threads', read: () => [{ value: cpuSeconds() }] },
  { name: 'process_resident_memory_bytes', kind: 'gauge', help: 'Memory of this process, mapped pages of the store included', read: () => [{ value: process.memoryUsage.rss() }] },
  { name: 'process_start_time_seconds', kind: 'gauge', help: 'When this process started, since 1970', read: () => [{ value: performance.timeOrigin / 1000 }] },
  { name: 'nodejs_heap_size_used_bytes', kind: 'gauge', help: 'Heap of JavaScript in use', read: () => [{ value: process.memoryUsage().heapUsed }] },
];

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** `bytesReceived` is received_bytes: the unit comes last. */
function metricName(counterName: string): string {
  const words = counterName.replaceAll(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
  return words.replace(/^bytes_(.*)$/, '$1_bytes');
}

function describeCounter(counterName: string): string {
  const words = counterName.replaceAll(/[A-Z]/g, (capital) => ` ${capital.toLowerCase()}`);
  return `Counted since the start of this process: ${words}`;
}

/** What the core counts, but for drops, which have a row of their own. */
function coreRows({ peer }: Moment): readonly MetricRow[] {
  return Object.keys(peer.counters)
    .filter((name) => !name.startsWith('dropped'))
    .map((name) =>
      counter(metricName(name), describeCounter(name), (moment) => moment.peer.counters[name] ?? 0),
    );
}

function clientRows({ clients }: Moment): readonly MetricRow[] {
  const counted = Object.keys(clients) as (keyof ServerCounters)[];
  return [
    gauge('client_connections', 'Redis clients that are connected', ({ clientCount }) => clientCount),
    gauge(
      'client_tracking',
      'Redis clients that are told of changes of keys they have read',
      ({ tracking }) => tracking.clients,
    ),
    gauge('client_tracked_keys', 'Keys that are remembered for them', ({ tracking }) => tracking.keys),
    gauge('client_tracked_bytes', 'Memory of these, estimated', ({ tracking }) => tracking.bytes),
    ...counted.map((name) =>
      counter(
        `client_${metricName(name)}`,
        `Redis clients. ${describeCounter(name)}`,
        (moment) => moment.clients[name],
      ),
    ),
  ];
}

/** Names are the same at every moment; `moment` says what there is to count. */
export function buildRows(moment: Moment): readonly MetricRow[] {
  return [
    ...PEER_ROWS,
    ...coreRows(moment),
    ...COLLECTION_ROWS,
    ...NETWORK_ROWS,
    ...STORE_ROWS,
    ...clientRows(moment),
    ...PROCESS_ROWS,
  ];
}
