/**
 * `toposphere config`: the settings that `serve` would start with, and where each came from.
 *
 * Owns the table. Resolving and refusing are configuration.ts's, the same as when a peer starts. Invariant: what is
 * printed are settings, which name the files of secrets; what those files hold is never among them.
 */
import type { Argv } from 'yargs';
import { resolveServeOptions } from '../peer/configuration.ts';
import type { ServeOptions } from '../peer/configuration.ts';
import { silentLogger } from '../peer/logger.ts';
import type { GivenSettings, SettingSource } from '../peer/settingSources.ts';
import { PEER_TUNABLE_NAMES, TUNABLES } from '../peer/tunables.ts';
import type { Tunable, TunableName } from '../peer/tunables.ts';
import type { GivenValue } from '../peer/tunableValue.ts';
import { printLine, quoteBytes, renderTable } from './print.ts';
import { readSettings, withSettings } from './settingsOptions.ts';

interface EffectiveSetting {
  readonly name: TunableName;
  /** Null: none, and nothing stands in for it. */
  readonly value: GivenValue | null;
  readonly unit: string | null;
  readonly source: SettingSource;
}

function isValue(value: unknown): value is GivenValue {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

/** What was found in place of a setting without a default of its own: most options bear the setting's name. */
function listDerived({ peer, clients, http }: ServeOptions): ReadonlyMap<string, unknown> {
  return new Map<string, unknown>([
    ...Object.entries(peer),
    ['multicastGroup', peer.multicast.group],
    ['multicastInterface', peer.multicast.interface],
    ['clientHost', clients.host],
    ['clientPort', clients.port],
    ['httpHost', http?.host],
    ['httpPort', http?.port],
  ]);
}

function defaultOf(tunable: Tunable): GivenValue | undefined {
  return tunable.kind === 'flag' ? false : tunable.default;
}

function listEffective(
  { settings, origins }: GivenSettings,
  options: ServeOptions,
): readonly EffectiveSetting[] {
  const derived = listDerived(options);
  return PEER_TUNABLE_NAMES.map((name) => {
    const tunable: Tunable = TUNABLES[name];
    const value = settings[name] ?? defaultOf(tunable) ?? derived.get(name);
    return {
      name,
      value: !isValue(value) ? null : tunable.kind === 'number' ? Number(value) : value,
      unit: tunable.kind === 'number' ? tunable.unit : null,
      source: origins.sourceOf(name),
    };
  });
}

function printTable(effective: readonly EffectiveSetting[], filePath: string | undefined): void {
  printLine(`configuration file: ${filePath ?? 'none'}`);
  const rows = effective.map(({ name, value, unit, source }) => [
    name,
    value === null ? '-' : quoteBytes(Buffer.from(`${value}`)),
    unit ?? '-',
    source,
  ]);
  for (const line of renderTable(['name', 'value', 'unit', 'source'], rows)) printLine(line);
}

export function addConfig(yargs: Argv): Argv {
  return yargs.command(
    'config',
    'print the settings that serve would start with, and where each came from',
    (options) =>
      withSettings(options).option('json', {
        type: 'boolean',
        default: false,
        describe: 'the same as JSON',
      }),
    async (argv) => {
      const given = await readSettings(argv);
      const options = await resolveServeOptions(given.settings, silentLogger, given.origins);
      const effective = listEffective(given, options);
      const { filePath } = given.origins;
      if (argv.json) printLine(JSON.stringify({ file: filePath ?? null, settings: effective }, undefined, 2));
      else printTable(effective, filePath);
    },
  );
}
