/**
 * The tunables of src/peer/tunables.ts as command-line options.
 *
 * Owns the translation both ways: options for yargs, and arguments for a child process. What the file and the
 * environment add is settingSources.ts's. Ranges are tunableValue.ts's to check: numbers stay text here, because yargs
 * would turn `abc` into NaN silently.
 */
import type { Argv, Options } from 'yargs';
import { DEFAULT_CONFIGURATION_PATH } from '../peer/configurationFile.ts';
import { gatherSettings } from '../peer/settingSources.ts';
import type { Flags, GivenSettings } from '../peer/settingSources.ts';
import { optionName, PEER_TUNABLE_NAMES, TUNABLE_NAMES, TUNABLES } from '../peer/tunables.ts';
import type { Settings, Tunable, TunableName } from '../peer/tunables.ts';

/**
 * Whether the options are to be in the help. yargs writes the help of each command that it runs, shown or not, which with all of these in it is a sixth of the
 * processor time that `serve` takes until it is ready: where nobody asks for the help, they are left out of it.
 */
const IS_HELP_ASKED = process.argv.some((word) => word === '--help' || word.startsWith('--help='));

function describeTunable(tunable: Tunable): string {
  if (tunable.kind !== 'number') return tunable.meaning;
  const range = `${tunable.minimum} to ${tunable.maximum} ${tunable.unit}`;
  return `${tunable.meaning} (${range}); raising it: ${tunable.raising}`;
}

function buildOption(tunable: Tunable): Options {
  const describe = describeTunable(tunable);
  const hidden = !IS_HELP_ASKED;
  if (tunable.kind === 'flag') return { type: 'boolean', describe, hidden };
  const shown = tunable.default === undefined ? {} : { defaultDescription: String(tunable.default) };
  return { type: 'string', requiresArg: true, describe, hidden, ...shown };
}

/** Adds the named tunables, and which configuration file to read, without defaults: those are tunables.ts's. */
export function withOptionsOf<T>(yargs: Argv<T>, names: readonly TunableName[]): Argv<T> {
  let options = yargs.option('config', {
    type: 'string',
    requiresArg: true,
    describe: 'path of the configuration file; it and the environment set what no flag does',
    defaultDescription: `${DEFAULT_CONFIGURATION_PATH}, if it is there`,
  }) as Argv<T>;
  // yargs cannot type options that are added in a loop; readFlags checks them again.
  for (const name of names) options = options.option(optionName(name), buildOption(TUNABLES[name]));
  return options;
}

/** Adds every tunable of a peer but `omitted`. */
export function withSettings<T>(yargs: Argv<T>, omitted: readonly TunableName[] = []): Argv<T> {
  return withOptionsOf(
    yargs,
    PEER_TUNABLE_NAMES.filter((name) => !omitted.includes(name)),
  );
}

/** What was given of `names` in yargs's answer. */
export function readFlags(argv: object, names: readonly TunableName[] = TUNABLE_NAMES): Flags {
  const said: ReadonlyMap<string, unknown> = new Map(Object.entries(argv));
  const given = names
    .map((name) => [name, said.get(optionName(name))] as const)
    .filter(([name, value]) =>
      TUNABLES[name].kind === 'flag' ? typeof value === 'boolean' : typeof value === 'string',
    );
  const config = said.get('config');
  return { settings: Object.fromEntries(given), config: typeof config === 'string' ? config : undefined };
}

/** The settings that hold for a command, from its flags, the environment and the file. Throws like gatherSettings. */
export async function readSettings(argv: object, names?: readonly TunableName[]): Promise<GivenSettings> {
  return gatherSettings(readFlags(argv, names), process.env);
}

/** The same settings, and the configuration file if one was named, as arguments of a command. */
export function buildArguments(settings: Settings, config?: string): readonly string[] {
  const words = TUNABLE_NAMES.flatMap((name) => {
    const value = settings[name];
    return value === undefined ? [] : [`--${optionName(name)}=${value}`];
  });
  return config === undefined ? words : [...words, `--config=${config}`];
}
