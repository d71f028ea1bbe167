/**
 * Where settings come from: flags win over the environment, which wins over the configuration file, which wins over
 * the defaults.
 *
 * Owns that order, and how each source calls a setting. Reading a source is its own file's; whether the settings that
 * hold fit each other is configuration.ts's. Invariant: a value that is no good is reported wherever it stands, also
 * where another source overrides it; what is not reported here has the type of its tunable.
 */
import { ToposphereError } from '../core/errors.ts';
import { readConfiguration, readDefaultConfiguration } from './configurationFile.ts';
import type { ConfigurationFile } from './configurationFile.ts';
import { CONFIG_VARIABLE, readEnvironment } from './environment.ts';
import { environmentName, optionName, TUNABLE_NAMES, TUNABLES } from './tunables.ts';
import type { Settings, TunableName } from './tunables.ts';
import { findValueFault } from './tunableValue.ts';
import type { GivenValue, GivenValues } from './tunableValue.ts';

/** Lowest first. */
export type SettingSource = 'default' | 'file' | 'environment' | 'flag';

/** Where each setting was given, and what was wrong with the sources. */
export interface Origins {
  readonly sourceOf: (name: TunableName) => SettingSource;
  /** The configuration file that was read, if any. */
  readonly filePath: string | undefined;
  /** One line a fault, each with its source. */
  readonly faults: readonly string[];
}

export interface GivenSettings {
  readonly settings: Settings;
  readonly origins: Origins;
}

/** What a command line said: settings, and which configuration file to read. */
export interface Flags {
  readonly settings: Settings;
  readonly config: string | undefined;
}

/** For settings that a program gives: no source was read, and messages call them as the command line does. */
export const NO_ORIGINS: Origins = { sourceOf: () => 'flag', filePath: undefined, faults: [] };

/** A setting as its source calls it, to begin a sentence: `config/toposphere.json: keepaliveMs`, `--keepalive-ms`. */
export function nameInSource(name: TunableName, origins: Omit<Origins, 'faults'>): string {
  switch (origins.sourceOf(name)) {
    case 'file':
      return `${origins.filePath ?? ''}: ${name}`;
    case 'environment':
      return environmentName(name);
    case 'flag':
    case 'default':
      return `--${optionName(name)}`;
  }
}

async function findFile(flags: Flags, named: string | undefined): Promise<ConfigurationFile | undefined> {
  if (flags.config !== undefined) return readConfiguration(flags.config, '--config');
  if (named !== undefined) return readConfiguration(named, CONFIG_VARIABLE);
  return readDefaultConfiguration();
}

interface Layer {
  readonly source: SettingSource;
  readonly values: GivenValues;
}

/** Lays each source over the one before; a value that cannot be what it should be is told and left out. */
function mergeLayers(
  layers: readonly Layer[],
  filePath: string | undefined,
  faults: string[],
): GivenSettings {
  const values: Partial<Record<TunableName, GivenValue>> = {};
  const sources = new Map<TunableName, SettingSource>();
  for (const { source, values: given } of layers) {
    for (const name of TUNABLE_NAMES) {
      const value = given[name];
      if (value === undefined) continue;
      const fault = findValueFault(TUNABLES[name], value);
      if (fault !== undefined)
        faults.push(`${nameInSource(name, { filePath, sourceOf: () => source })} ${fault}`);
      const isText = TUNABLES[name].kind === 'flag' && typeof value !== 'boolean';
      if (isText) continue;
      values[name] = value;
      sources.set(name, source);
    }
  }
  const sourceOf = (name: TunableName): SettingSource => sources.get(name) ?? 'default';
  return { settings: values as Settings, origins: { sourceOf, filePath, faults } };
}

/**
 * Reads every source. Faults are returned, to be reported with those of the settings together; a configuration file
 * that cannot be read throws BAD_CONFIGURATION with all that is known by then, for what it would have set is not known.
 */
export async function gatherSettings(
  flags: Flags,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<GivenSettings> {
  const fromEnvironment = readEnvironment(environment);
  const layers: Layer[] = [
    { source: 'environment', values: fromEnvironment.values },
    { source: 'flag', values: flags.settings },
  ];
  try {
    const file = await findFile(flags, fromEnvironment.config);
    if (file !== undefined) layers.unshift({ source: 'file', values: file.values });
    return mergeLayers(layers, file?.path, [...(file?.faults ?? []), ...fromEnvironment.faults]);
  } catch (error) {
    if (!(error instanceof ToposphereError)) throw error;
    const { origins } = mergeLayers(layers, undefined, [error.message, ...fromEnvironment.faults]);
    throw new ToposphereError('BAD_CONFIGURATION', origins.faults.join('\n'), { cause: error });
  }
}
