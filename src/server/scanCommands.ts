/**
 * Walking over keys: SCAN, KEYS and RANDOMKEY.
 *
 * Owns the walk in key order and its options. Leaves patterns to globPattern.ts, places to scanCursors.ts and the draw to randomKey.ts.
 * Invariant: a key that is there from the first call of a scan to its last is returned exactly once, because the
 * walk goes by the order of keys and not by where they lie; keys that come or go meanwhile may or may not appear.
 */
import { randomInt } from 'node:crypto';
import type { Key } from '../core/types.ts';
import {
  anyKey,
  argumentsFrom,
  argumentText,
  NOT_AN_INTEGER,
  NO_KEYS,
  readWideInteger,
  SYNTAX,
  untilNul,
} from './command.ts';
import type { Command, CommandContext } from './command.ts';
import type { GlobPattern } from './globPattern.ts';
import { compileGlob } from './globPattern.ts';
import { drawKey } from './randomKey.ts';
import { keysWithPrefix } from './prefixedKeys.ts';
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
    keys: NO_KEYS,
    touches: (request) => [scannedPrefix(request)],
    syntax: 'cursor [MATCH pattern] [COUNT count] [TYPE type]',
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
    keys: NO_KEYS,
    touches: (request) => [compileGlob(argumentText(request, 1)).prefix],
    syntax: 'pattern',
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
  {
    name: 'randomkey',
    arity: 1,
    flags: ['readonly'],
    group: 'generic',
    keys: NO_KEYS,
    touches: anyKey,
    syntax: '',
    summary: 'Draw a key; among many, those that begin like few others are drawn more often',
    partition: 'Draws from the keys of this peer; the other side of a cut may hold more.',
    run: ({ backend, reply }) => {
      const key = drawKey(backend, randomInt);
      if (key === undefined) reply.null();
      else reply.bulkText(key);
      return undefined;
    },
  },
];

/** What the keys that SCAN may tell of begin with; the error of wrong options names none. */
function scannedPrefix(request: Request): string {
  const options = readOptions(argumentsFrom(request, 2));
  return typeof options === 'string' ? '' : options.pattern.prefix;
}

interface ScanOptions {
  readonly pattern: GlobPattern;
  readonly count: number;
  /** In small letters; undefined: any. */
  readonly type: string | undefined;
}

function runScan(context: CommandContext, request: Request): void {
  const { backend, reply, server } = context;
  const cursor = untilNul(argumentText(request, 1)); // as C's strtoul reads it: nothing is 0
  if (!/^(?:[+-]?[0-9]+)?$/.test(cursor) || BigInt(cursor.replace(/^[+-]/, '')) > MAXIMAL_CURSOR) {
    reply.error('ERR invalid cursor');
    return;
  }
  const options = readOptions(argumentsFrom(request, 2));
  if (typeof options === 'string') {
    reply.error(options);
    return;
  }
  const isStart = /^[+-]?0*$/.test(cursor);
  const after = isStart ? undefined : server.cursors.find(cursor);
  if (!isStart && after === undefined) {
    reply.error('ERR invalid cursor');
    return;
  }
  const batch = keysWithPrefix(backend, options.pattern.prefix, after, options.count);
  const found =
    options.type === undefined || options.type === 'string' ? batch.keys.filter(options.pattern.isMatch) : [];
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
  let type: string | undefined;
  for (let index = 0; index < words.length; index += 2) {
    const value = words[index + 1];
    if (value === undefined) return SYNTAX;
    switch ((words[index] ?? '').toLowerCase()) {
      case 'match':
        pattern = value;
        break;
      case 'count': {
        const number = readWideInteger(value);
        if (number === undefined) return NOT_AN_INTEGER;
        if (number < 1) return SYNTAX;
        count = Math.min(number, SCAN_COUNT_LIMIT);
        break;
      }
      case 'type':
        type = value.toLowerCase();
        break;
      default:
        return SYNTAX;
    }
  }
  return { pattern: compileGlob(pattern), count, type };
}
