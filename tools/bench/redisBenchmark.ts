/**
 * redis-benchmark: one run against one port, as figures.
 *
 * Owns its command line and its CSV. Which runs are compared is the parts'. Invariant: a run that printed no figure is an error, never a zero.
 */
import type { Bench } from './budget.ts';
import { HOST } from './workspace.ts';

export const CLIENTS = 50;
export const RANDOM_KEYS = 100_000;
/** Milliseconds until a run is given up. */
const RUN_TIMEOUT_MS = 40_000;

export interface Load {
  readonly command: 'SET' | 'GET' | 'INCR';
  readonly pipeline: 1 | 16;
  /** One key for all requests, or random ones of RANDOM_KEYS. */
  readonly keys: 'one' | 'random';
}

export interface LoadFigures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export function describeLoad({ command, pipeline, keys }: Load): string {
  return `${command}, pipeline ${pipeline}, ${keys === 'one' ? 'one key' : `${RANDOM_KEYS / 1000}k random keys`}`;
}

/** The figures of `command` in the output of `redis-benchmark --csv`; throws when they are not there. */
export function parseBenchmarkCsv(text: string, command: string): LoadFigures {
  const lines = text.split(/\r?\n/).map((line) => line.split(',').map((cell) => cell.replaceAll('"', '')));
  const header = lines.find(([first]) => first === 'test') ?? [];
  const row = lines.find(([first]) => first === command) ?? [];
  const figure = (name: string): number => Number(row[header.indexOf(name)] ?? NaN);
  const figures = {
    perSecond: figure('rps'),
    p50Ms: figure('p50_latency_ms'),
    p99Ms: figure('p99_latency_ms'),
  };
  if (!(figures.perSecond > 0)) throw new Error(`redis-benchmark printed no figure for ${command}: ${text}`);
  return figures;
}

export async function runLoad(
  bench: Bench,
  port: number,
  load: Load,
  requests = bench.sizes.requests[load.pipeline],
): Promise<LoadFigures> {
  const words = [
    '-h',
    HOST,
    '-p',
    `${port}`,
    '-c',
    `${CLIENTS}`,
    '-P',
    `${load.pipeline}`,
    '-n',
    `${requests}`,
  ];
  if (load.keys === 'random') words.push('-r', `${RANDOM_KEYS}`);
  words.push('-t', load.command.toLowerCase(), '--csv');
  const name = `redis-benchmark ${describeLoad(load)}`;
  return parseBenchmarkCsv(
    await bench.children.run(name, 'redis-benchmark', words, RUN_TIMEOUT_MS),
    load.command,
  );
}

/** Sets most of the random keys, so that GETs find them, and warms the server up. */
export async function fillKeys(bench: Bench, port: number): Promise<void> {
  await runLoad(bench, port, { command: 'SET', pipeline: 16, keys: 'random' }, bench.sizes.fillRequests);
  await runLoad(bench, port, { command: 'GET', pipeline: 16, keys: 'random' });
}
