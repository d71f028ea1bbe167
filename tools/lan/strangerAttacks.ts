/**
 * Datagrams of a stranger, of every kind that it can make, before and after a new cluster key: is anything taken, is all of it counted, is anybody answered?
 *
 * Owns the kinds and the verdicts. The cables of all hosts are captured meanwhile. Invariant: an attack is over when all of it has been counted, or is
 * given up; the key that was retired was a good one, and what was recorded under it was genuine.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as duration } from 'node:timers/promises';
import { join } from 'node:path';
import { readClusterKeys } from '../../src/peer/clusterKeyFile.ts';
import { TUNABLES } from '../../src/peer/tunables.ts';
import type { ClusterKey } from '../../src/wire/envelope.ts';
import { waitUntil } from '../bench/peers.ts';
import type { Gate, PartResult } from '../bench/report.ts';
import { formatCount } from '../bench/statistics.ts';
import { isConfigured, listFrames, startCapture, whyNoCapture } from './capture.ts';
import { awaitEqualDigests } from './equality.ts';
import type { Host } from './host.ts';
import type { Laboratory } from './laboratory.ts';
import { GROUP, PEER_PORT, portName, SWITCH_NAMESPACE } from './namespaces.ts';
import { askRefusals, growthOf, sumOf, typeRefusals, type Refusals } from './refusals.ts';
import {
  keyIdOf,
  makeForgeries,
  PLANTED,
  type Source,
  type StrangerControl,
  type Target,
} from './strangerControl.ts';

/** The second half of the group's address is in that of its card. */
const GROUP_MAC = '01:00:5e:43:4a:01';
const VALUE = 'v'.repeat(100);
const CAPTURED_WRITES = 100;
const COUNTED_BOUND = 0.99;
/** Of what a stranger sends, bytes; beyond it what hosts send is not their own timers' unevenness. */
const ANSWERED_BOUND = 0.01;
/** Milliseconds in which the last of an attack is counted. */
const COUNT_LIMIT_MS = 2_000;
/** Seconds of a capture by the stranger, and of one of hosts at rest. */
const LISTEN_SECONDS = 1;
const QUIET_MS = 2_000;
const REST_LIMIT_MS = 30_000;

interface Order {
  readonly name: string;
  readonly source: Source;
  readonly how: Parameters<StrangerControl['attack']>[0]['how'];
  readonly payloads?: readonly Buffer[];
  /** The only reason that it may be counted as, where there is but one. */
  readonly as?: string;
}

interface Row {
  readonly order: Order;
  readonly sent: number;
  readonly sentBytes: number;
  readonly refusals: Refusals;
}

export interface AttackOptions {
  readonly laboratory: Laboratory;
  readonly stranger: StrangerControl;
  /** Datagrams of each attack to each host. */
  readonly times: number;
  readonly note: (text: string) => void;
}

export async function runAttacks(options: AttackOptions): Promise<PartResult> {
  const { laboratory, stranger, times, note } = options;
  const { hosts } = laboratory;
  const orders = await prepare(options);
  await awaitEqualDigests(hosts, REST_LIMIT_MS);
  const watch = await beginWatch(options);
  const before = await takeStock(hosts);
  const typedBefore = await typeRefusals(laboratory);
  const targets = hosts.map((host) => targetOf(host, PEER_PORT));
  const rows: Row[] = [];
  let bytes = 0;
  for (const order of orders) {
    note(`attack: ${order.name}, from ${order.source}`);
    const row = await countAttack(laboratory, order, () => stranger.attack({ ...order, targets, times }));
    rows.push(row);
    bytes += row.sentBytes;
  }
  const group: Target = { address: GROUP.address, port: GROUP.port, mac: GROUP_MAC };
  // As if from a member it would be heard by all but that member: no system takes a datagram from its own address.
  for (const order of orders.filter(({ source }) => source !== 'member'))
    bytes += (await stranger.attack({ ...order, targets: [group], times })).sentBytes;
  const typed = growthOf(typedBefore, await typeRefusals(laboratory));
  const answered = typeof watch === 'string' ? watch : await watch.end(bytes);
  return judge({ rows, typed, before, after: await takeStock(hosts), answered });
}

export function targetOf({ card }: Host, port: number): Target {
  return { address: card.address, port, mac: card.mac };
}

