/**
 * From a seed to a schedule: which faults at which rates, which clients, which limits.
 *
 * Every rate is drawn per seed and often zero, so that some runs have one kind of fault alone and some have all. One stream
 * for each concern. The result is data: it can be read, cut and replayed without this file.
 */
import type { CoreLimits } from '../core/settings.ts';
import { between, chance, openStream, part, pick, untilNextMs, wholeBetween } from './random.ts';
import type { RandomStream } from './random.ts';
import { drawRegisterConditions } from './registerConditions.ts';
import { clientsOf, limitCells, linkOf, rememberRequests } from './clientKinds.ts';
import type { ClientCounts } from './clientKinds.ts';
import { GOOD_LINK } from './schedule.ts';
import type { Fault, Level, LinkQuality, Operation, Schedule, ScheduleEvent, ValueSpec } from './schedule.ts';

export const FAULT_KINDS = [
  'links',
  'partitions',
  'crashes',
  'pauses',
  'twins',
  'clocks',
  'disks',
  'strays',
  'wipes',
  'rollbacks',
  'members',
  'multicast',
  'stops',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface GenerateOptions extends ClientCounts {
  readonly seed: number;
  /** Number of peers; 5 when left out. */
  readonly servers?: number;
  /** Length of the part with faults, virtual minutes; 2 when left out. */
  readonly minutes?: number;
  /** Kinds of faults that may occur; all when left out. */
  readonly faults?: readonly FaultKind[];
}

const NAMES = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta', 'eta', 'theta', 'iota', 'kappa'];
const LEVELS: readonly Level[] = ['fast', 'committed', 'committed', 'durable'];

/** alpha, beta, …; numbered beyond the Greek ones at hand. */
export function peerNames(count: number): string[] {
  return Array.from({ length: count }, (_, at) => NAMES[at] ?? `p${String(at + 1).padStart(4, '0')}`);
}

export function generateSchedule(options: GenerateOptions): Schedule {
  const { seed } = options;
  const peers = peerNames(options.servers ?? 5);
  const durationMs = Math.round((options.minutes ?? 2) * 60_000);
  const kinds = new Set<FaultKind>(options.faults ?? FAULT_KINDS);
  const stream = (concern: string): RandomStream => openStream(seed, concern);
  const context = { peers, durationMs };
  const faults: Fault[] = [];
  for (const kind of FAULT_KINDS) {
    const random = stream(`faults ${kind}`);
    // Drawn even when not wanted: one kind less must not change the others.
    const drawn = random() < 0.45 ? [] : GENERATORS[kind](random, context);
    if (kinds.has(kind)) faults.push(...drawn);
  }
  const operations = generateOperations(stream('workload'), context);
  const worse = drawRegisterConditions(stream, context, options.registers);
  const events: ScheduleEvent[] = [
    ...(worse?.faults ?? []),
    ...shareTurns(stream('turns'), letExpire(stream('expiry'), resizeValues(stream('sizes'), operations))),
    ...faults,
  ];
  const admitted = new Set(faults.flatMap((fault) => (fault.do === 'admit' ? [fault.peer] : [])));
  const forgotten = new Set(faults.flatMap((fault) => (fault.do === 'forget' ? [fault.member] : [])));
  const lasting = peers.filter((peer) => !admitted.has(peer) && !forgotten.has(peer));
  const coreRandom = stream('core');
  const settings = limitCells(drawSettings(stream('settings')), stream('counters'), options.counters);
  return {
    version: 1,
    seed,
    peers,
    durationMs,
    settings: rememberRequests(settings, stream('requests'), options.requests),
    link: worse?.link ?? linkOf(options, kinds.size > 0) ?? drawLink(stream('link'), kinds.has('links')),
    ...(admitted.size > 0 ? { founders: peers.filter((peer) => !admitted.has(peer)) } : {}),
    healthyCore: lasting.length > 2 && coreRandom() < 0.5 ? part(coreRandom, lasting) : [],
    events: events.sort((a, b) => a.atMs - b.atMs),
    ...clientsOf(options),
  };
}

type Context = Pick<Schedule, 'peers' | 'durationMs'>;

/** Limits that a small run would never hit are shrunk until it does. */
function drawSettings(random: RandomStream): Schedule['settings'] {
  const rounds = {
    gcIntervalMs: wholeBetween(random, 500, 8_000),
    gcUpdateCount: pick(random, [5, 50, 20_000]),
  };
  if (random() < 0.6) return rounds;
  const small = (): number => wholeBetween(random, 3, 4);
  const candidates: Partial<CoreLimits> = {
    maxGapIntervals: small(),
    maxDotsAboveVector: 2 * small(),
    maxNakRanges: small(),
    maxNakDots: small(),
    maxNakBacklog: 4 * small(),
    maxPendingRepairs: 2 * small(),
    maxAnswerDots: 3 * small(),
    maxAnswerBytes: 200 * small(),
    streamThresholdBytes: 400 * small(),
    maxVectorGaps: small(),
    maxRepairDatagrams: small(),
    nakSilentTries: 1,
    maxTableRows: 10 * small(),
    sweepEntries: small(),
    checkpointPartBytes: 300 * small(),
    maxQueuedExpiries: small(),
    transferWindow: small() - 2,
    maxTransfers: 1,
    transferIdleMs: 1000 * small(),
  };
  const limits = Object.fromEntries(Object.entries(candidates).filter(() => random() < 0.6));
  return { ...rounds, limits };
}

function drawLink(random: RandomStream, isFaulty: boolean): LinkQuality {
  const draws = [random(), random(), random(), random(), random(), random(), random()];
  if (!isFaulty) return GOOD_LINK;
  const [loss = 0, updateLoss = 0, duplicate = 0, reorder = 0, delay = 0, howLossy = 0, howSlow = 0] = draws;
  return {
    loss: loss < 0.6 ? 0 : howLossy * 0.4,
    updateLoss: updateLoss < 0.7 ? 0 : howLossy,
    multicastLoss: 0,
    duplicate: duplicate < 0.7 ? 0 : 0.1,
    reorder: reorder < 0.7 ? 0 : 0.3,
    minDelayMs: 0.05,
    maxDelayMs: delay < 0.7 ? 0.25 : 0.25 + howSlow * 40,
  };
}

function generateOperations(random: RandomStream, { peers, durationMs }: Context): Operation[] {
  const operations: Operation[] = [];
  const perSecond = between(random, 1, 8);
  const keyCount = pick(random, [3, 20, 200]);
  const isHot = chance(random, 0.3);
  const deleteShare = pick(random, [0.02, 0.1, 0.5]);
  const largeShare = pick(random, [0, 0, 0.02]);
  const burstShare = pick(random, [0, 0.01, 0.03]);
  const homes = chance(random, 0.3) ? part(random, peers) : peers;
  let serial = 0;
  const push = (atMs: number, peer: string): void => {
    const key = isHot && chance(random, 0.8) ? 'hot' : `k${wholeBetween(random, 1, keyCount)}`;
    const level = pick(random, LEVELS);
    serial += 1;
    if (chance(random, deleteShare)) operations.push({ atMs, do: 'delete', peer, key, level });
    else operations.push({ atMs, do: 'set', peer, key, value: drawValue(random, serial, largeShare), level });
  };
  for (let atMs = untilNextMs(random, perSecond); atMs < durationMs; atMs += untilNextMs(random, perSecond)) {
    const peer = pick(random, homes);
    const count = chance(random, burstShare) ? wholeBetween(random, 20, 120) : 1;
    for (let at = 0; at < count; at += 1) push(atMs, peer);
  }
  return operations;
}

function drawValue(random: RandomStream, serial: number, largeShare: number): ValueSpec {
  if (!chance(random, largeShare)) return `v${serial}`;
  return chance(random, 0.05) ? 700_000 : wholeBetween(random, 1_200, 60_000);
}

/** Values of which a few fill a datagram, or one does not quite. */
function resizeValues(random: RandomStream, operations: readonly Operation[]): Operation[] {
  const share = pick(random, [0, 0, 0.1, 0.6]);
  return operations.map((operation) => {
    const [draw, size] = [random(), wholeBetween(random, 8, 1_300)];
    const isResized = draw < share && operation.do === 'set' && typeof operation.value === 'string';
    return isResized ? { ...operation, value: size } : operation;
  });
}

/** Some values expire: within a few turns, or long after. */
function letExpire(random: RandomStream, operations: readonly Operation[]): Operation[] {
  const share = pick(random, [0, 0, 0.1, 0.6]);
  const longestMs = pick(random, [300, 5_000, 30_000]);
  return operations.map((operation) => {
    const [draw, expiresInMs] = [random(), wholeBetween(random, 1, longestMs)];
    return draw < share && operation.do === 'set' ? { ...operation, expiresInMs } : operation;
  });
}

/** Some bursts come as one pipeline: one turn, and UPDATEs of many records. */
function shareTurns(random: RandomStream, operations: readonly Operation[]): Operation[] {
  const share = pick(random, [0, 0.5, 1]);
  let isShared = false;
  return operations.map((operation, at) => {
    const [before, after] = [operations[at - 1], operations[at + 1]];
    if (before?.atMs !== operation.atMs) isShared = after?.atMs === operation.atMs && random() < share;
    return isShared ? { ...operation, sharesTurn: true } : operation;
  });
}

type FaultGenerator = (random: RandomStream, context: Context) => Fault[];

/** Times of a fault that comes `perMinute` on average and lasts up to `longestMs`, one after the other. */
function* spells(
  random: RandomStream,
  durationMs: number,
  perMinute: number,
  longestMs: number,
): IterableIterator<{ readonly fromMs: number; readonly toMs: number }> {
  let atMs = untilNextMs(random, perMinute / 60);
  while (atMs < durationMs) {
    const toMs = Math.min(durationMs, atMs + between(random, 20, longestMs));
    yield { fromMs: atMs, toMs };
    atMs = toMs + untilNextMs(random, perMinute / 60);
  }
}

const GENERATORS: Readonly<Record<FaultKind, FaultGenerator>> = {
  links: (random, { peers, durationMs }) => {
    const faults: Fault[] = [];
    for (const { fromMs, toMs } of spells(random, durationMs, between(random, 0.5, 4), 15_000)) {
      const from = part(random, peers);
      const loss = pick(random, [0.05, 0.3, 0.9]);
      faults.push({ atMs: fromMs, do: 'link', from, quality: { loss } });
      faults.push({ atMs: toMs, do: 'link', from, quality: { loss: 0 } });
    }
    return faults;
  },

  partitions: (random, { peers, durationMs }) => {
    const faults: Fault[] = [];
    for (const { fromMs, toMs } of spells(random, durationMs, between(random, 0.5, 4), 20_000)) {
      faults.push(...drawPartition(random, peers, fromMs));
      faults.push({ atMs: toMs, do: 'heal' });
    }
    return faults;
  },

  crashes: (random, { peers, durationMs }) => {
    const faults: Fault[] = [];
    const powerShare = random();
    for (const peer of part(random, peers)) {
      for (const { fromMs, toMs } of spells(random, durationMs, between(random, 0.3, 4), 15_000)) {
        faults.push({ atMs: fromMs, do: 'crash', peer, power: chance(random, powerShare) });
        faults.push({ atMs: toMs, do: 'start', peer });
      }
    }
    return faults;
  },

  pauses: (random, { peers, durationMs }) => {
    const faults: Fault[] = [];
    for (const peer of part(random, peers)) {
      for (const { fromMs, toMs } of spells(random, durationMs, between(random, 0.3, 3), 12_000)) {
        faults.push({ atMs: fromMs, do: 'pause', peer }, { atMs: toMs, do: 'resume', peer });
      }
    }
    return faults;
  },

  twins: (random, { peers, durationMs }) => {
    const faults: Fault[] = [];
    const peer = pick(random, peers);
    for (const { fromMs, toMs } of spells(random, durationMs, between(random, 0.2, 1), 20_000)) {
      faults.push({ atMs: fromMs, do: 'twin', peer }, { atMs: toMs, do: 'endTwin', peer });
      if (!chance(random, 0.5)) continue;
      const downMs = between(random, fromMs, toMs);
      faults.push({ atMs: downMs, do: 'crash', peer, power: false }, { atMs: toMs, do: 'start', peer });
    }
    return faults;
  },

  clocks: (random, { peers, durationMs }) => {
    const faults: Fault[] = [];
    const how = pick(random, ['skew', 'jump', 'strobe', 'boot'] as const);
    for (const peer of part(random, peers)) {
      const rangeMs = pick(random, [50, 400, 3_000]);
      const drawOffset = (): number => Math.round(between(random, -rangeMs, rangeMs));
      if (how === 'skew') {
        faults.push({ atMs: 0, do: 'clock', peer, offsetMs: drawOffset() });
      } else if (how === 'jump') {
        for (const { fromMs } of spells(random, durationMs, 2, 10_000))
          faults.push({ atMs: fromMs, do: 'clock', peer, offsetMs: drawOffset() });
      } else if (how === 'strobe') {
        for (let atMs = between(random, 0, 5_000); atMs < durationMs; atMs += between(random, 100, 3_000))
          faults.push({ atMs, do: 'clock', peer, offsetMs: drawOffset() });
      } else {
        for (const { fromMs, toMs } of spells(random, durationMs, 1.5, 8_000)) {
          faults.push({ atMs: fromMs, do: 'crash', peer, power: chance(random, 0.5) });
          faults.push({ atMs: toMs, do: 'clock', peer, offsetMs: -Math.round(between(random, 0, 30_000)) });
          faults.push({ atMs: toMs, do: 'start', peer });
        }
      }
    }
    return faults;
  },

  disks: (random, { peers, durationMs }) => {
    const faults: Fault[] = [];
    for (const peer of part(random, peers)) {
      for (const { fromMs, toMs } of spells(random, durationMs, between(random, 0.3, 2), 8_000)) {
        const state = pick(random, ['slow', 'slow', 'stalled', 'full', 'fsyncError'] as const);
        faults.push({ atMs: fromMs, do: 'disk', peer, state });
        faults.push({ atMs: toMs, do: 'disk', peer, state: 'ok' });
        // A process whose disk failed has ended; whoever watches over it starts it again.
        if (state === 'full' || state === 'fsyncError') faults.push({ atMs: toMs, do: 'start', peer });
      }
    }
    return faults;
  },

  wipes: (random, { peers, durationMs }) => {
    const faults: Fault[] = [];
    for (const peer of part(random, peers)) {
      for (const { fromMs, toMs } of spells(random, durationMs, between(random, 0.2, 1.5), 10_000))
        faults.push({ atMs: fromMs, do: 'wipe', peer }, { atMs: toMs, do: 'start', peer });
    }
    return faults;
  },

  rollbacks: (random, { peers, durationMs }) => {
    const faults: Fault[] = [];
    for (const peer of part(random, peers)) {
      for (const { fromMs, toMs } of spells(random, durationMs, between(random, 0.3, 2), 20_000)) {
        const backMs = between(random, fromMs, toMs);
        faults.push({ atMs: fromMs, do: 'backUp', peer }, { atMs: backMs, do: 'rollBack', peer });
        faults.push({ atMs: toMs, do: 'start', peer });
      }
    }
    return faults;
  },

  members: (random, { peers, durationMs }) => {
    const [newcomer, lost] = [peers.at(-1), peers[0]];
    if (newcomer === undefined || lost === undefined || peers.length < 4) return [];
    const faults: Fault[] = [{ atMs: between(random, 0, durationMs), do: 'admit', peer: newcomer }];
    if (chance(random, 0.5)) {
      const atMs = between(random, 0, durationMs);
      if (chance(random, 0.5))
        faults.push({ atMs: Math.max(0, atMs - 3000), do: 'crash', peer: lost, power: true });
      faults.push({ atMs, do: 'forget', peer: pick(random, peers.slice(1, -1)), member: lost });
    }
    return faults;
  },

  multicast: (random, { peers, durationMs }) => {
    const faults: Fault[] = [];
    for (const { fromMs, toMs } of spells(random, durationMs, between(random, 0.3, 2), 30_000)) {
      const group = chance(random, 0.4)
        ? {}
        : pick(random, [{ from: part(random, peers) }, { to: part(random, peers) }]);
      const multicastLoss = pick(random, [1, 1, 0.7]);
      faults.push({ atMs: fromMs, do: 'link', ...group, quality: { multicastLoss } });
      faults.push({ atMs: toMs, do: 'link', ...group, quality: { multicastLoss: 0 } });
    }
    return faults;
  },

  // In half of the seeds that draw it: each kind more makes other schedules of those that were run before.
  stops: (random, { peers, durationMs }) => {
    const faults: Fault[] = [];
    if (!chance(random, 0.5)) return faults;
    for (const peer of part(random, peers)) {
      for (const { fromMs, toMs } of spells(random, durationMs, between(random, 0.5, 4), 5_000))
        faults.push({ atMs: fromMs, do: 'stop', peer }, { atMs: toMs, do: 'start', peer });
    }
    return faults;
  },

  strays: (random, { peers }) => [
    { atMs: 0, do: 'stray', peer: pick(random, peers), share: between(random, 0.05, 0.5) },
  ],
};

function drawPartition(random: RandomStream, peers: readonly string[], atMs: number): Fault[] {
  const side = part(random, peers);
  const rest = peers.filter((peer) => !side.includes(peer));
  const halves: Fault = { atMs, do: 'cut', from: side, to: rest, oneWay: false };
  switch (pick(random, ['halves', 'bridge', 'oneWay', 'ring'] as const)) {
    case 'halves':
      return [halves];
    case 'bridge': // two sides, joined by one link
      return [halves, { atMs, do: 'heal', from: [pick(random, side)], to: [pick(random, rest)] }];
    case 'oneWay':
      return [{ atMs, do: 'cut', from: side, to: rest, oneWay: true }];
    case 'ring': // everyone hears its two neighbours alone
      return peers.flatMap((peer, at) => {
        const far = peers.filter((_, other) => {
          const distance = Math.abs(at - other);
          return distance > 1 && distance < peers.length - 1;
        });
        return far.length === 0 ? [] : [{ atMs, do: 'cut' as const, from: [peer], to: far, oneWay: false }];
      });
  }
}
