/**
 * A stranger on the LAN (issue 6): nothing that it sends is taken, all of it is counted by reason, and hosts go on at their pace while it floods one of them.
 *
 * Owns the attacks, the comparison with a flood that nobody has to look at, and the verdicts. Invariant: the two floods are alike but for the port, take turns, and are
 * measured by the same clients; drops are what `toposphere status --json` says.
 */
import { setTimeout as duration } from 'node:timers/promises';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openConnection } from '../../src/cli/connection.ts';
import { TUNABLES } from '../../src/peer/tunables.ts';
import type { PartResult } from '../bench/report.ts';
import { formatCount, formatDecimal } from '../bench/statistics.ts';
import { awaitEqualDigests } from './equality.ts';
import { COMMAND, type Host } from './host.ts';
import { Laboratory } from './laboratory.ts';
import { GROUP, PEER_PORT, runCommand } from './namespaces.ts';
import {
  ATTACKS,
  makeForgeries,
  PLANTED,
  StrangerControl,
  type Answer,
  type Target,
} from './strangerControl.ts';

const HOSTS = ['alpha', 'beta', 'gamma'];
/** The second half of the group's address is in that of its card. */
const GROUP_MAC = '01:00:5e:43:4a:01';
/** A port that nobody listens on. */
const UNUSED_PORT = 9_999;
/** What a switch with any sense lets one card send. */
const STRANGER_BYTES_PER_SECOND = 4_000_000;
const FLOOD_PER_SECOND = 2_500;
/** Which port each window of the flood goes to: pairs in turn, so that what drifts hits both alike. */
const TURNS = ['used', 'unused', 'unused', 'used', 'used', 'unused'] as const;
const CLIENTS_PER_HOST = 8;
const KEYS = 1_000;
const VALUE = 'v'.repeat(100);
const THROUGHPUT_BOUND = 0.8;
const COUNTED_BOUND = 0.99;
const MEMORY_BOUND = 1.25;
const REST_LIMIT_MS = 30_000;
const SETTLE_MS = 1_000;

/** Why a datagram is not opened: all that a stranger can bring about. */
const REASONS = [
  'tooShort',
  'badHeader',
  'version',
  'otherCluster',
  'wrongChannel',
  'notSealed',
  'unknownKey',
  'badSeal',
  'ownEcho',
  'replayed',
  'oldIncarnation',
];

export interface StrangerOptions {
  readonly directory: string;
  readonly seed: number;
  readonly isShort: boolean;
  readonly note: (text: string) => void;
}

export async function runStrangerPart({
  directory,
  seed,
  isShort,
  note,
}: StrangerOptions): Promise<PartResult> {
  const laboratory = await Laboratory.open({
    directory: join(directory, 'stranger'),
    ids: HOSTS,
    seed,
    strangers: ['stranger'],
  });
  const [card] = laboratory.strangers;
  if (card === undefined) throw new Error('the laboratory has no card for a stranger');
  const stranger = new StrangerControl(card, seed);
  try {
    const attacks = await runAttacks(laboratory, stranger, isShort ? 100 : 1_000, note);
    await laboratory.switch.setRate(STRANGER_BYTES_PER_SECOND, [card.name]);
    const floods = await runFloods(laboratory, stranger, isShort ? 10_000 : 100_000, note);
    return {
      sections: [...attacks.sections, ...floods.sections],
      gates: [...attacks.gates, ...floods.gates],
    };
  } finally {
    await stranger.stop();
    await laboratory.close();
  }
}

/** What `toposphere status --json` says of one host. */
interface PeerAnswer {
  readonly peer: string;
  readonly status?: { readonly drops: Readonly<Record<string, number>> };
  readonly unreachable?: string;
}

type Drops = ReadonlyMap<string, Readonly<Record<string, number>>>;

/** By host, as the command line tells it. Rejects when a host does not answer: then something that the stranger did was taken. */
async function readDrops({ serversPath }: Laboratory): Promise<Drops> {
  const text = await runCommand(process.execPath, [COMMAND, 'status', `--servers=${serversPath}`, '--json']);
  const peers = JSON.parse(text) as readonly PeerAnswer[];
  return new Map(
    peers.map(({ peer, status, unreachable }) => {
      if (status === undefined) throw new Error(`${peer} under attack: ${unreachable ?? 'no answer'}`);
      return [peer, status.drops];
    }),
  );
}

/** What one host dropped between two readings, for the reasons of a stranger. */
function countDropped(id: string, before: Drops, after: Drops): ReadonlyMap<string, number> {
  const dropped = REASONS.map(
    (reason) => [reason, (after.get(id)?.[reason] ?? 0) - (before.get(id)?.[reason] ?? 0)] as const,
  );
  return new Map(dropped.filter(([, count]) => count > 0));
}

