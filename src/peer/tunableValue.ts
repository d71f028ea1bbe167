/**
 * Whether one value fits its tunable, whatever source it came from.
 *
 * Owns type, range and choices, and the words that refuse a value: the rest of a sentence whose subject, the setting as
 * its source calls it, is the caller's. How settings fit each other is configuration.ts's. Invariant: what a text could
 * have kept secret is never repeated; only what was to be a number, a choice or a flag is.
 */
import { TUNABLES } from './tunables.ts';
import type { NameOfKind, NumberTunable, Settings, Tunable, TunableName } from './tunables.ts';

/** A value as a source has it; a number may be text, as a command line and the environment have it. */
export type GivenValue = string | number | boolean;
/** What one source says. */
export type GivenValues = { readonly [Name in TunableName]?: GivenValue | undefined };

/** `given` as a whole number; NaN when it is none. */
export function parseWhole(given: string | number): number {
  const value = typeof given === 'number' ? given : /^-?[0-9]+$/.test(given) ? Number(given) : NaN;
  return Number.isSafeInteger(value) ? value : NaN;
}

function describeRange({ minimum, maximum, unit }: NumberTunable): string {
  return `${minimum} to ${maximum} (${unit})`;
}

function findNumberFault(tunable: NumberTunable, given: GivenValue): string | undefined {
  const value = typeof given === 'boolean' ? NaN : parseWhole(given);
  if (value >= tunable.minimum && value <= tunable.maximum) return undefined;
  const seen = Number.isNaN(value) ? `'${given}', not a whole number` : `${value}`;
  return `is ${seen}; use ${describeRange(tunable)}`;
}

/** What is wrong with a value, to be said after the setting's name: `is 5; use 10 to 60000 (ms)`. Undefined: nothing. */
export function findValueFault(tunable: Tunable, given: GivenValue): string | undefined {
  switch (tunable.kind) {
    case 'number':
      return findNumberFault(tunable, given);
    case 'text':
      if (given === '') return 'is empty; give it a value, or leave it out';
      if (tunable.choices?.includes(String(given)) === false)
        return `is '${given}'; use ${tunable.choices.join(', ')}`;
      return undefined;
    case 'flag':
      return typeof given === 'boolean' ? undefined : `is '${given}'; use true or false`;
  }
}

function describeType(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return 'a text';
  return typeof value === 'number' || typeof value === 'boolean' ? `${value}` : 'an object';
}

/** As findValueFault, for a value of JSON, where a number is one and not text. */
export function findJsonFault(tunable: Tunable, value: unknown): string | undefined {
  switch (tunable.kind) {
    case 'number':
      if (typeof value === 'number') return undefined;
      return `is ${describeType(value)}; write a number without quotes, ${describeRange(tunable)}`;
    case 'text':
      return typeof value === 'string'
        ? undefined
        : `is ${describeType(value)}; write a text in double quotes`;
    case 'flag':
      return typeof value === 'boolean'
        ? undefined
        : `is ${describeType(value)}; write true or false without quotes`;
  }
}

/** A number as it was given, else its default; also for one that reportValues has refused, so that relations are judged once it is mended. */
export function numberOf(name: NameOfKind<'number'>, settings: Settings): number | undefined {
  const given = settings[name];
  const isGood = given !== undefined && findValueFault(TUNABLES[name], given) === undefined;
  return isGood ? parseWhole(given) : TUNABLES[name].default;
}
