/** Which keys an application asks for: a prefix, bounds, or both. */
import type { KeyRange } from '../core/store.ts';
import { parsePrefix, prefixEnd, type KeyInput } from './keys.ts';

export interface RangeOptions {
  /** Only keys that start with this. */
  readonly prefix?: KeyInput;
  /** Bounds, by bytes: from (inclusive), after (exclusive), before (exclusive). */
  readonly from?: KeyInput;
  readonly after?: KeyInput;
  readonly before?: KeyInput;
  readonly reverse?: boolean;
  /** Entries at most; all when left out. */
  readonly limit?: number;
}

/** The tighter of prefix and bounds. */
export function keyRangeOf(options: RangeOptions): KeyRange {
  const [prefix, from, after, before] = [options.prefix, options.from, options.after, options.before].map(
    (bound) => (bound === undefined ? undefined : parsePrefix(bound)),
  );
  const lowest = prefix !== undefined && (from === undefined || prefix > from) ? prefix : from;
  const end = prefix === undefined ? undefined : prefixEnd(prefix);
  const highest = end !== undefined && (before === undefined || end < before) ? end : before;
  return {
    ...(lowest === undefined ? {} : { from: lowest }),
    ...(after === undefined ? {} : { after }),
    ...(highest === undefined ? {} : { before: highest }),
    ...(options.reverse === undefined ? {} : { reverse: options.reverse }),
  };
}