/** The stranger records the cluster, the cluster changes its key, the stranger records it again; what it can make of both. */
async function prepare({ laboratory, stranger, note }: AttackOptions): Promise<readonly Order[]> {
  const record = async (): Promise<Buffer> => {
    const [first] = laboratory.hosts;
    const recording = stranger.capture(LISTEN_SECONDS);
    for (let at = 0; at < CAPTURED_WRITES; at += 1) await first?.ask('SET', `k${at % 20}`, `${VALUE}${at}`);
    const { captured = 0, first: heard = '' } = await recording;
    note(`the stranger heard ${captured} datagrams of the group`);
    return Buffer.from(heard, 'hex');
  };
  await record();
  const [retired] = (await readClusterKeys(laboratory.clusterKeyPath)).keys;
  if (retired === undefined) throw new Error('the cluster has no key');
  await changeKey(laboratory, note);
  const heard = await record();
  const [first] = laboratory.hosts;
  const { id, incarnation } = (await first?.status()) ?? { id: '', incarnation: 0 };
  // Of a process that nobody has heard yet: of one that was heard, small packet numbers would be taken for a replay.
  const self = { id, incarnation: incarnation + 1, clusterId: TUNABLES.clusterId.default };
  const make = (keys: readonly ClusterKey[]): Promise<readonly Buffer[]> => makeForgeries(self, keys);
  const from = (source: Source, how: Order['how']): Order => ({ name: how, source, how });
  const made = (name: string, as: string, payloads: readonly Buffer[]): readonly Order[] =>
    (['itself', 'member', 'nobody'] as const).map((source) => ({ name, source, how: 'made', payloads, as }));
  return [
    from('itself', 'replayed'),
    from('member', 'replayed'),
    from('nobody', 'replayed'),
    from('itself', 'recorded'),
    from('member', 'recorded'),
    from('itself', 'truncated'),
    from('itself', 'damaged'),
    from('itself', 'oversized'),
    from('itself', 'rubbish'),
    from('member', 'rubbish'),
    ...made('in clear', 'notSealed', await make([])),
    ...made('wrong key', 'badSeal', await make([{ id: keyIdOf(heard), secret: randomBytes(32) }])),
    ...made('retired key', 'unknownKey', await make([retired])),
  ];
}

/** A rotation as the README has it; each step follows when `status` says that it may. */
async function changeKey(laboratory: Laboratory, note: (text: string) => void): Promise<void> {
  const steps = [
    ['add', /toposphere key promote may follow/],
    ['promote', /toposphere key retire may follow/],
    ['retire', /seals with key \d+ and accepts no other/],
  ] as const;
  for (const [step, advice] of steps) {
    note(
      await laboratory.type('key', step, laboratory.clusterKeyPath).then((said) => said.split('\n')[0] ?? ''),
    );
    await laboratory.ask('reload');
    let said = '';
    const mayFollow = async (): Promise<boolean> => advice.test((said = await laboratory.ask('status')));
    if (!(await waitUntil(mayFollow, REST_LIMIT_MS))) throw new Error(`after key ${step}: ${said}`);
  }
}

async function countAttack(
  laboratory: Laboratory,
  order: Order,
  send: () => ReturnType<StrangerControl['attack']>,
): Promise<Row> {
  const before = await askRefusals(laboratory);
  const { sent: sentTo, sentBytes } = await send();
  const sent = Object.values(sentTo).reduce((sum, count) => sum + count, 0);
  let refusals = before;
  const isCounted = async (): Promise<boolean> => {
    refusals = growthOf(before, await askRefusals(laboratory));
    return sumOf(refusals) >= sent;
  };
  await waitUntil(isCounted, COUNT_LIMIT_MS); // what is missing then is judged
  return { order, sent, sentBytes, refusals };
}

/** What would show that anything was taken: digests, records applied, the planted key. */
export async function takeStock(hosts: readonly Host[]): Promise<string> {
  const stock = await Promise.all(
    hosts.map(async (host) => {
      const [{ digest }, { counters }, [planted]] = await Promise.all([
        host.digest(),
        host.status(),
        host.values([PLANTED]),
      ]);
      return `${host.id} ${digest}, ${counters['recordsApplied'] ?? 0} records applied, ${planted === null ? 'nothing planted' : 'PLANTED'}`;
    }),
  );
  return stock.join('; ');
}

/** What left the hosts while a stranger spoke to them. */
interface Answered {
  /** Frames to somebody that servers.txt does not have, and questions where such a one is. */
  readonly elsewhere: readonly string[];
  /** By all hosts, at rest and meanwhile. */
  readonly restBytesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly strangerBytesPerSecond: number;
}

/** A capture of all that hosts send, at rest at first. */
interface Watch {
  end(strangerBytes: number): Promise<Answered>;
}

