/**
 * How far a soak has come: which seed is next, what was counted, which failed; and the file in which it is kept.
 *
 * Seeds end out of order when several children run; they are counted in order, so that the file never holds a seed beyond one
 * that is still running: a soak that is killed and started again runs a few seeds twice and counts each once.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';

/** What one seed came to. */
export interface SeedResult {
  readonly peerMs: number;
  readonly steps: number;
  readonly written: number;
  readonly tookMs: number;
  /** Short name of what broke; left out when nothing did. */
  readonly failure?: string;
}

export interface Totals {
  readonly version: 1;
  /** All seeds from `firstSeed` up to this one (exclusive) are counted. */
  nextSeed: number;
  readonly firstSeed: number;
  seeds: number;
  peerMs: number;
  steps: number;
  written: number;
  /** Processor time of children, milliseconds. */
  tookMs: number;
  readonly failures: { readonly seed: number; readonly failure: string }[];
}

export class Progress {
  readonly totals: Totals;
  readonly #file: string | undefined;
  /** Ended, but an earlier seed has not. */
  readonly #early = new Map<number, SeedResult>();
  /** Seeds below are handed out. */
  #nextToRun: number;
  readonly #endSeed: number;

  private constructor(totals: Totals, file: string | undefined, mostSeeds: number) {
    this.totals = totals;
    this.#file = file;
    this.#nextToRun = totals.nextSeed;
    this.#endSeed = totals.nextSeed + mostSeeds;
  }

  /** Goes on where `file` says, or begins at `firstSeed`; hands out at most so many seeds. Throws when the file is none of ours. */
  static async open(file: string | undefined, firstSeed: number, mostSeeds = Infinity): Promise<Progress> {
    const text = file === undefined ? undefined : await readFile(file, 'utf8').catch(ifMissing);
    const totals = text === undefined ? emptyTotals(firstSeed) : parseTotals(text, file ?? '');
    return new Progress(totals, file, mostSeeds);
  }

  /** The next seed to run, each handed out once; undefined when there are no more. */
  take(): number | undefined {
    return this.#nextToRun < this.#endSeed ? this.#nextToRun++ : undefined;
  }

  finish(seed: number, result: SeedResult): void {
    this.#early.set(seed, result);
    const { totals } = this;
    for (;;) {
      const next = this.#early.get(totals.nextSeed);
      if (next === undefined) return;
      this.#early.delete(totals.nextSeed);
      totals.seeds += 1;
      totals.peerMs += next.peerMs;
      totals.steps += next.steps;
      totals.written += next.written;
      totals.tookMs += next.tookMs;
      if (next.failure !== undefined) totals.failures.push({ seed: totals.nextSeed, failure: next.failure });
      totals.nextSeed += 1;
    }
  }

  /** Writes the file whole or not at all. */
  async save(): Promise<void> {
    if (this.#file === undefined) return;
    const next = `${this.#file}.new`;
    await writeFile(next, `${JSON.stringify(this.totals, undefined, 2)}\n`);
    await rename(next, this.#file);
  }
}

function emptyTotals(firstSeed: number): Totals {
  const counts = { seeds: 0, peerMs: 0, steps: 0, written: 0, tookMs: 0 };
  return { version: 1, firstSeed, nextSeed: firstSeed, ...counts, failures: [] };
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}

function parseTotals(text: string, file: string): Totals {
  const numbers = ['nextSeed', 'firstSeed', 'seeds', 'peerMs', 'steps', 'written', 'tookMs'];
  try {
    const data = JSON.parse(text) as Record<string, unknown>;
    if (data['version'] === 1 && numbers.every((name) => typeof data[name] === 'number'))
      if (Array.isArray(data['failures'])) return data as unknown as Totals;
  } catch {
    // Said below.
  }
  throw new Error(`--state ${file}: this is no state of a soak; name another file, or remove it`);
}
