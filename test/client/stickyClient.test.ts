/**
 * The sticky client against peers that answer as told: what is sent, in which order, what is sent again and what never, and what the application hears.
 */
import assert from 'node:assert/strict';
import { ToposphereError } from '../../src/core/errors.ts';
import { StickyClient } from '../../src/client/index.ts';
import type { ErrorCode, StickyClientOptions } from '../../src/client/index.ts';
import { OTHER_CERTIFICATE, PEER_KEY } from '../server/certificates.ts';
import { waitUntil } from '../sockets/waiting.ts';
import { startScriptedPeer } from './scriptedPeer.ts';
import type { Script, ScriptedPeer } from './scriptedPeer.ts';

const BEGIN = 'TOPOSPHERE SESSION BEGIN WAIT';
const TOKEN = 'TOPOSPHERE SESSION TOKEN';

describe('the sticky client', () => {
  const releases: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    for (const release of releases.splice(0).reverse()) await release();
  });

  async function peer(name: string, script?: Script): Promise<ScriptedPeer> {
    const started = await startScriptedPeer(name, script);
    releases.push(() => started.close());
    return started;
  }

  /** A client that is at the first of these peers. */
  async function connect(
    peers: readonly ScriptedPeer[],
    options: StickyClientOptions = {},
  ): Promise<StickyClient> {
    const addresses = peers.map(({ address }) => address);
    for (let affinity = 0; ; affinity += 1) {
      const client = await StickyClient.connect({
        peers: addresses,
        affinity: `${affinity}`,
        staggerMs: 10_000,
        ...options,
      });
      if (client.peer === addresses[0]) {
        releases.push(() => client.close());
        return client;
      }
      await client.close();
    }
  }

  const rejects = (attempt: Promise<unknown>, code: ErrorCode, message = /./): Promise<void> =>
    assert.rejects(attempt, (error: { code?: string; message: string }) => {
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      return true;
    });

  const since = (peer: ScriptedPeer, count: number): readonly string[] => peer.asked().slice(count);

  it('gives the password of the user that it names, and refuses what does not go together', async () => {
    const hellos: string[] = [];
    const only = await peer('only', (words) => {
      if (words.startsWith('HELLO')) hellos.push(words);
      return 'ordinary';
    });
    await connect([only], { username: 'shop', password: 'shop-horse' });
    assert.ok(
      hellos.length > 0 && hellos.every((words) => words.includes('AUTH shop shop-horse')),
      hellos.join(),
    );
    const refused = async (options: StickyClientOptions, message: RegExp): Promise<void> =>
      rejects(StickyClient.connect(options), 'BAD_ARGUMENT', message);
    const peers = [only.address];
    await refused({ peers, username: 'shop' }, /^username needs the password/);
    await refused(
      { servers: 'servers.txt', tls: true },
      /^over TLS the peers of a servers\.txt .* say tlsPort/,
    );
    await refused({ peers, tls: true, tlsPort: 6501 }, /^tlsPort is for servers and tls together/);
    await refused({ servers: 'servers.txt', tls: true, tlsPort: 0 }, /^tlsPort is 0; give a whole number/);
    await refused({ peers, tls: { key: PEER_KEY } }, /^tls\.cert needs tls\.key/);
    await refused(
      { peers, tls: { ca: 'ca.crt' } },
      /cannot be used \(ERR_OSSL_PEM_NO_START_LINE\); give PEM/,
    );
    await refused({ peers, tls: { cert: OTHER_CERTIFICATE, key: PEER_KEY } }, /cannot be used .*; give PEM/);
  });

  it('asks for one token behind all operations of a turn, and has it when they resolve', async () => {
    const only = await peer('only');
    const client = await connect([only]);
    const before = only.asked().length;
    await Promise.all([client.set('a', '1'), client.get('a'), client.delete('b')]);
    assert.deepEqual(since(only, before), ['SET a 1', 'GET a', 'DEL b', TOKEN]);
    assert.equal(client.session.token, 'only.3');
  });

  it('resolves nothing before the token has come; then reads go to the next peer with the last token, and writes are in doubt', async () => {
    const [one, two] = [await peer('one'), await peer('two')];
    const client = await connect([one, two]);
    await client.set('seen', '1');
    const { token } = client.session;
    one.script = (words) => (/^HELLO|TOKEN$/.test(words) ? 'close' : 'ordinary');
    const [read, written] = [client.getText('k'), client.set('k', 'v')];
    await rejects(written, 'MAYBE_APPLIED', /acknowledged it/);
    assert.equal(await read, "two's");
    const asked = two.asked();
    assert.ok(
      asked.some((words) => words.startsWith(BEGIN) && words.endsWith(` ${token}`)),
      asked.join('; '),
    );
    assert.ok(!asked.some((words) => words.startsWith('SET')), asked.join('; '));
  });

  it('never sends a write again whose peer went without an answer', async () => {
    const [one, two] = [await peer('one'), await peer('two')];
    const client = await connect([one, two]);
    one.script = (words) => (/^(?:SET|HELLO)/.test(words) ? 'close' : 'ordinary');
    await rejects(client.set('k', 'v'), 'MAYBE_APPLIED', new RegExp(`${one.address} was sent SET`));
    await client.set('k', 'w');
    assert.deepEqual(
      two.asked().filter((words) => words.startsWith('SET')),
      ['SET k w'],
    );
  });

  it('takes a write elsewhere that was refused unchanged', async () => {
    const [one, two] = [await peer('one'), await peer('two')];
    const client = await connect([one, two]);
    for (const refusal of [
      'LOADING it joins',
      'DISKFULL no room',
      'FORGOTTEN for good',
      'BEHIND begin again',
    ]) {
      const [here, there] = client.peer === one.address ? [one, two] : [two, one];
      here.script = (words) => (words.startsWith('SET') ? `-${refusal}\r\n` : 'ordinary');
      there.script = () => 'ordinary';
      await client.set('k', refusal);
      assert.equal(client.peer, there.address);
    }
    assert.equal(client.stats().retries, 4);
  });

  it('does not take a refused write elsewhere behind a later write of its key', async () => {
    const [one, two] = [await peer('one'), await peer('two')];
    const client = await connect([one, two]);
    one.script = (words) => (words === 'SET k 1' ? '-DISKFULL no room\r\n' : 'ordinary');
    const [first, second, other] = [client.set('k', '1'), client.set('k', '2'), client.set('other', '1')];
    await rejects(first, 'DISK_FULL');
    await Promise.all([second, other]);
    assert.ok(!two.asked().includes('SET k 1'));
  });

  it('goes on when the peer accepts and says nothing, asked or not', async () => {
    const [one, two] = [await peer('one'), await peer('two')];
    const client = await connect([one, two], { operationTimeoutMs: 100, heartbeatMs: 40 });
    one.script = () => undefined;
    await waitUntil('the client sees an idle peer hang', () => client.peer === two.address);
    [one.script, two.script] = [
      () => 'ordinary',
      (words) => (words.startsWith('GET') ? undefined : 'ordinary'),
    ];
    assert.equal(await client.getText('k'), "one's");
    assert.equal(client.stats().failovers, 2);
  });

  it('goes past a peer that is behind, and says so when all are', async () => {
    const behind: Script = (words) => (words.startsWith(BEGIN) ? '-BEHIND it has not all\r\n' : 'ordinary');
    const [one, two] = [await peer('one', behind), await peer('two')];
    const peers = [one.address, two.address];
    const client = await StickyClient.connect({ peers });
    assert.equal(client.peer, two.address);
    await client.close();
    two.script = behind;
    await rejects(
      StickyClient.connect({ peers, deadlineMs: 1_000 }),
      'BEHIND',
      /127.*it has not all.*127.*it has not all/,
    );
    two.script = (words) => (words.startsWith(BEGIN) ? '-UNDECIDED gamma is away\r\n' : 'ordinary');
    await rejects(StickyClient.connect({ peers, deadlineMs: 1_000 }), 'UNDECIDED', /gamma is away/);
  });

  it('tells of a loss once, sends nothing of what waited for it, and goes on with what the peer made of the session', async () => {
    const [one, two] = [await peer('one'), await peer('two')];
    const client = await connect([one, two]);
    await client.set('k', 'v');
    let tells = 1;
    two.script = (words) => (words.startsWith(BEGIN) && tells-- > 0 ? '-LOSTWRITE of "k"\r\n' : 'ordinary');
    await one.close();
    await waitUntil('the next peer', () => client.peer === two.address);
    await Promise.all([
      rejects(client.get('k'), 'LOST_WRITE', /of "k"/),
      rejects(client.set('k', 'w'), 'LOST_WRITE'),
    ]);
    assert.ok(!two.asked().some((words) => /^(?:GET|SET)/.test(words)));
    assert.equal(await client.getText('k'), "two's");
    const begins = two.asked().filter((words) => words.startsWith(BEGIN));
    assert.equal(
      begins.at(-1),
      begins.at(-2)?.replace(/ [^ ]*$/, ''),
      'the second beginning brings no token',
    );
  });

  it('names every peer and what was seen of it when none takes an operation', async () => {
    const [one, two] = [await peer('one'), await peer('two')];
    const client = await connect([one, two], { operationTimeoutMs: 50, heartbeatMs: 20 });
    two.script = () => undefined;
    await one.close();
    await rejects(
      client.get('k', { deadlineMs: 1_500 }),
      'NO_PEER',
      /(?:ECONNREFUSED|closed).*no answer within 50 ms/,
    );
  });

  it('says levels in front of a command, and none that the connection has anyway', async () => {
    const only = await peer('only');
    const client = await connect([only], { write: 'durable' });
    assert.ok(only.asked().includes('TOPOSPHERE ACK durable'));
    const before = only.asked().length;
    await client.set('k', 'v');
    await client.set('k', 'v', { write: 'fast', expiresInMs: 50 });
    await client.delete('k', { write: { replicated: 'majority', withinMs: 70 } });
    await client.get('k', { read: 'local' });
    await client.set('k', 'v', { write: 'linearizable' });
    await client.has('k', { read: { staleMs: 9 } });
    assert.deepEqual(
      since(only, before).filter((words) => words !== TOKEN),
      [
        'SET k v',
        'TOPOSPHERE DO ACK fast RUN SET k v PX 50',
        'TOPOSPHERE DO ACK REPLICATED MAJORITY WITHIN 70 RUN DEL k',
        'TOPOSPHERE DO READ local RUN GET k',
        'TOPOSPHERE DO READ linearizable WITHIN 1000 RUN SET k v',
        'TOPOSPHERE DO READ STALE 9 WITHIN 1000 RUN EXISTS k',
      ],
    );
  });

  it('asks again under its id what may be carried out once, and says what the peers cannot tell', async () => {
    const [one, two] = [await peer('one'), await peer('two')];
    const client = await connect([one, two]);
    one.script = (words) => (/APPEND|DEL|^HELLO/.test(words) ? 'close' : 'ordinary');
    two.script = (words) => (/AGAIN RUN DEL/.test(words) ? '-MAYBEAPPLIED no record of it\r\n' : 'ordinary');
    const [appended, deleted] = [
      client.append('log', 'x', { once: true }),
      client.delete('k', { once: true }),
    ];
    assert.equal(await appended, 1);
    await rejects(deleted, 'MAYBE_APPLIED', /no record/);
    const first = one.asked().find((words) => words.includes('APPEND')) ?? '';
    assert.match(first, /^TOPOSPHERE DO ID [\w-]{22} RUN APPEND log x$/);
    assert.ok(two.asked().includes(first.replace(' RUN', ' AGAIN RUN')), two.asked().join('; '));
    await two.close();
    await waitUntil('no peer', () => client.peer === undefined);
    assert.equal(client.stats().errors.MAYBE_APPLIED, 1);
  });

  it('does not take for replicated what the peer that it asks again cannot count the disks of', async () => {
    const [one, two] = [await peer('one'), await peer('two')];
    const client = await connect([one, two]);
    one.script = (words) => (/SET|^HELLO/.test(words) ? 'close' : 'ordinary');
    two.script = (words) => (/AGAIN RUN SET/.test(words) ? '-UNKNOWN by another process\r\n' : 'ordinary');
    const write = client.set('k', 'v', { once: true, write: { replicated: 2, withinMs: 70 } });
    await assert.rejects(write, (error) => {
      assert.ok(error instanceof ToposphereError);
      assert.deepEqual([error.code, error.changed], ['UNKNOWN', true]);
      return true;
    });
    const again = two.asked().find((words) => words.includes('AGAIN')) ?? '';
    assert.match(again, /^TOPOSPHERE DO ACK REPLICATED 2 WITHIN 70 ID [\w-]{22} AGAIN RUN SET k v$/);
    one.script = (words) =>
      /LINEARIZABLE/i.test(words) ? '-ERR ID does not go with this READ\r\n' : 'ordinary';
    two.script = one.script;
    await rejects(client.set('k', 'v', { once: true, write: 'linearizable' }), 'BAD_ARGUMENT');
  });

  it('does not say that nothing was changed of what is in doubt when no peer is left to ask', async () => {
    const [one, two] = [await peer('one'), await peer('two')];
    const client = await connect([one, two], { deadlineMs: 200 });
    await two.close();
    one.script = (words) => (/APPEND|^HELLO/.test(words) ? 'close' : 'ordinary');
    await rejects(client.append('log', 'x', { once: true }), 'MAYBE_APPLIED');
    await rejects(client.append('log', 'x', { once: true }), 'NO_PEER');
  });

  it('sends buffered writes as one pipeline, keeps them while no peer serves, and reads them meanwhile', async () => {
    const [one, two] = [await peer('one'), await peer('two')];
    const client = await connect([one, two], { buffer: { maxDelayMs: 60_000 }, deadlineMs: 10_000 });
    assert.ok(one.asked().includes('TOPOSPHERE ACK fast'));
    const before = one.asked().length;
    for (const key of ['a', 'b']) await client.set(key, '1', { expiresInMs: 60_000 });
    assert.equal(await client.getText('a'), '1');
    assert.deepEqual(since(one, before), []);
    await client.delete('a'); // behind what is buffered of its key
    assert.deepEqual(
      since(one, before).map((words) => words.replace(/ PX [0-9]+/, ' PX')),
      ['SET a 1 PX', 'SET b 1 PX', TOKEN, 'DEL a', TOKEN],
    );
    await client.set('c', '1');
    await one.close();
    two.script = (words) => (words.startsWith(BEGIN) ? '-BEHIND for now\r\n' : 'ordinary');
    await waitUntil('no peer serves', () => client.peer === undefined);
    const flushed = client.flush();
    two.script = () => 'ordinary';
    await flushed;
    assert.ok(two.asked().includes('SET c 1'));
    assert.deepEqual(Object.keys(client.stats().operations).sort(), ['delete', 'get', 'set']);
    assert.equal(client.stats().operations['set']?.count, 3);
  });

  it('reads and writes several keys in one command', async () => {
    const only = await peer('only', (words) =>
      words.startsWith('MGET') ? '*2\r\n$1\r\nx\r\n_\r\n' : 'ordinary',
    );
    const client = await connect([only]);
    assert.deepEqual(await client.getMany(['a', 'b']), [Buffer.from('x'), undefined]);
    await client.setMany(Object.entries({ a: '1', b: '2' }));
    assert.deepEqual(await client.getMany([]), []);
    await client.setMany([]);
    assert.deepEqual(
      only.asked().filter((words) => words.startsWith('M')),
      ['MGET a b', 'MSET a 1 b 2'],
    );
  });

  it('begins no session where none is wanted', async () => {
    const only = await peer('only');
    const client = await connect([only], { session: false, read: 'local' });
    assert.equal(await client.getText('k'), "only's");
    assert.deepEqual(only.asked(), ['TOPOSPHERE ACK committed', 'GET k']);
    assert.throws(() => {
      client.session.merge('x');
    }, /no session/);
  });

  it('begins again with a token that was merged, also while no peer serves', async () => {
    const only = await peer('only');
    const client = await connect([only]);
    await client.set('k', 'v');
    only.script = () => 'close';
    await waitUntil('the peer is lost', async () => {
      await client.get('k', { deadlineMs: 1 }).catch(() => undefined);
      return client.peer === undefined;
    });
    client.session.merge('other');
    only.script = () => 'ordinary';
    await client.get('k');
    assert.ok(
      only.asked().some((words) => words.endsWith(' only.1 other')),
      only.asked().join('; '),
    );
  });

  it('reports all faults of its options together', async () => {
    const wrong = { peers: ['nonsense'], servers: 'x', deadlineMs: 0, read: 'new', write: { replicated: 0 } };
    await rejects(
      StickyClient.connect(wrong as unknown as StickyClientOptions),
      'BAD_ARGUMENT',
      /either peers.*\n.*read is.*\n.*write is.*\n.*deadlineMs is 0/,
    );
    await rejects(
      StickyClient.connect({ peers: ['a:b', '[::1]:70000'] }),
      'BAD_ARGUMENT',
      /'a:b'.*\n.*70000/,
    );
  });

  it('refuses keys and values that are neither text nor bytes, and sends nothing of them', async () => {
    const only = await peer('only');
    const client = await connect([only]);
    const before = only.asked().length;
    const wrong = 5 as unknown as string;
    for (const attempt of [
      client.get(wrong),
      client.set(wrong, 'v'),
      client.set('k', wrong),
      client.delete(wrong),
    ])
      await rejects(attempt, 'BAD_ARGUMENT', /number/);
    assert.deepEqual(since(only, before), []);
  });

  it('ends when it is closed: what waits is answered before, what comes after is refused', async () => {
    const only = await peer('only');
    const client = await connect([only]);
    const last = client.getText('k');
    await Promise.all([client.close(), client.close()]);
    assert.equal(await last, "only's");
    await rejects(client.get('k'), 'CLOSED');
    await client.close();
  });
});
