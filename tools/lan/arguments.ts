/**
 * The command line of the laboratory, read once outside for its faults and once inside.
 *
 * Owns names, defaults and bounds: a run is bounded in hosts, time and writes.
 */
import { parseArgs } from 'node:util';

export const PARTS = ['first', 'chaos', 'unicast', 'stranger', 'wire'] as const;
export type PartName = (typeof PARTS)[number];

/** Which laboratory a process sets up: one of as many hosts as are asked for, one of three and a stranger, or that of a script. */
export const HALVES = ['many', 'three', 'script'] as const;
export type Half = (typeof HALVES)[number];
/** In this order, so far as they are wanted. */
export const PARTS_OF: Readonly<Record<Half, readonly PartName[]>> = {
  many: ['wire', 'chaos', 'unicast'],
  three: ['first', 'wire', 'stranger'],
  script: [],
};

export interface Arguments {
  readonly isShort: boolean;
  readonly parts: readonly PartName[];
  readonly hosts: number;
  /** Of random faults; a quarter of it again without multicast. */
  readonly minutes: number;
  readonly seed: number;
  /** A second, all hosts together. */
  readonly writesPerSecond: number;
  /** Path of a script to carry out in place of all parts. */
  readonly scenario: string | undefined;
  /** Path of the page to be written. */
  readonly plot: string | undefined;
}

type NumberName = 'hosts' | 'minutes' | 'seed' | 'writes';

export function readArguments(words: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...words],
    options: {
      short: { type: 'boolean', default: false },
      only: { type: 'string' },
      hosts: { type: 'string' },
      minutes: { type: 'string' },
      seed: { type: 'string' },
      writes: { type: 'string' },
      scenario: { type: 'string' },
      plot: { type: 'string' },
    },
  });
  const number = (name: NumberName, otherwise: number, least: number, most: number): number => {
    const value = values[name] === undefined ? otherwise : Number(values[name]);
    const isFit = name === 'minutes' ? Number.isFinite(value) : Number.isSafeInteger(value);
    if (isFit && value >= least && value <= most) return value;
    throw new Error(`--${name} ${values[name] ?? ''}: a number from ${least} to ${most} is wanted`);
  };
  if (values.plot !== undefined && !values.plot.endsWith('.html'))
    throw new Error(`--plot ${values.plot}: a name that ends in .html is wanted`);
  return {
    isShort: values.short,
    parts: readParts(values.only),
    hosts: number('hosts', 6, 3, 16),
    minutes: number('minutes', values.short ? 0.6 : 20, 0.1, 24 * 60),
    seed: number('seed', 1, 0, 2 ** 32),
    // A script writes itself.
    writesPerSecond: number('writes', values.scenario === undefined ? 1_000 : 0, 0, 20_000),
    scenario: values.scenario,
    plot: values.plot,
  };
}

function readParts(only: string | undefined): readonly PartName[] {
  if (only === undefined) return PARTS;
  const wanted = only.split(',');
  const unknown = wanted.filter((name) => !PARTS.some((part) => part === name));
  if (unknown.length > 0) throw new Error(`--only ${unknown.join(',')}: the parts are ${PARTS.join(', ')}`);
  return PARTS.filter((part) => wanted.includes(part));
}
