/**
 * The tunables of src/peer/tunables.ts as command-line options.
 *
 * Owns the translation both ways: options for yargs, and arguments for a child process. Ranges are
 * configuration.ts's to check: numbers stay text here, because yargs would turn `abc` into NaN silently.
 */
import type { Argv, Options } from 'yargs';
import { optionName, TUNABLES } from '../peer/tunables.ts';
import type { Settings, Tunable, TunableName } from '../peer/tunables.ts';

const NAMES = Object.keys(TUNABLES) as TunableName[];

function describeTunable(tunable: Tunable): string {
  if (tunable.kind !== 'number') return tunable.meaning;
  const range = `${tunable.minimum} to ${tunable.maximum} ${tunable.unit}`;
  return `${tunable.meaning} (${range}); raising it: ${tunable.raising}`;
}

function buildOption(tunable: Tunable): Options {
  const describe = describeTunable(tunable);
  if (tunable.kind === 'flag') return { type: 'boolean', describe };
  const shown = tunable.default === undefined ? {} : { defaultDescription: String(tunable.default) };
  return { type: 'string', requiresArg: true, describe, ...shown };
}

/** Adds every tunable but `omitted` as an option, without defaults: those are tunables.ts's. */
export function withSettings<T>(yargs: Argv<T>, omitted: readonly TunableName[] = []): Argv<T> {
  let options = yargs;
  for (const name of NAMES) {
    // yargs cannot type options that are added in a loop; readSettings checks them again.
    if (!omitted.includes(name)) options = options.option(optionName(name), buildOption(TUNABLES[name]));
  }
  return options;
}

/** What was given of the tunables in yargs's answer. */
export function readSettings(argv: Readonly<Record<string, unknown>>): Settings {
  const given = NAMES.map((name) => [name, argv[optionName(name)]] as const).filter(([name, value]) =>
    TUNABLES[name].kind === 'flag' ? typeof value === 'boolean' : typeof value === 'string',
  );
  return Object.fromEntries(given);
}

/** The same settings as arguments of a command. */
export function buildArguments(settings: Settings): readonly string[] {
  return NAMES.flatMap((name) => {
    const value = settings[name];
    return value === undefined ? [] : [`--${optionName(name)}=${value}`];
  });
}
