/**
 * What hosts have refused so far, and why, as they tell it themselves.
 *
 * Owns which counters a stranger can raise, and the difference of two readings. Invariant: what is counted came from nobody but a stranger, as long as no member is at
 * fault: peers that agree raise none of them.
 */
import type { Status } from './host.ts';
import type { Laboratory } from './laboratory.ts';

/** Why a datagram, or a frame of a stream, is not opened. */
const DROPS = [
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
/** Why a connection of a peer is closed, and one of a client is, or is told no. */
const FAULTS = [
  'tooManyConnections',
  'frameTooLong',
  'emptyFrame',
  'frameMemoryFull',
  'idleConnection',
  'unprovenConnection',
];
const CLIENTS = [
  'commandsRefused',
  'protocolErrors',
  'httpDropped',
  'inputLimitClosed',
  'connectionsRejected',
];

export type Refusals = ReadonlyMap<string, number>;

function readRefusals(status: Pick<Status, 'drops' | 'network' | 'clients'>): Refusals {
  const pick = (names: readonly string[], counts: Readonly<Record<string, number>>) =>
    names.map((name) => [name, counts[name] ?? 0] as const);
  return new Map([
    ...pick(DROPS, status.drops),
    ...pick(FAULTS, status.network.faults),
    ...pick(CLIENTS, status.clients),
  ]);
}

/** Of all hosts together. */
export async function askRefusals({ hosts }: Pick<Laboratory, 'hosts'>): Promise<Refusals> {
  return addUp(await Promise.all(hosts.map(async (host) => readRefusals(await host.status()))));
}

/** The same as the command line tells it. Rejects when a host does not answer: then something that the stranger did was taken. */
export async function typeRefusals(laboratory: Laboratory): Promise<Refusals> {
  const peers = JSON.parse(await laboratory.ask('status', '--json')) as readonly {
    readonly peer: string;
    readonly status?: Status;
    readonly unreachable?: string;
  }[];
  return addUp(
    peers.map(({ peer, status, unreachable }) => {
      if (status === undefined) throw new Error(`${peer} under attack: ${unreachable ?? 'no answer'}`);
      return readRefusals(status);
    }),
  );
}

function addUp(all: readonly Refusals[]): Refusals {
  const sum = new Map<string, number>();
  for (const one of all) for (const [name, count] of one) sum.set(name, (sum.get(name) ?? 0) + count);
  return sum;
}

/** What grew between two readings. */
export function growthOf(before: Refusals, after: Refusals): Refusals {
  const grown = Array.from(after, ([name, count]) => [name, count - (before.get(name) ?? 0)] as const);
  return new Map(grown.filter(([, count]) => count > 0));
}

export function sumOf(refusals: Refusals): number {
  return [...refusals.values()].reduce((sum, count) => sum + count, 0);
}
