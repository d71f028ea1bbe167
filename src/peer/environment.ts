/**
 * Settings of the environment: TOPOSPHERE_DATA_DIRECTORY is dataDirectory, and so on for every tunable.
 *
 * Owns which variables there are. Values are judged by tunableValue.ts, sources put in order by settingSources.ts.
 * Invariant: every variable that begins with TOPOSPHERE_ is a setting or a fault; a typing error changes nothing in silence.
 */
import { findNearest } from './nearestName.ts';
import { environmentName, TUNABLE_NAMES, TUNABLES } from './tunables.ts';
import type { TunableName } from './tunables.ts';
import type { GivenValue, GivenValues } from './tunableValue.ts';

const PREFIX = 'TOPOSPHERE_';
/** Names the configuration file: no tunable, for the file cannot name itself. */
export const CONFIG_VARIABLE = 'TOPOSPHERE_CONFIG';

const NAMES_BY_VARIABLE: ReadonlyMap<string, TunableName> = new Map(
  TUNABLE_NAMES.map((name) => [environmentName(name), name]),
);

const FLAG_TEXTS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);

interface EnvironmentSettings {
  readonly values: GivenValues;
  /** Path of the configuration file, if the environment names one. */
  readonly config: string | undefined;
  /** One line a variable that is none of ours. */
  readonly faults: readonly string[];
}

function describeUnknown(variable: string): string {
  const known = [...NAMES_BY_VARIABLE.keys(), CONFIG_VARIABLE].map((name) => name.slice(PREFIX.length));
  const nearest = findNearest(variable.slice(PREFIX.length), known);
  const advice = nearest === undefined ? 'unset it' : `did you mean ${PREFIX}${nearest}? Otherwise unset it`;
  return `${variable} is not a setting; ${advice}`;
}

/** What the variables say; a flag that is neither true nor false stays text, to be refused with the other values. */
export function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): EnvironmentSettings {
  const values: Partial<Record<TunableName, GivenValue>> = {};
  const faults: string[] = [];
  for (const [variable, value] of Object.entries(environment)) {
    if (value === undefined || !variable.startsWith(PREFIX) || variable === CONFIG_VARIABLE) continue;
    const name = NAMES_BY_VARIABLE.get(variable);
    if (name === undefined) faults.push(describeUnknown(variable));
    else values[name] = TUNABLES[name].kind === 'flag' ? (FLAG_TEXTS.get(value) ?? value) : value;
  }
  return { values, config: environment[CONFIG_VARIABLE], faults };
}
