/**
 * The commands as users run them: what is asked of the peer, what is printed, the exit code.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPeerPorts } from '../ports.ts';
import { array, bulk, mapAnswer, startFakePeer } from './fakePeer.ts';
import type { Answer, FakePeer } from './fakePeer.ts';
import { runCommand, startCommand } from './runCommand.ts';

describe('the command line', function () {
  // Each command is a process of its own; several at a time share this machine with other tests.
  this.timeout(60_000);
  let folder = '';
  const open: { close(): Promise<void> }[] = [];
  const start = async (answer: Answer): Promise<FakePeer> => {
    const peer = await startFakePeer(answer);
    open.push(peer);
    return peer;
  };
  const at = (peer: FakePeer): readonly string[] => ['--peer', `127.0.0.1:${peer.port}`];
  const file = async (name: string, bytes: string | Buffer): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, bytes);
    return path;
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-cli-'));
  });
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
    await rm(folder, { recursive: true });
  });

  /** Fails unless the command was refused with lines that match, printed nothing and ended with 1. */
  async function assertRefused(words: readonly string[], ...lines: readonly RegExp[]): Promise<void> {
    const { code, output, errors } = await runCommand(words, folder);
    const seen = errors.trimEnd().split('\n');
    assert.equal(seen.length, lines.length, errors);
    for (const [index, line] of lines.entries()) {
      assert.match(seen[index] ?? '', line);
      assert.match(seen[index] ?? '', /^toposphere: /);
    }
    assert.equal(output.toString(), '');
    assert.equal(code, 1);
  }

  it('get prints a value quoted, and its bytes with --raw', async () => {
    const value = Buffer.from([0, 255, 13, 10]);
    const peer = await start(mapAnswer(new Map([['a b', value]])));
    assert.deepEqual(await runCommand(['get', 'a b', ...at(peer)]), {
      code: 0,
      output: Buffer.from('"\\x00\\xff\\r\\n"\n'),
      errors: '',
    });
    assert.deepEqual((await runCommand(['get', 'a b', '--raw', ...at(peer)])).output, value);
    await assertRefused(['get', 'none', ...at(peer)], /no value at key none$/);
  });

  it('set takes the value as text or from a file, byte for byte', async () => {
    const entries = new Map<string, Buffer>();
    const peer = await start(mapAnswer(entries));
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    assert.equal((await runCommand(['set', 'n', '007', ...at(peer)])).output.toString(), 'OK\n');
    await runCommand(['set', 'e', '', ...at(peer)]);
    await runCommand(['set', 'f', '--file', await file('value', bytes), ...at(peer)]);
    await runCommand(['set', ...at(peer), '--', '-k', '--peer']);
    assert.deepEqual(Object.fromEntries(entries), {
      n: Buffer.from('007'),
      e: Buffer.alloc(0),
      f: bytes,
      '-k': Buffer.from('--peer'),
    });
    await assertRefused(['set', 'n', ...at(peer)], /one value/);
    await assertRefused(['set', 'n', '1', '--file', 'x', ...at(peer)], /one value/);
    await assertRefused(
      ['set', 'n', '--file', 'x', ...at(peer)],
      /x cannot be read \(ENOENT\); nothing was set$/,
    );
  });

  it('del sends every key and prints how many had a value', async () => {
    const peer = await start(
      mapAnswer(
        new Map([
          ['a', Buffer.from('1')],
          ['b c', Buffer.from('2')],
        ]),
      ),
    );
    assert.equal((await runCommand(['del', 'a', 'b c', 'none', ...at(peer)])).output.toString(), '2\n');
    assert.deepEqual(peer.requests, [['DEL', 'a', 'b c', 'none']]);
  });

  it('range pages through everything in order, from any key, up to a limit', async () => {
    const entries = new Map(
      Array.from({ length: 250 }, (_, index) => [`k${1000 + index}`, Buffer.from(`${index}`)] as const),
    );
    const peer = await start(mapAnswer(new Map([...entries, ['other', Buffer.from('x')]])));
    const lines = async (...words: string[]): Promise<string[]> =>
      (await runCommand(['range', ...words, ...at(peer)])).output.toString().trimEnd().split('\n');
    assert.deepEqual(
      await lines('k'),
      Array.from(entries, ([key, value]) => `${key} ${value.toString()}`),
    );
    assert.equal(peer.requests.length, 3);
    assert.deepEqual(await lines('k', '--after', 'k1247', '--keys'), ['k1248', 'k1249']);
    assert.deepEqual(await lines('k', '--limit', '101', '--keys'), [...entries.keys()].slice(0, 101));
    for (const limit of ['abc', '0', '-1', '1.5'])
      await assertRefused(['range', `--limit=${limit}`, ...at(peer)], /--limit is '/);
  });

  it('watch prints changes until it is told to stop', async () => {
    const change = (...words: (string | undefined)[]): Buffer => array(bulk('change'), ...words.map(bulk));
    const peer = await start((_, socket) => {
      setImmediate(() => {
        socket.write(
          Buffer.concat([
            change('a', undefined, '1'),
            change('a', '1', 'x y'),
            change('a', 'x y', undefined),
          ]),
        );
      });
      return '+OK\r\n';
    });
    const { child, outcome } = startCommand(['watch', 'a', ...at(peer)]);
    let seen = '';
    child.stdout?.on('data', (bytes: Buffer) => {
      seen += bytes.toString();
      if (seen.includes('del')) child.kill('SIGTERM');
    });
    assert.deepEqual(await outcome, {
      code: 0,
      output: Buffer.from('set a 1\nset a "x y" (was 1)\ndel a (was "x y")\n'),
      errors: '',
    });
    assert.deepEqual(peer.requests, [['TOPOSPHERE', 'WATCH', 'a']]);
  });

  it('watch fails when the peer goes away', async () => {
    const peer = await start((_, socket) => {
      setImmediate(() => socket.end());
      return '+OK\r\n';
    });
    await assertRefused(['watch', ...at(peer)], /closed the connection$/);
  });

  it('faults passes its words on to one peer, and tells when it refuses', async () => {
    const peer = await start((words) =>
      words[2]?.toString() === 'cut' ? '+cut beta\r\n' : '-ERR faults are not allowed\r\n',
    );
    const told = await runCommand(['faults', 'cut', 'beta', 'gamma', ...at(peer)]);
    assert.match(told.output.toString(), /^127\.0\.0\.1:\d+: cut beta\n$/);
    assert.deepEqual(peer.requests, [['TOPOSPHERE', 'FAULTS', 'cut', 'beta', 'gamma']]);
    await assertRefused(['faults', 'heal', ...at(peer)], /faults are not allowed$/);
    await assertRefused(['faults', 'break', ...at(peer)], /Given: "break"/);
  });

  describe('with several peers in servers.txt', () => {
    /** A servers.txt whose client ports are those of the fake peers (peer port = client port + 1000). */
    const listed = async (peers: readonly FakePeer[]): Promise<string> =>
      file('servers.txt', peers.map(({ port }, index) => `p${index} 127.0.0.1 ${port + 1000}\n`).join(''));

    it('asks the first line, or the one that --id names', async () => {
      const peers = [
        await start(mapAnswer(new Map([['a', Buffer.from('0')]]))),
        await start(mapAnswer(new Map([['a', Buffer.from('1')]]))),
      ];
      const servers = await listed(peers);
      assert.equal((await runCommand(['get', 'a', '--servers', servers])).output.toString(), '0\n');
      assert.equal(
        (await runCommand(['get', 'a', '--servers', servers, '--id', 'p1'])).output.toString(),
        '1\n',
      );
      await assertRefused(
        ['get', 'a', '--servers', servers, '--id', 'p7'],
        /has no peer 'p7'; it lists p0, p1$/,
      );
      await assertRefused(
        ['get', 'a', '--servers', servers, '--id', 'p1', '--peer', 'a:1'],
        /mutually exclusive/,
      );
    });

    it('status shows those that answer and those that do not; --json says everything', async () => {
      const gone = await start(() => undefined);
      await gone.close();
      const alive = await start(() => bulk('{"id":"p0","keys":5,"lagUpdates":0,"members":[],"more":[1]}'));
      const servers = await listed([alive, gone]);
      const table = await runCommand(['status', '--servers', servers]);
      assert.equal(table.code, 0);
      assert.match(table.output.toString(), /^peer .*\np0 +alive +5 +0 +.*\np1 +unreachable +-.*\n$/);
      assert.match(table.errors, /^toposphere: cannot reach a peer at .*\n$/);
      const json: unknown = JSON.parse(
        (await runCommand(['status', '--json', '--servers', servers])).output.toString(),
      );
      assert.match(
        JSON.stringify(json),
        /^\[{"peer":"p0","status":{"id":"p0".*"more":\[1\]}},{"peer":"p1","unreachable":"cannot reach/,
      );
      const none = await runCommand(['status', '--servers', servers, '--id', 'p1']);
      assert.equal(none.code, 1);
      assert.match(none.errors, /^toposphere: cannot reach a peer at .*\n$/);
    });

    it('wait-ready returns when all have caught up, and says what the others do when it gives up', async () => {
      const saying = (status: object): Answer => {
        return () => bulk(JSON.stringify(status));
      };
      const late = { phase: 'joining', joining: { bytes: 3 * 2 ** 20 } };
      let asked = 0;
      const [ready, becoming, lacking, joining, silent] = [
        await start(saying({ phase: 'member', caughtUp: true })),
        await start(() =>
          bulk(JSON.stringify((asked += 1) < 3 ? late : { phase: 'member', caughtUp: true })),
        ),
        await start(saying({ phase: 'member', caughtUp: false, lagUpdates: 7 })),
        await start(saying(late)),
        await start(() => undefined),
      ];
      await silent.close();
      const soon = await runCommand(['wait-ready', '--servers', await listed([ready, becoming])]);
      assert.deepEqual([soon.code, soon.output.toString()], [0, 'ready: p0, p1\n']);
      assert.equal(asked, 3);
      const all = await listed([ready, lacking, joining, silent]);
      await assertRefused(
        ['wait-ready', '--seconds', '0.5', '--servers', all],
        /not ready after 0.5 s: p1 lacks 7 updates, p2 joining \[.*\] 3.0 MiB, p3 does not answer$/,
      );
      await assertRefused(['wait-ready', '--seconds', '0', '--servers', all], /above 0$/);
    });

    describe('forget', () => {
      const knowing = (said: string): Answer => {
        return (words) => (words[3]?.toString() === 'YES' ? '+OK\r\n' : bulk(`p9 ${said}`));
      };

      it('asks the peers in turn until one answers, says which, and tells that one', async () => {
        const gone = await start(() => undefined);
        await gone.close();
        const [silent, knows, late] = [
          await start(() => undefined),
          await start(knowing('is far behind')),
          await start(knowing('is not asked')),
        ];
        const servers = await listed([gone, silent, knows, late]);
        const asked = await runCommand(['forget', 'p9', '--servers', servers]);
        assert.equal(
          asked.output.toString(),
          'p2: p9 is far behind\nNothing was done. To forget it: toposphere forget p9 --yes\n',
        );
        assert.match(
          asked.errors,
          /^toposphere: p0: cannot reach .*\ntoposphere: p1: .* did not answer .*\n$/,
        );
        assert.equal(asked.code, 0);
        const done = await runCommand(['forget', 'p9', '--yes', '--servers', servers]);
        assert.match(
          done.output.toString(),
          /\np2 was told and tells the others: p9 is forgotten; take its line/,
        );
        assert.deepEqual(knows.requests, [
          ['TOPOSPHERE', 'FORGET', 'p9'],
          ['TOPOSPHERE', 'FORGET', 'p9'],
          ['TOPOSPHERE', 'FORGET', 'p9', 'YES'],
        ]);
        assert.deepEqual(late.requests, []);
      });

      it('takes a no for an answer, and never asks the one to be forgotten', async () => {
        const [first, refuses] = [await start(knowing('')), await start(() => '-ERR p0 is no member\r\n')];
        const servers = await listed([first, refuses]);
        await assertRefused(['forget', 'p0', '--servers', servers], /answered: ERR p0 is no member$/);
        assert.deepEqual(first.requests, []);
      });

      it('fails with every reason when nobody answers', async () => {
        const [first, second] = [await start(() => undefined), await start(() => undefined)];
        const servers = await listed([first, second]);
        await Promise.all([first.close(), second.close()]);
        await assertRefused(['forget', 'p9', '--servers', servers], /p0: cannot/, /p1: cannot/);
      });
    });

    it('bootstrap says what the peer knows of the others, and is done only with --yes', async () => {
      const peer = await start((words) =>
        words[2]?.toString() === 'YES' ? '+OK\r\n' : bulk('p0 has to join first\np1 was last heard 5 s ago'),
      );
      const servers = await listed([peer]);
      const words = ['bootstrap', '--servers', servers];
      await assertRefused(words, /say which peer: --id or --peer/);
      const asked = await runCommand([...words, '--id', 'p0']);
      assert.equal(
        asked.output.toString(),
        'p0 has to join first\np1 was last heard 5 s ago\n' +
          'Nothing was done. To do it: toposphere bootstrap --id p0 --yes\n',
      );
      assert.deepEqual(peer.requests, [['TOPOSPHERE', 'BOOTSTRAP']]);
      const done = await runCommand([...words, '--id', 'p0', '--yes']);
      assert.match(done.output.toString(), /\np0 takes part\n$/);
      assert.deepEqual(peer.requests.slice(1), [
        ['TOPOSPHERE', 'BOOTSTRAP'],
        ['TOPOSPHERE', 'BOOTSTRAP', 'YES'],
      ]);
    });

    it('digest succeeds when all are equal, and fails when they differ or one is silent', async () => {
      const digest =
        (text: string): Answer =>
        () =>
          array(bulk(text), ':3\r\n', ':1\r\n');
      const [one, same, other] = [
        await start(digest('aa')),
        await start(digest('aa')),
        await start(digest('bb')),
      ];
      const equal = await runCommand(['digest', '--servers', await listed([one, same])]);
      assert.equal(
        equal.output.toString(),
        'peer  digest  visible  tombstones\np0    aa      3        1\np1    aa      3        1\n',
      );
      assert.equal(equal.code, 0);
      const differing = await runCommand(['digest', '--servers', await listed([one, other])]);
      assert.deepEqual(
        [differing.code, differing.errors],
        [1, 'toposphere: the digests differ: not converged yet, or still being written\n'],
      );
      await other.close();
      assert.equal((await runCommand(['digest', '--servers', await listed([one, other])])).code, 1);
    });
  });

  it('refuses what it does not know, in one line', async () => {
    await assertRefused([], /no command given/);
    await assertRefused(['bogus'], /bogus/);
    await assertRefused(['get'], /Not enough/);
    await assertRefused(['get', 'a', 'b'], /Unknown argument: b/);
    await assertRefused(['get', 'a', '--bogus'], /Unknown argument: bogus/);
    await assertRefused(['get', 'a', '--peer'], /Not enough arguments following: peer/);
    await assertRefused(['get', 'a', '--id', 'x', '--id', 'y'], /--id was given 2 times; give it once$/);
    await assertRefused(['get', 'a', '--servers', 'none.txt'], /none\.txt: cannot be read \(ENOENT\)/);
  });

  describe('a start that is refused', () => {
    const both = ['serve', 'up'] as const;

    for (const command of both) {
      it(`${command}: wrong servers.txt, all faults, a line each, nothing written`, async () => {
        const servers = await file('servers.txt', 'a 127.0.0.1 99999\na 127.0.0.1 7401\n');
        await assertRefused(
          [command, '--servers', servers],
          /:1: bad port '99999'/,
          /:2: duplicate id 'a', already on line 1/,
        );
        await assertRefused([command, '--servers', folder], /cannot be read \(EISDIR\)/);
        await assertRefused([command, '--servers', 'none.txt'], /cannot be read \(ENOENT\)/);
        assert.deepEqual(await readdir(folder), ['servers.txt']);
      });

      it(`${command}: wrong settings, nothing written`, async () => {
        const servers = await file('servers.txt', 'a 127.0.0.1 7401\n');
        await assertRefused(
          [command, '--servers', servers, '--keepalive-ms', 'abc', '--clock-offset-ms', '5'],
          /--keepalive-ms is 'abc', not a whole number/,
          /rehearsed fault/,
        );
        await assertRefused([command, '--servers', servers, '--prot', '1'], /Unknown argument: prot/);
        assert.deepEqual(await readdir(folder), ['servers.txt']);
      });

      it(`${command}: a taken client port, nothing written`, async () => {
        const taken = createServer();
        const [peerPort = 0] = await findPeerPorts(1);
        const port = peerPort - 1000;
        await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', resolve));
        open.push({
          close: () =>
            new Promise((closed) =>
              taken.close(() => {
                closed();
              }),
            ),
        });
        const servers = await file('servers.txt', `a 127.0.0.1 ${peerPort}\n`);
        await assertRefused(
          [command, '--servers', servers],
          new RegExp(`cannot listen on TCP 127\\.0\\.0\\.1:${port}: another process`),
        );
        assert.deepEqual(await readdir(folder), ['servers.txt']);
      });
    }

    it('serve: an unknown own address, or several, nothing written', async () => {
      const elsewhere = await file('servers.txt', 'a 192.0.2.1 7401\n');
      const { code, errors } = await runCommand(['serve', '--servers', elsewhere], folder);
      assert.equal(code, 1);
      assert.match(errors, /no line has an address of this machine/);
      const two = await file('servers.txt', 'a 127.0.0.1 7401\nb 127.0.0.1 7402\n');
      await assertRefused(['serve', '--servers', two], /say which one with --id$/);
      await assertRefused(
        ['serve', '--servers', two, '--id', 'c'],
        /no line with id 'c'; it lists a 127\.0\.0\.1, b 127\.0\.0\.1$/,
      );
      assert.deepEqual(await readdir(folder), ['servers.txt']);
    });

    it('up: nobody lives here', async () => {
      await assertRefused(
        ['up', '--servers', await file('servers.txt', 'a 192.0.2.1 7401\n')],
        /has no line on 127\.0\.0\.1 or ::1; start this machine's peer with: toposphere serve$/,
      );
    });
  });
});
