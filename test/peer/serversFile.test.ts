/**
 * servers.txt: what is accepted, what is refused and in which words, and whose line is whose.
 */
import assert from 'node:assert/strict';
import { ToposphereError } from '../../src/core/errors.ts';
import {
  canonicalServersText,
  clientPortOf,
  findOwnLine,
  parseServersFile,
  readServersFile,
  resolveHosts,
} from '../../src/peer/serversFile.ts';

const FOUR = 'alpha 127.0.0.1 7401\nbeta 127.0.0.1 7402\n';

function parse(text: string): readonly string[] {
  return parseServersFile(text, 'servers.txt').servers.map(({ id, host, port }) => `${id} ${host} ${port}`);
}

/** The lines of the refusal; fails when nothing was refused. */
function faultsOf(attempt: () => unknown): readonly string[] {
  try {
    attempt();
  } catch (error) {
    assert.ok(error instanceof ToposphereError, String(error));
    assert.equal(error.code, 'BAD_CONFIGURATION');
    assert.equal(error.changed, false);
    return error.message.split('\n');
  }
  return assert.fail('nothing was refused');
}

function faultsIn(text: string): readonly string[] {
  return faultsOf(() => parse(text));
}

describe('servers.txt', () => {
  it('takes comments anywhere, blank lines, tabs, CRLF and a byte order mark', () => {
    const text =
      '\uFEFF# the shop\r\n\r\n  alpha\t127.0.0.1   7401  # till\r\nbeta 127.0.0.1 7402#back room\r\n';
    assert.deepEqual(parse(text), ['alpha 127.0.0.1 7401', 'beta 127.0.0.1 7402']);
  });

  it('takes IPv4, IPv6 and host names, and spells each in one way', () => {
    assert.deepEqual(parse('a 10.0.0.7 7401\nb ::FFFF:10.0.0.8 7401\nc Shop-1.Local 7401\n'), [
      'a 10.0.0.7 7401',
      'b 10.0.0.8 7401',
      'c shop-1.local 7401',
    ]);
    assert.deepEqual(parse('a [FD00:0:0::0007] 7401\nb ::1 7401\nc 2001:DB8::10 7401\nd shop 7401\n'), [
      'a fd00::7 7401',
      'b ::1 7401',
      'c 2001:db8::10 7401',
      'd shop 7401',
    ]);
  });

  it('remembers the line, and derives the port of Redis clients', () => {
    const { servers } = parseServersFile(`# one\n\n${FOUR}`, 'servers.txt');
    assert.deepEqual(
      servers.map((server) => [server.line, clientPortOf(server)]),
      [
        [3, 6401],
        [4, 6402],
      ],
    );
  });

  for (const port of ['2024', '64535']) {
    it(`takes port ${port}, the edge of the range`, () => {
      assert.deepEqual(parse(`a 127.0.0.1 ${port}`), [`a 127.0.0.1 ${port}`]);
    });
  }
  for (const port of ['2023', '64536', '0', '-7401', '74o1', '7401.5', '0x1ce9', '1e4', '99999999999']) {
    it(`refuses port ${port}`, () => {
      assert.match(
        faultsIn(`a 127.0.0.1 ${port}`).join('|'),
        /^servers\.txt:1: bad port '[^|]*'; use 2024 to 64535[^|]*$/,
      );
    });
  }
  for (const id of ['a/b', 'é', 'a'.repeat(33), 'a:b', 'a,b']) {
    it(`refuses id ${id}`, () => {
      assert.match(
        faultsIn(`${id} 127.0.0.1 7401`).join('|'),
        /^servers\.txt:1: bad id '[^|]*'; use 1 to 32[^|]*$/,
      );
    });
  }
  for (const host of [
    '256.1.1.1',
    '127.1',
    '010.0.0.1',
    '0.0.0.0',
    '239.1.1.1',
    '::',
    'ff02::7',
    '::ffff:239.1.1.1',
    '::ffff:0.0.0.0',
    '-a',
    'a_b',
    'a..b',
    'a/b',
    '1:2',
  ]) {
    it(`refuses host ${host}`, () => {
      assert.match(
        faultsIn(`a ${host} 7401`).join('|'),
        /^servers\.txt:1: bad host '[^|]*'; use an address[^|]*$/,
      );
    });
  }

  for (const host of ['fe80::1%eth0', '[FE80::1%2]', 'fe80::1', 'febf::1']) {
    it(`refuses the link-local ${host}, and says what to use`, () => {
      assert.equal(
        faultsIn(`a ${host} 7401`).join('|'),
        `servers.txt:1: bad host '${host}'; a link-local address means nothing on another machine; use a global or unique local one (fd00::/8), or a name`,
      );
    });
  }

  it('refuses a mixture of IPv4 and IPv6 addresses, with the lines', () => {
    assert.deepEqual(faultsIn('a shop 7401\nb 10.0.0.1 7401\nc fd00::2 7401\nd 10.0.0.3 7401\ne ::1 7401'), [
      'servers.txt:3: fd00::2 and 10.0.0.1 on line 2 are not of one kind; give all peers IPv4 addresses, or all IPv6 ones: one multicast group reaches one kind',
      'servers.txt:5: ::1 and 10.0.0.1 on line 2 are not of one kind; give all peers IPv4 addresses, or all IPv6 ones: one multicast group reaches one kind',
    ]);
  });

  it('refuses a missing and a superfluous column', () => {
    assert.match(faultsIn('a 127.0.0.1').join(), /:1: has 2 columns; write: id host port$/);
    assert.match(faultsIn('a 127.0.0.1 7401 x').join(), /:1: has 4 columns; write: id host port$/);
    assert.match(faultsIn('a # 127.0.0.1 7401').join(), /:1: has 1 column; write: id host port$/);
  });

  it('refuses a file that lists nobody', () => {
    for (const text of ['', '\n\n', '# only\n  # comments']) {
      assert.match(
        faultsIn(text).join('|'),
        /^servers\.txt: lists no peer; write one line a peer: id host port$/,
      );
    }
  });

  it('refuses an id and an address that are there twice, naming both lines, however they are spelt', () => {
    assert.deepEqual(faultsIn('a ::1 7402\na ::2 7402\nc ::1 7401\nd [0:0::1] 7401'), [
      "servers.txt:2: duplicate id 'a', already on line 1; give each peer an id of its own",
      'servers.txt:4: duplicate address [::1]:7401, already on line 3; choose another port',
    ]);
  });

  it('sees a duplicate also on a line that has another fault', () => {
    const faults = faultsIn('a 127.0.0.1 7401\na 127.0.0.1 99\nb/ 127.0.0.1 7401').join('|');
    assert.match(faults, /:2: bad port [^|]*\|[^|]*:2: duplicate id 'a'/);
    assert.match(faults, /:3: bad id [^|]*\|[^|]*:3: duplicate address 127\.0\.0\.1:7401/);
  });

  it('reports all faults together, each with its line', () => {
    const faults = faultsIn('a 127.0.0.1 1\nfine 127.0.0.1 7402\nb/ 300.1.1.1 x\nshort');
    assert.deepEqual(
      faults.map((fault) => fault.split(' ').slice(0, 3).join(' ')),
      [
        'servers.txt:1: bad port',
        'servers.txt:3: bad id',
        'servers.txt:3: bad host',
        'servers.txt:3: bad port',
        'servers.txt:4: has 1',
      ],
    );
  });

  it('cannot be read: says which file and why', async () => {
    await assert.rejects(
      readServersFile('/nonexistent/servers.txt'),
      /^ToposphereError: \/nonexistent\/servers\.txt: cannot be read \(ENOENT\)/,
    );
    await assert.rejects(readServersFile('/'), /cannot be read \(EISDIR\)/);
  });

  it('has the same canonical text for the same meaning, and another for another', () => {
    const canonical = (text: string): string => canonicalServersText(parseServersFile(text, 'x'));
    assert.equal(canonical('# c\nbeta\t127.0.0.1 7402\r\n\nalpha 127.0.0.1 7401 # c'), canonical(FOUR));
    assert.equal(canonical('a [0::1] 7401'), canonical('a ::1 7401'));
    for (const other of [
      `${FOUR}c 127.0.0.1 7403`,
      FOUR.replace('7402', '7403'),
      FOUR.replace('beta', 'Beta'),
    ]) {
      assert.notEqual(canonical(other), canonical(FOUR));
    }
  });

  it('resolves a name, and leaves one that nobody knows to later', async () => {
    const { servers } = await resolveHosts(parseServersFile('a localhost 7401\nb 10.0.0.7 7401', 'x'));
    assert.deepEqual(
      servers.map(({ host, address }) => [host, address]),
      [
        ['localhost', '127.0.0.1'],
        ['10.0.0.7', '10.0.0.7'],
      ],
    );
  });
});

