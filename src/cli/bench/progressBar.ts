/**
 * How far a phase of the run is, while somebody looks: a bar on a terminal's stderr, nothing anywhere else.
 *
 * Owns the words beside the bar; drawing is cli-progress's. Invariant: what is printed after `end` begins on a line of its own.
 */
import { SingleBar } from 'cli-progress';

interface ProgressBar {
  /** `done` of the phase's total, and what is to be said beside. */
  show(done: number, note: string): void;
  end(): void;
}

export function startBar(phase: string, total: number): ProgressBar {
  const bar = new SingleBar({
    format: `${phase} [{bar}] {percentage}% {note}`,
    stream: process.stderr,
    barCompleteChar: '█',
    barIncompleteChar: '·',
    barsize: 20,
    hideCursor: true,
    clearOnComplete: true,
    gracefulExit: false, // signals are stopSignal.ts's
  });
  bar.start(total, 0, { note: '' });
  return {
    show: (done, note) => {
      bar.update(Math.min(done, total), { note });
    },
    end: () => {
      bar.stop();
    },
  };
}
