/**
 * The faults of one configuration, collected while it is checked.
 *
 * Owns that each is told once, and how a setting is called in one: as the source that gave it does. What is a fault is
 * the checks' to say. Invariant: `refuse` throws exactly when anything was reported.
 */
import { ToposphereError } from '../core/errors.ts';
import { nameInSource } from './settingSources.ts';
import type { Origins } from './settingSources.ts';
import { TUNABLE_NAMES, TUNABLES } from './tunables.ts';
import type { Settings, TunableName } from './tunables.ts';
import { findValueFault } from './tunableValue.ts';

export interface FaultReport {
  push(...faults: readonly string[]): void;
  /** The setting at the beginning of a sentence: `config/toposphere.json: keepaliveMs`. */
  called(name: TunableName): string;
  /** The same within one: `keepaliveMs of config/toposphere.json`. */
  mentioned(name: TunableName): string;
  /** Throws BAD_CONFIGURATION with one line a fault, if there is any. */
  refuse(): void;
}

/** A report that begins with what was wrong with the sources. */
export function createFaultReport(origins: Origins): FaultReport {
  const faults = new Set(origins.faults);
  return {
    push: (...lines) => {
      for (const line of lines) faults.add(line);
    },
    called: (name) => nameInSource(name, origins),
    mentioned: (name) =>
      origins.sourceOf(name) === 'file'
        ? `${name} of ${origins.filePath ?? ''}`
        : nameInSource(name, origins),
    refuse: () => {
      if (faults.size > 0) throw new ToposphereError('BAD_CONFIGURATION', [...faults].join('\n'));
    },
  };
}

/** Runs one check; what it refuses joins the other faults instead of hiding them. */
export async function gather<T>(report: FaultReport, check: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof ToposphereError)) throw error;
    report.push(...error.message.split('\n'));
    return undefined;
  }
}

/** Reports every value that does not fit its tunable, whatever it has to do with others. */
export function reportValues(settings: Settings, report: FaultReport): void {
  for (const name of TUNABLE_NAMES) {
    const value = settings[name];
    const fault = value === undefined ? undefined : findValueFault(TUNABLES[name], value);
    if (fault !== undefined) report.push(`${report.called(name)} ${fault}`);
  }
}

/** What is read of a file with a secret, if one is named. */
export async function readSecret<T>(
  file: string | undefined,
  faults: FaultReport,
  read: (path: string) => Promise<T>,
): Promise<T | undefined> {
  return file === undefined ? undefined : gather(faults, () => read(file));
}
