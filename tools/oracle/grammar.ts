/**
 * Which arguments each command is drawn with: a row of the one table, and a small grammar where its arity and keys do not say enough.
 *
 * Owns the grammar and the list of what is not drawn, each with its reason. A command that is new in the table is drawn at once, by its row. Invariant: nothing is drawn that ends the connection, waits,
 * or answers other than once.
 */
import type { Command } from '../../src/server/command.ts';
import { chance, pick, wholeBetween, type RandomStream } from '../../src/simulator/random.ts';
import * as draw from './vocabulary.ts';

type Draw = (random: RandomStream) => readonly string[];

/** Commands of ours and Redis's that are not drawn. */
export const LEFT_OUT: ReadonlyMap<string, string> = new Map([
  ['quit', 'ends the connection'],
  ['client|kill', 'ends connections'],
  ['client|reply', 'leaves commands without a reply'],
  ['client|pause', 'makes everybody wait'],
  ['client|unblock', 'nobody is blocked'],
  ['monitor', 'goes on answering'],
  ['shutdown', 'ends the server'],
  ['config|set', 'would change the servers that are compared'],
  ['config|rewrite', 'would write a file'],
  ['subscribe', 'answers once for each channel; conversations in test/server compare it'],
  ['unsubscribe', 'answers once for each channel; conversations in test/server compare it'],
  ['psubscribe', 'answers once for each pattern; conversations in test/server compare it'],
  ['punsubscribe', 'answers once for each pattern; conversations in test/server compare it'],
]);

const TIMES: readonly (readonly [word: string, isAbsolute: boolean, unitMs: 1 | 1000])[] = [
  ['EX', false, 1000],
  ['PX', false, 1],
  ['EXAT', true, 1000],
  ['PXAT', true, 1],
];

const timeWord: Draw = (random) => {
  const [word, isAbsolute, unitMs] = pick(random, TIMES);
  return [word, draw.time(random, isAbsolute, unitMs)];
};

function some(random: RandomStream, most: number, drawOne: Draw): readonly string[] {
  return Array.from({ length: wholeBetween(random, 0, most) }, () => drawOne(random)).flat();
}

const oneOf =
  (...words: readonly string[]): Draw =>
  (random) => [pick(random, words)];

const setWords: Draw = (random) =>
  some(random, chance(random, 0.6) ? 1 : 4, (inner) =>
    chance(inner, 0.4) ? timeWord(inner) : oneOf('NX', 'XX', 'GET', 'KEEPTTL', 'nx', 'get')(inner),
  );

const scanWords: Draw = (random) => [
  ...some(random, 2, (inner) =>
    pick(inner, [
      ['MATCH', draw.pattern(inner)],
      ['TYPE', pick(inner, ['string', 'STRING', 'list', 'foo'])],
      ['COUNT', draw.integer(inner)],
    ]),
  ),
  ...(chance(random, 0.7) ? ['COUNT', '10000'] : []), // the last word holds: the whole walk in one call
];

function expiry(isAbsolute: boolean, unitMs: 1 | 1000): Draw {
  return (random) => [
    draw.key(random),
    draw.time(random, isAbsolute, unitMs),
    ...(chance(random, 0.5) ? some(random, 2, oneOf('NX', 'XX', 'GT', 'LT', 'gt')) : []),
  ];
}

const pairs: Draw = (random) =>
  Array.from({ length: wholeBetween(random, 1, 4) }, () => [draw.key(random), draw.value(random)]).flat();

/** A command and what it is given, for what is asked about it. */
const aCommand: Draw = (random) => [
  pick(random, ['SET', 'get', 'DEL', 'MSET', 'rename', 'COPY', 'INCR', 'WATCH', 'SETNX', 'ping', 'nosuch']),
  ...some(random, 4, (inner) => [chance(inner, 0.9) ? draw.key(inner) : 'GET']),
];