describe('names in servers.txt', () => {
  const NAMES: Readonly<Record<string, readonly string[]>> = {
    both: ['fd00::1', 'fd00::9', '10.0.0.1'],
    four: ['10.0.0.2', '10.0.0.9'],
    six: ['fd00::3'],
  };
  const lookUp = async (host: string): Promise<readonly string[]> => Promise.resolve(NAMES[host] ?? []);
  const addresses = async (text: string, family?: 4 | 6): Promise<readonly string[]> =>
    (await resolveHosts(parseServersFile(text, 'x'), family, lookUp)).servers.map(({ address }) => address);
  const refusal = async (text: string, family?: 4 | 6): Promise<string> =>
    addresses(text, family).then(
      (found) => assert.fail(`not refused: ${found.join()}`),
      (error: unknown) => (error instanceof ToposphereError ? error.message : assert.fail(String(error))),
    );

  it('stand for IPv4 addresses where all have one', async () => {
    assert.deepEqual(await addresses('a both 7401\nb four 7401\nc nobody 7401'), [
      '10.0.0.1',
      '10.0.0.2',
      'nobody',
    ]);
    assert.deepEqual(await addresses('a both 7401\nb 10.0.0.7 7401'), ['10.0.0.1', '10.0.0.7']);
  });

  it('stand for IPv6 addresses where one has no other, or a line has one', async () => {
    assert.deepEqual(await addresses('a both 7401\nb six 7401'), ['fd00::1', 'fd00::3']);
    assert.deepEqual(await addresses('a fd00::7 7401\nb both 7401'), ['fd00::7', 'fd00::1']);
  });

  it('are refused where they have no family in common', async () => {
    const all = 'give all peers IPv4 addresses, or all IPv6 ones: one multicast group reaches one kind';
    assert.equal(
      await refusal('a four 7401\nb six 7401\nc both 7401'),
      `x: some peers have IPv4 addresses only (a four), others IPv6 ones only (b six); ${all}`,
    );
    assert.equal(
      await refusal('a 10.0.0.1 7401\nb six 7401'),
      `x: some peers have IPv4 addresses only (a 10.0.0.1), others IPv6 ones only (b six); ${all}`,
    );
  });

  it('keep to the family of a cluster that runs', async () => {
    assert.deepEqual(await addresses('a both 7401\nb nobody 7401', 6), ['fd00::1', 'nobody']);
    assert.equal(
      await refusal('a both 7401\nb four 7401', 6),
      'x: the peers of this cluster have IPv6 addresses, and these IPv4 ones only (b four); correct the lines, or change all and start all peers again',
    );
  });
});

