/**
 * The oracle's own parts, without servers: replies cut apart, what a kind of difference explains and what it does not, sequences from seeds, and shrinking. That each kind is shown by its example is
 * asked of both servers by `npm run oracle` itself.
 */
import { deepEqual, equal, notDeepEqual, ok } from 'node:assert/strict';
import { allCommands } from '../../src/server/commandTable.ts';
import { compare, printWords } from '../../tools/oracle/compare.ts';
import { LEFT_OUT } from '../../tools/oracle/grammar.ts';
import { findKind, KINDS, MOST_KINDS } from '../../tools/oracle/kinds.ts';
import { cutReply, printReply, type Reply } from '../../tools/oracle/replies.ts';
import { chooseRows, makeSequence } from '../../tools/oracle/sequence.ts';
import { shrink } from '../../tools/oracle/shrink.ts';
import type { Step } from '../../tools/oracle/speaker.ts';

function reply(text: string): Reply {
  const cut = cutReply(Buffer.from(text, 'latin1'), 0);
  if (cut === undefined) throw new Error(`${JSON.stringify(text)} is not a whole reply`);
  return cut.reply;
}

const step = (line: string): Step => ({ kind: 'command', words: line.split(' '), by: 0 });

/** For each kind a difference that looks like it and is none of it. */
const NEAR_MISSES: Readonly<Record<string, readonly [words: string, ours: string, redis: string]>> = {
  clocks: ['TTL a', ':100\r\n', ':-1\r\n'],
  'keys refused': ['SET a 1', '-ERR a key has at least one byte\r\n', '+OK\r\n'],
  'values refused': ['SETRANGE a 1 x', '-VALUETOOLONG\r\n', '-ERR offset is out of range\r\n'],
  'after 2089': ['SET a 1 EX 1', "-ERR invalid expire time in 'set' command\r\n", '-ERR syntax error\r\n'],
  'no other types': ['GET a', "-ERR unknown command 'FOO'\r\n", '$-1\r\n'],
  RANDOMKEY: ['RANDOMKEY', '$-1\r\n', '$1\r\na\r\n'],
  walks: ['SCAN 0', '*2\r\n$1\r\n0\r\n*0\r\n', '*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n'],
  'cursors never given': ['SCAN x', '-ERR invalid cursor\r\n', '-ERR syntax error\r\n'],
  encodings: ['OBJECT ENCODING a', '$3\r\nint\r\n', '$-1\r\n'],
  'reference counts': ['OBJECT REFCOUNT a', ':1\r\n', '$-1\r\n'],
  'idle times': ['OBJECT IDLETIME a', '-ERR idle time not tracked\r\n', '$-1\r\n'],
  memory: ['MEMORY USAGE a', ':0\r\n', ':56\r\n'],
  'passwords that nobody asked for': ['AUTH x', '+OK\r\n', '-WRONGPASS\r\n'],
  floats: ['INCRBYFLOAT a 1', '$3\r\n1.1\r\n', '$3\r\n1.2\r\n'],
  'WAIT in transactions': ['WAIT 0 1', '-ERR WAIT is not allowed inside a transaction\r\n', ':0\r\n'],
  help: ['OBJECT ENCODING help', '*0\r\n', '*1\r\n:1\r\n'],
  'about the server': ['INFO', '-LOADING\r\n', '$1\r\nx\r\n'],
};

