/**
 * The differences between a peer and redis-server that are meant: at most twenty kinds, each with its reason, and an example that a run must show.
 *
 * Owns which pairs of replies a kind explains, as narrowly as it can be said. Invariant: a kind that nothing shows any more is an error of the table, not a reserve: main.ts runs every example.
 */
import type { Command } from './speaker.ts';
import { isError, isSame, sorted, type Reply } from './replies.ts';

export interface Kind {
  readonly name: string;
  readonly reason: string;
  /** Both sides hold different things from then on: what follows is compared from an empty database. */
  readonly partsWays: boolean;
  readonly explains: (words: readonly string[], ours: Reply, redis: Reply) => boolean;
  /** Commands whose last one differs so. */
  readonly example: readonly (readonly string[])[];
}

export const MOST_KINDS = 20;

const TIMES: ReadonlySet<string> = new Set(['ttl', 'pttl', 'expiretime', 'pexpiretime']);
/** Milliseconds between the two readings of the clock, at most. */
const APART_MS = 3000;
const MEBIBYTE = 1024 * 1024;

function nameOf(words: readonly string[]): string {
  return words[0]?.toLowerCase() ?? '';
}

function fullNameOf(words: readonly string[]): string {
  return `${nameOf(words)}|${words[1]?.toLowerCase() ?? ''}`;
}

function says(reply: Reply, start: string): boolean {
  return isError(reply) && reply.text.startsWith(start);
}

function isBulk(reply: Reply): boolean {
  return reply.type === '$' && !reply.isNull;
}

/** Neither side refuses, and both answer with something of the same type. */
function bothAnswer(ours: Reply, redis: Reply): boolean {
  return !isError(ours) && !isError(redis) && !ours.isNull && !redis.isNull;
}

/** What commands tell of the server itself, and not of its data. */
const ABOUT_ITSELF: ReadonlySet<string> = new Set([
  'info|',
  'hello|',
  'command|',
  'command|count',
  'command|list',
  'command|docs',
  'command|info',
  'client|id',
  'client|info',
  'client|list',
  'client|trackinginfo',
  'config|get',
  'acl|cat',
  'acl|list',
  'acl|users',
  'acl|getuser',
  'slowlog|get',
  'slowlog|len',
  'latency|latest',
  'latency|history',
  'latency|reset',
  'latency|doctor',
]);

