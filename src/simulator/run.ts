/**
 * Runs a schedule from its first event to rest, and says what came of it.
 *
 * Owns the phases: operations and faults; progress of a healthy core while the rest stays broken (liveness apart from
 * safety); healing, equality, silence. A broken invariant, or an error out of the shipped code, ends the run as a verdict.
 */
import { ToposphereError } from '../core/errors.ts';
import { isFolded } from '../core/closures.ts';
import { hasSequence, gapRanges } from '../core/haveSet.ts';
import { isAheadOfClock } from '../core/apply.ts';
import { assertNever } from '../core/types.ts';
import type { Hashing } from '../wire/hash.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import { createClosureWatch } from './closureWatch.ts';
import type { ClosureWatch } from './closureWatch.ts';
import { createCounterClients } from './counterClients.ts';
import type { CounterFigures } from './counterClients.ts';
import { createHolders } from './holders.ts';
import { comeToRest, createRestChecks, createTalkCounter } from './restChecks.ts';
import type { TalkCounter } from './restChecks.ts';
import { GOOD_LINK } from './schedule.ts';
import type { Schedule, ScheduleEvent } from './schedule.ts';
import { createRegisterClients } from './registerClients.ts';
import type { RegisterOperation } from './registerClients.ts';
import { beginReplicatedClients } from './replicatedClients.ts';
import { createLossTally, type LossRow } from './lossTally.ts';
import { createReplicaWatch } from './replicaWatch.ts';
import type { ReplicaFigures, ReplicaWatch } from './replicaWatch.ts';
import { createRoundChecks } from './roundChecks.ts';
import { createSessionClients } from './sessionClients.ts';
import type { SessionFigures } from './sessionClients.ts';
import { createRequestClients } from './requestClients.ts';
import { createPublishClients } from './publishClients.ts';
import type { PublishFigures } from './publishClients.ts';
import type { RequestFigures } from './requestClients.ts';
import { createGroupClients } from './groupClients.ts';
import type { GroupFigures } from './groupClients.ts';
import { createStepChecks } from './stepChecks.ts';
import { World } from './world.ts';
import type { Checker, Observer } from './checker.ts';

/** Virtual time given to a healthy core to bring what it has to all of its members, milliseconds. */
const CORE_WITHIN_MS = 10_000;
/** The same where a claim has room for fewer gaps than this: what lies above them is sent at random, a few dots at a time (lacked.ts), and each missing one found by chance. */
const CORE_OF_FEW_GAPS_WITHIN_MS = 60_000;
const FEW_GAPS = 64;

export interface Failure {
  /** Short name; two failures of one name count as the same bug. */
  readonly invariant: string;
  readonly detail: string;
  readonly atMs: number;
  readonly step: number;
  /** Of an error that is no broken invariant. */
  readonly stack?: string;
}

export interface RunResult {
  readonly failure: Failure | undefined;
  readonly traceHash: string;
  readonly steps: number;
  readonly virtualMs: number;
  readonly written: number;
  readonly refused: number;
  readonly unreachable: number;
  readonly datagrams: number;
  readonly bytes: number;
  /** From healing to equal have-sets, milliseconds; undefined when it never came to that. */
  readonly convergedMs: number | undefined;
  /** What clients with sessions did, of a schedule. */
  readonly sessions?: SessionFigures;
  /** What clients of registers did, in no order but that of its numbers; to be judged by whoever has a checker (tools/linearizability). */
  readonly registers?: readonly RegisterOperation[];
  /** What became of writes that waited for other disks, of a schedule. */
  readonly replicas?: ReplicaFigures;
  /** What was acknowledged and is gone, by level; of a run that came to rest. */
  readonly losses?: readonly LossRow[];
  /** And what clients with request ids did. */
  readonly requests?: RequestFigures;
  /** And clients that count. */
  readonly counters?: CounterFigures;
  /** And those that write groups. */
  readonly groups?: GroupFigures;
  /** And clients that publish. */
  readonly publishers?: PublishFigures;
}

export interface RunOptions {
  readonly hashing: Hashing;
  /** Beside the built-in ones. */
  readonly checkers?: readonly Checker[];
  readonly observers?: readonly Observer[];
  /** What a user's program does beside the events of the schedule; called before time starts. */
  readonly workload?: (world: World) => void;
}

