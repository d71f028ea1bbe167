/**
 * How idle this machine's processors were while a test measured: a time that was missed on a machine that had nothing left to give says nothing.
 *
 * Owns the reading of /proc; nothing is said (undefined) where there is none.
 */
import { readFile } from 'node:fs/promises';

/** Ticks (USER_HZ, as /proc counts) of all processors together since some moment. */
export interface ProcessorSample {
  readonly total: number;
  readonly idle: number;
}

/** Resolves to a function that resolves to the share, 0 to 1, of the processor time since that nobody used. */
export async function watchProcessors(): Promise<() => Promise<number | undefined>> {
  const before = await sampleProcessors();
  return async () => {
    const after = await sampleProcessors();
    return before === undefined || after === undefined ? undefined : idleShare(before, after);
  };
}

export function idleShare(before: ProcessorSample, after: ProcessorSample): number | undefined {
  const passed = after.total - before.total;
  return passed <= 0 ? undefined : Math.min(1, Math.max(0, (after.idle - before.idle) / passed));
}

async function sampleProcessors(): Promise<ProcessorSample | undefined> {
  try {
    return parseProcessors(await readFile('/proc/stat', 'latin1'));
  } catch {
    return undefined;
  }
}

/** The first line of /proc/stat. Time stolen by the host was not idle: it was asked for. */
export function parseProcessors(text: string): ProcessorSample {
  const counts = (/^cpu +([0-9 ]+)$/m.exec(text)?.[1] ?? '').split(' ').map(Number);
  // What guests took is counted as `user` already.
  const [user = 0, nice = 0, system = 0, idle = 0, ioWait = 0, irq = 0, softIrq = 0, steal = 0] = counts;
  return { total: user + nice + system + idle + ioWait + irq + softIrq + steal, idle: idle + ioWait };
}
