/**
 * The commands on when keys expire: EXPIRE PEXPIRE EXPIREAT PEXPIREAT TTL PTTL EXPIRETIME PEXPIRETIME PERSIST GETEX SETEX PSETEX.
 *
 * Owns reading and checking times as Redis 7 does, those of SET too (setCommand.ts). What time it is, and that what has expired is not seen, is the backend's.
 * A time is part of the value: to change it writes the value anew, and of two such writes the later stands.
 */
import type { Key } from '../core/types.ts';
import { LATEST_EXPIRY_MS, type Backend } from '../peer/backend.ts';
import type { Command, CommandContext } from './command.ts';
import {
  COUNTS_ANEW,
  argumentKey,
  argumentText,
  argumentValue,
  NOT_AN_INTEGER,
  readWideInteger,
  SYNTAX,
  untilNul,
} from './command.ts';
import { noteExpiry, noteMiss, removeNoted, setPast, writeNoted } from './keyspaceEvents.ts';
import type { Request } from './requestParser.ts';

const READS =
  'Answers from this peer: what it wrote and what has reached it; keys expire everywhere by themselves, cut off or not.';
const WRITES = `Never refused because of a cut; the time is part of the value, so of two writes on two sides the later stands with its value and its time. ${COUNTS_ANEW}`;

/** How a time is given: as what follows now, or since 1970; in seconds or milliseconds. */
interface TimeForm {
  readonly isAbsolute: boolean;
  readonly unitMs: number;
}

export const TIME_FORMS: ReadonlyMap<string, TimeForm> = new Map([
  ['ex', { isAbsolute: false, unitMs: 1000 }],
  ['px', { isAbsolute: false, unitMs: 1 }],
  ['exat', { isAbsolute: true, unitMs: 1000 }],
  ['pxat', { isAbsolute: true, unitMs: 1 }],
]);
/** Seconds that Redis cannot count in milliseconds. */
const MOST_NEGATIVE = -(2 ** 63) / 1000;

/** Milliseconds since 1970, or what is wrong with it, in Redis's words. */
type ReadTime = { readonly atMs: number } | { readonly error: string };

/** `isPositive`: the words of SET and GETEX take no time that is 0 or less; EXPIRE does, and it is past. */
export function readTime(
  backend: Backend,
  text: string,
  { isAbsolute, unitMs }: TimeForm,
  command: string,
  isPositive: boolean,
): ReadTime {
  const given = readWideInteger(text);
  if (given === undefined) return { error: NOT_AN_INTEGER };
  const atMs = given * unitMs + (isAbsolute ? 0 : backend.timeMs());
  if ((isPositive && given <= 0) || given < MOST_NEGATIVE || atMs > LATEST_EXPIRY_MS)
    return { error: `ERR invalid expire time in '${command}' command` };
  return { atMs };
}

/** Sets a value that expires (0: never); where the time is past already, it deletes. */
export function setUntil(context: CommandContext, key: Key, value: Uint8Array, atMs: number): void {
  if (isOver(context, atMs)) {
    setPast(context, key);
    return;
  }
  writeNoted(context, 'set', key, value, atMs);
  if (atMs !== 0) noteExpiry(context, key, atMs);
}

function isOver({ backend }: CommandContext, atMs: number): boolean {
  return atMs !== 0 && atMs <= backend.timeMs();
}

/** Changes when a key expires (0: never); the key is there. */
function rewrite(context: CommandContext, key: Key, atMs: number): void {
  const value = context.keys.read(key);
  if (value === undefined) return;
  if (isOver(context, atMs)) removeNoted(context, key);
  else {
    context.keys.write(key, Uint8Array.from(value), atMs);
    noteExpiry(context, key, atMs);
  }
}