/** A run that has begun: its world, and who listens at its end. */
export interface OpenRun {
  readonly world: World;
  readonly talk: TalkCounter;
  /** Writes that wait for other disks. */
  readonly replicas: ReplicaWatch;
  readonly closures: ClosureWatch;
  readonly losses: () => readonly LossRow[] | undefined;
}

/** A world with the built-in checkers, in which nothing has happened yet. */
export function openRun(
  about: Pick<Schedule, 'seed' | 'peers' | 'founders' | 'settings' | 'link'>,
  options: RunOptions,
): OpenRun {
  const talk = createTalkCounter();
  const holders = createHolders();
  const watch = createClosureWatch(holders);
  const replicas = createReplicaWatch(watch);
  const tally = createLossTally(watch, replicas);
  const world = new World({
    ...about,
    hashing: options.hashing,
    checkers: [
      createStepChecks(),
      holders.checker,
      createRoundChecks(holders), // before those that ask which updates rounds promise nothing of
      watch.checker,
      createRestChecks(watch),
      replicas.checker,
      tally.checker,
      ...(options.checkers ?? []),
    ],
    observers: [talk, ...(options.observers ?? [])],
  });
  options.workload?.(world);
  return { world, talk, replicas, closures: watch, losses: tally.rows };
}

/** Does `body`, heals everything, waits for rest; a broken invariant on the way becomes the verdict. */
export function conclude({ world, talk, losses }: OpenRun, body: () => void): RunResult {
  let failure: Failure | undefined;
  let convergedMs: number | undefined;
  try {
    body();
    convergedMs = comeToRest(world, talk);
  } catch (error) {
    failure = describeFailure(error, world);
    world.note('', `FAILED ${failure.detail}`);
  }
  const rows = failure === undefined ? losses() : undefined;
  return {
    failure,
    traceHash: world.trace.hash(),
    steps: world.figures.steps,
    virtualMs: world.nowMs,
    written: world.figures.written,
    refused: world.figures.refused,
    unreachable: world.figures.unreachable,
    datagrams: world.network.figures.datagrams,
    bytes: world.network.figures.bytes,
    convergedMs,
    ...(rows === undefined ? {} : { losses: rows }),
  };
}

export function runSchedule(schedule: Schedule, options: RunOptions): RunResult {
  const sessions = createSessionClients(schedule);
  const counters = createCounterClients(schedule);
  const requests = createRequestClients(schedule, counters.ghost);
  const publishers = createPublishClients(schedule);
  const groups = createGroupClients(schedule);
  const checkers = [
    sessions.checker,
    requests.checker,
    counters.checker,
    groups.checker,
    publishers.checker,
    ...(options.checkers ?? []),
  ];
  const run = openRun(schedule, { ...options, checkers });
  sessions.begin(run.world);
  requests.begin(run.world);
  counters.begin(run.world, run.closures);
  groups.begin(run.world);
  publishers.begin(run.world);
  const registers = createRegisterClients(schedule);
  registers.begin(run.world);
  beginReplicatedClients(run.world, schedule, run.replicas);
  const { world } = run;
  const result = conclude(run, () => {
    for (const event of schedule.events) {
      world.runUntil(event.atMs);
      applyEvent(world, event);
    }
    world.runUntil(schedule.durationMs);
    if (schedule.healthyCore.length > 1) assertCoreProgress(world, schedule.healthyCore);
  });
  const { figures } = run.replicas;
  return {
    ...result,
    sessions: sessions.figures,
    registers: registers.history,
    replicas: figures,
    requests: requests.figures,
    counters: counters.figures,
    groups: groups.figures,
    publishers: publishers.figures,
  };
}

function describeFailure(error: unknown, world: World): Failure {
  const at = { atMs: world.nowMs, step: world.figures.steps };
  if (error instanceof BrokenInvariant) return { invariant: error.invariant, detail: error.message, ...at };
  if (error instanceof ToposphereError && error.code === 'BAD_ARGUMENT') throw error; // the schedule's own fault
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { invariant: 'error', detail: message, ...at, ...(stack === undefined ? {} : { stack }) };
}

