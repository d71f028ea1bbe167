/**
 * What one run of `toposphere bench` is to do, read from the words of the command line.
 *
 * Owns the grammar of --mix, --size, --write and --read and the range of every number; what the levels mean is the peers' (TOPOSPHERE DO), so that
 * a peer of a later release may know more of them. Invariant: a plan that exists can be carried out; every fault of the words is reported together.
 */
import { CommandFailure } from '../failure.ts';

const OPERATIONS = ['get', 'set', 'del'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Weights of the operations; those of weight 0 are left out. */
export type Mix = readonly { readonly operation: Operation; readonly weight: number }[];

export interface Plan {
  readonly mix: Mix;
  /** Bytes of a value, both inclusive. */
  readonly sizes: { readonly least: number; readonly most: number };
  readonly keys: number;
  /** Exponent of the Zipf distribution over the keys; undefined: all alike. */
  readonly zipf: number | undefined;
  readonly clients: number;
  /** Operations that a client has under way at a time, at most. */
  readonly pipeline: number;
  /** Threads of the generator, each with its share of the clients, the rate and the operations. */
  readonly threads: number;
  /** Operations a second, at set times, whatever the answers; undefined: each client sends when it is answered. */
  readonly ratePerSecond: number | undefined;
  /** One of the two ends the run. */
  readonly seconds: number | undefined;
  readonly operations: number | undefined;
  /** Words of TOPOSPHERE DO before a write and before a read; none: the command alone, at the peer's own level. */
  readonly writeChoices: readonly string[];
  readonly readChoices: readonly string[];
  /** Reads are of a session: each connection begins one. */
  readonly hasSessions: boolean;
  readonly seed: number;
  readonly isKept: boolean;
  /** Of all keys that the run writes. */
  readonly prefix: string;
}

/** As given, before anything is believed. */
export interface PlanWords {
  readonly mix: string;
  readonly size: string;
  readonly keys: string;
  readonly zipf: string | undefined;
  readonly clients: string;
  readonly pipeline: string;
  readonly threads: string;
  readonly rate: string | undefined;
  readonly seconds: string | undefined;
  readonly operations: string | undefined;
  readonly write: string | undefined;
  readonly read: string | undefined;
  readonly within: string | undefined;
  readonly seed: string;
  readonly keep: boolean;
}

/** The mixes of YCSB's workloads of the same letters. */
const PRESETS: Readonly<Record<string, string>> = { a: 'get=50,set=50', b: 'get=95,set=5', c: 'get=100' };
export const DEFAULT_SECONDS = 10;
const LARGEST_VALUE = 16 * 2 ** 20;
/** Of all values together: what is written is held by every peer. */
const LARGEST_DATA = 64 * 2 ** 30;

/** Parses, and throws CommandFailure with what to say instead. */
function readNumber(
  name: string,
  text: string,
  [least, most]: readonly [number, number],
  isWhole = true,
): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= least && value <= most && (!isWhole || Number.isInteger(value)))
    return value;
  throw new CommandFailure(
    `--${name} ${text}: give a ${isWhole ? 'whole ' : ''}number from ${least} to ${most.toLocaleString('en-US')}`,
  );
}

function readMix(text: string): Mix {
  const weights = new Map<Operation, number>();
  for (const word of (PRESETS[text] ?? text).split(',')) {
    const [name, number = ''] = word.split('=');
    const operation = OPERATIONS.find((known) => known === name);
    const weight = Number(number);
    const isGood = number !== '' && weight >= 0 && weight < Infinity;
    if (operation === undefined || !isGood || weights.has(operation))
      throw new CommandFailure(
        `--mix ${text}: give weights such as get=90,set=10 (of ${OPERATIONS.join(', ')}, each once), or a, b or c as YCSB has them`,
      );
    weights.set(operation, weight);
  }
  const used = Array.from(weights, ([operation, weight]) => ({ operation, weight })).filter(
    ({ weight }) => weight > 0,
  );
  if (used.length > 0) return used;
  throw new CommandFailure(`--mix ${text}: give one operation at least a weight above 0`);
}

