/**
 * How much of this machine's processors others took while a test measured: a time that was missed beside busy neighbours says nothing.
 *
 * Owns the reading of /proc. What the kernel spends on interrupts counts as nobody's: most of it is the test's own packets. Time stolen by the
 * host is others'. Nothing is said (undefined) where there is no /proc, or where a process of the test's own ended meanwhile, for then its
 * share is not known.
 */
import { readFile } from 'node:fs/promises';

/** Ticks (USER_HZ, as /proc counts) since some moment. */
export interface ProcessorSample {
  /** Of all processors: passed, spent on interrupts, and idle. */
  readonly total: number;
  readonly interrupts: number;
  readonly idle: number;
  /** Spent by the test's own processes, for each in the order in which they were given. */
  readonly own: readonly number[];
}

/** Resolves to a function that resolves to the share, 0 to 1, of the processor time since that went to anything but `pids` and this process. */
export async function watchProcessors(pids: readonly number[]): Promise<() => Promise<number | undefined>> {
  const before = await sampleProcessors(pids);
  return async () => {
    const after = await sampleProcessors(pids);
    return before === undefined || after === undefined ? undefined : shareOfOthers(before, after);
  };
}

/** Ticks are coarse, so the difference may fall below nothing. */
export function shareOfOthers(before: ProcessorSample, after: ProcessorSample): number | undefined {
  const passed = after.total - before.total;
  if (passed <= 0) return undefined;
  const unclaimed = after.idle - before.idle + after.interrupts - before.interrupts;
  return Math.min(1, Math.max(0, (passed - unclaimed - (sum(after.own) - sum(before.own))) / passed));
}

async function sampleProcessors(pids: readonly number[]): Promise<ProcessorSample | undefined> {
  try {
    const machine = parseMachine(await readFile('/proc/stat', 'latin1'));
    const own = await Promise.all(
      [process.pid, ...pids].map(async (pid) => parseProcess(await readFile(`/proc/${pid}/stat`, 'latin1'))),
    );
    return { ...machine, own };
  } catch {
    return undefined; // no /proc, or a process that is gone
  }
}

/** The first line of /proc/stat: of all processors together. Exported for its test, as is the next one. */
export function parseMachine(text: string): Omit<ProcessorSample, 'own'> {
  const counts = (/^cpu +([0-9 ]+)$/m.exec(text)?.[1] ?? '').split(' ').map(Number);
  // What guests took is counted as `user` already.
  const [user = 0, nice = 0, system = 0, idle = 0, ioWait = 0, irq = 0, softIrq = 0, steal = 0] = counts;
  return {
    total: user + nice + system + idle + ioWait + irq + softIrq + steal,
    interrupts: irq + softIrq,
    idle: idle + ioWait,
  };
}

/** User and system time of one process, its threads together: the 14th and 15th field, the second being a name that may hold anything. */
export function parseProcess(text: string): number {
  const afterName = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return Number(afterName[11]) + Number(afterName[12]);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((all, count) => all + count, 0);
}
