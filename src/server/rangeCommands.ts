/**
 * The commands on a part of a value: GETRANGE SUBSTR SETRANGE.
 *
 * Owns counting offsets as Redis 7 does, from the end where they are negative. Invariant: whether a value may be so long is asked before its bytes are
 * allocated, for an offset costs a client nothing.
 */
import type { Command, CommandContext } from './command.ts';
import {
  COUNTS_ANEW,
  argumentBytes,
  argumentKey,
  argumentText,
  argumentValue,
  NOT_AN_INTEGER,
  readWideInteger,
} from './command.ts';
import { noteMiss, writeNoted } from './keyspaceEvents.ts';
import type { Request } from './requestParser.ts';

const READS =
  'Answers from this peer: what it wrote and what has reached it; the other side of a cut may know more.';
const PATCHES = `Never refused because of a cut; changed in what this peer has and written as a whole: of what two sides of a cut changed the later value stands, and what the other side changed is gone. ${COUNTS_ANEW}`;
/** Where Redis says so; what a peer takes at most is less, and is its backend's to say. */
const LONGEST_BYTES = 512 * 1024 * 1024;
const TOO_LONG = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)';

const NOTHING = new Uint8Array(0);

function getRangeCommand(name: string, summary: string): Command {
  return {
    name,
    arity: 4,
    syntax: 'key start end',
    flags: ['readonly'],
    group: 'string',
    keys: [1, 1, 1],
    summary,
    partition: READS,
    run: (context, request) => {
      const { keys, reply, server } = context;
      const [startText, endText] = [argumentText(request, 2), argumentText(request, 3)];
      const [start, end] = [readWideInteger(startText), readWideInteger(endText)];
      if (start === undefined || end === undefined) {
        reply.error(NOT_AN_INTEGER);
        return undefined;
      }
      const key = argumentKey(request, 1);
      const value = keys.read(key);
      if (value === undefined) {
        server.counters.keyspaceMisses += 1;
        noteMiss(context, key);
      } else server.counters.keyspaceHits += 1;
      // Exactly: beyond 53 bits both may be the same number here.
      const isTurned = start < 0 && end < 0 && BigInt(startText) > BigInt(endText);
      reply.bulk(value === undefined || isTurned ? NOTHING : sliceOf(value, start, end));
      return undefined;
    },
  };
}

/** Both ends belong to it. */
function sliceOf(value: Uint8Array, start: number, end: number): Uint8Array {
  const first = Math.max(0, start < 0 ? value.length + start : start);
  const last = Math.min(value.length - 1, Math.max(0, end < 0 ? value.length + end : end));
  return first > last ? NOTHING : value.subarray(first, last + 1);
}

export const rangeCommands: readonly Command[] = [
  getRangeCommand(
    'getrange',
    'Get a part of the value of a key: from one offset to another, from its end where they are negative',
  ),
  getRangeCommand('substr', 'Get a part of the value of a key: an old name of GETRANGE'),
  {
    name: 'setrange',
    arity: 4,
    flags: ['write'],
    group: 'string',
    keys: [1, 1, 1],
    access: 'RW update',
    syntax: 'key offset value',
    summary: 'Write over a part of the value of a key, which grows with zeros where it is too short',
    partition: PATCHES,
    run: (context, request) => {
      runSetRange(context, request);
      return undefined;
    },
  },
];

function runSetRange(context: CommandContext, request: Request): void {
  const { backend, keys, reply } = context;
  const offset = readWideInteger(argumentText(request, 2));
  if (offset === undefined || offset < 0) {
    reply.error(offset === undefined ? NOT_AN_INTEGER : 'ERR offset is out of range');
    return;
  }
  const key = argumentKey(request, 1);
  const old = keys.read(key) ?? NOTHING;
  if (argumentBytes(request, 3) === 0) {
    reply.integer(old.length); // Redis writes nothing then, nor makes a key
    return;
  }
  const endBytes = offset + argumentBytes(request, 3);
  if (endBytes > LONGEST_BYTES) {
    reply.error(TOO_LONG);
    return;
  }
  const sizeBytes = Math.max(old.length, endBytes);
  backend.assertWritable(key, sizeBytes);
  const value = Buffer.alloc(sizeBytes);
  value.set(old);
  value.set(argumentValue(request, 3), offset);
  writeNoted(context, 'setrange', key, value, keys.expiryOf(key) ?? 0);
  reply.integer(sizeBytes);
}
