/**
 * The parent's end of a child that runs trials.
 *
 * Owns the child's start, the time a trial may take, and what it means when nothing comes back: a child that is silent for too
 * long `hung`, one that ended `died`. Neither is ever a verdict of the simulation. Keeps: after either the next trial has a new child.
 */
import type { Child, Children } from '../bench/children.ts';
import { findViolation } from '../linearizability/register.ts';
import type { BuildCopy } from './buildCopy.ts';
import type { Ran, Refused, Trial, TrialReady, TrialReport } from './trial.ts';

/** Milliseconds until a child must have loaded its build. */
const READY_WITHIN_MS = 30_000;

export type Outcome =
  | Ran
  | Refused
  | { readonly kind: 'hung'; readonly reason: string }
  | { readonly kind: 'died'; readonly reason: string };

export interface TrialProcessOptions {
  readonly children: Children;
  readonly name: string;
  readonly copy: BuildCopy;
  /** A trial that takes longer hangs, milliseconds. */
  readonly hangMs: number;
}

/** A history that no register can have had is a failure like any other. On its way from the child an answer that never came is no number. */
function judgeRegisters(outcome: Ran | Refused): Ran | Refused {
  if (outcome.kind !== 'ran' || outcome.registers === undefined) return outcome;
  const { registers, ...ran } = outcome;
  const violation = findViolation(
    registers.map((one) => ({
      ...one,
      returnedAt: Number.isFinite(one.returnedAt) ? one.returnedAt : Infinity,
    })),
  );
  if (violation === undefined) return ran;
  const detail = `${violation.key}: ${violation.why}`;
  return { ...ran, failure: { invariant: 'linearizability', detail, atMs: 0, step: ran.steps } };
}

export class TrialProcess {
  readonly #options: TrialProcessOptions;
  #child: Child | undefined;

  constructor(options: TrialProcessOptions) {
    this.#options = options;
  }

  /** One at a time. */
  async run(trial: Trial): Promise<Outcome> {
    const { children, name, copy, hangMs } = this.#options;
    let child = this.#child;
    try {
      if (child === undefined) {
        child = children.spawnNode(name, [copy.childPath]);
        this.#child = child;
        await child.next<TrialReady>('ready', READY_WITHIN_MS);
      }
      child.send({ kind: 'trial', trial });
      return judgeRegisters((await child.next<TrialReport>('report', hangMs)).outcome);
    } catch (error) {
      const kind = child?.hasEnded === true ? 'died' : 'hung';
      await this.stop();
      return { kind, reason: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Ends the child at once, whatever it does. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    child.kill();
    await this.#options.children.stop([child]);
  }
}