/** Answers why there can be none where that is so. */
async function beginWatch({ laboratory }: AttackOptions): Promise<Watch | string> {
  const why = await whyNoCapture();
  if (why !== undefined) return why;
  const path = join(laboratory.directory, 'attacks.pcapng');
  const cards = laboratory.hosts.map(({ card }, at) => ({
    name: portName(at),
    filter: `ether src ${card.mac}`,
  }));
  const capture = await startCapture(SWITCH_NAMESPACE, cards, path);
  const startedMs = Date.now();
  await duration(QUIET_MS);
  const attackedMs = Date.now();
  return {
    async end(strangerBytes) {
      const endedMs = Date.now();
      await capture.stop('SIGINT');
      const frames = (await listFrames(path, FRAME_FIELDS)).map(readFrame);
      const addresses = laboratory.hosts.map(({ card }) => card.address);
      const bytesPerSecond = (fromMs: number, toMs: number): number =>
        frames
          .filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
          .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) /
        ((toMs - fromMs) / 1000);
      return {
        elsewhere: frames.filter((frame) => !isKnown(frame, addresses)).map(({ line }) => line),
        restBytesPerSecond: bytesPerSecond(startedMs, attackedMs),
        bytesPerSecond: bytesPerSecond(attackedMs, endedMs),
        strangerBytesPerSecond: strangerBytes / ((endedMs - attackedMs) / 1000),
      };
    },
  };
}

/** Beyond those that `isConfigured` reads. */
const FRAME_FIELDS = ['frame.time_epoch', 'frame.len', 'arp.opcode', 'arp.dst.proto_ipv4'];
const ARP_QUESTION = '1';

interface Frame {
  readonly line: string;
  readonly atMs: number;
  readonly sizeBytes: number;
  /** Whose address it asks for, if it does. */
  readonly asksFor: string | undefined;
}

function readFrame(line: string): Frame {
  const [time, size, opcode, asked] = line.split('|').slice(-FRAME_FIELDS.length);
  const asksFor = opcode === ARP_QUESTION ? asked : undefined;
  return { line, atMs: Number(time) * 1000, sizeBytes: Number(size), asksFor };
}

/** To one that servers.txt has; nor is anybody else looked for, as one would be who is to be answered. */
function isKnown({ line, asksFor }: Frame, addresses: readonly string[]): boolean {
  return isConfigured(line, addresses) && (asksFor === undefined || addresses.includes(asksFor));
}

function judge({
  rows,
  typed,
  before,
  after,
  answered,
}: {
  readonly rows: readonly Row[];
  readonly typed: Refusals;
  readonly before: string;
  readonly after: string;
  readonly answered: Answered | string;
}): PartResult {
  const sent = rows.reduce((sum, row) => sum + row.sent, 0);
  const counted = rows.reduce((sum, row) => sum + Math.min(row.sent, countedOf(row)), 0);
  return {
    sections: [
      {
        title:
          'Datagrams of a stranger to each host, and as what they were dropped (the same went to the group)',
        columns: ['attack', 'from', 'sent', 'counted', 'as'],
        rows: rows.map((row) => [
          row.order.name,
          row.order.source,
          formatCount(row.sent),
          formatCount(countedOf(row)),
          describe(row.refusals),
        ]),
        notes: [
          `as \`toposphere status --json\` tells it, what went to the group included: ${describe(typed)}`,
        ],
      },
    ],
    gates: [
      {
        name: 'stranger: changes at hosts, of all datagrams',
        value: before === after ? 0 : 1,
        bound: { kind: 'atMost', value: 0 },
        sides: before === after ? after : `${before} became ${after}`,
      },
      {
        name: 'stranger: its datagrams that status counts by reason',
        value: Math.min(counted, sumOf(typed)) / sent,
        bound: { kind: 'atLeast', value: COUNTED_BOUND },
        sides: `${formatCount(counted)} of ${formatCount(sent)}`,
      },
      ...judgeAnswers(answered),
    ],
  };
}

function countedOf({ order, refusals }: Row): number {
  return order.as === undefined ? sumOf(refusals) : (refusals.get(order.as) ?? 0);
}

export function describe(refusals: Refusals): string {
  return Array.from(refusals, ([reason, count]) => `${reason} ${formatCount(count)}`).join(', ');
}

function judgeAnswers(answered: Answered | string): readonly Gate[] {
  const seen = typeof answered === 'string' ? undefined : answered;
  const why = typeof answered === 'string' ? answered : 'no capture';
  const { elsewhere = [], bytesPerSecond = NaN, restBytesPerSecond = NaN } = seen ?? {};
  const { strangerBytesPerSecond = NaN } = seen ?? {};
  const perSecond = (bytes: number): string => `${formatCount(bytes)} bytes/s`;
  return [
    {
      name: 'stranger: frames of hosts to others than servers.txt has, meanwhile',
      value: seen === undefined ? NaN : elsewhere.length,
      bound: { kind: 'atMost', value: 0 },
      sides:
        elsewhere.length === 0 ? 'also from an address that nobody has' : elsewhere.slice(0, 5).join('; '),
      why,
    },
    {
      name: 'stranger: what hosts send more than at rest, of what it sends them',
      value: Math.max(0, bytesPerSecond - restBytesPerSecond) / strangerBytesPerSecond,
      bound: { kind: 'atMost', value: ANSWERED_BOUND },
      sides: `${perSecond(bytesPerSecond)}, ${perSecond(restBytesPerSecond)} at rest; ${perSecond(strangerBytesPerSecond)} from it`,
      why,
    },
  ];
}
