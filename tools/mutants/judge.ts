/**
 * One mutant's trial: planted into a copy of the build of its own, run until it is found out or the budget is spent.
 *
 * Owns the verdict. Keeps: a schedule counts only if the unmutated build passes it (the control runs first, once a schedule), and
 * only a broken invariant kills: a child that hangs or dies, and code that falls over instead of breaking its rule, prove nothing.
 */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Children } from '../bench/children.ts';
import { BuildCopy, ROOT, transpile } from '../soak/buildCopy.ts';
import { describeTrial } from '../soak/trial.ts';
import type { Trial } from '../soak/trial.ts';
import { TrialProcess } from '../soak/trialProcess.ts';
import type { Outcome } from '../soak/trialProcess.ts';
import { plant } from './mutant.ts';
import type { Mutant } from './mutant.ts';

/** Errors of JavaScript itself: the mutant fell over, the rule was not even tried. */
const FALLEN_OVER = /^(?:TypeError|ReferenceError|SyntaxError|RangeError)\b/;

export type Verdict = 'killed' | 'survived' | 'hung' | 'crashed' | 'invalid';

export interface Judgement {
  readonly number: string;
  readonly name: string;
  readonly verdict: Verdict;
  /** The schedule that decided, and how many the mutant was put through. */
  readonly by: string;
  readonly runs: number;
  readonly invariant?: string;
  readonly detail?: string;
  readonly tookMs: number;
}

export interface JudgeOptions {
  /** Seeds at most, whatever a mutant allows. */
  readonly seeds: number;
  /** A run that takes longer hangs, milliseconds. */
  readonly hangMs: number;
}

/** A mutant that fits, with the changed text of each file it changes. */
export interface Planted {
  readonly mutant: Mutant;
  readonly changed: ReadonlyMap<string, string>;
}

export class Judge {
  readonly #base: BuildCopy;
  readonly #children = new Children(undefined);
  readonly #options: JudgeOptions;
  readonly #control: TrialProcess;
  readonly #controlled = new Map<string, Outcome>();

  private constructor(base: BuildCopy, options: JudgeOptions) {
    this.#base = base;
    this.#options = options;
    this.#control = this.#processOn('control', base);
  }

  static async create(options: JudgeOptions): Promise<Judge> {
    return new Judge(await BuildCopy.create(), options);
  }

  async close(): Promise<void> {
    await this.#children.stopAll();
    await this.#base.remove();
  }

  /** The changed texts of a mutant. Throws when it does not fit its source, or the build is not the source's. */
  async plant(mutant: Mutant): Promise<Planted> {
    const texts = new Map<string, string>();
    for (const { file } of mutant.edits) {
      const text = await readFile(join(ROOT, file), 'utf8');
      if (transpile(text, file) !== withoutSourceMap(await this.#base.read(file)))
        throw new Error(`the build is older than ${file}: npm run build`);
      texts.set(file, text);
    }
    return { mutant, changed: plant(mutant, (file) => texts.get(file) ?? '') };
  }

  async judge({ mutant, changed }: Planted): Promise<Judgement> {
    const startedMs = performance.now();
    const copy = await this.#base.clone();
    const process = this.#processOn(`mutant ${mutant.number}`, copy);
    try {
      for (const [file, text] of changed) await copy.replace(file, text);
      const found = await this.#tryAll(mutant, process);
      const { number, name } = mutant;
      return { number, name, ...found, tookMs: Math.round(performance.now() - startedMs) };
    } finally {
      await process.stop();
      await copy.remove();
    }
  }

  async #tryAll(
    mutant: Mutant,
    process: TrialProcess,
  ): Promise<Omit<Judgement, 'number' | 'name' | 'tookMs'>> {
    let runs = 0;
    for await (const { trial, by } of trialsOf(mutant, this.#options.seeds)) {
      const control = await this.#runControl(trial);
      if (control.kind !== 'ran' || control.failure !== undefined)
        return { verdict: 'invalid', by, runs, detail: `unmutated: ${describeOutcome(control)}` };
      runs += 1;
      const outcome = await process.run(trial);
      if (outcome.kind !== 'ran')
        return {
          verdict: outcome.kind === 'hung' ? 'hung' : 'crashed',
          by,
          runs,
          detail: outcome.reason,
        };
      const { failure } = outcome;
      if (failure === undefined) continue;
      const { invariant, detail, stack = '' } = failure;
      return { verdict: FALLEN_OVER.test(stack) ? 'crashed' : 'killed', by, runs, invariant, detail };
    }
    return { verdict: 'survived', by: '', runs };
  }

  async #runControl(trial: Trial): Promise<Outcome> {
    const name = JSON.stringify(trial);
    const known = this.#controlled.get(name);
    if (known !== undefined) return known;
    const outcome = await this.#control.run(trial);
    this.#controlled.set(name, outcome);
    return outcome;
  }

  #processOn(name: string, copy: BuildCopy): TrialProcess {
    return new TrialProcess({ children: this.#children, name, copy, hangMs: this.#options.hangMs });
  }
}

async function* trialsOf(
  { kill }: Mutant,
  mostSeeds: number,
): AsyncGenerator<{ readonly trial: Trial; readonly by: string }> {
  if ('scenario' in kill) {
    const text = await readFile(join(ROOT, kill.scenario), 'utf8');
    yield { trial: { kind: 'scenario', text }, by: `scenario ${basename(kill.scenario, '.txt')}` };
    return;
  }
  const { seeds, first, options = {} } = kill;
  for (let at = first === undefined ? 1 : 0; at <= Math.min(seeds, mostSeeds); at += 1) {
    const trial: Trial = { kind: 'seed', seed: at === 0 && first !== undefined ? first : at, options };
    yield { trial, by: describeTrial(trial) };
  }
}

function describeOutcome(outcome: Outcome): string {
  if (outcome.kind !== 'ran') return `${outcome.kind}: ${outcome.reason}`;
  return outcome.failure?.detail ?? 'passed';
}

function withoutSourceMap(text: string): string {
  return text.replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n');
}
