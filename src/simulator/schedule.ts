/**
 * A run as data: who takes part, what clients do, what breaks and when. Saved as JSON, replayed, shrunk.
 *
 * Owns the shapes and the check of a file that somebody else wrote. What is not written here (which packet is lost, how
 * long a flush takes) is drawn from streams of `seed`, one for each concern, so that a schedule is a whole run.
 */
import { ToposphereError } from '../core/errors.ts';
import { defaultLimits } from '../core/settings.ts';
import type { CoreLimits } from '../core/settings.ts';
import { DISK_STATES } from './virtualDisk.ts';
import type { DiskState } from './virtualDisk.ts';

/** Acknowledgement level of an operation. */
export type Level = 'fast' | 'committed' | 'durable';

/** A value as text, or so many bytes of it. */
export type ValueSpec = string | number;

/** How a direction of a link treats what it carries; shares are chances from 0 to 1. */
export interface LinkQuality {
  readonly loss: number;
  /** Of UPDATE only, on top of `loss`. */
  readonly updateLoss: number;
  /** Of multicast only, on top of `loss`: 1 where a switch or a cloud does not pass it on. */
  readonly multicastLoss: number;
  readonly duplicate: number;
  /** Share of datagrams that take up to ten times as long: they arrive out of order. */
  readonly reorder: number;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
}

export const GOOD_LINK: LinkQuality = {
  loss: 0,
  updateLoss: 0,
  multicastLoss: 0,
  duplicate: 0,
  reorder: 0,
  minDelayMs: 0.05,
  maxDelayMs: 0.25,
};

export type Operation = {
  readonly atMs: number;
  readonly peer: string;
  readonly key: string;
  readonly level: Level;
  /** Its turn stays open for what comes in the same moment: one commit and as few UPDATEs as hold it all. */
  readonly sharesTurn?: boolean;
} & (
  | {
      readonly do: 'set';
      readonly value: ValueSpec;
      /** The key expires after so long by the clock of the peer written to; never when left out. */
      readonly expiresInMs?: number;
    }
  | { readonly do: 'delete' }
);

export type Fault =
  /** Nothing passes from any of `from` to any of `to`; with `oneWay` false, nor back. */
  | {
      readonly atMs: number;
      readonly do: 'cut';
      readonly from: readonly string[];
      readonly to: readonly string[];
      readonly oneWay: boolean;
    }
  /** Cuts end: all of them, or those between two groups. */
  | {
      readonly atMs: number;
      readonly do: 'heal';
      readonly from?: readonly string[];
      readonly to?: readonly string[];
    }
  /** How links treat what they carry, those of `from` to `to` or all. */
  | {
      readonly atMs: number;
      readonly do: 'link';
      readonly from?: readonly string[];
      readonly to?: readonly string[];
      readonly quality: Partial<LinkQuality>;
    }
  /** Ends the process; with `power` the disk loses what was not flushed. */
  | { readonly atMs: number; readonly do: 'crash'; readonly peer: string; readonly power: boolean }
  /** SIGTERM: it says that it leaves, and ends. */
  | { readonly atMs: number; readonly do: 'start' | 'stop'; readonly peer: string }
  /** SIGSTOP and SIGCONT. */
  | { readonly atMs: number; readonly do: 'pause' | 'resume'; readonly peer: string }
  /** A dead peer's disk is replaced by an empty one; is copied away; is replaced by the last copy. */
  | { readonly atMs: number; readonly do: 'wipe' | 'backUp' | 'rollBack'; readonly peer: string }
  /** An operator at `peer` forgets a member for good; or a new one is started, which servers.txt everywhere lists from then on. */
  | { readonly atMs: number; readonly do: 'forget'; readonly peer: string; readonly member: string }
  | { readonly atMs: number; readonly do: 'admit'; readonly peer: string }
  /** A second process with the id of `peer`, on a copy of its disk; and its end. */
  | { readonly atMs: number; readonly do: 'twin' | 'endTwin'; readonly peer: string }
  /** Sets the wall clock so far from the true time. */
  | { readonly atMs: number; readonly do: 'clock'; readonly peer: string; readonly offsetMs: number }
  | { readonly atMs: number; readonly do: 'disk'; readonly peer: string; readonly state: DiskState }
  /** From now on this share of its datagrams reaches the others from an address that is not its own. */
  | { readonly atMs: number; readonly do: 'stray'; readonly peer: string; readonly share: number };

export type ScheduleEvent = Operation | Fault;

