/** Walks named state by prefix, in order of names, for both stores. */
import type { StateValue } from '../core/store.ts';

export function* statesWithPrefix(
  states: ReadonlyMap<string, StateValue | undefined>,
  prefix: string,
): Generator<readonly [string, StateValue], undefined> {
  const names = [...states.keys()].filter((name) => name.startsWith(prefix)).sort();
  for (const name of names) {
    const value = states.get(name);
    if (value !== undefined) yield [name, value];
  }
  return undefined;
}