export const KINDS: readonly Kind[] = [
  {
    name: 'clocks',
    reason: 'what is left of a time is told by two clocks that are read some milliseconds apart',
    partsWays: false,
    explains: (words, ours, redis) =>
      TIMES.has(nameOf(words)) &&
      ours.type === ':' &&
      redis.type === ':' &&
      Math.min(Number(ours.text), Number(redis.text)) >= 0 &&
      Math.abs(Number(ours.text) - Number(redis.text)) * (nameOf(words).startsWith('p') ? 1 : 1000) <=
        APART_MS,
    example: [
      ['SET', 'a', '1', 'PX', '200000000'],
      ['PTTL', 'a'],
    ],
  },
  {
    name: 'keys refused',
    reason:
      'a key has 1 to about 1,900 bytes, as many as the store can sort by, and some are the store’s own',
    partsWays: true,
    explains: (words, ours) =>
      words.slice(1).some((word) => word === '' || word.length > 1800 || word.startsWith('\xff\xfftopo/')) &&
      (says(ours, 'ERR a key has at least one byte') ||
        says(ours, 'KEYTOOLONG') ||
        says(ours, 'ERR keys that begin with')),
    example: [['SET', '', '1']],
  },
  {
    name: 'values refused',
    reason: 'a value has at most maxValueBytes, 16 MiB; Redis takes 512 MiB',
    partsWays: true,
    explains: (words, ours, redis) => says(ours, 'VALUETOOLONG') && !isError(redis) && words.length >= 3,
    example: [['SETRANGE', 'a', `${17 * MEBIBYTE}`, 'x']],
  },
  {
    name: 'after 2089',
    reason: 'timestamps count to 2089, and a key cannot expire later',
    partsWays: true,
    explains: (_, ours, redis) => says(ours, 'ERR invalid expire time in') && !isError(redis),
    example: [['SET', 'a', '1', 'EXAT', '4000000000']],
  },
  {
    name: 'no other types',
    reason: 'there are strings alone so far: commands of hashes, lists, sets and the like answer as unknown',
    partsWays: true,
    explains: (words, ours, redis) =>
      says(ours, `ERR unknown command '${words[0] ?? ''}'`) && !says(redis, 'ERR unknown command'),
    example: [
      ['SET', 'a', '1'],
      ['LLEN', 'a'],
    ],
  },
  {
    name: 'RANDOMKEY',
    reason: 'each draws a key of its own',
    partsWays: false,
    explains: (words, ours, redis) => nameOf(words) === 'randomkey' && isBulk(ours) && isBulk(redis),
    example: [
      ['MSET', ...Array.from({ length: 200 }, (_, index) => [`k${index}`, '1']).flat()],
      ['RANDOMKEY'],
    ],
  },
  {
    name: 'walks',
    reason:
      'a walk goes in the order of keys and has cursors of its own; from its beginning to its end it returns the same keys',
    partsWays: false,
    explains: (words, ours, redis) =>
      nameOf(words) === 'scan' &&
      bothAnswer(ours, redis) &&
      !(words[1] === '0' && ours.items[0]?.text === '0' && redis.items[0]?.text === '0'),
    example: [
      ['MSET', ...Array.from({ length: 200 }, (_, index) => [`k${index}`, '1']).flat()],
      ['SCAN', '0', 'COUNT', '1'],
    ],
  },
  {
    name: 'cursors never given',
    reason: 'a cursor names a place that was given out; Redis takes any number for one',
    partsWays: false,
    explains: (words, ours, redis) =>
      nameOf(words) === 'scan' && says(ours, 'ERR invalid cursor') && !isError(redis),
    example: [['SCAN', '17']],
  },
  {
    name: 'encodings',
    reason:
      'a value is bytes and no more: told is how Redis would keep them, not what APPEND and the like have made of them',
    partsWays: false,
    explains: (words, ours, redis) =>
      fullNameOf(words) === 'object|encoding' &&
      isBulk(ours) &&
      isBulk(redis) &&
      [ours, redis].every(({ text }) => ['int', 'embstr', 'raw'].includes(text)),
    example: [
      ['APPEND', 'a', '1'],
      ['APPEND', 'a', '2'],
      ['OBJECT', 'ENCODING', 'a'],
    ],
  },
  {
    name: 'reference counts',
    reason: 'Redis shares small integers between keys; here a value is referred to once',
    partsWays: false,
    explains: (words, ours, redis) =>
      fullNameOf(words) === 'object|refcount' && ours.text === '1' && redis.type === ':',
    example: [
      ['SET', 'a', '1'],
      ['OBJECT', 'REFCOUNT', 'a'],
    ],
  },
  {
    name: 'idle times',
    reason: 'reads are recorded nowhere, so there is no idle time to tell',
    partsWays: false,
    explains: (words, ours, redis) =>
      fullNameOf(words) === 'object|idletime' &&
      says(ours, 'ERR idle time not tracked') &&
      redis.type === ':',
    example: [
      ['SET', 'a', '1'],
      ['OBJECT', 'IDLETIME', 'a'],
    ],
  },
  {
    name: 'memory',
    reason: 'what a key takes is another store’s affair',
    partsWays: false,
    explains: (words, ours, redis) =>
      fullNameOf(words) === 'memory|usage' &&
      ours.type === ':' &&
      redis.type === ':' &&
      Number(ours.text) > 0,
    example: [
      ['SET', 'a', '1'],
      ['MEMORY', 'USAGE', 'a'],
    ],
  },
  {
    name: 'passwords that nobody asked for',
    reason:
      'a client that is set up for another server is told so, whichever user it names; Redis lets anybody in as default, and says of others that the password is wrong',
    partsWays: false,
    explains: (words, ours, redis) =>
      ['auth', 'hello'].includes(nameOf(words)) &&
      says(ours, 'ERR AUTH <password> called without any password configured') &&
      (!isError(redis) || says(redis, 'WRONGPASS')),
    example: [['AUTH', 'default', 'x']],
  },
  {
    name: 'floats',
    reason:
      'counters are exact decimals, so that the order of sums does not matter; Redis rounds to a long double of 64 bits',
    partsWays: true,
    explains: (words, ours, redis) =>
      nameOf(words) === 'incrbyfloat' &&
      isBulk(ours) &&
      isBulk(redis) &&
      Math.abs(Number(ours.text) - Number(redis.text)) <= 1e-15 * Math.abs(Number(redis.text)),
    example: [
      ['INCRBYFLOAT', 'a', '-0.1'],
      ['INCRBYFLOAT', 'a', '5000'],
    ],
  },
  {
    name: 'WAIT in transactions',
    reason: 'a transaction is one turn and nothing in it may wait; Redis lets WAIT in, and answers at once',
    partsWays: true,
    explains: (words, ours, redis) =>
      nameOf(words) === 'wait' &&
      says(ours, 'ERR WAIT is not allowed inside a transaction') &&
      redis.text === 'QUEUED',
    example: [['MULTI'], ['WAIT', '0', '1']],
  },
  {
    name: 'help',
    reason: 'HELP lists the subcommands that there are, from the one table',
    partsWays: false,
    explains: (words, ours, redis) =>
      /\|help$/.test(fullNameOf(words)) && ours.type === '*' && redis.type === '*',
    example: [['OBJECT', 'HELP']],
  },
  {
    name: 'about the server',
    reason: 'each tells of itself: its clients, its commands, its settings',
    partsWays: false,
    explains: (words, ours, redis) =>
      (ABOUT_ITSELF.has(`${nameOf(words)}|`) || ABOUT_ITSELF.has(fullNameOf(words))) &&
      bothAnswer(ours, redis),
    example: [['INFO']],
  },
];

/** What a difference is explained by. */
export function findKind({ words }: Pick<Command, 'words'>, ours: Reply, redis: Reply): Kind | undefined {
  return KINDS.find((kind) => kind.explains(words, ours, redis));
}

/** Replies whose order says nothing: KEYS, and a whole walk. */
export function isSameReply({ words }: Pick<Command, 'words'>, ours: Reply, redis: Reply): boolean {
  if (isSame(ours, redis)) return true;
  const name = nameOf(words);
  const isWhole = name === 'scan' && ours.items[0]?.text === '0' && redis.items[0]?.text === '0';
  return (name === 'keys' || isWhole) && isSame(sorted(ours), sorted(redis));
}
