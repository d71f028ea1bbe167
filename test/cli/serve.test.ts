/**
 * `serve` and `up` as processes: real peers on loopback, from the first line printed to a clean end.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EVENTS } from '../../src/peer/events.ts';
import type { EventName } from '../../src/peer/events.ts';
import { findGroup, findPeerPorts } from '../ports.ts';
import { runCommand, startCommand } from './runCommand.ts';

describe('the command line with real peers', function () {
  this.timeout(60_000);
  let folder = '';
  let shared: readonly string[] = [];
  let ports: readonly number[] = [];
  const running: ReturnType<typeof startCommand>[] = [];

  /** Starts a command and resolves once its output matches; fails when it ends before. */
  async function startUntil(
    words: readonly string[],
    pattern: RegExp,
    environment?: Readonly<Record<string, string>>,
  ): Promise<ReturnType<typeof startCommand>> {
    const started = startCommand([...words, ...shared], folder, environment);
    running.push(started);
    let seen = '';
    const matched = new Promise<void>((resolve) => {
      started.child.stdout?.on('data', (bytes: Buffer) => {
        seen += bytes.toString();
        if (pattern.test(seen)) resolve();
      });
    });
    const ended = started.outcome.then((outcome) => {
      throw new Error(
        `ended with ${outcome.code ?? 'a signal'} before it was ready: ${seen}${outcome.errors}`,
      );
    });
    await Promise.race([matched, ended]);
    ended.catch(() => undefined);
    return started;
  }

  /** Asks for the status until it matches; the test's own timeout is the deadline. */
  async function untilStatus(pattern: RegExp): Promise<void> {
    for (;;) {
      const { output } = await runCommand(['status', '--servers', 'servers.txt'], folder);
      if (pattern.test(output.toString())) return;
    }
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-serve-'));
    ports = await findPeerPorts(2);
    const group = await findGroup();
    const lines = ports.map((port, index) => `p${index} 127.0.0.1 ${port}\n`);
    await writeFile(join(folder, 'servers.txt'), lines.join(''));
    shared = ['--servers', 'servers.txt', '--multicast-port', String(group.port)];
  });
  afterEach(async () => {
    for (const { child, outcome } of running.splice(0)) {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await outcome;
    }
    await rm(folder, { recursive: true });
  });

  const servers = ['--servers', 'servers.txt'];

  it('serve says where it is reached, serves clients and ends with 0 on SIGTERM', async () => {
    const { child, outcome } = await startUntil(['serve', '--id', 'p0', '--bootstrap'], /^ready .*$/m);
    assert.equal((await runCommand(['set', 'a', '1', ...servers], folder)).output.toString(), 'OK\n');
    assert.equal((await runCommand(['get', 'a', ...servers], folder)).output.toString(), '1\n');
    child.kill('SIGTERM');
    const { code, output } = await outcome;
    assert.equal(code, 0);
    const own = ports[0] ?? 0;
    assert.match(
      output.toString(),
      new RegExp(
        `^ready p0 127\\.0\\.0\\.1:${own}, Redis clients 127\\.0\\.0\\.1:${own - 1000}, HTTP 127\\.0\\.0\\.1:${own + 1000}$`,
        'm',
      ),
    );
    assert.match(
      (await readdir(join(folder, 'checkpoints'))).sort().join(' '),
      /^p0 p0-\d{8}T\d{9}Z\.checkpoint$/,
    );
  });

  it('serve answers probes and Prometheus over HTTP, and frees the port when it stops', async () => {
    const page = (path: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${(ports[0] ?? 0) + 1000}${path}`);
    const { child, outcome } = await startUntil(['serve', '--id', 'p0'], /^ready /m);
    assert.equal((await page('/healthz')).status, 200);
    const waiting = await page('/ready');
    assert.equal(waiting.status, 503);
    assert.match(await waiting.text(), /^p0 has no data yet; .*\n$/);
    await startUntil(['serve', '--id', 'p1'], /^ready /m);
    for (let status = 503; status !== 200;) ({ status } = await page('/ready'));
    await runCommand(['set', 'a', '1', ...servers], folder);
    const metrics = await (await page('/metrics')).text();
    assert.match(metrics, /^toposphere_member_alive\{member="p1"\} 1$/m);
    assert.match(metrics, /^toposphere_client_commands_processed_total [1-9]/m);
    assert.match(metrics, /^toposphere_datagrams_received_total\{channel="unicast"\} [1-9]/m);
    child.kill('SIGTERM');
    assert.equal((await outcome).code, 0);
    await assert.rejects(page('/healthz'));
  });

  it('serve --http-port 0 serves no HTTP, and one on a taken port is refused with nothing written', async () => {
    const httpPort = String((ports[0] ?? 0) + 1000);
    const off = await startUntil(['serve', '--id', 'p0', '--http-port', '0'], /^ready .*$/m);
    await assert.rejects(fetch(`http://127.0.0.1:${httpPort}/`));
    const other = ['serve', '--id', 'p1', '--data-directory', join(folder, 'other')];
    const { code, errors } = await runCommand([...other, '--http-port', String(ports[0]), ...shared], folder);
    assert.equal(code, 1);
    assert.match(
      errors,
      /^toposphere: cannot listen on TCP 127\.0\.0\.1:\d+: another process uses this port;/,
    );
    assert.ok(!(await readdir(folder)).includes('other'));
    off.child.kill('SIGTERM');
    assert.doesNotMatch((await off.outcome).output.toString(), /HTTP/);
  });

  it('serve --log-format json says each event in one object a line, and no secret in any', async () => {
    const key = 'c0ffee'.repeat(11).slice(0, 64);
    await writeFile(join(folder, 'cluster.key'), key, { mode: 0o600 });
    const words = ['--log-format', 'json', '--cluster-key-file', 'cluster.key'];
    const both = ['p0', 'p1'].map((id) => startUntil(['serve', '--id', id, ...words], /"event":"peerAlive"/));
    const [first, second] = await Promise.all(both);
    first?.child.kill('SIGTERM');
    second?.child.kill('SIGTERM');
    const { code, output, errors } = (await first?.outcome) ?? assert.fail('not started');
    assert.equal(`${code} ${errors}`, '0 ');
    const records = output
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const { time, level, event, peer, incarnation, msg, fields } of records) {
      assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000, String(time));
      assert.ok(String(event) in EVENTS, String(event));
      assert.equal(level, EVENTS[event as EventName].level);
      assert.equal(peer, 'p0');
      assert.ok(event === 'networkFault' || Number(incarnation) > 0, String(event)); // one may come before it is drawn
      assert.ok(typeof msg === 'string' && msg !== '' && typeof fields === 'object');
    }
    const ready = records.find(({ event }) => event === 'ready');
    assert.match(String(ready?.['msg']), /^ready p0 127\.0\.0\.1:\d+, Redis clients /);
    const alive = records.find(({ event }) => event === 'peerAlive');
    assert.deepEqual([alive?.['msg'], alive?.['fields']], ['p1 is alive', { peer: 'p1' }]);
    assert.ok(!output.toString().includes(key.slice(0, 16)));
  });

  it('serve counts a signal that is delivered twice once', async () => {
    const { child, outcome } = await startUntil(['serve', '--id', 'p0'], /^ready /m);
    child.kill('SIGINT');
    child.kill('SIGTERM');
    assert.equal((await outcome).code, 0);
  });

  it('serve reads servers.txt again on SIGHUP, and goes on', async () => {
    const { child, outcome } = await startUntil(['serve', '--id', 'p0', '--bootstrap'], /^ready /m);
    await writeFile(
      join(folder, 'servers.txt'),
      `p0 127.0.0.1 ${ports[0]}\np1 127.0.0.1 ${ports[1]}\np2 127.0.0.1 7499\n`,
    );
    const told = new Promise<void>((resolve) => {
      child.stdout?.on('data', (chunk) => {
        if (String(chunk).includes('p2 admitted')) resolve();
      });
    });
    child.kill('SIGHUP');
    const ended = outcome.then(({ code }) => assert.fail(`ended with ${code ?? 'a signal'}`));
    await Promise.race([told, ended]);
    ended.catch(() => undefined);
    const { output, errors } = await runCommand(['set', 'a', '1', ...servers], folder);
    assert.equal(`${output.toString()}${errors}`, 'OK\n');
    child.kill('SIGTERM');
    assert.equal((await outcome).code, 0);
  });

  it('serve goes on when nobody reads its output', async () => {
    const { child, outcome } = await startUntil(['serve', '--id', 'p0'], /^ready /m);
    child.stdout?.destroy();
    child.stderr?.destroy();
    const other = await startUntil(['serve', '--id', 'p1'], /^ready /m);
    await untilStatus(/^p0 +alive .* p1 /m); // which p0 has tried to say
    assert.equal((await runCommand(['set', 'a', '1', ...servers], folder)).output.toString(), 'OK\n');
    for (const one of [child, other.child]) one.kill('SIGTERM');
    assert.equal((await outcome).code, 0);
  });

  it('serve on a peer port that is taken is refused, with nothing written', async () => {
    await startUntil(['serve', '--id', 'p0'], /^ready /m);
    const dataDirectory = join(folder, 'other');
    const twin = await runCommand(
      [
        'serve',
        '--id',
        'p0',
        '--data-directory',
        dataDirectory,
        '--client-port',
        String((ports[1] ?? 0) - 1000),
        ...shared,
      ],
      folder,
    );
    assert.equal(twin.code, 1);
    assert.match(
      twin.errors,
      /^toposphere: cannot listen on (?:UDP|TCP) 127\.0\.0\.1:\d+: another process uses this port;.*$/m,
    );
    assert.ok(!(await readdir(folder)).includes('other'));
  });

  it('up starts every peer, waits until they hear each other, and stops them all', async () => {
    const { child, outcome } = await startUntil(['up'], /Stop with Ctrl-C/);
    await runCommand(['set', 'a', '1', '--id', 'p0', ...servers], folder);
    const status = (await runCommand(['status', ...servers], folder)).output.toString();
    const pages = /^p1 +127\.0\.0\.1:\d+ +http:\/\/127\.0\.0\.1:\d+\/$/m;
    assert.match(status, /^p0 +alive .* p1 .*$/m);
    assert.match(status, /^p1 +alive .* p0 .*$/m);
    assert.equal((await runCommand(['get', 'a', '--id', 'p1', ...servers], folder)).output.toString(), '1\n');
    assert.equal((await runCommand(['digest', ...servers], folder)).code, 0);
    child.kill('SIGINT');
    const { code, output } = await outcome;
    assert.equal(code, 0);
    assert.match(output.toString(), pages);
    assert.match(output.toString(), /all peers stopped\n$/);
    const again = await runCommand(['status', ...servers], folder);
    assert.equal(again.code, 1, 'a peer outlived up');
  });

  it('up leaves what the file and the environment set to its children, which read it there', async () => {
    const settings = { servers: 'servers.txt', multicastPort: Number(shared.at(-1)), allowFaults: true };
    await writeFile(join(folder, 'up.json'), JSON.stringify(settings));
    shared = ['--config', 'up.json', '--keepalive-ms', '200'];
    const { child, outcome } = await startUntil(['up'], /Stop with Ctrl-C/, {
      TOPOSPHERE_DATA_DIRECTORY: 'elsewhere',
    });
    const words = await wordsOf(await pidOfChild(child.pid ?? 0, 'p1'));
    assert.deepEqual(words.slice(words.indexOf('serve')), [
      'serve',
      '--id=p1',
      '--keepalive-ms=200',
      '--config=up.json',
      '',
    ]);
    const { output, errors } = await runCommand(
      ['faults', 'heal', '--id', 'p1', '--config', 'up.json'],
      folder,
    );
    assert.equal(errors, '', output.toString()); // not allowed, unless p1 has read the file
    child.kill('SIGTERM');
    assert.equal((await outcome).code, 0);
    assert.deepEqual((await readdir(join(folder, 'elsewhere'))).filter((name) => /^p.$/.test(name)).sort(), [
      'p0',
      'p1',
    ]);
    assert.ok(!(await readdir(folder)).includes('checkpoints'));
  });

  it('up tells of a peer that dies, and the others go on', async () => {
    const { child, outcome } = await startUntil(['up'], /Stop with Ctrl-C/);
    const told = once(child.stderr ?? child, 'data');
    const { pid = 0 } = child;
    const victim = await pidOfChild(pid, 'p1');
    process.kill(victim, 'SIGKILL');
    await told;
    assert.equal(
      (await runCommand(['set', 'a', '1', '--id', 'p0', ...servers], folder)).output.toString(),
      'OK\n',
    );
    child.kill('SIGTERM');
    const { code, errors } = await outcome;
    assert.match(
      errors,
      /^toposphere: p1 ended \(SIGKILL\); the others go on\. Start it again with: toposphere serve --id=p1 /m,
    );
    assert.equal(code, 0);
  });

  it('the peers stop when up is killed', async () => {
    const { child, outcome } = await startUntil(['up'], /Stop with Ctrl-C/);
    child.kill('SIGKILL');
    await outcome;
    await untilStatus(/^p0 +unreachable[^]*^p1 +unreachable/m);
  });
});

async function wordsOf(pid: number | string): Promise<readonly string[]> {
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
}

/** The process that `up` started for one id, found among its children. */
async function pidOfChild(parent: number, id: string): Promise<number> {
  const children = await readFile(`/proc/${parent}/task/${parent}/children`, 'utf8');
  for (const pid of children.trim().split(' ')) {
    const words = await wordsOf(pid);
    if (words.includes(`--id=${id}`)) return Number(pid);
  }
  return assert.fail(`no process for ${id}`);
}