describe('the oracle', () => {
  it('cuts replies of both protocols out of bytes, whole and byte by byte', () => {
    for (const text of [
      '+OK\r\n',
      '-ERR x\r\n',
      ':-5\r\n',
      '$-1\r\n',
      '$0\r\n\r\n',
      '$4\r\na\r\nb\r\n',
      '*0\r\n',
      '*-1\r\n',
      '*2\r\n:1\r\n*1\r\n$1\r\na\r\n',
      '%1\r\n+a\r\n~1\r\n,1.5\r\n',
      '_\r\n',
      '#t\r\n',
      '=5\r\ntxt:x\r\n',
    ]) {
      const bytes = Buffer.from(text, 'latin1');
      equal(cutReply(bytes, 0)?.next, bytes.length, text);
      for (let length = 0; length < bytes.length; length += 1)
        equal(
          cutReply(bytes.subarray(0, length), 0),
          undefined,
          `${length} bytes of ${JSON.stringify(text)}`,
        );
    }
    equal(printReply(reply('*2\r\n:1\r\n$1\r\na\r\n')), '*[:1, "a"]');
  });

  it(`explains ${MOST_KINDS} kinds of differences at most, each with a reason`, () => {
    ok(KINDS.length <= MOST_KINDS);
    for (const { reason, example } of KINDS) ok(reason !== '' && example.length > 0);
    deepEqual(KINDS.map(({ name }) => name).sort(), Object.keys(NEAR_MISSES).sort());
  });

  for (const [name, [words, ours, redis]] of Object.entries(NEAR_MISSES))
    it(`does not take for '${name}' what only looks like it`, () => {
      equal(findKind({ words: words.split(' ') }, reply(ours), reply(redis))?.name, undefined);
    });

  it('judges what EXEC answers command by command, and stops where both sides part', () => {
    const steps = [step('MULTI'), step('TTL a'), step('GET a'), step('EXEC'), step('GET b'), step('GET c')];
    const queued = [reply('+OK\r\n'), reply('+QUEUED\r\n'), reply('+QUEUED\r\n')];
    const exec = (left: number, value: string): Reply => reply(`*2\r\n:${left}\r\n$1\r\n${value}\r\n`);
    const nil = reply('$-1\r\n');
    const same = compare(steps, [...queued, exec(100, '1'), nil, nil], [...queued, exec(101, '1'), nil, nil]);
    deepEqual([same.fault, same.compared, same.explained[0]?.kind.name], [undefined, 6, 'clocks']);
    const other = compare(
      steps,
      [...queued, exec(100, '1'), nil, nil],
      [...queued, exec(100, '2'), nil, nil],
    );
    equal(other.fault?.at, 3);
    const unknown = [...queued, exec(1, '1'), reply("-ERR unknown command 'GET'\r\n"), reply('$1\r\n1\r\n')];
    const parted = compare(steps, unknown, [...queued, exec(1, '1'), nil, nil]);
    deepEqual([parted.fault, parted.compared], [undefined, 5]);
    const late = [...queued, reply("*2\r\n-ERR invalid expire time in 'set' command\r\n$-1\r\n"), nil, nil];
    const inside = compare(steps, late, [...queued, reply('*2\r\n+OK\r\n$1\r\n1\r\n'), nil, nil]);
    deepEqual([inside.fault, inside.compared, inside.explained.length], [undefined, 4, 1]);
  });

  it('draws every row that Redis has too, the same for the same seed', () => {
    const table = chooseRows(allCommands, (name) => !name.startsWith('toposphere'));
    deepEqual(makeSequence(3, 400, table), makeSequence(3, 400, table));
    notDeepEqual(makeSequence(3, 400, table), makeSequence(4, 400, table));
    const seen = new Set<string>();
    for (let seed = 1; seed <= 80; seed += 1)
      for (const one of makeSequence(seed, 200, table)) {
        if (one.kind !== 'command') continue;
        const [name = '', sub = ''] = one.words.map((word) => word.toLowerCase());
        seen.add(name).add(`${name}|${sub}`);
      }
    const missed = table.drawn.filter(({ name }) => !seen.has(name)).map(({ name }) => name);
    deepEqual(missed, []);
    for (const [name, reason] of LEFT_OUT) ok(reason !== '' && !table.drawn.some((row) => row.name === name));
  });

  it('leaves out every step that a fault does not need', async () => {
    const steps = Array.from({ length: 100 }, (_, index) => step(`ECHO ${index}`));
    let runs = 0;
    const failsAt = (some: readonly Step[]): Promise<number | undefined> => {
      runs += 1;
      const lines = some.map((one) => (one.kind === 'command' ? printWords(one) : ''));
      const at = lines.indexOf('ECHO 71');
      return Promise.resolve(at >= 0 && lines.slice(0, at).includes('ECHO 8') ? at : undefined);
    };
    deepEqual(await shrink(steps, failsAt), [step('ECHO 8'), step('ECHO 71')]);
    ok(runs < 120, `${runs} runs`);
    equal(await shrink(steps.slice(0, 50), failsAt), undefined);
  });
});
