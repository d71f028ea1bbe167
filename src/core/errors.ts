/**
 * The one error class users meet. A message says what was attempted, what was seen and what to do;
 * `changed` says whether anything was written. Peers' input never ends up here: it is dropped and counted.
 */

export const ERROR_CODES = [
  'BAD_ARGUMENT',
  'BAD_CONFIGURATION',
  'KEY_TOO_LONG',
  'VALUE_TOO_LONG',
  'CLOCK_AHEAD',
  'LOADING',
  'FORGOTTEN',
  'SUPERSEDED',
  'FENCED',
  'STORAGE_FAILED',
  'STORE_DAMAGED',
  'STORE_LOCKED',
  'DISK_FULL',
  'BAD_CHECKPOINT',
  'ADDRESS_IN_USE',
  'BEHIND',
  'UNDECIDED',
  'LOST_WRITE',
  'NO_MAJORITY',
  'UNKNOWN',
  'BUSY',
  'NO_PEER',
  'MAYBE_APPLIED',
  'NO_ROOM',
  'CLOSED',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

interface Replicas {
  readonly onDisk: readonly string[];
  readonly silent: readonly string[];
}

export class ToposphereError extends Error {
  override readonly name = 'ToposphereError';
  readonly code: ErrorCode;
  /** Whether the attempt may have changed anything; 'unknown' when a commit failed half way. */
  readonly changed: boolean | 'unknown';
  /** Of a write whose deadline has passed: the members whose disks have it, and those that have not said so. */
  readonly replicas: Replicas | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { changed?: boolean | 'unknown'; cause?: unknown; replicas?: Replicas } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.changed = options.changed ?? false;
    this.replicas = options.replicas;
  }
}
