/**
 * What happens when nobody reads our output any more (`toposphere range | head`, a log reader that died).
 *
 * Owns the 'error' listeners of stdout and stderr. Invariant: output that cannot be written never throws:
 * a command that only prints ends quietly, a process that serves peers goes on without it.
 */

function endQuietly(error: NodeJS.ErrnoException): void {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
}

/** For every command, unless it says otherwise: without a reader there is nothing left to do. */
export function endWhenUnread(): void {
  process.stdout.on('error', endQuietly);
  process.stderr.on('error', () => undefined);
}

/** For commands whose work is not their output. */
export function goOnWhenUnread(): void {
  process.stdout.off('error', endQuietly);
  process.stdout.on('error', () => undefined);
}