export interface Schedule {
  readonly version: 1;
  readonly seed: number;
  readonly peers: readonly string[];
  /** Those of them that take part from the start; all when left out. The others wait for `admit`. */
  readonly founders?: readonly string[];
  /** Length of the part with operations and faults, virtual milliseconds; healing comes after it. */
  readonly durationMs: number;
  readonly settings: {
    readonly keepaliveMs?: number;
    readonly heartbeatMs?: number;
    readonly deadAfterMs?: number;
    readonly maxDriftMs?: number;
    readonly gcUpdateCount?: number;
    readonly gcIntervalMs?: number;
    readonly limits?: Partial<CoreLimits>;
  };
  readonly link: LinkQuality;
  /** Peers that must make progress among themselves while the rest stays broken; none when empty. */
  readonly healthyCore: readonly string[];
  /** In order of time. */
  readonly events: readonly ScheduleEvent[];
  /** Clients beside those of the events that carry a session from peer to peer (sessionClients.ts); none when left out. */
  readonly sessions?: number;
  /** Clients that read and write linearizable registers (registerClients.ts); none when left out. */
  readonly registers?: number;
  /** Clients whose writes wait for other peers' disks (replicatedClients.ts); none when left out. */
  readonly replicas?: number;
  /** Clients whose requests have ids, and are asked again (requestClients.ts). */
  readonly requests?: number;
  /** Clients that count (counterClients.ts). */
  readonly counters?: number;
  /** Clients that write groups (groupClients.ts). */
  readonly groups?: number;
  /** Clients that publish, with a listener at each peer (publishClients.ts); none when left out. */
  readonly publishers?: number;
}

/** The most clients with sessions, of registers, of those whose writes wait for other disks, or have request ids, of counters, of groups, and of those that publish, that a schedule may ask for. */
export const MAX_SESSIONS = 100;
export const MAX_REPLICAS = 100;
export const MAX_REQUEST_CLIENTS = 100;
export const MAX_COUNTER_CLIENTS = 100;
export const MAX_GROUP_CLIENTS = 100;
export const MAX_PUBLISHERS = 100;

const LEVELS: readonly Level[] = ['fast', 'committed', 'durable'];

export function isOperation(event: ScheduleEvent): event is Operation {
  return event.do === 'set' || event.do === 'delete';
}

/** The peers an event names. */
export function peersOf(event: ScheduleEvent): readonly string[] {
  switch (event.do) {
    case 'cut':
      return [...event.from, ...event.to];
    case 'heal':
    case 'link':
      return [...(event.from ?? []), ...(event.to ?? [])];
    case 'forget':
      return [event.peer, event.member];
    default:
      return [event.peer];
  }
}

/** Reads a schedule file. Throws BAD_ARGUMENT with everything that is wrong, one line each. */
export function parseSchedule(text: string): Schedule {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    throw new ToposphereError('BAD_ARGUMENT', `the schedule is no JSON: ${String(error)}`);
  }
  const faults: string[] = [];
  const check = createChecker(faults);
  if (!check.isRecord(data, 'the schedule')) throw wrong(faults);
  const peers = check.names(data['peers'], 'peers');
  if (data['version'] !== 1) faults.push(`version: 1 is understood, not ${JSON.stringify(data['version'])}`);
  check.number(data['seed'], 'seed', 0, Number.MAX_SAFE_INTEGER);
  check.number(data['durationMs'], 'durationMs', 0, 1e9);
  check.settings(data['settings']);
  check.quality(data['link'], 'link', false);
  for (const clients of ['sessions', 'registers'])
    if (data[clients] !== undefined) check.number(data[clients], clients, 0, MAX_SESSIONS);
  if (data['sessions'] !== undefined) check.number(data['sessions'], 'sessions', 0, MAX_SESSIONS);
  if (data['replicas'] !== undefined) check.number(data['replicas'], 'replicas', 0, MAX_REPLICAS);
  if (data['requests'] !== undefined) check.number(data['requests'], 'requests', 0, MAX_REQUEST_CLIENTS);
  if (data['counters'] !== undefined) check.number(data['counters'], 'counters', 0, MAX_COUNTER_CLIENTS);
  if (data['groups'] !== undefined) check.number(data['groups'], 'groups', 0, MAX_GROUP_CLIENTS);
  if (data['publishers'] !== undefined) check.number(data['publishers'], 'publishers', 0, MAX_PUBLISHERS);
  if (data['founders'] !== undefined) check.members(data['founders'], 'founders', peers);
  check.members(data['healthyCore'], 'healthyCore', peers);
  if (!Array.isArray(data['events'])) faults.push('events: a list is wanted');
  else {
    let lastMs = 0;
    for (const [at, event] of data['events'].entries()) {
      check.event(event, `events[${at}]`, peers);
      const { atMs } = (event ?? {}) as { atMs?: unknown };
      if (typeof atMs === 'number' && atMs < lastMs) faults.push(`events[${at}]: before the one above it`);
      if (typeof atMs === 'number') lastMs = atMs;
    }
  }
  if (faults.length > 0) throw wrong(faults);
  return data as unknown as Schedule;
}