interface AttackRow {
  readonly name: string;
  readonly sent: number;
  readonly reasons: ReadonlyMap<string, number>;
}

async function runAttacks(
  laboratory: Laboratory,
  stranger: StrangerControl,
  times: number,
  note: (text: string) => void,
): Promise<PartResult> {
  const { hosts } = laboratory;
  const [first] = hosts;
  if (first === undefined) throw new Error('no host');
  for (let at = 0; at < 20; at += 1) await first.ask('SET', `k${at}`, VALUE);
  const capturing = stranger.capture(2);
  for (let at = 0; at < 100; at += 1) await first.ask('SET', `k${at % 20}`, `${VALUE}${at}`);
  const { captured = 0, first: heard = '' } = await capturing;
  note(`the stranger heard ${captured} datagrams of the group`);
  const { incarnation } = await first.status();
  // Of a process that nobody has heard yet: of one that was heard, small packet numbers would be taken for a replay.
  const forgeries = await makeForgeries({
    id: first.id,
    incarnation: incarnation + 1,
    clusterId: TUNABLES.clusterId.default,
    heard: Buffer.from(heard, 'hex'),
  });
  await awaitEqualDigests(hosts, REST_LIMIT_MS);
  const before = await takeStock(hosts);
  const targets = hosts.map(({ card }): Target => ({
    address: card.address,
    port: PEER_PORT,
    mac: card.mac,
  }));
  const group: Target = { address: GROUP.address, port: GROUP.port, mac: GROUP_MAC };
  const orders: readonly (readonly [string, (to: readonly Target[]) => Promise<Answer>])[] = [
    ...ATTACKS.filter((how) => how !== 'made').map(
      (how) => [how, (to: readonly Target[]) => stranger.attack(how, to, times)] as const,
    ),
    ['in clear', (to) => stranger.attack('made', to, times, forgeries.inClear)],
    ['wrong key', (to) => stranger.attack('made', to, times, forgeries.wrongKey)],
  ];
  const rows: AttackRow[] = [];
  for (const [name, send] of orders) {
    note(`attack: ${name}`);
    rows.push(await countAttack(laboratory, name, () => send(targets)));
    await send([group]);
  }
  await duration(SETTLE_MS);
  const after = await takeStock(hosts);
  return judgeAttacks(rows, before, after, hosts.length);
}

async function countAttack(
  laboratory: Laboratory,
  name: string,
  send: () => Promise<Answer>,
): Promise<AttackRow> {
  const before = await readDrops(laboratory);
  const { sent } = await send();
  await duration(SETTLE_MS); // what is on its way is counted as well
  const after = await readDrops(laboratory);
  const reasons = new Map<string, number>();
  for (const { id } of laboratory.hosts) {
    for (const [reason, count] of countDropped(id, before, after))
      reasons.set(reason, (reasons.get(reason) ?? 0) + count);
  }
  return { name, sent: Object.values(sent).reduce((sum, count) => sum + count, 0), reasons };
}