describe('the own line of servers.txt', () => {
  const lan = parseServersFile('alpha 10.0.0.1 7401\nbeta 10.0.0.2 7401\n', 'servers.txt');
  const local = parseServersFile(FOUR, 'servers.txt');

  it('is the only one with an address of this machine', () => {
    assert.equal(findOwnLine(lan, ['127.0.0.1', '10.0.0.2']).id, 'beta');
  });

  it('is the one named, among several on this machine', () => {
    assert.equal(findOwnLine(local, ['127.0.0.1'], 'beta').id, 'beta');
  });

  it('is nobody on a machine with other addresses: lists both', () => {
    assert.deepEqual(
      faultsOf(() => findOwnLine(lan, ['127.0.0.1', '10.0.0.9'])),
      [
        'servers.txt: no line has an address of this machine (127.0.0.1, 10.0.0.9); it lists alpha 10.0.0.1, beta 10.0.0.2: add or correct a line',
      ],
    );
  });

  it('is ambiguous when several lines are of this machine: asks for --id', () => {
    assert.match(
      faultsOf(() => findOwnLine(local, ['127.0.0.1'])).join(),
      /alpha 127\.0\.0\.1, beta 127\.0\.0\.1\); say which one with --id$/,
    );
  });

  it('is refused when its id is not listed, or its address is of another machine', () => {
    assert.match(
      faultsOf(() => findOwnLine(lan, ['10.0.0.1'], 'omega')).join(),
      /no line with id 'omega'; it lists alpha 10\.0\.0\.1/,
    );
    assert.match(
      faultsOf(() => findOwnLine(lan, ['10.0.0.1'], 'beta')).join(),
      /address of 'beta' is 10\.0\.0\.2, and this machine has 10\.0\.0\.1/,
    );
  });
});
