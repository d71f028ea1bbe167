/**
 * Runs a scenario: its statements one after the other in virtual time, then healing, rest and all checks.
 *
 * Owns what each statement does and how an expectation is waited for. The same checkers look on as in any run, so a
 * scenario is a directed schedule with a few expectations of its own.
 */
import { formatDecimal } from '../core/decimal.ts';
import type { Phase } from '../core/messages.ts';
import { assertNever } from '../core/types.ts';
import type { Key, PeerId } from '../core/types.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import { increment } from './clientIncrement.ts';
import type { IncrementOutcome } from './clientIncrement.ts';
import { bytesOf, describeValue } from './clientWrite.ts';
import type { WriteOutcome } from './clientWrite.ts';
import { peerNames } from './generate.ts';
import { describeCollection, haveSame, isCollected } from './restChecks.ts';
import { conclude, openRun } from './run.ts';
import type { OpenRun, RunOptions, RunResult } from './run.ts';
import type { ReplicaWatch } from './replicaWatch.ts';
import { GOOD_LINK } from './schedule.ts';
import type { ValueSpec } from './schedule.ts';
import { parseScenario } from './scenarioParser.ts';
import type { SeenAs, Statement } from './scenarioStatement.ts';
import type { World } from './world.ts';

/** How often an expectation is looked at, virtual milliseconds. */
const LOOK_EVERY_MS = 1;

/** Runs the text of a scenario. Throws BAD_ARGUMENT when it cannot be read. */
export function runScenario(text: string, options: RunOptions): RunResult {
  const { peers, newcomers, seed, settings, limits, statements } = parseScenario(text, peerNames);
  const founders = peers.filter((peer) => !newcomers.includes(peer));
  const run = openRun({ seed, peers, founders, settings: { ...settings, limits }, link: GOOD_LINK }, options);
  return conclude(run, () => {
    for (const { text: words, line, does } of statements) {
      try {
        carryOut(run, does);
      } catch (error) {
        if (!(error instanceof BrokenInvariant)) throw error;
        throw new BrokenInvariant(error.invariant, `line ${line}, ${words}: ${error.message}`);
      }
    }
  });
}

function carryOut({ world, replicas }: OpenRun, statement: Statement): void {
  switch (statement.kind) {
    case 'write':
      for (const { key, value } of statement.writes) {
        const outcome = write(world, replicas, statement, key, value);
        if (outcome.kind === (statement.isRefused ? 'refused' : 'taken')) continue;
        throw new BrokenInvariant(
          'expectation',
          outcome.kind === 'refused' ? outcome.error.message : `the write of ${key} was ${outcome.kind}`,
        );
      }
      return;
    case 'add':
      add(world, statement);
      return;
    case 'cut':
      world.cut(statement.from, statement.to, statement.isOneWay);
      return;
    case 'heal':
      world.heal(statement.from, statement.to);
      return;
    case 'links':
      world.setLinks(statement.quality, statement.from, statement.to);
      return;
    case 'crash':
    case 'powerOff':
      world.crash(statement.peer, statement.kind === 'powerOff');
      return;
    case 'start':
      world.start(statement.peer);
      return;
    case 'stop':
      world.operator.stop(statement.peer);
      return;
    case 'loseKind':
      world.setLostKind(statement.message, statement.isLost, statement.from, statement.to);
      return;
    case 'wipe':
      world.operator.wipe(statement.peer);
      return;
    case 'backUp':
      world.operator.backUp(statement.peer);
      return;
    case 'rollBack':
      world.operator.rollBack(statement.peer);
      return;
    case 'admit':
      world.operator.admit(statement.peer);
      return;
    case 'bootstrap':
      world.operator.bootstrap(statement.peer);
      return;
    case 'install':
      world.operator.install(statement.peer, statement.versions);
      return;
    case 'forget':
      world.operator.forget(statement.peer, statement.member);
      return;
    case 'expectFate':
      expectFate(world, replicas, statement);
      return;
    case 'expectState':
      expectState(world, statement.state, statement.peers ?? world.ids, statement.withinMs);
      return;
    case 'expectSeen':
      expectSeen(world, statement);
      return;
    case 'expectVersion':
      expectVersion(world, statement.version, statement.peers ?? world.ids, statement.withinMs);
      return;
    case 'pause':
      world.pause(statement.peer);
      return;
    case 'resume':
      world.resume(statement.peer);
      return;
    case 'twin':
      world.operator.startTwin(statement.peer);
      return;
    case 'endTwin':
      world.operator.endTwin(statement.peer);
      return;
    case 'clock':
      world.setClock(statement.peer, statement.offsetMs);
      return;
    case 'disk':
      world.setDisk(statement.peer, statement.state);
      return;
    case 'stray':
      world.setStray(statement.peer, statement.share);
      return;
    case 'wait':
      world.run(statement.forMs);
      return;
    case 'expectValue':
      expectValues(world, statement, statement.peers ?? world.ids);
      return;
    case 'expectEqual':
      expectEqual(world, statement.peers ?? world.ids, statement.withinMs);
      return;
    default:
      assertNever(statement);
  }
}

