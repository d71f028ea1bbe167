/**
 * The request parser: every vector whole and cut anywhere, every refusal in Redis's words, hostile bytes.
 */
import { deepEqual, equal, ok } from 'node:assert/strict';
import type { RequestLimits } from '../../src/server/requestParser.ts';
import {
  ARGUMENT_LIMIT,
  createRequestParser,
  feed,
  keepRest,
  nextRequest,
} from '../../src/server/requestParser.ts';
import { createRandom, mutate } from './mutation.ts';
import { encode } from './rawClient.ts';

/** Written over behind each chunk that was put there, as the memory of a socket's reads is. */
const MEMORY = Buffer.alloc(4 * 1024 * 1024);

/** What comes out: requests as lists of latin-1 words, then the error, if any. */
function parse(chunks: readonly Buffer[], limits: RequestLimits = {}): (string[] | string)[] {
  const parser = createRequestParser(limits);
  const found: (string[] | string)[] = [];
  for (const chunk of chunks) {
    const read = MEMORY.subarray(0, chunk.copy(MEMORY));
    if (!feed(parser, read)) return [...found, parser.error];
    for (;;) {
      const outcome = nextRequest(parser);
      if (outcome === 'incomplete') break;
      if (outcome === 'error') return [...found, parser.error];
      const words: string[] = [];
      for (let index = 0; index < parser.count; index += 1) {
        words.push(parser.bytes.toString('latin1', parser.offsets[2 * index], parser.offsets[2 * index + 1]));
      }
      found.push(words);
    }
    keepRest(parser);
    read.fill('*');
  }
  return found;
}

function everyByte(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (byte) => Buffer.from([byte]));
}

const VECTORS: readonly (readonly [title: string, bytes: string, expected: (string[] | string)[]])[] = [
  ['an array of bulk strings', '*2\r\n$3\r\nGET\r\n$1\r\na\r\n', [['GET', 'a']]],
  ['two requests in a row', '*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n', [['PING'], ['QUIT']]],
  [
    'an empty argument and one with line ends',
    '*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\n\r\n\r\n\r\n',
    [['SET', '', '\r\n\r\n']],
  ],
  ['a count of two digits', `*10\r\n${'$1\r\nx\r\n'.repeat(10)}`, [Array<string>(10).fill('x')]],
  ['empty and null arrays between requests', '*0\r\n*-1\r\n\r\n\n*1\r\n$4\r\nPING\r\n', [['PING']]],
  ['whatever two bytes follow an argument', '*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n', [['PING'], ['PING']]],
  [
    'an inline command',
    'SET  a\t1 \r\nGET a\n',
    [
      ['SET', 'a', '1'],
      ['GET', 'a'],
    ],
  ],
  ['double quotes and their escapes', 'ECHO "a b\\n\\x41\\"\\q\\xzz"\r\n', [['ECHO', 'a b\nA"qxzz']]],
  ['single quotes and their one escape', "ECHO 'a \\' \\n'\r\n", [['ECHO', "a ' \\n"]]],
  ['a quote inside a word', 'ECHO foo"bar baz"\r\n', [['ECHO', 'foobar baz']]],
  ['an empty quoted word', 'SET a ""\r\n', [['SET', 'a', '']]],
  ['an inline line up to its NUL', 'PING a\0b\r\n', [['PING', 'a']]],
  ['inline after array after inline', 'PING\r\n*1\r\n$1\r\nx\r\nPING\r\n', [['PING'], ['x'], ['PING']]],
  ['an unclosed quote', 'PING\r\nGET "a\r\n', [['PING'], 'Protocol error: unbalanced quotes in request']],
  ['a quote followed by a letter', 'GET "a"b\r\n', ['Protocol error: unbalanced quotes in request']],
  ['an argument that is no bulk string', '*1\r\n!3\r\n', ["Protocol error: expected '$', got '!'"]],
  ['a negative length', '*1\r\n$-1\r\n', ['Protocol error: invalid bulk length']],
  ['a length with a letter', '*1\r\n$4x\r\n', ['Protocol error: invalid bulk length']],
  ['a length with a leading zero', '*1\r\n$01\r\n', ['Protocol error: invalid bulk length']],
  ['a length of twenty digits', `*1\r\n$${'9'.repeat(20)}\r\n`, ['Protocol error: invalid bulk length']],
  ['a count that is no number', '*a\r\n', ['Protocol error: invalid multibulk length']],
  ['no count', '*\r\n', ['Protocol error: invalid multibulk length']],
  ['minus zero', '*-0\r\n', ['Protocol error: invalid multibulk length']],
  ['one argument too many', `*${ARGUMENT_LIMIT + 1}\r\n`, ['Protocol error: invalid multibulk length']],
];

