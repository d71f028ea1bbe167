/**
 * `toposphere bench` as users run it, against stand-ins that stall, refuse and break: what is printed, the files, the exit code, and what it leaves behind.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Report } from '../../../src/cli/bench/report.ts';
import { ensureBuilt } from '../../sockets/command.ts';
import { waitUntil } from '../../sockets/waiting.ts';
import { mapAnswer, startFakePeer } from '../fakePeer.ts';
import type { Answer, FakePeer } from '../fakePeer.ts';
import { runCommand, startCommand } from '../runCommand.ts';

/** As mapAnswer, with what else a run asks. */
function storeAnswer(entries: Map<string, Buffer>): Answer {
  const answer = mapAnswer(entries);
  return (words, socket) => {
    const [command = '', ...rest] = words;
    const name = command.toString().toUpperCase();
    if (name === 'PING') return '+PONG\r\n';
    if (name !== 'MSET') return answer(words, socket);
    for (let at = 0; at < rest.length; at += 2)
      entries.set(rest[at]?.toString('latin1') ?? '', Buffer.from(rest[at + 1] ?? ''));
    return '+OK\r\n';
  };
}

describe('toposphere bench', function () {
  this.timeout(60_000);
  let folder = '';
  const open: FakePeer[] = [];
  const start = async (answer: Answer): Promise<FakePeer> => {
    const peer = await startFakePeer(answer);
    open.push(peer);
    return peer;
  };
  const at = (...peers: readonly FakePeer[]): string =>
    `--peer=${peers.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  const readReport = async (): Promise<Report> =>
    JSON.parse(await readFile(join(folder, 'result.json'), 'utf8')) as Report;

  before(function () {
    this.timeout(150_000); // a build, where the sources are newer
    ensureBuilt();
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-bench-'));
  });
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
    await rm(folder, { recursive: true });
  });

  it('sends so many operations as were asked for, of the mix, and leaves no key of its own and every other', async () => {
    const entries = new Map([['mine', Buffer.from('1')]]);
    const peer = await start(storeAnswer(entries));
    const words = [
      'bench',
      at(peer),
      '--operations=3000',
      '--mix=get=2,set=1',
      '--keys=50',
      '--clients=3',
      '--pipeline=4',
    ];
    const { code, output, errors } = await runCommand([...words, '--json=result.json'], folder);
    assert.equal(code, 0, errors);
    assert.match(output.toString(), /^operation +answered/m);
    const { all, operations, plan, series } = await readReport();
    assert.equal(all.latency.count, 3000);
    assert.equal(all.misses, 0);
    const [reads = 0, writes = 0] = operations.map(({ latency }) => latency.count);
    assert.equal(reads + writes, 3000);
    assert.ok(reads > 1850 && reads < 2150, `${reads} reads`);
    assert.equal(peer.requests.filter(([command]) => command === 'GET').length, reads + 1); // one looks whether the keys are there
    assert.equal(peer.requests.filter(([command]) => command === 'SET').length, writes);
    assert.equal(
      series
        .reduce((sum, { fromMs, toMs, perSecond }) => sum + (perSecond * (toMs - fromMs)) / 1000, 0)
        .toFixed(0),
      '3000',
    );
    assert.deepEqual([...entries.keys()], ['mine']);
    const named = peer.requests.filter(([command]) => command === 'SET' || command === 'GET');
    assert.ok(named.every(([, key]) => key?.startsWith(plan.prefix) === true));
  });

  it('says TOPOSPHERE DO with the chosen levels, and begins a session on each connection for reads of one', async () => {
    const store = storeAnswer(new Map());
    const peer = await start((words, socket) => {
      if (words[1]?.toString() === 'SESSION') return '+OK\r\n';
      const run = words.findIndex((word) => word.toString() === 'RUN');
      return store(run < 0 ? words : words.slice(run + 1), socket);
    });
    const words = [
      'bench',
      at(peer),
      '--operations=100',
      '--mix=a',
      '--keys=5',
      '--clients=2',
      '--write=replicated:2',
      '--read=session',
      '--within=300',
    ];
    const { code, errors } = await runCommand(words, folder);
    assert.equal(code, 0, errors);
    const said = new Set(
      peer.requests.map((request) => request.join(' ').replace(/ toposphere-bench.*/, '')),
    );
    assert.ok(said.has('TOPOSPHERE DO ACK REPLICATED 2 WITHIN 300 RUN SET'));
    assert.ok(said.has('TOPOSPHERE DO READ SESSION WITHIN 300 RUN GET'));
    const begun = peer.requests.filter((request) => request.join(' ') === 'TOPOSPHERE SESSION BEGIN');
    assert.equal(begun.length, 2);
  });

  it('shares clients, rate and operations among threads, and makes one result of theirs', async () => {
    const entries = new Map<string, Buffer>();
    const peer = await start(storeAnswer(entries));
    const words = ['bench', at(peer), '--operations=601', '--mix=a', '--keys=20', '--clients=5'];
    const { code, output, errors } = await runCommand(
      [...words, '--threads=3', '--rate=600', '--json=result.json'],
      folder,
    );
    assert.equal(code, 0, errors);
    const { all, elapsedMs, series, generator } = await readReport();
    assert.equal(all.latency.count, 601);
    assert.equal(generator.sentLate.count, 601);
    assert.ok(elapsedMs > 980 && elapsedMs < 5000, `${elapsedMs} ms`);
    assert.ok(series.length >= 10, `${series.length} stretches`);
    assert.equal(peer.requests.filter(([command]) => command === 'GET' || command === 'SET').length, 602);
    assert.match(output.toString(), /the busiest of the generator's 3 threads was at work \d+% of the time/);
    assert.deepEqual([...entries.keys()], []);
  });

  it('counts the latency of an operation at a set rate from when it was due, however long the peer stands still', async () => {
    const store = storeAnswer(new Map());
    const stallMs = 800;
    let [gets, releaseAtMs] = [0, 0];
    const peer = await start((words, socket) => {
      const reply = store(words, socket);
      if (words[0]?.toString() !== 'GET' || reply === undefined) return reply;
      gets += 1;
      if (gets === 50) releaseAtMs = performance.now() + stallMs;
      const leftMs = releaseAtMs - performance.now();
      if (leftMs <= 0) return reply;
      setTimeout(() => socket.write(reply), leftMs);
      return undefined;
    });
    const words = ['bench', at(peer), '--operations=400', '--rate=200', '--mix=c', '--keys=5', '--clients=2'];
    const { code, errors } = await runCommand([...words, '--json=result.json'], folder);
    assert.equal(code, 0, errors);
    const { all, elapsedMs } = await readReport();
    assert.equal(all.latency.count, 400);
    assert.ok(elapsedMs > 1900, `${elapsedMs} ms`);
    // Of 400 operations 160 fell due while it stood still; two were with it, the rest waited to be sent.
    assert.ok(all.latency.p95Ms > stallMs / 2, `p95 ${all.latency.p95Ms} ms`);
    assert.ok(all.latency.maxMs > stallMs - 50, `longest ${all.latency.maxMs} ms`);
  });

  it('counts what fails by its code, with an example, and goes on', async () => {
    const store = storeAnswer(new Map());
    let gets = 0;
    const peer = await start((words, socket) => {
      if (words[0]?.toString() !== 'GET' || ++gets % 4 !== 0) return store(words, socket);
      if (gets % 100 !== 0) return '-BEHIND gamma has it\r\n';
      socket.destroy();
      return undefined;
    });
    const words = ['bench', at(peer), '--operations=1000', '--mix=c', '--keys=5', '--clients=1'];
    const { code, output, errors } = await runCommand([...words, '--json=result.json'], folder);
    assert.equal(code, 0, errors);
    const { all, generator } = await readReport();
    const broken = all.failures['CONNECTION']?.count ?? 0;
    const behind = all.failures['BEHIND']?.count ?? 0;
    assert.equal(all.latency.count + all.failed, 1000);
    assert.ok(broken >= 9 && behind >= 235 && broken + behind === all.failed, JSON.stringify(all.failures));
    assert.equal(generator.connectionsBroken, broken);
    assert.match(output.toString(), /^failed, BEHIND: \d+ \(BEHIND gamma has it\)$/m);
  });

  it('fails where nothing succeeded, with what was answered', async () => {
    const store = storeAnswer(new Map());
    const peer = await start((words, socket) =>
      words[0]?.toString() === 'SET' ? '-DISKFULL no room\r\n' : store(words, socket),
    );
    const words = ['bench', at(peer), '--operations=50', '--mix=set=1', '--keys=5'];
    const { code, output, errors } = await runCommand(words, folder);
    assert.equal(code, 1);
    assert.match(output.toString(), /^failed, DISKFULL: 50 /m);
    assert.match(errors, /^toposphere: no operation succeeded/);
  });

  it('prints what was measured and cleans up when it is told to stop', async () => {
    const entries = new Map<string, Buffer>();
    const peer = await start(storeAnswer(entries));
    const { child, outcome } = startCommand(
      ['bench', at(peer), '--seconds=30', '--keys=50', '--clients=2'],
      folder,
    );
    await waitUntil('the load runs', () => peer.requests.length > 100);
    child.kill('SIGINT');
    const { code, output, errors } = await outcome;
    assert.equal(code, 0, errors);
    assert.match(output.toString(), /^\d+\.\d s \(stopped\); /);
    assert.match(output.toString(), /^all +[1-9]/m);
    assert.deepEqual([...entries.keys()], []);
  });

  it('keeps its keys when asked, says their prefix, and fills them at one peer for all', async () => {
    const entries = new Map<string, Buffer>();
    const answer = storeAnswer(entries);
    const [first, second] = [await start(answer), await start(answer)];
    const { code, errors } = await runCommand(
      ['bench', at(first, second), '--operations=10', '--keys=7', '--clients=2', '--size=3-5', '--keep'],
      folder,
    );
    assert.equal(code, 0, errors);
    const [, prefix = '-'] = /kept: the keys that begin with (\S+)/.exec(errors) ?? [];
    assert.deepEqual(
      [...entries.keys()].sort(),
      Array.from({ length: 7 }, (_, number) => `${prefix}${number}`),
    );
    assert.ok([...entries.values()].every(({ length }) => length >= 3 && length <= 5));
    assert.ok(second.requests.every(([command]) => command !== 'MSET'));
  });

  it('draws a page that asks for nothing, runs nothing, and takes no text for markup', async () => {
    const store = storeAnswer(new Map());
    let gets = 0;
    const peer = await start((words, socket) =>
      words[0]?.toString() === 'GET' && ++gets % 10 === 0
        ? '-ERR <script>alert("1")</script>\r\n'
        : store(words, socket),
    );
    const words = ['bench', at(peer), '--operations=2000', '--keys=5', '--html=page.html'];
    const { code, errors } = await runCommand(words, folder);
    assert.equal(code, 0, errors);
    const page = await readFile(join(folder, 'page.html'), 'utf8');
    assert.match(
      page,
      /http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/,
    );
    assert.doesNotMatch(page, /<script|NaN|Infinity|undefined|\bsrc=|\bhref=|url\(|style="/);
    assert.match(page, /&lt;script&gt;/);
    assert.match(page, /prefers-color-scheme: dark/);
    for (const title of ['Latency by percentile', 'Operations a second', 'Latency over time'])
      assert.match(page, new RegExp(`>${title}</text>`));
    const opened = page.match(/<(?!!|meta|\/)([a-z0-9]+)(?=[ >])(?:[^>"]|"[^"]*")*(?<!\/)>/g) ?? [];
    assert.equal(opened.length, (page.match(/<\//g) ?? []).length, 'every element that is opened is closed');
  });

  it('gives the password on every connection, and is told at once when it is another one', async () => {
    const store = storeAnswer(new Map());
    const known = new WeakSet<Socket>();
    const peer = await start((words, socket) => {
      if (words[0]?.toString() === 'AUTH') {
        if (words[1]?.toString() !== 'open sesame') return '-WRONGPASS invalid password\r\n';
        known.add(socket);
        return '+OK\r\n';
      }
      return known.has(socket) ? store(words, socket) : '-NOAUTH Authentication required.\r\n';
    });
    const path = join(folder, 'password');
    const words = [
      'bench',
      at(peer),
      '--operations=200',
      '--keys=5',
      '--clients=3',
      `--client-password-file=${path}`,
    ];
    await writeFile(path, 'open sesame\n', { mode: 0o600 });
    const { code, output, errors } = await runCommand([...words, '--json=result.json'], folder);
    assert.equal(code, 0, errors);
    assert.equal((await readReport()).all.latency.count, 200);
    assert.doesNotMatch(await readFile(join(folder, 'result.json'), 'utf8'), /sesame/);
    assert.doesNotMatch(output.toString(), /sesame/);
    await writeFile(path, 'another one\n', { mode: 0o600 });
    const refused = await runCommand(words, folder);
    assert.equal(refused.code, 1);
    assert.match(refused.errors, /^toposphere: .* has another client password/);
    assert.equal(refused.output.toString(), '');
  });

  it('says who cannot be reached, and goes on with the others', async () => {
    const [here, gone] = [await start(storeAnswer(new Map())), await start(storeAnswer(new Map()))];
    await gone.close();
    const words = ['bench', at(here, gone), '--operations=50', '--keys=5', '--json=result.json'];
    const { code, errors } = await runCommand(words, folder);
    assert.equal(code, 0, errors);
    assert.match(errors, new RegExp(`^toposphere: cannot reach a peer at 127.0.0.1:${gone.port} .*\\n$`));
    assert.deepEqual((await readReport()).peers, [`127.0.0.1:${here.port}`]);
  });

  it('refuses what it cannot do, all at once, before it asks a peer', async () => {
    const { code, errors } = await runCommand(['bench', '--peer=127.0.0.1:1', '--mix=x', '--keys=0'], folder);
    assert.equal(code, 1);
    assert.match(errors, /^toposphere: --mix x.*\ntoposphere: --keys 0.*\n$/);
  });
});
