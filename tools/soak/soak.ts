/**
 * Runs seed after seed in several children until it is told to stop.
 *
 * Owns who runs which seed and what is done with the outcome. When to stop, and what is printed, is main.ts's. Keeps: a seed that
 * was begun is ended and counted (or its child hangs and is ended), so that stopping loses nothing.
 */
import type { Children } from '../bench/children.ts';
import type { BuildCopy } from './buildCopy.ts';
import { failureOf } from './failures.ts';
import { soakedAs } from './trial.ts';
import type { Failures } from './failures.ts';
import type { Progress } from './progress.ts';
import { TrialProcess } from './trialProcess.ts';

/** Every so manieth seed is run twice: the same seed must give the same trace. */
const REPEAT_EVERY = 50;

export interface SoakOptions {
  readonly children: Children;
  readonly copy: BuildCopy;
  readonly progress: Progress;
  readonly failures: Failures;
  readonly jobs: number;
  /** A seed that takes longer hangs, milliseconds. */
  readonly hangMs: number;
  /** Asked before each seed. */
  readonly isOver: () => boolean;
  readonly onFailure: (seed: number, name: string, detail: string, path: string) => void;
}

/** Resolves when all children have ended what they had begun. */
export async function soak(options: SoakOptions): Promise<void> {
  await Promise.all(Array.from({ length: options.jobs }, (_, at) => runSeeds(options, `soak ${at + 1}`)));
}

async function runSeeds(options: SoakOptions, name: string): Promise<void> {
  const { children, copy, progress, failures, hangMs, isOver, onFailure } = options;
  const child = new TrialProcess({ children, name, copy, hangMs });
  try {
    while (!isOver()) {
      const seed = progress.take();
      if (seed === undefined) return;
      const startedMs = performance.now();
      const outcome = await child.run({
        kind: 'seed',
        seed,
        options: soakedAs(seed),
        isRepeated: seed % REPEAT_EVERY === 0,
      });
      const failure = failureOf(outcome);
      const { peerMs, steps, written } =
        outcome.kind === 'ran' ? outcome : { peerMs: 0, steps: 0, written: 0 };
      const tookMs = Math.round(performance.now() - startedMs);
      progress.finish(seed, {
        peerMs,
        steps,
        written,
        tookMs,
        ...(failure === undefined ? {} : { failure: failure.name }),
      });
      if (failure !== undefined)
        onFailure(seed, failure.name, failure.detail, await failures.keep(seed, outcome));
    }
  } finally {
    await child.stop();
  }
}
