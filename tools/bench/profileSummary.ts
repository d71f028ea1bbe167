/**
 * Where the main thread's time went while something ran: a CPU profile of V8's, cut to spans of time and summed by file.
 *
 * Owns reading the profile and naming what its samples were in: a file of the build by its source, a module of Node's by its name, native code and garbage
 * collection by V8's words. Leaves taking the profile to Node (`--cpu-prof`, children.ts) and printing to the parts.
 * Invariant: shares are of the time in which the thread was at work; idle time is none of it. A span without a sample has no shares, rather than zeros.
 */
import { readFile } from 'node:fs/promises';

/** On the clock of `process.hrtime`, which all processes of a machine share, microseconds. */
export interface Span {
  readonly startUs: number;
  readonly endUs: number;
}

export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  readonly startTime: number;
  readonly samples: readonly number[];
  /** Microseconds from the sample before, of the first from `startTime`. */
  readonly timeDeltas: readonly number[];
}

const IDLE = '(idle)';

export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** `src/server/dispatch.ts` for a file of the build, a package's name for its files, `node:net` for Node's own, V8's words for the rest. */
function nameOf({ functionName, url }: CpuProfile['nodes'][number]['callFrame']): string {
  const built = /\/dist\/(.*)\.js$/.exec(url)?.[1];
  if (built !== undefined && !url.includes('/node_modules/')) return `src/${built}.ts`;
  const inPackage = url.split('/node_modules/').at(-1);
  if (url.includes('/node_modules/')) return /^(?:@[^/]+\/)?[^/]+/.exec(inPackage ?? '')?.[0] ?? url;
  if (url !== '') return url;
  // Native functions that Node calls in its own name (writev, …) have no file.
  return functionName.startsWith('(') ? functionName : 'native code';
}

/** Share of the working time of `spans` by name, the largest first; empty when no sample is in them. */
export function summarise(profile: CpuProfile, spans: readonly Span[]): ReadonlyMap<string, number> {
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map<string, number>();
  let atUs = profile.startTime;
  let totalUs = 0;
  for (const [index, node] of profile.samples.entries()) {
    // A sample stands for the time until the next one.
    atUs += profile.timeDeltas[index] ?? 0;
    const lastedUs = profile.timeDeltas[index + 1] ?? 0;
    const name = names.get(node) ?? IDLE;
    if (name === IDLE || !spans.some(({ startUs, endUs }) => atUs >= startUs && atUs < endUs)) continue;
    times.set(name, (times.get(name) ?? 0) + lastedUs);
    totalUs += lastedUs;
  }
  const shares = Array.from(times, ([name, timeUs]) => [name, timeUs / totalUs] as const);
  return new Map(shares.sort(([, left], [, right]) => right - left));
}

/** The profile that a child left when it ended. */
export async function readProfile(path: string): Promise<CpuProfile> {
  // Written by this very Node: the shape is V8's.
  return JSON.parse(await readFile(path, 'utf8')) as CpuProfile;
}
