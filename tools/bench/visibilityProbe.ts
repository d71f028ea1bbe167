/**
 * The part of a visibility probe that all kinds share: paced writes, times of arrival, talk with the parent.
 *
 * Owns the clock readings. How a sequence is written and noticed is the caller's. Writes are paced, 3 to 5 ms apart with
 * jitter, so that neither queues nor timers of the peers beat in step with them. Invariant: a time is read before anything else
 * is done with an arrival, and only the first arrival of a sequence counts.
 */
import type {
  ArrivalsMessage,
  BurstMessage,
  CollectMessage,
  ProbeReadyMessage,
  StartsMessage,
} from './visibilityMessages.ts';

const PACE_MINIMUM_MS = 3;
const PACE_JITTER_MS = 2;

export interface ProbeEnds {
  /** Writes a sequence; a promise when the system acknowledges. */
  readonly write: (sequence: number) => Promise<void> | undefined;
  /** Receivers in this process. */
  readonly receivers: number;
}

export interface ProbeNotes {
  /** Tells that a receiver of this process has seen a sequence. */
  readonly note: (sequence: number, receiver: number) => void;
  /** Tells the parent that bursts may begin. */
  readonly announce: () => void;
}

export function nowNs(): number {
  return Number(process.hrtime.bigint());
}

export function sequenceText(sequence: number): string {
  return String(sequence).padStart(9, '0');
}

function pause(): Promise<void> {
  const pauseMs = PACE_MINIMUM_MS + Math.random() * PACE_JITTER_MS;
  return new Promise((resolve) => setTimeout(resolve, pauseMs));
}

/** Serves the parent's messages until it hangs up; then the process ends. */
export function startProbe({ write, receivers }: ProbeEnds): ProbeNotes {
  const arrivals = Array.from({ length: receivers }, () => new Map<number, number>());

  async function onBurst({ first, count }: BurstMessage): Promise<void> {
    const startsNs: number[] = [];
    const acknowledgedNs: number[] = Array.from({ length: count }, () => 0);
    const waiting: Promise<void>[] = [];
    for (let index = 0; index < count; index++) {
      await pause();
      startsNs.push(nowNs());
      const acknowledged = write(first + index);
      if (acknowledged === undefined) continue;
      const noted = acknowledged.then(() => {
        acknowledgedNs[index] = nowNs();
      });
      waiting.push(noted);
    }
    await Promise.all(waiting);
    process.send?.({ kind: 'starts', startsNs, acknowledgedNs } satisfies StartsMessage);
  }

  function onCollect({ first, count }: CollectMessage): void {
    const arrivalsNs = arrivals.map((times) =>
      Array.from({ length: count }, (_, index) => times.get(first + index) ?? 0),
    );
    process.send?.({ kind: 'arrivals', arrivalsNs } satisfies ArrivalsMessage);
  }

  process.on('message', (message: BurstMessage | CollectMessage) => {
    if (message.kind === 'burst') void onBurst(message);
    else onCollect(message);
  });
  process.once('disconnect', () => process.exit(0));
  // An orderly end lets a profile be written.
  process.once('SIGTERM', () => process.exit(0));

  return {
    note(sequence, receiver) {
      const timeNs = nowNs();
      const times = arrivals[receiver];
      if (times !== undefined && !times.has(sequence)) times.set(sequence, timeNs);
    },
    announce() {
      process.send?.({ kind: 'probeReady' } satisfies ProbeReadyMessage);
    },
  };
}
