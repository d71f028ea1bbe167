/**
 * The clients that Debian packages, unchanged: redis-py, redis-cli and redis-benchmark, against real peers.
 *
 * Owns running them as their users do, a terminal included. What is not installed is said to be skipped; that redis-cli sets and gets is clients.test.ts's, the Node clients
 * are clientsNode.test.ts's.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Context } from 'mocha';
import type { ChildPeer } from './childPeer.ts';
import { useClusters } from './cluster.ts';
import { awaitEqualDigests } from './convergence.ts';
import { report, waitUntil, withDeadline } from './waiting.ts';

const run = promisify(execFile);
const RUN_TIMEOUT_MS = 30_000;
const LOADED_KEYS = 100_000;
/** Debian's own Python: another one that comes first in the path does not have Debian's packages. */
const PYTHON = '/usr/bin/python3';
const REDIS_PY = fileURLToPath(new URL('redisPy.py', import.meta.url));

/** Skips the test unless the program runs with these words. */
async function need(caller: Context, program: string, ...words: readonly string[]): Promise<void> {
  try {
    await run(program, [...words], { timeout: RUN_TIMEOUT_MS });
  } catch (error) {
    console.log(
      `      skipped: \`${program} ${words.join(' ')}\` does not run here (${String(error).split('\n')[0] ?? ''})`,
    );
    caller.skip();
  }
}

/** Runs a program to its end with this input; rejects unless it ends with 0. */
async function feed(input: string, program: string, words: readonly string[]): Promise<string> {
  const running = run(program, [...words], { timeout: RUN_TIMEOUT_MS, maxBuffer: 2 ** 26 });
  // One that has ended before it was given anything says how by its exit code.
  running.child.stdin?.on('error', () => undefined).end(input);
  return (await running).stdout;
}

/** A program in a terminal of 100 columns. */
class Terminal {
  readonly #script: ChildProcessWithoutNullStreams;
  #shown = '';

  constructor(command: string) {
    const line = `stty cols 100 rows 30; TERM=xterm HOME=/nonexistent exec ${command}`;
    this.#script = spawn('script', ['--quiet', '--return', '--flush', '--command', line, '/dev/null']);
    this.#script.stdout.setEncoding('utf8').on('data', (text: string) => (this.#shown += text));
  }

  /** Types `keys`, and waits until what is shown since is like `expected`; answers that. */
  async type(keys: string, expected: RegExp): Promise<string> {
    const before = keys === '' ? 0 : this.#shown.length;
    this.#script.stdin.write(keys);
    const seen = (): string => this.#shown.slice(before);
    await waitUntil(
      `${String(expected)} after ${JSON.stringify(keys)}`,
      () => expected.test(seen()),
      RUN_TIMEOUT_MS,
      seen,
    );
    return seen();
  }

  end(): void {
    this.#script.kill('SIGKILL'); // the terminal goes with it, and what runs in it is hung up
  }
}

