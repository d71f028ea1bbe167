/**
 * Walking over keys: SCAN and KEYS.
 *
 * Owns the walk in key order and its options. Leaves patterns to globPattern.ts and places to scanCursors.ts.
 * Invariant: a key that is there from the first call of a scan to its last is returned exactly once, because the
 * walk goes by the order of keys and not by where they lie; keys that come or go meanwhile may or may not appear.
 */
import type { Key } from '../core/types.ts';
import type { Backend } from '../peer/backend.ts';
import { argumentsFrom, argumentText, readInteger } from './command.ts';
import type { Command, CommandContext } from './command.ts';
import type { GlobPattern } from './globPattern.ts';
import { compileGlob } from './globPattern.ts';
import type { Request } from './requestParser.ts';

/** Keys that one SCAN call walks over when COUNT does not say, count (as Redis). */
const DEFAULT_COUNT = 10;
/** Keys that one SCAN call walks over at most, whatever COUNT says, count: COUNT is a hint, a turn is short. */
const SCAN_COUNT_LIMIT = 10_000;
/** Keys that KEYS asks the backend for at a time, count. */
const KEYS_BATCH = 1000;
const MAXIMAL_CURSOR = 2n ** 64n - 1n;

const WALKS = 'Walks over the keys of this peer; the other side of a cut may hold more.';

export const scanCommands: readonly Command[] = [
  {
    name: 'scan',
    arity: -2,
    flags: ['readonly'],
    group: 'generic',
    keys: [0, 0, 0],
    summary: 'Walk over the keys in steps: SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]',
    partition: `${WALKS} A cursor is good on the peer that gave it, until that peer restarts.`,
    run: (context, request) => {
      runScan(context, request);
      return undefined;
    },
  },
  {
    name: 'keys',
    arity: 2,
    flags: ['readonly'],
    group: 'generic',
    keys: [0, 0, 0],
    summary: 'List all keys that match a pattern, in one reply',
    partition: WALKS,
    run: ({ backend, reply }, request) => {
      const pattern = compileGlob(argumentText(request, 1));
      const slot = reply.openArray();
      let count = 0;
      let after: Key | undefined;
      for (;;) {
        const batch = keysWithPrefix(backend, pattern.prefix, after, KEYS_BATCH);
        for (const key of batch.keys) {
          if (!pattern.isMatch(key)) continue;
          reply.bulkText(key);
          count += 1;
        }
        if (batch.isLast) break;
        after = batch.keys.at(-1);
      }
      reply.closeArray(slot, count);
      return undefined;
    },
  },
];

interface ScanOptions {
  readonly pattern: GlobPattern;
  readonly count: number;
  readonly type: string;
}

function runScan(context: CommandContext, request: Request): void {
  const { backend, reply, server } = context;
  const cursor = argumentText(request, 1);
  if (!/^[ ]*[+-]?[0-9]+$/.test(cursor) || BigInt(cursor.trim().replace(/^[+-]/, '')) > MAXIMAL_CURSOR) {
    reply.error('ERR invalid cursor');
    return;
  }
  const options = readOptions(argumentsFrom(request, 2));
  if (typeof options === 'string') {
    reply.error(options);
    return;
  }
  const isStart = /^[+-]?0+$/.test(cursor);
  const after = isStart ? undefined : server.cursors.find(cursor);
  if (!isStart && after === undefined) {
    reply.error('ERR invalid cursor');
    return;
  }
  const batch = keysWithPrefix(backend, options.pattern.prefix, after, options.count);
  const found =
    options.type === '' || options.type === 'string' ? batch.keys.filter(options.pattern.isMatch) : [];
  const lastKey = batch.keys.at(-1);
  let next = '0';
  if (batch.isLast || lastKey === undefined) server.cursors.finish(cursor);
  else next = server.cursors.add(lastKey, cursor);
  reply.array(2);
  reply.bulkText(next);
  reply.array(found.length);
  for (const key of found) reply.bulkText(key);
}

/** The options, or the text of the error. */
function readOptions(words: readonly string[]): ScanOptions | string {
  let pattern = '*';
  let count = DEFAULT_COUNT;
  let type = '';
  for (let index = 0; index < words.length; index += 2) {
    const value = words[index + 1];
    if (value === undefined) return 'ERR syntax error';
    switch ((words[index] ?? '').toLowerCase()) {
      case 'match':
        pattern = value;
        break;
      case 'count': {
        const number = readInteger(value);
        if (number === undefined) return 'ERR value is not an integer or out of range';
        if (number < 1) return 'ERR syntax error';
        count = Math.min(number, SCAN_COUNT_LIMIT);
        break;
      }
      case 'type':
        type = value.toLowerCase();
        break;
      default:
        return 'ERR syntax error';
    }
  }
  return { pattern: compileGlob(pattern), count, type };
}

interface Batch {
  /** In key order, all with the pattern's prefix. */
  readonly keys: readonly Key[];
  readonly isLast: boolean;
}

/** Up to `limit` keys that start with `prefix`, strictly after `after`, in byte order. */
export function keysWithPrefix(backend: Backend, prefix: Key, after: Key | undefined, limit: number): Batch {
  const keys: Key[] = [];
  let from = after;
  if (prefix !== '' && (from === undefined || from < prefix)) {
    // No key lies just before the prefix, so the key that *is* the prefix is asked for by itself.
    if (backend.read(prefix) !== undefined) keys.push(prefix);
    from = prefix;
  }
  const wanted = limit - keys.length;
  if (wanted === 0) return { keys, isLast: false };
  for (const key of backend.keysAfter(from, wanted)) {
    if (!key.startsWith(prefix)) return { keys, isLast: true };
    keys.push(key);
  }
  return { keys, isLast: keys.length < limit };
}
