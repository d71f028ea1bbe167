/**
 * What simulated clients write (text, or so many bytes), and what comes of it.
 */
import type { ToposphereError } from '../core/errors.ts';
import type { Level, ValueSpec } from './schedule.ts';
import type { Written } from './truth.ts';

/** What came of a client's write. */
export type WriteOutcome =
  | { readonly kind: 'taken'; readonly written: Written }
  | { readonly kind: 'refused'; readonly error: ToposphereError }
  | { readonly kind: 'unreachable' };

/** How a client writes. */
export interface HowWritten {
  /** Acknowledgement level; committed when left out. */
  readonly level?: Level;
  /** The turn stays open for what comes at the same instant. */
  readonly sharesTurn?: boolean | undefined;
  /** After so many milliseconds the key expires; never when left out. */
  readonly expiresInMs?: number | undefined;
}

/** The bytes of a value. So many bytes are a pattern, so that a mix-up shows. */
export function bytesOf(value: ValueSpec): Uint8Array;
export function bytesOf(value: ValueSpec | undefined): Uint8Array | undefined;
export function bytesOf(value: ValueSpec | undefined): Uint8Array | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  const bytes = new Uint8Array(value);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = (at * 31 + value) & 0xff;
  return bytes;
}

export function describeValue(value: ValueSpec): string {
  return typeof value === 'string' ? value : `<${value} bytes>`;
}

/** A write in words; it expires after `expiresInMs` milliseconds, if at all. */
export function describeWrite(
  key: string,
  value: ValueSpec | undefined,
  expiresInMs: number | undefined,
): string {
  if (value === undefined) return `delete ${key}`;
  return `set ${key}=${describeValue(value)}${expiresInMs === undefined ? '' : ` for ${expiresInMs} ms`}`;
}
