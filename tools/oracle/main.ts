/**
 * `npm run oracle [-- --commands n] [--seed n] [--length n] [--short]`: does a peer answer as redis-server 7 does?
 *
 * One peer of the build and one redis-server on 127.0.0.1 are sent the same made-up sequences, and every reply is compared. Owns the command line, the two servers, the report and the exit code: 1 when a
 * difference is not explained, with the seed and the shortest sequence that shows it; also when a kind of difference is not shown by its own example, for then it explains what is not there.
 */
import { parseArgs } from 'node:util';
import { allCommands } from '../../src/server/commandTable.ts';
import { Children } from '../bench/children.ts';
import { startPeer } from '../bench/peers.ts';
import { findRedis, startRedisAlone } from '../bench/redisServers.ts';
import { print } from '../bench/report.ts';
import { Workspace } from '../bench/workspace.ts';
import { runTool } from '../runTool.ts';
import { compare, printWords, type Comparison } from './compare.ts';
import { LEFT_OUT } from './grammar.ts';
import { KINDS, MOST_KINDS, type Kind } from './kinds.ts';
import { chooseRows, makeSequence, type Table } from './sequence.ts';
import { shrink } from './shrink.ts';
import { Speaker, type Step } from './speaker.ts';

const SHORT_COMMANDS = 6_000;
/** As one of many databases is another thing than the one that there is here; nothing is kept. */
const REDIS_SETTINGS = ['--databases', '1', '--appendonly', 'no', '--hz', '100'];
/** Differences that nothing explains, each shrunk, at which it is enough. */
const MOST_FAULTS = 5;
/** An example is shown in so many turns: two may draw the same key, or read their clocks in one millisecond. */
const EXAMPLE_TURNS = 5;
/** Commands between two lines of progress. */
const TELL_EVERY = 20_000;

const { values } = parseArgs({
  options: {
    commands: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
    length: { type: 'string', default: '500' },
    short: { type: 'boolean', default: false },
  },
});

function count(name: 'commands' | 'seed' | 'length'): number {
  const value = Number(values[name]);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new Error(`--${name} ${values[name]}: a whole number from 1 up is wanted`);
}

class Pair {
  readonly #peer: Speaker;
  readonly #redis: Speaker;

  constructor(peerPort: number, redisPort: number) {
    this.#peer = new Speaker('the peer', peerPort);
    this.#redis = new Speaker('redis-server', redisPort);
  }

  async compare(steps: readonly Step[], protocol: 2 | 3): Promise<Comparison> {
    const [ours, redis] = await Promise.all([
      this.#peer.run(steps, protocol),
      this.#redis.run(steps, protocol),
    ]);
    return compare(steps, ours, redis);
  }

  /** Rows that Redis has too. */
  async table(): Promise<Table> {
    const names = allCommands.flatMap(({ name, subcommands }) => [
      name,
      ...(subcommands ?? []).map((row) => row.name),
    ]);
    const known = await this.#redis.ask(['COMMAND', 'INFO', ...names]);
    const isOfRedis = new Set(names.filter((_, index) => known?.items[index]?.isNull === false));
    return chooseRows(allCommands, (name) => isOfRedis.has(name));
  }
}

/** Both protocols, by turns. */
function protocolOf(seed: number): 2 | 3 {
  return seed % 2 === 0 ? 3 : 2;
}

interface Tally {
  compared: number;
  readonly kinds: Map<string, number>;
  readonly faults: string[];
}

/** Compares a whole sequence; where both sides part for a reason, what is left begins anew. */
async function trySeed(pair: Pair, table: Table, seed: number, length: number, tally: Tally): Promise<void> {
  const protocol = protocolOf(seed);
  let left = makeSequence(seed, length, table);
  while (left.length > 0) {
    const { explained, fault, compared } = await pair.compare(left, protocol);
    tally.compared += compared;
    for (const { kind } of explained) tally.kinds.set(kind.name, (tally.kinds.get(kind.name) ?? 0) + 1);
    if (fault !== undefined) {
      tally.faults.push(await describeFault(pair, left, seed, length, fault.text));
      return;
    }
    left = left.slice(compared);
  }
}