/** What EXPIRE demands of the present time (0: none) and the new one. */
const CONDITIONS: ReadonlyMap<string, (present: number, next: number) => boolean> = new Map([
  ['nx', (present: number) => present === 0],
  ['xx', (present: number) => present !== 0],
  ['gt', (present: number, next: number) => present !== 0 && next > present],
  ['lt', (present: number, next: number) => present === 0 || next < present],
]);

/** The conditions named from argument 3 on, or what is wrong with them. */
function readConditions(request: Request): readonly string[] | { readonly error: string } {
  const named: string[] = [];
  for (let index = 3; index < request.count; index += 1) {
    const text = argumentText(request, index);
    const word = text.toLowerCase();
    if (!CONDITIONS.has(word)) return { error: `ERR Unsupported option ${untilNul(text)}` };
    named.push(word);
  }
  if (named.includes('nx') && named.some((word) => word !== 'nx'))
    return { error: 'ERR NX and XX, GT or LT options at the same time are not compatible' };
  if (named.includes('gt') && named.includes('lt'))
    return { error: 'ERR GT and LT options at the same time are not compatible' };
  return named;
}

function unitOf({ isAbsolute, unitMs }: TimeForm): string {
  return `${isAbsolute ? 'unix-time-' : ''}${unitMs === 1 ? 'milliseconds' : 'seconds'}`;
}

function expireCommand(name: string, form: TimeForm, summary: string): Command {
  return {
    name,
    arity: -3,
    flags: ['write', 'fast'],
    group: 'generic',
    keys: [1, 1, 1],
    access: 'RW update',
    syntax: `key ${unitOf(form)} [NX|XX|GT|LT]`,
    summary,
    partition: WRITES,
    run: (context, request) => {
      const { backend, keys, reply } = context;
      const conditions = readConditions(request);
      if ('error' in conditions) {
        reply.error(conditions.error);
        return undefined;
      }
      const time = readTime(backend, argumentText(request, 2), form, name, false);
      if ('error' in time) {
        reply.error(time.error);
        return undefined;
      }
      const key = argumentKey(request, 1);
      const present = keys.expiryOf(key);
      const isMet =
        present !== undefined &&
        conditions.every((word) => CONDITIONS.get(word)?.(present, time.atMs) === true);
      if (isMet) rewrite(context, key, Math.max(1, time.atMs));
      reply.integer(isMet ? 1 : 0);
      return undefined;
    },
  };
}

/** -2 without the key, -1 if it does not expire. */
function timeCommand(name: string, { isAbsolute, unitMs }: TimeForm, summary: string): Command {
  return {
    name,
    arity: 2,
    flags: ['readonly', 'fast'],
    group: 'generic',
    keys: [1, 1, 1],
    syntax: 'key',
    summary,
    partition: READS,
    run: (context, request) => {
      const { backend, keys, reply } = context;
      const key = argumentKey(request, 1);
      const atMs = keys.expiryOf(key);
      if (atMs === undefined) {
        noteMiss(context, key);
        reply.integer(-2);
      } else if (atMs === 0) reply.integer(-1);
      else {
        const ms = isAbsolute ? atMs : Math.max(0, atMs - backend.timeMs());
        reply.integer(Math.floor((ms + unitMs / 2) / unitMs)); // rounded, as Redis does
      }
      return undefined;
    },
  };
}

function setUntilCommand(name: string, form: TimeForm, summary: string): Command {
  return {
    name,
    arity: 4,
    flags: ['write'],
    group: 'string',
    keys: [1, 1, 1],
    syntax: `key ${unitOf(form)} value`,
    summary,
    partition: WRITES,
    run: (context, request) => {
      const { backend, reply } = context;
      const time = readTime(backend, argumentText(request, 2), form, name, true);
      if ('error' in time) reply.error(time.error);
      else {
        setUntil(context, argumentKey(request, 1), argumentValue(request, 3), time.atMs);
        reply.ok();
      }
      return undefined;
    },
  };
}

