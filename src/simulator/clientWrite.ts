/**
 * What simulated clients write (text, or so many bytes), and what comes of it.
 */
import type { ToposphereError } from '../core/errors.ts';
import type { ValueSpec } from './schedule.ts';
import type { Written } from './truth.ts';

/** What came of a client's write. */
export type WriteOutcome =
  | { readonly kind: 'taken'; readonly written: Written }
  | { readonly kind: 'refused'; readonly error: ToposphereError }
  | { readonly kind: 'unreachable' };

/** The bytes of a value. So many bytes are a pattern, so that a mix-up shows. */
export function bytesOf(value: ValueSpec): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  const bytes = new Uint8Array(value);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = (at * 31 + value) & 0xff;
  return bytes;
}

export function describeValue(value: ValueSpec): string {
  return typeof value === 'string' ? value : `<${value} bytes>`;
}
