/**
 * What a mutant is: one rule of the protocol broken on purpose, as data, and how it must be found out.
 *
 * Owns the shapes and the planting into a text. Keeps: a text to be replaced occurs exactly once, else the mutant is stale and says so; a
 * mutant that quietly changes nothing, or something else, would prove nothing.
 */
import type { SeedOptions } from '../soak/trial.ts';

export interface Edit {
  /** From the root, for instance src/core/apply.ts. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

/** Schedules that take a twentieth of a second: most mutants die in the first few. */
export const SMALL: SeedOptions = { servers: 3, minutes: 0.5 };
/** The same, with what makes processes start again. */
export const RESTARTS: SeedOptions = { ...SMALL, faults: ['crashes', 'twins', 'clocks', 'disks'] };

/** What must find it out: random seeds from 1 up, or a directed scenario. */
export type Kill =
  | {
      readonly seeds: number;
      /** Tried before them: it was found out by this one, and is by few. Where the schedules have changed since it only costs time. */
      readonly first?: number;
      readonly options?: SeedOptions;
    }
  | {
      /** From the root. */
      readonly scenario: string;
    };

export interface Mutant {
  /** As protocol.md, section 11 numbers it; others are named after their rule. */
  readonly number: string;
  readonly name: string;
  readonly edits: readonly Edit[];
  readonly kill: Kill;
}

/** The texts of all files the mutant changes, changed. Throws when it does not fit. `read` gives a file's text. */
export function plant(mutant: Mutant, read: (file: string) => string): Map<string, string> {
  const changed = new Map<string, string>();
  for (const { file, find, replace } of mutant.edits) {
    const text = changed.get(file) ?? read(file);
    const at = find === '' ? -1 : text.indexOf(find);
    if (at < 0 || text.indexOf(find, at + 1) >= 0) {
      const how = at < 0 ? 'is not there' : 'is there more than once';
      throw new Error(
        `mutant ${mutant.number} no longer fits ${file}: mend it (${how}: ${JSON.stringify(find)})`,
      );
    }
    changed.set(file, text.slice(0, at) + replace + text.slice(at + find.length));
  }
  return changed;
}