describe('request parser', () => {
  for (const [title, bytes, expected] of VECTORS) {
    it(`reads ${title}, whole and byte by byte`, () => {
      const buffer = Buffer.from(bytes, 'latin1');
      deepEqual(parse([buffer]), expected);
      deepEqual(parse(everyByte(buffer)), expected);
      for (let cut = 1; cut < buffer.length; cut += 1) {
        deepEqual(parse([buffer.subarray(0, cut), buffer.subarray(cut)]), expected, `cut at ${cut}`);
      }
    });
  }

  it('takes an argument of the largest length and refuses one byte more', () => {
    const limits = { bulkLimitBytes: 1000 };
    deepEqual(parse([encode('GET', 'x'.repeat(1000))], limits), [['GET', 'x'.repeat(1000)]]);
    deepEqual(parse([encode('GET', 'x'.repeat(1001))], limits), ['Protocol error: invalid bulk length']);
  });

  it('refuses lines that do not end, as Redis words it for each kind', () => {
    const long = '1'.repeat(70_000);
    deepEqual(parse([Buffer.from(`*${long}`)]), ['Protocol error: too big mbulk count string']);
    deepEqual(parse([Buffer.from(`*1\r\n$${long}`)]), ['Protocol error: too big bulk count string']);
    deepEqual(parse([Buffer.from(long)]), ['Protocol error: too big inline request']);
    deepEqual(parse([Buffer.from(long.slice(0, 60_000))]), []);
  });

  it('refuses a request longer than a request may be', () => {
    const limits = { requestLimitBytes: 10_000 };
    const chunk = encode('MSET', ...Array<string>(40).fill('x'.repeat(100)));
    const head = Buffer.from('*1000\r\n');
    deepEqual(parse([head, chunk, chunk, chunk, chunk], limits), ["Protocol error: expected '$', got '*'"]);
    const body = Buffer.from('$100\r\n' + 'x'.repeat(100) + '\r\n');
    deepEqual(parse([head, ...Array<Buffer>(100).fill(body)], limits), [
      'Protocol error: request longer than 10000 bytes',
    ]);
  });

  it('reads a large argument that comes in many chunks', () => {
    const value = Buffer.alloc(3_000_000, 'abcdefg');
    const bytes = Buffer.concat([encode('SET', 'k', value), encode('PING')]);
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 65_536) chunks.push(bytes.subarray(at, at + 65_536));
    deepEqual(parse(chunks), [['SET', 'k', value.toString('latin1')], ['PING']]);
  });

  it('holds memory for bytes received, not for counts claimed', () => {
    const hostile = Buffer.from(`*${ARGUMENT_LIMIT}\r\n$16777216\r\n`);
    const parsers = Array.from({ length: 1000 }, () => {
      const parser = createRequestParser();
      for (const byte of everyByte(hostile)) {
        feed(parser, byte);
        equal(nextRequest(parser), 'incomplete');
        keepRest(parser);
      }
      return parser;
    });
    const heldBytes = parsers.reduce((sum, parser) => sum + parser.input.length, 0);
    ok(heldBytes <= 2 * hostile.length * parsers.length, `${heldBytes} bytes held`);
    ok(parsers.every((parser) => parser.offsets.length === 0));
  });

  it('lets go of a chunk when everything in it was read', () => {
    const parser = createRequestParser();
    feed(parser, encode('PING'));
    equal(nextRequest(parser), 'request');
    equal(nextRequest(parser), 'incomplete');
    equal(parser.input.length, 0);
  });

  it('survives 50,000 mutated frames, and reads each the same whole and cut', () => {
    const random = createRandom(20260101);
    const seeds = VECTORS.map(([, bytes]) => Buffer.from(bytes, 'latin1'));
    let refused = 0;
    for (let round = 0; round < 50_000; round += 1) {
      const bytes = mutate(seeds[random(seeds.length)] ?? Buffer.alloc(0), random);
      const whole = parse([bytes]);
      const cut = random(bytes.length + 1);
      const parts = [bytes.subarray(0, cut), bytes.subarray(cut)].filter((part) => part.length > 0);
      deepEqual(
        parse(parts),
        whole,
        `round ${round}: ${JSON.stringify(bytes.toString('latin1'))} cut at ${cut}`,
      );
      if (typeof whole.at(-1) === 'string') refused += 1;
    }
    ok(refused > 1000, `only ${refused} frames were refused: the mutation is too tame`);
  }).timeout(30_000);
});