describe("Debian's clients", function () {
  this.timeout(60_000);
  const clusters = useClusters();

  it('redis-py: strings, counters, MULTI, expiry, pipelines, pub/sub, scans, errors; its peer dies, and it goes on at the other', async function () {
    await need(this, PYTHON, '-c', 'import redis');
    const { peer, peers } = await clusters.start({ ids: ['alpha', 'beta'], sameClientPort: true });
    const words = [REDIS_PY, 'toposphere.test', String(peer('alpha').clientPort), '127.0.0.1', '127.0.0.2'];
    const program = spawn(PYTHON, words, { stdio: ['pipe', 'pipe', 'pipe'] });
    clusters.onEnd(() => void program.kill('SIGKILL'));
    let complaint = '';
    program.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
    const ended = new Promise<number | null>((resolve) => program.once('close', resolve));
    const ready = new Promise<string>((resolve) => createInterface(program.stdout).once('line', resolve));
    const first = await withDeadline('redis-py', Promise.race([ready, ended]), RUN_TIMEOUT_MS);
    assert.equal(first, 'ready to lose alpha', complaint);
    await awaitEqualDigests(peers);
    await peer('alpha').kill();
    program.stdin.end('\n');
    assert.equal(await withDeadline('the end of redis-py', ended, RUN_TIMEOUT_MS), 0, complaint);
  });

  function openTerminal(command: string): Terminal {
    const terminal = new Terminal(command);
    clusters.onEnd(() => {
      terminal.end();
    });
    return terminal;
  }

  /** One peer that began without the other. */
  async function startAlone(): Promise<ChildPeer> {
    return (await clusters.start({ ids: ['alpha', 'beta'], absent: ['beta'] })).peer('alpha');
  }

  it(`redis-cli: --pipe with ${LOADED_KEYS} keys, --scan, --bigkeys, --memkeys, formats, repeats`, async function () {
    await need(this, 'redis-cli', '--version');
    const alpha = await startAlone();
    const cli = (input: string, ...words: readonly string[]): Promise<string> =>
      feed(input, 'redis-cli', ['-p', `${alpha.clientPort}`, ...words]);
    await cli('', 'mset', 'small', 'x', 'large', 'x'.repeat(5000));
    const big = await cli('', '--bigkeys');
    assert.match(big, /Sampled 2 keys/);
    assert.match(big, /Biggest string found '"large"' has 5000 bytes/);

    assert.match(await cli('', '--memkeys'), /Biggest string found '"large"' has \d{4} bytes/);
    assert.equal(await cli('', '--csv', 'mget', 'small', 'none'), '"x",NULL\n');
    assert.equal(await cli('', '--json', 'mget', 'small', 'none'), '["x",null]\n');
    const { proto } = JSON.parse(await cli('', '-3', '--json', 'hello', '3')) as { readonly proto: number };
    assert.equal(proto, 3);
    assert.equal(await cli('typed', '-x', 'set', 'from stdin'), 'OK\n');
    assert.equal(await cli('get small\nset quoted "a b\\n"\nget quoted\n'), 'x\nOK\na b\n\n');
    assert.equal(await cli('', '-r', '3', '-i', '0.01', 'incrby', 'counter', '5'), '5\n10\n15\n');
    await assert.rejects(cli('', '-e', 'lpush', 'list', '1'), /unknown command 'lpush'/);

    const keys = Array.from({ length: LOADED_KEYS }, (_, index) => `key:${index}`);
    const load = keys.map(
      (key, index) =>
        `*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${1 + (index % 9)}\r\n${'v'.repeat(1 + (index % 9))}\r\n`,
    );
    const startMs = performance.now();
    assert.match(await cli(load.join(''), '--pipe'), new RegExp(`errors: 0, replies: ${LOADED_KEYS}\n`));
    report(`redis-cli --pipe: ${LOADED_KEYS} keys in ${Math.round(performance.now() - startMs)} ms`);
    assert.deepEqual(
      (await cli('', '--scan', '--pattern', 'key:*')).trimEnd().split('\n').sort(),
      keys.sort(),
    );
    assert.equal((await cli('', '--scan', '--pattern', 'key:1*')).trimEnd().split('\n').length, 11_111);
  });

  it('redis-cli in a terminal: what it says of commands is from COMMAND DOCS; --stat, --latency', async function () {
    await need(this, 'redis-cli', '--version');
    await need(this, 'script', '--version');
    const alpha = await startAlone();
    const cli = `redis-cli -p ${alpha.clientPort}`;
    const terminal = openTerminal(cli);
    await terminal.type('', /> $/);
    assert.match(await terminal.type('set a 1\r', /OK\r\n/), /OK/);
    // Tab completes a word to the server's command, in capitals, and to its subcommand.
    await terminal.type('toposphere sta\t', /TOPOSPHERE STATUS/);
    // What is still to be typed is shown behind the cursor.
    await terminal.type('\u0015set a ', /set a [^]*value \[NX\|XX\] \[GET\] \[EX seconds\|PX milli/);
    await terminal.type(
      '\u0015help toposphere watch\r',
      /TOPOSPHERE WATCH[^]*summary:[^]*Be told of every change/,
    );
    await terminal.type('get a\r', /\r\n"1"\r\n/);
    const statistics = openTerminal(`${cli} --stat -i 0.1`);
    // keys, memory, clients, blocked, requests, connections
    await statistics.type('', /\r\n1 +[\d.]+[KMG] +\d+ +0 +\d+ \(\+\d+\) +\d+ *\r\n[^]*\r\n1 /);
    // Into a pipe it measures for a second and prints minimum, maximum, average (milliseconds) and count.
    assert.match(
      await feed('', 'redis-cli', ['-p', `${alpha.clientPort}`, '-i', '0.3', '--latency']),
      /^\d+ \d+ [\d.]+ \d+\n$/,
    );
  });

  it('redis-benchmark: our commands by name and by words, pipelined and not', async function () {
    await need(this, 'redis-benchmark', '--version');
    const alpha = await startAlone();
    const benchmark = async (...words: readonly string[]): Promise<readonly string[]> => {
      const lines = (
        await feed('', 'redis-benchmark', [
          '-p',
          `${alpha.clientPort}`,
          '-c',
          '50',
          '-n',
          '2000',
          '--csv',
          ...words,
        ])
      )
        .trimEnd()
        .split('\n');
      const rows = lines.slice(1).map((line) => line.split(',').map((cell) => cell.replaceAll('"', '')));
      assert.ok(
        rows.every(([, perSecond]) => Number(perSecond) > 0),
        lines.join('\n'),
      );
      return rows.map(([name = '']) => name);
    };
    assert.deepEqual(await benchmark('-P', '16', '-r', '1000', '-t', 'set,get,incr,mset,ping'), [
      'PING_INLINE',
      'PING_MBULK',
      'SET',
      'GET',
      'INCR',
      'MSET (10 keys)',
    ]);
    assert.deepEqual(await benchmark('-3', '--threads', '2', '-t', 'set,get'), ['SET', 'GET']);
    assert.deepEqual(await benchmark('-P', '16', '-r', '1000', 'append', 'log:__rand_int__', 'x'), [
      'append log:__rand_int__ x',
    ]);
    assert.ok(Number(await alpha.ask('STRLEN', 'log:000000000001')) >= 0);
  });
});