function applyEvent(world: World, event: ScheduleEvent): void {
  switch (event.do) {
    case 'set':
      world.write(event.peer, event.key, event.value, event);
      return;
    case 'delete':
      world.write(event.peer, event.key, undefined, event);
      return;
    case 'cut':
      world.cut(event.from, event.to, event.oneWay);
      return;
    case 'heal':
      world.heal(event.from, event.to);
      return;
    case 'link':
      world.setLinks(event.quality, event.from, event.to);
      return;
    case 'crash':
      world.crash(event.peer, event.power);
      return;
    case 'start':
      world.start(event.peer);
      return;
    case 'stop':
      world.operator.stop(event.peer);
      return;
    case 'pause':
      world.pause(event.peer);
      return;
    case 'resume':
      world.resume(event.peer);
      return;
    case 'wipe':
      world.crash(event.peer, true);
      world.operator.wipe(event.peer);
      return;
    case 'backUp':
      world.operator.backUp(event.peer);
      return;
    case 'rollBack':
      world.crash(event.peer, true);
      world.operator.rollBack(event.peer);
      return;
    case 'admit':
      world.operator.admit(event.peer);
      return;
    case 'forget':
      world.operator.forget(event.peer, event.member);
      return;
    case 'twin':
      world.operator.startTwin(event.peer);
      return;
    case 'endTwin':
      world.operator.endTwin(event.peer);
      return;
    case 'clock':
      world.setClock(event.peer, event.offsetMs);
      return;
    case 'disk':
      world.setDisk(event.peer, event.state);
      return;
    case 'stray':
      world.setStray(event.peer, event.share);
      return;
    default:
      assertNever(event);
  }
}

/**
 * Heals the members of the core and the links among them, and nothing else: what any of them has now must reach all of
 * them, whatever the rest does. Updates ahead of the clock, and what they cover, may wait (section 8).
 */
function assertCoreProgress(world: World, core: readonly string[]): void {
  world.note('', `healthy core: ${core.join(', ')}`);
  for (const id of core) {
    world.operator.endTwin(id);
    world.operator.healPeer(id);
  }
  world.heal(core, core);
  world.setLinks(GOOD_LINK, core, core);
  // Who has to join needs somebody who has something.
  if (!core.some((id) => world.peer(id).state.phase === 'member')) return;
  const owed = core.flatMap((id) => {
    const peer = world.peer(id);
    const dots: {
      readonly origin: string;
      readonly sequence: number;
      readonly isKnown: (id: string) => boolean;
    }[] = [];
    for (const { key, id: originId, incarnation, have } of peer.state.origins.values()) {
      for (const [from, to] of [[1, have.contiguous] as const, ...gapRanges(have)]) {
        for (let sequence = from; sequence <= to; sequence += 1) {
          const row = peer.disk.store.readRow(key, sequence);
          const entry = row === undefined ? undefined : peer.disk.store.readEntry(row);
          if (entry === undefined || isAheadOfClock(peer.state, peer.now(), entry.timestamp)) continue;
          dots.push({
            origin: key,
            sequence,
            isKnown: (other) => {
              const { closures, origins } = world.peer(other).state;
              if (isFolded(closures, originId, incarnation)) return true;
              const there = origins.get(key)?.have;
              return there !== undefined && hasSequence(there, sequence);
            },
          });
        }
      }
    }
    return dots;
  });
  const missing = (): (typeof owed)[number] | undefined =>
    owed.find(({ isKnown }) => !core.every((id) => world.peer(id).isRunning && isKnown(id)));
  const withinMs =
    world.settings.limits.maxVectorGaps < FEW_GAPS ? CORE_OF_FEW_GAPS_WITHIN_MS : CORE_WITHIN_MS;
  if (world.runUntilTrue(() => missing() === undefined, withinMs, 250)) return;
  const dot = missing();
  throw new BrokenInvariant(
    'liveness',
    `${dot?.origin ?? ''}/${dot?.sequence ?? 0} did not reach all of the healthy core ${core.join(', ')} within ${withinMs / 1000} s`,
  );
}