async function describeFault(
  pair: Pair,
  steps: readonly Step[],
  seed: number,
  length: number,
  text: string,
): Promise<string> {
  const protocol = protocolOf(seed);
  const failsAt = async (some: readonly Step[]): Promise<number | undefined> =>
    (await pair.compare(some, protocol)).fault?.at;
  const shortest = await shrink(steps, failsAt);
  const again = shortest === undefined ? undefined : (await pair.compare(shortest, protocol)).fault?.text;
  return [
    `a difference that nothing explains, seed ${seed} (npm run oracle -- --seed ${seed} --length ${length} --commands ${length}), RESP${protocol}:`,
    `  ${text}`,
    ...(shortest === undefined
      ? ['it did not come again when the same was run again']
      : [
          'the shortest sequence that shows it, on an empty database:',
          ...shortest.map(printStep),
          `  ${again ?? 'the last time it did not'}`,
        ]),
  ].join('\n');
}

function printStep(step: Step): string {
  if (step.kind === 'pause') return `  (${step.ms} ms pass)`;
  return `  ${step.by === 1 ? '(another client) ' : ''}${printWords(step)}`;
}

/** What the example's last command differs by: the names of kinds, or a fault. */
async function showExample(pair: Pair, { example }: Kind): Promise<string> {
  const steps = example.map((words): Step => ({ kind: 'command', words, by: 0 }));
  const { explained, fault, compared } = await pair.compare(steps, 2);
  if (fault !== undefined || compared !== steps.length)
    return fault?.text ?? `a difference at step ${compared}`;
  return explained.map(({ kind }) => kind.name).join(', ');
}

/** Faults of the table of kinds itself. */
async function tryKinds(pair: Pair): Promise<readonly string[]> {
  const faults =
    KINDS.length > MOST_KINDS
      ? [`${KINDS.length} kinds of differences: at most ${MOST_KINDS} are allowed`]
      : [];
  for (const kind of KINDS) {
    let shown = '';
    for (let turn = 0; turn < EXAMPLE_TURNS && shown !== kind.name; turn += 1)
      shown = await showExample(pair, kind);
    if (shown !== kind.name)
      faults.push(`the example of '${kind.name}' shows ${shown === '' ? 'no difference' : shown}`);
  }
  return faults;
}

function describe(tally: Tally, { drawn }: Table): string {
  const rows = KINDS.map(
    ({ name, reason }) => `  ${String(tally.kinds.get(name) ?? 0).padStart(6)}  ${name}: ${reason}`,
  );
  const differing = [...tally.kinds.values()].reduce((sum, one) => sum + one, 0);
  return [
    `${tally.compared} commands compared, drawn from ${drawn.length} rows of the table (left out: ${LEFT_OUT.size} names, each with a reason)`,
    `${differing} differences of ${KINDS.length} kinds are explained:`,
    ...rows,
  ].join('\n');
}

async function runAll(pair: Pair): Promise<readonly string[]> {
  const table = await pair.table();
  const faults = [...(await tryKinds(pair))];
  const commands = values.short ? SHORT_COMMANDS : count('commands');
  const length = count('length');
  const tally: Tally = { compared: 0, kinds: new Map(), faults: [] };
  for (let seed = count('seed'); tally.compared < commands && tally.faults.length < MOST_FAULTS; seed += 1) {
    const before = tally.compared;
    await trySeed(pair, table, seed, Math.min(length, commands - tally.compared), tally);
    if (Math.floor(before / TELL_EVERY) !== Math.floor(tally.compared / TELL_EVERY))
      process.stderr.write(`${tally.compared} of ${commands} commands\n`);
  }
  print(describe(tally, table));
  return [...faults, ...tally.faults];
}

await runTool('oracle', async () => {
  const redis = findRedis();
  if ('missing' in redis) {
    print(`skipped: ${redis.missing}, so there is nothing to compare with`);
    return;
  }
  const children = new Children(undefined);
  const workspace = await Workspace.create();
  try {
    const bench = { children, workspace };
    const [peer, server] = await Promise.all([
      workspace.cluster(1).then((cluster) => startPeer(bench, cluster, 0, [])),
      startRedisAlone(bench, 'redis-server', REDIS_SETTINGS),
    ]);
    const faults = await runAll(new Pair(peer.clientPort, server.port));
    print(faults.length === 0 ? `as redis-server ${redis.version} answers` : faults.join('\n'));
    if (faults.length > 0) process.exitCode = 1;
  } finally {
    await children.stopAll();
    await workspace.remove();
  }
});
