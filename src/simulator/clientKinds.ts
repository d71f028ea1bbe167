/**
 * The kinds of clients that a run may have beside those of its events: how many of each a seed is asked for, and what they need of the settings.
 */
import { chance, pick, wholeBetween } from './random.ts';
import type { RandomStream } from './random.ts';
import { GOOD_LINK } from './schedule.ts';
import type { LinkQuality, Schedule } from './schedule.ts';

const KINDS = ['sessions', 'registers', 'replicas', 'requests', 'counters', 'groups', 'publishers'] as const;

/** None of a kind that is left out. But for those of registers, they change nothing of the rest of a schedule. */
export interface ClientCounts {
  /** Clients that carry a session from peer to peer. */
  readonly sessions?: number;
  /** Clients of linearizable registers. With them links lose more, and clocks differ. */
  readonly registers?: number;
  /** Clients whose writes wait for other peers' disks. */
  readonly replicas?: number;
  /** Clients whose requests have ids and are asked again. With them settings say how long these are remembered. */
  readonly requests?: number;
  /** Clients that count. */
  readonly counters?: number;
  /** Clients that write groups. */
  readonly groups?: number;
  /** Clients that publish. Where no faults are wanted, links lose, repeat and disorder a little. */
  readonly publishers?: number;
}

/** Enough to be repaired. */
export function linkOf({ publishers = 0 }: ClientCounts, hasFaults: boolean): LinkQuality | undefined {
  return publishers === 0 || hasFaults
    ? undefined
    : { ...GOOD_LINK, loss: 0.05, duplicate: 0.02, reorder: 0.05 };
}

export function clientsOf(counts: ClientCounts): ClientCounts {
  return Object.fromEntries(
    KINDS.map((kind) => [kind, counts[kind] ?? 0] as const).filter(([, count]) => count > 0),
  );
}

/** There is not always room for a cell of each counter and peer. */
export function limitCells(
  settings: Schedule['settings'],
  random: RandomStream,
  counters = 0,
): Schedule['settings'] {
  if (counters === 0 || !chance(random, 0.25)) return settings;
  return { ...settings, limits: { ...settings.limits, maxCounterCells: 5 } };
}

/** Records of requests end within the run, but later than any request is on its way, also by clocks that jump; and there is not always room for all. */
export function rememberRequests(
  settings: Schedule['settings'],
  random: RandomStream,
  requests = 0,
): Schedule['settings'] {
  if (requests === 0) return settings;
  const limits = {
    requestsKeptMs: wholeBetween(random, 10_000, 25_000),
    maxRequests: pick(random, [1_000_000, 1_000_000, 12]),
  };
  return { ...settings, limits: { ...settings.limits, ...limits } };
}
