/**
 * Which version of the package runs: as package.json says, which lies at the same place beside src and dist.
 */
import { readFileSync } from 'node:fs';

let known: string | undefined;

/** `unknown` where the file was taken away. */
export function packageVersion(): string {
  known ??= readVersion();
  return known;
}

function readVersion(): string {
  try {
    const read: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    const version = typeof read === 'object' && read !== null && 'version' in read ? read.version : undefined;
    return typeof version === 'string' ? version : 'unknown';
  } catch {
    return 'unknown';
  }
}
