/**
 * What an application says beside a write: how safe it is to be, and when it expires.
 */
import { ToposphereError } from '../core/errors.ts';
import { LATEST_EXPIRY_MS } from '../core/expiry.ts';
import type { Acknowledge } from './acknowledged.ts';

export interface WriteOptions {
  /** What the resolved promise survives: nothing, this process's death (default), a power cut here; or, replicated, the loss of all disks that have it but one. */
  readonly acknowledge?: Acknowledge;
}

export interface SetOptions extends WriteOptions {
  /** The key is gone after so many milliseconds (1 or more), everywhere, cut off or not. */
  readonly expiresInMs?: number;
}

/** When it expires, milliseconds since 1970; 0 for never. Throws BAD_ARGUMENT for a time that cannot be. */
export function expiryOf({ expiresInMs }: SetOptions, nowMs: number): number {
  if (expiresInMs === undefined) return 0;
  const expiresAtMs = nowMs + expiresInMs;
  if (Number.isSafeInteger(expiresInMs) && expiresInMs >= 1 && expiresAtMs <= LATEST_EXPIRY_MS)
    return expiresAtMs;
  throw new ToposphereError(
    'BAD_ARGUMENT',
    `expiresInMs is ${String(expiresInMs)}: it must be a whole number of milliseconds, at least 1, and end before 2089`,
  );
}