/** What the one word that GETEX may have asks for, its time not read yet: a form, 'persist', nothing, or no such word. */
function readGetexWord(request: Request): TimeForm | 'persist' | 'none' | undefined {
  if (request.count === 2) return 'none';
  const word = argumentText(request, 2).toLowerCase();
  if (word === 'persist') return request.count === 3 ? 'persist' : undefined;
  return request.count === 4 ? TIME_FORMS.get(word) : undefined;
}

/** Faults in Redis's order: the word, then the key, which may not be there, then the time. */
function runGetex(context: CommandContext, request: Request): void {
  const { backend, keys, reply, server } = context;
  const word = readGetexWord(request);
  if (word === undefined) {
    reply.error(SYNTAX);
    return;
  }
  const key = argumentKey(request, 1);
  const value = keys.read(key);
  if (value === undefined) {
    server.counters.keyspaceMisses += 1;
    noteMiss(context, key);
    reply.null();
    return;
  }
  server.counters.keyspaceHits += 1;
  if (word !== 'none') {
    const time =
      word === 'persist' ? { atMs: 0 } : readTime(backend, argumentText(request, 3), word, 'getex', true);
    if ('error' in time) {
      reply.error(time.error);
      return;
    }
    if (time.atMs !== keys.expiryOf(key)) rewrite(context, key, time.atMs);
    else if (time.atMs !== 0) noteExpiry(context, key, time.atMs); // nothing is changed, and Redis tells of it
  }
  reply.bulk(value);
}

export const expiryCommands: readonly Command[] = [
  expireCommand('expire', { isAbsolute: false, unitMs: 1000 }, 'Let a key expire after some seconds'),
  expireCommand('pexpire', { isAbsolute: false, unitMs: 1 }, 'Let a key expire after some milliseconds'),
  expireCommand(
    'expireat',
    { isAbsolute: true, unitMs: 1000 },
    'Let a key expire at a time, seconds since 1970',
  ),
  expireCommand(
    'pexpireat',
    { isAbsolute: true, unitMs: 1 },
    'Let a key expire at a time, milliseconds since 1970',
  ),
  timeCommand('ttl', { isAbsolute: false, unitMs: 1000 }, 'Tell in how many seconds a key expires'),
  timeCommand('pttl', { isAbsolute: false, unitMs: 1 }, 'Tell in how many milliseconds a key expires'),
  timeCommand(
    'expiretime',
    { isAbsolute: true, unitMs: 1000 },
    'Tell when a key expires, seconds since 1970',
  ),
  timeCommand(
    'pexpiretime',
    { isAbsolute: true, unitMs: 1 },
    'Tell when a key expires, milliseconds since 1970',
  ),
  setUntilCommand(
    'setex',
    { isAbsolute: false, unitMs: 1000 },
    'Set the value of a key, to expire after some seconds',
  ),
  setUntilCommand(
    'psetex',
    { isAbsolute: false, unitMs: 1 },
    'Set the value of a key, to expire after some milliseconds',
  ),
  {
    name: 'persist',
    arity: 2,
    flags: ['write', 'fast'],
    group: 'generic',
    keys: [1, 1, 1],
    access: 'RW update',
    syntax: 'key',
    summary: 'Let a key not expire any more',
    partition: WRITES,
    run: (context, request) => {
      const { keys, reply } = context;
      const key = argumentKey(request, 1);
      const isTimed = (keys.expiryOf(key) ?? 0) !== 0;
      if (isTimed) rewrite(context, key, 0);
      reply.integer(isTimed ? 1 : 0);
      return undefined;
    },
  },
  {
    name: 'getex',
    arity: -2,
    flags: ['write', 'fast'],
    group: 'string',
    keys: [1, 1, 1],
    access: 'RW access update',
    syntax: 'key [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST]',
    summary: 'Get the value of a key and change when it expires',
    partition: WRITES,
    run: (context, request) => {
      runGetex(context, request);
      return undefined;
    },
  },
];
