/**
 * Gathers all who wait for the writes of one event-loop turn into one question to the backend.
 *
 * Owns the rounds: one per turn and acknowledgement level, for all connections together, so that a thousand
 * clients cost one `acknowledge` and no promise per command. Leaves what is held back, and its order, to
 * connection.ts.
 * Invariant: a round is asked about after the last write of its turn, and each waiter hears of it once.
 */
import type { AcknowledgementLevel, Backend } from '../peer/backend.ts';

/** Levels that something is waited for. */
export type WaitingLevel = Exclude<AcknowledgementLevel, 'fast'>;

/** The writes of one turn at one level. */
export interface AcknowledgementRound {
  readonly level: WaitingLevel;
  isDone: boolean;
  readonly waiters: AcknowledgementWaiter[];
}

export interface AcknowledgementWaiter {
  /** `failure` says that the writes of this round never reach their level. */
  onAcknowledged(failure: Error | undefined): void;
}

export interface Acknowledgements {
  /** Joins the round of the present turn. A waiter joins a round once: it compares what it gets with what it had. */
  currentRound(level: WaitingLevel): AcknowledgementRound;
  /** Rounds asked about and not yet answered, and those of the present turn. */
  outstanding(): number;
}

export function createAcknowledgements(backend: Backend): Acknowledgements {
  let present: AcknowledgementRound[] = [];
  let outstanding = 0;

  function currentRound(level: WaitingLevel): AcknowledgementRound {
    for (const round of present) if (round.level === level) return round;
    // The check phase comes after all sockets of this turn have been read.
    if (present.length === 0) setImmediate(askForAll);
    const round: AcknowledgementRound = { level, isDone: false, waiters: [] };
    present.push(round);
    outstanding += 1;
    return round;
  }

  function askForAll(): void {
    const rounds = present;
    present = [];
    for (const round of rounds) {
      backend.acknowledge(round.level, (failure) => {
        if (round.isDone) return;
        round.isDone = true;
        outstanding -= 1;
        for (const waiter of round.waiters) waiter.onAcknowledged(failure);
      });
    }
  }

  return { currentRound, outstanding: () => outstanding };
}
