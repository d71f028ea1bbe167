/**
 * The shortest sequence, by leaving out steps, that two sides still answer differently.
 *
 * Owns the search: parts of halving length are left out as long as the fault stays. Invariant: what it answers was run, and fails; asked about a sequence that does not fail again, it says so.
 */
import type { Step } from './speaker.ts';

/** `failsAt` runs steps and answers the first step of a fault; undefined for none. */
export async function shrink(
  steps: readonly Step[],
  failsAt: (steps: readonly Step[]) => Promise<number | undefined>,
): Promise<readonly Step[] | undefined> {
  const at = await failsAt(steps);
  if (at === undefined) return undefined;
  let shortest = steps.slice(0, at + 1);
  for (let part = Math.ceil(shortest.length / 2); part >= 1; part = part === 1 ? 0 : Math.ceil(part / 2)) {
    for (let from = 0; from < shortest.length;) {
      const rest = shortest.toSpliced(from, part);
      const failed = rest.length === 0 ? undefined : await failsAt(rest);
      if (failed === undefined) from += part;
      else shortest = rest.slice(0, failed + 1);
    }
  }
  return shortest;
}