/** What would show that anything was taken: digests, records applied, the planted key. */
async function takeStock(hosts: readonly Host[]): Promise<string> {
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

function judgeAttacks(rows: readonly AttackRow[], before: string, after: string, hosts: number): PartResult {
  const sent = rows.reduce((sum, row) => sum + row.sent, 0);
  const counted = rows.reduce((sum, { sent: asked, reasons }) => sum + Math.min(asked, sumOf(reasons)), 0);
  return {
    sections: [
      {
        title: `A stranger's datagrams to ${hosts} hosts, and as what they were dropped (the same went to the group)`,
        columns: ['attack', 'sent', 'counted', 'as'],
        rows: rows.map(({ name, sent: asked, reasons }) => [
          name,
          formatCount(asked),
          formatCount(sumOf(reasons)),
          Array.from(reasons, ([reason, count]) => `${reason} ${formatCount(count)}`).join(', '),
        ]),
        notes: [],
      },
    ],
    gates: [
      {
        name: 'stranger: changes at hosts, of all attacks',
        value: before === after ? 0 : 1,
        bound: { kind: 'atMost', value: 0 },
        sides: before === after ? after : `${before} became ${after}`,
      },
      {
        name: 'stranger: its datagrams that status counts by reason',
        value: counted / sent,
        bound: { kind: 'atLeast', value: COUNTED_BOUND },
        sides: `${formatCount(counted)} of ${formatCount(sent)}`,
      },
    ],
  };
}

function sumOf(reasons: ReadonlyMap<string, number>): number {
  return [...reasons.values()].reduce((sum, count) => sum + count, 0);
}

interface Window {
  readonly port: (typeof TURNS)[number];
  readonly writesPerSecond: number;
  readonly seconds: number;
  readonly memoryBytes: number;
}

async function runFloods(
  laboratory: Laboratory,
  stranger: StrangerControl,
  count: number,
  note: (text: string) => void,
): Promise<PartResult> {
  const [victim] = laboratory.hosts;
  if (victim === undefined) throw new Error('no host');
  const flood = async (port: Window['port'], datagrams: number): Promise<Window> => {
    const { address, mac } = victim.card;
    const target = { address, mac, port: port === 'used' ? PEER_PORT : UNUSED_PORT };
    const busy = keepBusy(laboratory.hosts);
    const { tookSeconds: seconds = NaN } = await stranger.flood(target, datagrams, FLOOD_PER_SECOND);
    const writes = await busy.stop();
    return { port, seconds, writesPerSecond: writes / seconds, memoryBytes: await readMemory(victim) };
  };
  note('clients without a flood, to warm up');
  await flood('unused', count / 2);
  const before = await readDrops(laboratory);
  const windows: Window[] = [];
  for (const port of TURNS) {
    note(
      `flood of the ${port} port: ${formatCount(count)} datagrams at ${formatCount(FLOOD_PER_SECOND)} a second`,
    );
    windows.push(await flood(port, count));
  }
  const dropped = countDropped(victim.id, before, await readDrops(laboratory));
  return judgeFloods(windows, count * TURNS.filter((port) => port === 'used').length, dropped);
}

/** Clients of all hosts, each with its next write when the last one is answered. `stop` resolves with how many were. */
function keepBusy(hosts: readonly Host[]): { readonly stop: () => Promise<number> } {
  let isStopped = false;
  let writes = 0;
  const run = async (host: Host, number: number): Promise<void> => {
    const connection = await openConnection(host.clients);
    try {
      for (let at = number; !isStopped; at += CLIENTS_PER_HOST) {
        await connection.request(['SET', `${host.id}:${at % KEYS}`, VALUE]);
        writes += 1;
      }
    } finally {
      connection.close();
    }
  };
  const clients = hosts.flatMap((host) =>
    Array.from({ length: CLIENTS_PER_HOST }, (_, number) => run(host, number)),
  );
  const running = Promise.all(clients);
  running.catch(() => undefined); // judged at the stop
  return {
    stop: async () => {
      isStopped = true;
      await running;
      return writes;
    },
  };
}

/** Memory of its own, bytes: pages of the store that are mapped come and go. */
async function readMemory({ processId }: Host): Promise<number> {
  const text = await readFile(`/proc/${processId}/status`, 'latin1');
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(text)?.[1] ?? NaN) * 1024;
}

function judgeFloods(
  windows: readonly Window[],
  sent: number,
  dropped: ReadonlyMap<string, number>,
): PartResult {
  const of = (port: Window['port']): readonly Window[] => windows.filter((window) => window.port === port);
  const pace = (port: Window['port']): number =>
    of(port).reduce((sum, one) => sum + one.writesPerSecond, 0) / of(port).length;
  const highest = (port: Window['port']): number =>
    Math.max(...of(port).map(({ memoryBytes }) => memoryBytes));
  const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
  return {
    sections: [
      {
        title: 'A flood of one host, and of a port of it that nobody listens on',
        columns: ['port', 'seconds', 'writes/s, all hosts', 'memory of the flooded'],
        rows: windows.map((window) => [
          window.port,
          formatDecimal(window.seconds),
          formatCount(window.writesPerSecond),
          mebibytes(window.memoryBytes),
        ]),
        notes: [
          `dropped of ${formatCount(sent)}: ${Array.from(dropped, ([reason, count]) => `${reason} ${formatCount(count)}`).join(', ')}`,
        ],
      },
    ],
    gates: [
      {
        name: 'stranger: writes/s under a flood, against the same flood of an unused port',
        value: pace('used') / pace('unused'),
        bound: { kind: 'atLeast', value: THROUGHPUT_BOUND },
        sides: `${formatCount(pace('used'))} / ${formatCount(pace('unused'))}`,
      },
      {
        name: 'stranger: memory under the flood, against that of the same time without',
        value: highest('used') / highest('unused'),
        bound: { kind: 'atMost', value: MEMORY_BOUND },
        sides: `${mebibytes(highest('used'))} / ${mebibytes(highest('unused'))}`,
      },
      {
        name: 'stranger: datagrams of the flood that are counted by reason',
        value: sumOf(dropped) / sent,
        bound: { kind: 'atLeast', value: COUNTED_BOUND },
        sides: `${formatCount(sumOf(dropped))} of ${formatCount(sent)}`,
      },
    ],
  };
}