/** In one step, as a client's request is: it waits, if it does, for what it has written. */
function write(
  world: World,
  replicas: ReplicaWatch,
  statement: Extract<Statement, { kind: 'write' }>,
  key: string,
  value: ValueSpec | undefined,
): WriteOutcome {
  const { peer: id, replicated } = statement;
  if (replicated === undefined) return world.write(id, key, value, statement);
  let outcome: WriteOutcome = { kind: 'unreachable' };
  world.visit(id, (peer) => {
    outcome = world.write(id, key, value, statement);
    if (outcome.kind !== 'taken') return false;
    const goal = { kind: 'copies', copies: replicated.copies } as const;
    replicas.wait(world, peer, outcome.written, goal, replicated.withinMs);
    return true;
  });
  return outcome;
}

function add(
  world: World,
  { peer: id, key, by, level, isRefused }: Extract<Statement, { kind: 'add' }>,
): void {
  let outcome: IncrementOutcome | undefined;
  world.visit(id, (peer) => {
    const form = by.scale === 0 ? 'integer' : 'float';
    outcome = increment(world, peer, { key: key as Key, amount: by, form, level });
    return true;
  });
  const came = describeIncrement(outcome);
  world.note(id, `add ${formatDecimal(by)} to ${key}: ${came}`);
  if (outcome !== undefined && (outcome.kind === 'taken') !== isRefused) return;
  throw new BrokenInvariant('expectation', `${id} says ${came}`);
}

function describeIncrement(outcome: IncrementOutcome | undefined): string {
  switch (outcome?.kind) {
    case undefined:
      return 'unreachable';
    case 'taken':
      return formatDecimal(outcome.total);
    case 'fault':
      return outcome.fault;
    case 'refused':
      return outcome.error.code;
    default:
      return assertNever(outcome);
  }
}

function expectFate(
  world: World,
  { fates }: ReplicaWatch,
  { key, fate, withinMs }: Extract<Statement, { kind: 'expectFate' }>,
): void {
  const kinds = (): string[] =>
    Array.from(fates, ([written, { kind }]) => (written.key === key ? kind : '')).filter(
      (kind) => kind !== '',
    );
  const isSo = (): boolean => kinds().length > 0 && kinds().every((kind) => kind === fate);
  if (world.runUntilTrue(isSo, withinMs, LOOK_EVERY_MS)) return;
  throw new BrokenInvariant(
    'expectation',
    `the write of ${key} is ${kinds().join(', ') || 'none'}, not ${fate}`,
  );
}

