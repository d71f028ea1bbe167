/**
 * What is kept of a seed that failed: its schedule, to be replayed and shrunk anywhere, and what came of it.
 *
 * Owns the folder and the names in it. A seed that hung or took its process down is kept like any other.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateSchedule } from '../../src/simulator/generate.ts';
import { soakedAs } from './trial.ts';
import type { Outcome } from './trialProcess.ts';

export class Failures {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Writes both files; answers the path of the schedule. */
  async keep(seed: number, outcome: Outcome): Promise<string> {
    await mkdir(this.folder, { recursive: true });
    const path = join(this.folder, `seed-${seed}.schedule.json`);
    await writeFile(path, `${JSON.stringify(generateSchedule({ ...soakedAs(seed), seed }), undefined, 1)}\n`);
    const result = join(this.folder, `seed-${seed}.result.json`);
    await writeFile(result, `${JSON.stringify(outcome, undefined, 2)}\n`);
    return path;
  }
}

/** Short name of what broke, or undefined: a child that hung or died broke something too. */
export function failureOf(outcome: Outcome): { readonly name: string; readonly detail: string } | undefined {
  if (outcome.kind !== 'ran') return { name: outcome.kind, detail: outcome.reason };
  const { failure } = outcome;
  return failure === undefined ? undefined : { name: failure.invariant, detail: failure.detail };
}
