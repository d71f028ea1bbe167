/**
 * Processor time: of one child process, of this whole run, of everybody else on the machine.
 *
 * Owns the reading of /proc, which Linux alone has; elsewhere there is no figure. Why it is measured: on a machine that
 * others use too, requests per second say how busy the others are; processor time per request says what the request
 * costs, and the others' share says how far to trust the rest. Invariant: what cannot be told is NaN.
 */
import { readFile } from 'node:fs/promises';

/** Clock ticks of /proc, per second: USER_HZ, the same on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
/** Fields of /proc/<id>/stat after the program's name, from 0. */
const USER_TIME_FIELD = 11;
const SYSTEM_TIME_FIELD = 12;
/** The same of children that have ended, theirs included. */
const CHILDREN_USER_TIME_FIELD = 13;
const CHILDREN_SYSTEM_TIME_FIELD = 14;
/** Fields of the first line of /proc/stat, from 0, in which no process of this machine was at work. */
const IDLE_FIELD = 3;
const WAITING_FIELD = 4;
/** Fields of that line that are sums of their own; those after them are contained in the first ones. */
const MACHINE_FIELDS = 8;

function sumFields(stat: string, indexes: readonly number[]): number {
  // The program's name before may hold blanks and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return indexes.reduce((sum, index) => sum + Number(fields[index] ?? NaN), 0);
}

/** Processor time in microseconds; `allUs` is the sum. */
export interface ProcessorTime {
  readonly userUs: number;
  readonly systemUs: number;
  readonly allUs: number;
}

/** User and system time from the text of /proc/<id>/stat; NaN when it is none. */
export function parseProcessorTime(stat: string): ProcessorTime {
  const [userUs = NaN, systemUs = NaN] = [USER_TIME_FIELD, SYSTEM_TIME_FIELD].map(
    (field) => (sumFields(stat, [field]) * 1e6) / TICKS_PER_SECOND,
  );
  return { userUs, systemUs, allUs: userUs + systemUs };
}

/** Ticks that all processes and the kernel have worked, from the text of /proc/stat; NaN when it is none. */
export function parseMachineTicks(stat: string): { readonly busy: number; readonly all: number } {
  const line = /^cpu +(.*)$/m.exec(stat)?.[1] ?? 'NaN';
  const fields = line.split(' ').map(Number).slice(0, MACHINE_FIELDS);
  const all = fields.reduce((sum, field) => sum + field, 0);
  return { busy: all - (fields[IDLE_FIELD] ?? NaN) - (fields[WAITING_FIELD] ?? NaN), all };
}

/** What was used from one reading to the next, by request. */
export function timeBetween(before: ProcessorTime, after: ProcessorTime, requests: number): ProcessorTime {
  return {
    userUs: (after.userUs - before.userUs) / requests,
    systemUs: (after.systemUs - before.systemUs) / requests,
    allUs: (after.allUs - before.allUs) / requests,
  };
}

/** Used so far by the process, all its threads; NaN where it cannot be told. */
export async function readProcessorTime(processId: number | undefined): Promise<ProcessorTime> {
  return readStat(processId, 'stat');
}

/** Used so far by the thread that JavaScript runs on; NaN where it cannot be told. */
export async function readMainThreadTime(processId: number | undefined): Promise<ProcessorTime> {
  return readStat(processId, `task/${processId ?? 0}/stat`);
}

async function readStat(processId: number | undefined, name: string): Promise<ProcessorTime> {
  if (process.platform !== 'linux' || processId === undefined) return parseProcessorTime('');
  return parseProcessorTime(await readFile(`/proc/${processId}/${name}`, 'latin1').catch(() => ''));
}

/**
 * Begins to watch the machine; the answer, asked for when all children of this run have ended, is the share of the
 * machine's processor time that others used meanwhile, 0 to 1; NaN where it cannot be told.
 */
export async function watchOthers(): Promise<() => Promise<number>> {
  const read = async (): Promise<{ own: number; busy: number; all: number }> => {
    const [self, machine] = await Promise.all(
      ['/proc/self/stat', '/proc/stat'].map((path) => readFile(path, 'latin1').catch(() => '')),
    );
    const own = sumFields(self ?? '', [
      USER_TIME_FIELD,
      SYSTEM_TIME_FIELD,
      CHILDREN_USER_TIME_FIELD,
      CHILDREN_SYSTEM_TIME_FIELD,
    ]);
    return { own, ...parseMachineTicks(machine ?? '') };
  };
  const before = await read();
  return async () => {
    const after = await read();
    const othersTicks = after.busy - before.busy - (after.own - before.own);
    return Math.max(0, othersTicks) / (after.all - before.all);
  };
}
