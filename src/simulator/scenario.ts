/**
 * Runs a scenario: its statements one after the other in virtual time, then healing, rest and all checks.
 *
 * Owns what each statement does and how an expectation is waited for. The same checkers look on as in any run, so a
 * scenario is a directed schedule with a few expectations of its own.
 */
import { assertNever } from '../core/types.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import { bytesOf, describeValue } from './clientWrite.ts';
import { peerNames } from './generate.ts';
import { haveSame } from './restChecks.ts';
import { conclude, openRun } from './run.ts';
import type { RunOptions, RunResult } from './run.ts';
import { GOOD_LINK } from './schedule.ts';
import { parseScenario } from './scenarioParser.ts';
import type { KeyWrite, Statement } from './scenarioParser.ts';
import type { World } from './world.ts';

/** How often an expectation is looked at, virtual milliseconds. */
const LOOK_EVERY_MS = 1;

/** Runs the text of a scenario. Throws BAD_ARGUMENT when it cannot be read. */
export function runScenario(text: string, options: RunOptions): RunResult {
  const { peers, seed, settings, limits, statements } = parseScenario(text, peerNames);
  const run = openRun({ seed, peers, settings: { ...settings, limits }, link: GOOD_LINK }, options);
  return conclude(run, () => {
    for (const { text: words, line, does } of statements) {
      try {
        carryOut(run.world, does);
      } catch (error) {
        if (!(error instanceof BrokenInvariant)) throw error;
        throw new BrokenInvariant(error.invariant, `line ${line}, ${words}: ${error.message}`);
      }
    }
  });
}

function carryOut(world: World, statement: Statement): void {
  switch (statement.kind) {
    case 'write':
      for (const { key, value } of statement.writes) {
        const outcome = world.write(statement.peer, key, value, statement.level);
        if (outcome.kind === (statement.isRefused ? 'refused' : 'taken')) continue;
        throw new BrokenInvariant(
          'expectation',
          outcome.kind === 'refused' ? outcome.error.message : `the write of ${key} was ${outcome.kind}`,
        );
      }
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
    case 'pause':
      world.pause(statement.peer);
      return;
    case 'resume':
      world.resume(statement.peer);
      return;
    case 'twin':
      world.startTwin(statement.peer);
      return;
    case 'endTwin':
      world.endTwin(statement.peer);
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
      expectValues(world, statement.keys, statement.peers ?? world.ids, statement.withinMs);
      return;
    case 'expectEqual':
      expectEqual(world, statement.peers ?? world.ids, statement.withinMs);
      return;
    default:
      assertNever(statement);
  }
}

function expectValues(
  world: World,
  keys: readonly KeyWrite[],
  ids: readonly string[],
  withinMs: number,
): void {
  const wrong = (): string | undefined => {
    for (const id of ids) {
      for (const { key, value } of keys) {
        const found = world.read(id, key);
        const isSame =
          value === undefined || found === undefined
            ? value === undefined && found === undefined && world.peer(id).isRunning
            : Buffer.compare(found, bytesOf(value)) === 0;
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

function expectEqual(world: World, ids: readonly string[], withinMs: number): void {
  const peers = ids.map((id) => world.peer(id));
  const startedMs = world.nowMs;
  if (!world.runUntilTrue(() => haveSame(peers), withinMs, LOOK_EVERY_MS))
    throw new BrokenInvariant('expectation', `${ids.join(', ')} do not have the same after ${withinMs} ms`);
  world.note('', `equal ${Math.round(world.nowMs - startedMs)} ms later`);
}