function expectValues(
  world: World,
  { keys, isDropped, withinMs }: Extract<Statement, { kind: 'expectValue' }>,
  ids: readonly string[],
): void {
  const wrong = (): string | undefined => {
    for (const id of ids) {
      for (const { key, value } of keys) {
        const found = world.read(id, key);
        const isSame =
          value === undefined || found === undefined
            ? value === undefined && found === undefined && world.peer(id).isRunning
            : Buffer.compare(found, bytesOf(value)) === 0;
        if (isSame && isDropped && world.peer(id).disk.store.readEntry(key as Key) !== undefined)
          return `${id} keeps a tombstone of ${key}`;
        if (!isSame)
          return `${id} has ${key} ${found === undefined ? 'absent' : `= ${Buffer.from(found).toString().slice(0, 40)}`}`;
      }
    }
    return undefined;
  };
  const startedMs = world.nowMs;
  if (!world.runUntilTrue(() => wrong() === undefined, withinMs, LOOK_EVERY_MS))
    throw new BrokenInvariant('expectation', wrong() ?? '');
  const [first] = keys;
  const what =
    first === undefined
      ? 'nothing'
      : `${first.key} ${first.value === undefined ? 'absent' : `= ${describeValue(first.value)}`}`;
  world.note(
    '',
    `as expected ${Math.round(world.nowMs - startedMs)} ms later: ${what}${keys.length > 1 ? ` and ${keys.length - 1} more` : ''}`,
  );
}

function expectState(
  world: World,
  state: 'collected' | Phase,
  ids: readonly string[],
  withinMs: number,
): void {
  const isSo = (id: string): boolean => {
    const peer = world.peer(id);
    if (!peer.isRunning) return false;
    return state === 'collected' ? isCollected(peer) : peer.state.phase === state;
  };
  const startedMs = world.nowMs;
  if (world.runUntilTrue(() => ids.every(isSo), withinMs, LOOK_EVERY_MS)) {
    world.note('', `${state} ${Math.round(world.nowMs - startedMs)} ms later`);
    return;
  }
  const wrong = ids.filter((id) => !isSo(id)).map((id) => describeCollection(world.peer(id)));
  throw new BrokenInvariant('expectation', `not ${state} after ${withinMs} ms: ${wrong.join('; ')}`);
}

/** By all other members that run, or by those named. */
function expectSeen(
  world: World,
  { member, as, peers, withinMs }: Extract<Statement, { kind: 'expectSeen' }>,
): void {
  const ids = peers ?? world.ids.filter((id) => id !== member && world.peer(id).isRunning);
  const seenAs = (id: string): SeenAs | undefined => {
    const peer = world.peer(id);
    const view = peer.isRunning ? peer.state.peers.get(member as PeerId) : undefined;
    if (view === undefined) return undefined;
    if (view.isLive) return 'alive';
    return view.hasLeft ? 'left' : 'silent';
  };
  const startedMs = world.nowMs;
  if (!world.runUntilTrue(() => ids.every((id) => seenAs(id) === as), withinMs, LOOK_EVERY_MS)) {
    const seen = ids.map((id) => `${seenAs(id) ?? 'unknown'} at ${id}`).join(', ');
    throw new BrokenInvariant('expectation', `${member} is ${seen} after ${withinMs} ms`);
  }
  world.note('', `${member} ${as} ${Math.round(world.nowMs - startedMs)} ms later`);
}

function expectVersion(world: World, version: number, ids: readonly string[], withinMs: number): void {
  const spokenBy = (id: string): number | undefined => {
    const peer = world.peer(id);
    return peer.isRunning ? peer.runtime.versions.toAll() : undefined;
  };
  const startedMs = world.nowMs;
  if (!world.runUntilTrue(() => ids.every((id) => spokenBy(id) === version), withinMs, LOOK_EVERY_MS)) {
    const spoken = ids.map((id) => `${spokenBy(id) ?? 'none'} by ${id}`).join(', ');
    throw new BrokenInvariant('expectation', `version ${spoken} after ${withinMs} ms`);
  }
  world.note('', `version ${version} ${Math.round(world.nowMs - startedMs)} ms later`);
}

function expectEqual(world: World, ids: readonly string[], withinMs: number): void {
  const peers = ids.map((id) => world.peer(id));
  const startedMs = world.nowMs;
  if (!world.runUntilTrue(() => haveSame(peers), withinMs, LOOK_EVERY_MS))
    throw new BrokenInvariant('expectation', `${ids.join(', ')} do not have the same after ${withinMs} ms`);
  world.note('', `equal ${Math.round(world.nowMs - startedMs)} ms later`);
}
