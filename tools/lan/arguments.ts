/**
 * The command line of the laboratory, read once outside for its faults and once inside.
 *
 * Owns names, defaults and bounds: a run is bounded in hosts, time and writes.
 */
import { parseArgs } from 'node:util';

export interface Arguments {
  readonly isShort: boolean;
  readonly hosts: number;
  readonly minutes: number;
  readonly seed: number;
  /** A second, all hosts together; 0: the script's alone. */
  readonly writesPerSecond: number;
  /** Path of a script to carry out in place of everything else. */
  readonly scenario: string | undefined;
}

export function readArguments(words: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...words],
    options: {
      short: { type: 'boolean', default: false },
      hosts: { type: 'string' },
      minutes: { type: 'string' },
      seed: { type: 'string' },
      writes: { type: 'string' },
      scenario: { type: 'string' },
    },
  });
  const number = (
    name: 'hosts' | 'minutes' | 'seed' | 'writes',
    otherwise: number,
    least: number,
    most: number,
  ): number => {
    const value = values[name] === undefined ? otherwise : Number(values[name]);
    if (
      Number.isFinite(value) &&
      value >= least &&
      value <= most &&
      (name === 'minutes' || Number.isInteger(value))
    )
      return value;
    throw new Error(`--${name} ${values[name] ?? ''}: a number from ${least} to ${most} is wanted`);
  };
  return {
    isShort: values.short,
    hosts: number('hosts', 6, 3, 16),
    minutes: number('minutes', values.short ? 1 : 20, 0.5, 24 * 60),
    seed: number('seed', 1, 0, 2 ** 32),
    writesPerSecond: number('writes', 1_000, 0, 20_000),
    scenario: values.scenario,
  };
}
