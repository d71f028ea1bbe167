/**
 * Clients that have not given the password: since when, and whose time is up.
 *
 * Owns their order and one timer for all of them. Leaves to server.ts what becomes of who is late, or gives way to another. Invariant: whoever is here is told of
 * once, `limitMs` after it came; to come again while here changes nothing, or a stranger would have as much time as it likes.
 */
interface UnauthenticatedClients {
  /** A new connection, or one that has to give the password again. */
  add(clientId: number): void;
  /** It gave the password, or is gone. */
  remove(clientId: number): void;
  /** Who has been here longest. */
  oldest(): number | undefined;
  stop(): void;
}

export function createUnauthenticatedClients(
  limitMs: number,
  onLate: (clientId: number) => void,
): UnauthenticatedClients {
  /** When each came, by a clock that nobody sets. Oldest first. */
  const cameMs = new Map<number, number>();
  let timer: NodeJS.Timeout | undefined;

  function endLate(): void {
    timer = undefined;
    const nowMs = performance.now();
    for (const [clientId, since] of cameMs) {
      if (nowMs - since < limitMs) break;
      cameMs.delete(clientId);
      onLate(clientId);
    }
    schedule();
  }

  function schedule(): void {
    if (timer !== undefined) return;
    for (const since of cameMs.values()) {
      // A timer may be a millisecond early by this clock.
      timer = setTimeout(endLate, Math.max(1, since + limitMs - performance.now() + 1));
      return;
    }
  }

  return {
    add(clientId) {
      if (cameMs.has(clientId)) return;
      cameMs.set(clientId, performance.now());
      schedule();
    },
    remove: (clientId) => void cameMs.delete(clientId),
    oldest: () => cameMs.keys().next().value,
    stop() {
      clearTimeout(timer);
      cameMs.clear();
    },
  };
}
