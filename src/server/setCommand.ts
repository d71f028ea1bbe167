/**
 * SET with all its words: EX PX EXAT PXAT KEEPTTL, NX, XX, GET.
 *
 * Owns reading the words as Redis 7 does, and what follows from them. Times are expiryCommands.ts's. A condition is judged on the peer that serves the
 * command: two peers that are cut off from each other may both find it met, and then the later of the two writes stands.
 */
import type { Command, CommandContext } from './command.ts';
import { argumentKey, argumentText, argumentValue, SYNTAX } from './command.ts';
import { readTime, setUntil, TIME_FORMS } from './expiryCommands.ts';
import { noteMiss, writeNoted } from './keyspaceEvents.ts';
import type { Request } from './requestParser.ts';

type Condition = 'nx' | 'xx';

/** What the words after SET's value ask for. */
interface SetWords {
  /** When it expires, milliseconds since 1970; 0 for never; undefined: as it does now. */
  readonly atMs: number | undefined;
  readonly condition: Condition | undefined;
  /** The reply is the value before. */
  readonly getsOld: boolean;
}

/** The words read so far; which of them exclude each other is as in Redis's parseExtendedStringArgumentsOrReply. */
interface FoundWords {
  time: { readonly word: string; readonly text: string } | undefined;
  keepsTime: boolean;
  condition: Condition | undefined;
  getsOld: boolean;
}

/** What the words ask for, or what is wrong with them. */
function readSetWords(context: CommandContext, request: Request): SetWords | { readonly error: string } {
  const found: FoundWords = { time: undefined, keepsTime: false, condition: undefined, getsOld: false };
  for (let index = 3; index < request.count; index += 1) {
    const word = argumentText(request, index).toLowerCase();
    if (takeWord(found, word)) continue;
    const hasNext = index + 1 < request.count;
    if (!hasNext || !TIME_FORMS.has(word) || found.keepsTime || (found.time?.word ?? word) !== word)
      return { error: SYNTAX };
    index += 1;
    found.time = { word, text: argumentText(request, index) };
  }
  // The words first, then what the time says: Redis finds faults in this order.
  const { keepsTime, time, condition, getsOld } = found;
  const form = time === undefined ? undefined : TIME_FORMS.get(time.word);
  if (time === undefined || form === undefined)
    return { atMs: keepsTime ? undefined : 0, condition, getsOld };
  const read = readTime(context.backend, time.text, form, 'set', true);
  return 'error' in read ? read : { atMs: read.atMs, condition, getsOld };
}

/** Takes a word that stands by itself; false where it is none, or excludes one before it. */
function takeWord(found: FoundWords, word: string): boolean {
  switch (word) {
    case 'nx':
    case 'xx':
      if ((found.condition ?? word) !== word) return false;
      found.condition = word;
      return true;
    case 'get':
      found.getsOld = true;
      return true;
    case 'keepttl':
      if (found.time !== undefined) return false;
      found.keepsTime = true;
      return true;
    default:
      return false;
  }
}

export const setCommand: Command = {
  name: 'set',
  arity: -3,
  flags: ['write'],
  group: 'string',
  keys: [1, 1, 1],
  access: (words) =>
    words.slice(3).some((word) => word.toLowerCase() === 'get') ? 'RW access update' : 'OW update',
  syntax:
    'key value [NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]',
  summary:
    'Set the value of a key, for good or to expire; on a condition (NX, XX); and get the one before (GET)',
  partition:
    'Never refused because of a cut; of two writes on two sides the one with the larger tag (later clock) stands everywhere once they meet. ' +
    'NX, XX and GET go by what this peer has: on two sides of a cut NX may succeed twice.',
  run: (context, request) => {
    const key = argumentKey(request, 1);
    if (request.count === 3) {
      writeNoted(context, 'set', key, argumentValue(request, 2));
      context.reply.ok();
      return undefined;
    }
    const words = readSetWords(context, request);
    if ('error' in words) context.reply.error(words.error);
    else setIf(context, request, words);
    return undefined;
  },
};

function setIf(context: CommandContext, request: Request, words: SetWords): void {
  const { keys, reply, server } = context;
  const { condition, getsOld } = words;
  const key = argumentKey(request, 1);
  const old = condition === undefined && !getsOld ? undefined : keys.read(key);
  if (getsOld && old === undefined) noteMiss(context, key);
  const isMet = condition === undefined || (condition === 'xx') === (old !== undefined);
  if (isMet && words.atMs === undefined)
    writeNoted(context, 'set', key, argumentValue(request, 2), keys.expiryOf(key) ?? 0);
  else if (isMet) setUntil(context, key, argumentValue(request, 2), words.atMs ?? 0);
  if (getsOld) {
    if (old === undefined) server.counters.keyspaceMisses += 1;
    else server.counters.keyspaceHits += 1;
  }
  if (getsOld && old !== undefined) reply.bulk(old);
  else if (getsOld || !isMet) reply.null();
  else reply.ok();
}
