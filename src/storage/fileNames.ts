/**
 * Names of files, and of what file systems answer: what all that touches them here agrees on.
 */

/** LMDB's file in the directory of a store or of a copy. */
export const DATA_FILE = 'data.mdb';

/** A damaged one that was moved aside: this, and when. */
export const DAMAGED_PREFIX = `${DATA_FILE}.damaged-`;

/** A moment, milliseconds since 1970, in a form that sorts by time and stands in a file's name: `20261129T140512345Z`. */
export function stampOf(ms: number): string {
  return new Date(ms).toISOString().replaceAll(/[-:.]/g, '');
}

/** Whether an error is the operating system's with this code, such as ENOENT. */
export function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
