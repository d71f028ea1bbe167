/**
 * What a finding is, and how it is said: what was seen, then what to do, on one line.
 *
 * Owns the words for durations and sizes that findings share. Invariant: a finding that matters has a fix that somebody can carry out.
 */

/** fault: something does not work, or data is in danger. risk: it works, but not well, or not for long. note: good to know; nothing has to be done. */
export type Severity = 'fault' | 'risk' | 'note';

export interface Finding {
  readonly severity: Severity;
  /** For programs; stays as it is. */
  readonly code: string;
  /** Whom it is about. */
  readonly peers: readonly string[];
  readonly seen: string;
  readonly fix: string;
}

/** Names shown of a long list. */
const NAMES_SHOWN = 6;

export function listNames(names: readonly string[]): string {
  const unique = [...new Set(names)];
  const shown = unique.slice(0, NAMES_SHOWN).join(', ');
  return unique.length > NAMES_SHOWN ? `${shown} and ${unique.length - NAMES_SHOWN} more` : shown;
}

export function formatMs(ms: number): string {
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.round(ms / 60_000);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

export function formatMebibytes(bytes: number): string {
  return bytes < 2 ** 20
    ? `${Math.round(bytes / 1024)} KiB`
    : `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 24 ? 1 : 0)} MiB`;
}

/** Groups names by what they say, in order of first mention. */
export function groupBy<T>(
  items: readonly T[],
  wordOf: (item: T) => string | undefined,
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const word = wordOf(item);
    if (word === undefined) continue;
    const group = groups.get(word);
    if (group === undefined) groups.set(word, [item]);
    else group.push(item);
  }
  return groups;
}