function readSizes(text: string): Plan['sizes'] {
  const [, first = '', second = first] = /^([0-9]+)(?:-([0-9]+))?$/.exec(text) ?? [];
  const [least, most] = [Number(first), Number(second)];
  if (first !== '' && least <= most && most <= LARGEST_VALUE) return { least, most };
  throw new CommandFailure(
    `--size ${text}: give the bytes of a value, such as 100, or a range, such as 10-1000; at most ${LARGEST_VALUE.toLocaleString('en-US')}`,
  );
}

/** `replicated:2` as the words REPLICATED 2. A level that no peer knows is the peer's to refuse. */
function readLevel(option: string, text: string, examples: string): readonly string[] {
  const words = text.toUpperCase().split(':');
  if (words.length <= 2 && words.every((word) => /^[A-Z0-9]+$/.test(word))) return words;
  throw new CommandFailure(`--${option} ${text}: give ${examples}`);
}

/** Holds that all values together fit, on every peer. */
function refuseTooMuch(keys: number, most: number): void {
  if (keys * most <= LARGEST_DATA) return;
  throw new CommandFailure(
    `--keys ${keys} with values of ${most} bytes are more than ${LARGEST_DATA.toLocaleString('en-US')} bytes on every peer; give fewer or smaller ones`,
  );
}

const WRITE_LEVELS = 'fast, committed, durable, linearizable, or replicated:2 (a number, majority, all)';
const READ_LEVELS = 'local, session, majority, linearizable, or stale:500 (milliseconds)';

/** `prefix` is the run's own. Throws CommandFailure with a line a fault. */
export function readPlan(words: PlanWords, prefix: string): Plan {
  const faults: string[] = [];
  const attempt = <T>(read: () => T, instead: T): T => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof CommandFailure)) throw error;
      faults.push(error.message);
      return instead;
    }
  };
  const number = (name: string, text: string, range: readonly [number, number], isWhole = true): number =>
    attempt(() => readNumber(name, text, range, isWhole), range[0]);
  const given = (
    name: string,
    text: string | undefined,
    range: readonly [number, number],
    isWhole = true,
  ): number | undefined => (text === undefined ? undefined : number(name, text, range, isWhole));
  const choices = (option: 'write' | 'read', text: string | undefined): readonly string[] => {
    if (text === undefined) return [];
    const isWrite = option === 'write';
    const level = attempt(() => readLevel(option, text, isWrite ? WRITE_LEVELS : READ_LEVELS), []);
    // A linearizable write says READ LINEARIZABLE, as the reads do with which it is so.
    const isAck = isWrite && level[0] !== 'LINEARIZABLE';
    return [
      isAck ? 'ACK' : 'READ',
      ...level,
      ...(words.within === undefined ? [] : ['WITHIN', words.within]),
    ];
  };
  given('within', words.within, [0, 600_000]);
  const operations = given('operations', words.operations, [1, 1e12]);
  const seconds = given('seconds', words.seconds, [0.1, 1e6], false);
  const plan: Plan = {
    mix: attempt(() => readMix(words.mix), []),
    sizes: attempt(() => readSizes(words.size), { least: 0, most: 0 }),
    keys: number('keys', words.keys, [1, 100_000_000]),
    zipf: given('zipf', words.zipf, [0.01, 10], false),
    clients: number('clients', words.clients, [1, 10_000]),
    pipeline: number('pipeline', words.pipeline, [1, 10_000]),
    threads: number('threads', words.threads, [1, 16]),
    ratePerSecond: given('rate', words.rate, [0.1, 10_000_000], false),
    seconds: seconds ?? (operations === undefined ? DEFAULT_SECONDS : undefined),
    operations,
    writeChoices: choices('write', words.write),
    readChoices: choices('read', words.read),
    hasSessions: words.read?.toLowerCase() === 'session',
    seed: number('seed', words.seed, [0, Number.MAX_SAFE_INTEGER]),
    isKept: words.keep,
    prefix,
  };
  if (plan.threads > plan.clients)
    faults.push(`--threads ${plan.threads}: each needs a client, and there are ${plan.clients} (--clients)`);
  attempt(() => {
    refuseTooMuch(plan.keys, plan.sizes.most);
  }, undefined);
  if (faults.length > 0) throw new CommandFailure(faults.join('\n'));
  return plan;
}