const GRAMMAR: ReadonlyMap<string, Draw> = new Map<string, Draw>([
  [
    'set',
    (random) => [draw.key(random), draw.value(random), ...(chance(random, 0.4) ? [] : setWords(random))],
  ],
  [
    'getex',
    (random) => [
      draw.key(random),
      ...some(random, 1, (inner) => (chance(inner, 0.8) ? timeWord(inner) : ['PERSIST'])),
    ],
  ],
  ['setex', (random) => [draw.key(random), draw.time(random, false, 1000), draw.value(random)]],
  ['psetex', (random) => [draw.key(random), draw.time(random, false, 1), draw.value(random)]],
  ['expire', expiry(false, 1000)],
  ['pexpire', expiry(false, 1)],
  ['expireat', expiry(true, 1000)],
  ['pexpireat', expiry(true, 1)],
  ['mset', pairs],
  ['msetnx', pairs],
  ['getrange', (random) => [draw.key(random), draw.integer(random), draw.integer(random)]],
  ['substr', (random) => [draw.key(random), draw.integer(random), draw.integer(random)]],
  [
    'setrange',
    (random) => [
      draw.key(random),
      chance(random, 0.8) ? `${wholeBetween(random, 0, 60)}` : draw.integer(random),
      draw.value(random),
    ],
  ],
  ['incrby', (random) => [draw.key(random), draw.integer(random)]],
  ['decrby', (random) => [draw.key(random), draw.integer(random)]],
  ['incrbyfloat', (random) => [draw.key(random), draw.float(random)]],
  [
    'copy',
    (random) => [
      draw.key(random),
      draw.key(random),
      ...some(random, 2, (inner) =>
        pick(inner, [['REPLACE'], ['DB', pick(inner, ['0', '0', '1', draw.integer(inner)])]]),
      ),
    ],
  ],
  ['move', (random) => [draw.key(random), draw.integer(random)]],
  ['select', (random) => [pick(random, ['0', '0', draw.integer(random)])]],
  [
    'swapdb',
    (random) => [pick(random, ['0', draw.integer(random)]), pick(random, ['0', draw.integer(random)])],
  ],
  ['flushall', (random) => some(random, 1, oneOf('ASYNC', 'SYNC', 'async', 'FOO'))],
  ['flushdb', (random) => some(random, 1, oneOf('ASYNC', 'SYNC', 'async', 'FOO'))],
  ['keys', (random) => [draw.pattern(random)]],
  ['scan', (random) => [pick(random, ['0', '0', '0', '0', draw.integer(random)]), ...scanWords(random)]],
  [
    'memory|usage',
    (random) => [draw.key(random), ...some(random, 1, (inner) => ['SAMPLES', draw.integer(inner)])],
  ],
  ['wait', (random) => [pick(random, ['0', '1', '-1', 'x']), pick(random, ['1', '2', '-1', 'x'])]],
  ['hello', (random) => some(random, 1, oneOf('2', '3', '3', '4', 'x'))],
  ['ping', (random) => some(random, 2, (inner) => [draw.value(inner)])],
  ['echo', (random) => [draw.value(random)]],
  ['command|getkeys', aCommand],
  ['command|getkeysandflags', aCommand],
  ['client|setname', (random) => [draw.value(random)]],
  [
    'client|tracking',
    (random) => [
      pick(random, ['ON', 'OFF', 'OFF', 'maybe']),
      ...some(random, 2, oneOf('BCAST', 'NOLOOP', 'OPTIN', 'OPTOUT', 'FOO')),
    ],
  ],
  ['config|get', (random) => [pick(random, ['nosuch', 'maxclients', draw.pattern(random)])]],
]);

/** The words of a command, right or a little wrong. */
export function drawWords(command: Command, random: RandomStream): readonly string[] {
  const name = command.name.split('|').map((word) => spell(word, random));
  for (;;) {
    const given = (GRAMMAR.get(command.name) ?? byRow(command))(random);
    const words = [...name, ...(chance(random, 0.1) ? spoil(given, random) : given)];
    if (!isAmongTheBarred(words)) return words;
  }
}

function spell(word: string, random: RandomStream): string {
  const kind = random();
  if (kind < 0.8) return word.toUpperCase();
  return kind < 0.95 ? word : word.charAt(0).toUpperCase() + word.slice(1);
}

/** As the row says: keys where keys are, any words elsewhere, as many as it takes. */
function byRow(command: Command): Draw {
  return (random) => {
    const least = Math.abs(command.arity);
    const count = command.arity > 0 ? least : least + wholeBetween(random, 0, 3);
    const [first, last, step] = command.keys;
    const end = last < 0 ? count + last : last;
    const taken = command.name.split('|').length;
    return Array.from({ length: Math.max(0, count - taken) }, (_, index) => {
      const at = index + taken;
      const isKey = first > 0 && at >= first && at <= end && (at - first) % Math.max(1, step) === 0;
      return isKey ? draw.key(random) : draw.value(random);
    });
  };
}

/** One thing is wrong: a word less, a word more, another in its place, two exchanged. */
function spoil(words: readonly string[], random: RandomStream): readonly string[] {
  const at = wholeBetween(random, 0, Math.max(0, words.length - 1));
  switch (wholeBetween(random, 0, 3)) {
    case 0:
      return words.slice(0, -1);
    case 1:
      return [...words, pick(random, [draw.junk(random), draw.integer(random), draw.key(random)])];
    case 2:
      return words.toSpliced(at, 1, chance(random, 0.5) ? draw.junk(random) : draw.integer(random));
    default:
      return [...words.slice(0, at), ...words.slice(at).reverse()];
  }
}

/** A time that would pass during the run, or a wait without end: each side would answer by its own pace. */
function isAmongTheBarred(words: readonly string[]): boolean {
  const [name = '', , second = '', third = ''] = words.map((word) => word.toLowerCase());
  switch (name) {
    case 'wait':
      return !/^(?:1|2|-.*|x)$/.test(second);
    case 'expire':
    case 'pexpire':
    case 'setex':
    case 'psetex':
      return isSoon(second);
    case 'set':
    case 'getex':
      return words.some((word, index) => /^p?x$|^ex$/i.test(words[index - 1] ?? '') && isSoon(word));
    case 'hello':
      return second !== '' && third !== '';
    default:
      return false;
  }
}

function isSoon(word: string): boolean {
  return /^[1-9][0-9]{0,7}$/.test(word) && Number(word) < 100_000;
}