function wrong(faults: readonly string[]): ToposphereError {
  return new ToposphereError(
    'BAD_ARGUMENT',
    `the schedule cannot be run:\n${faults.slice(0, 20).join('\n')}`,
  );
}

function createChecker(faults: string[]) {
  function isRecord(value: unknown, name: string): value is Record<string, unknown> {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return true;
    faults.push(`${name}: an object is wanted`);
    return false;
  }
  function number(value: unknown, name: string, least: number, most: number): void {
    if (typeof value !== 'number' || !(value >= least && value <= most))
      faults.push(`${name}: a number from ${least} to ${most} is wanted, not ${JSON.stringify(value)}`);
  }
  function oneOf(value: unknown, name: string, choices: readonly unknown[]): void {
    if (!choices.includes(value)) faults.push(`${name}: one of ${choices.join(', ')} is wanted`);
  }
  function names(value: unknown, name: string): readonly string[] {
    const isGood =
      Array.isArray(value) &&
      value.length > 0 &&
      value.every((one) => typeof one === 'string' && /^[A-Za-z0-9_.-]{1,32}$/.test(one)) &&
      new Set(value).size === value.length;
    if (!isGood) faults.push(`${name}: a list of different peer ids is wanted`);
    return isGood ? (value as string[]) : [];
  }
  function members(value: unknown, name: string, peers: readonly string[]): void {
    if (!Array.isArray(value)) faults.push(`${name}: a list of peers is wanted`);
    else
      for (const one of value)
        if (!peers.includes(one as string)) faults.push(`${name}: no peer ${String(one)}`);
  }
  function quality(value: unknown, name: string, isPartial: boolean): void {
    if (!isRecord(value, name)) return;
    for (const key of Object.keys(GOOD_LINK)) {
      if (value[key] === undefined && isPartial) continue;
      number(value[key], `${name}.${key}`, 0, key.endsWith('DelayMs') ? 60_000 : 1);
    }
  }
  function settings(value: unknown): void {
    if (!isRecord(value, 'settings')) return;
    for (const [key, setting] of Object.entries(value)) {
      if (key !== 'limits') {
        oneOf(key, `settings.${key}`, [
          'keepaliveMs',
          'heartbeatMs',
          'deadAfterMs',
          'maxDriftMs',
          'gcUpdateCount',
          'gcIntervalMs',
        ]);
        number(setting, `settings.${key}`, 1, 1e9);
      } else if (isRecord(setting, 'settings.limits')) {
        for (const [limit, bound] of Object.entries(setting)) {
          oneOf(limit, `settings.limits.${limit}`, Object.keys(defaultLimits));
          number(bound, `settings.limits.${limit}`, 0, 1e9);
        }
      }
    }
  }
  function event(value: unknown, name: string, peers: readonly string[]): void {
    if (!isRecord(value, name)) return;
    number(value['atMs'], `${name}.atMs`, 0, 1e9);
    const groups = (isNeeded: boolean): void => {
      for (const group of ['from', 'to'])
        if (isNeeded || value[group] !== undefined) members(value[group], `${name}.${group}`, peers);
    };
    switch (value['do']) {
      case 'set':
      case 'delete':
        if (value['do'] === 'set')
          oneOf(typeof value['value'], `type of ${name}.value`, ['string', 'number']);
        if (value['expiresInMs'] !== undefined) number(value['expiresInMs'], `${name}.expiresInMs`, 1, 1e9);
        oneOf(typeof value['key'], `type of ${name}.key`, ['string']);
        oneOf(value['level'], `${name}.level`, LEVELS);
        oneOf(value['sharesTurn'], `${name}.sharesTurn`, [undefined, true, false]);
        break;
      case 'cut':
        groups(true);
        oneOf(value['oneWay'], `${name}.oneWay`, [true, false]);
        return;
      case 'heal':
        groups(false);
        return;
      case 'link':
        groups(false);
        quality(value['quality'], `${name}.quality`, true);
        return;
      case 'crash':
        oneOf(value['power'], `${name}.power`, [true, false]);
        break;
      case 'clock':
        number(value['offsetMs'], `${name}.offsetMs`, -1e9, 1e9);
        break;
      case 'disk':
        oneOf(value['state'], `${name}.state`, DISK_STATES);
        break;
      case 'stray':
        number(value['share'], `${name}.share`, 0, 1);
        break;
      case 'forget':
        oneOf(value['member'], `${name}.member`, peers);
        break;
      case 'start':
      case 'stop':
      case 'admit':
      case 'wipe':
      case 'backUp':
      case 'rollBack':
      case 'pause':
      case 'resume':
      case 'twin':
      case 'endTwin':
        break;
      default:
        faults.push(`${name}.do: nothing is called ${JSON.stringify(value['do'])}`);
        return;
    }
    oneOf(value['peer'], `${name}.peer`, peers);
  }
  return { isRecord, number, names, members, quality, settings, event };
}
