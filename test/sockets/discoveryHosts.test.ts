/**
 * Three hosts without any servers.txt, each a network namespace, taken along the README's lines: found, admitted, converged; a fourth of another cluster stays out.
 *
 * Owns what an operator types and sees, and what a capture of every cable shows. The rules of announcements are test/network's, what peers on one machine do
 * discovery.test.ts's. Where no namespaces can be made it is skipped, with the reason.
 */
import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ARP, ICMP, IGMP, readEnds, TCP, UDP } from '../../tools/lan/capture.ts';
import { ensureBuilt, MAIN } from './command.ts';
import { addressOf, captureCables, onHost, takeDown, wireUp } from './hostNamespaces.ts';
import type { CableCapture } from './hostNamespaces.ts';
import { ShellHost } from './shellHost.ts';
import { report, waitUntil } from './waiting.ts';

const IDS = ['alpha', 'beta', 'gamma', 'delta'] as const;
const PORTS = { peers: '7401', clients: '6401', group: '7400', discovery: '5353' } as const;
const GROUPS = { cluster: '239.195.74.1', discovery: '224.0.0.251' } as const;
/** Of a cluster of its own, which nobody waits for. */
const ELSEWHERE = '--cluster-id elsewhere --bootstrap';

/** What the README has between backticks in the paragraph that begins with `heading`, line breaks undone. */
async function readmeCode(heading: string): Promise<readonly string[]> {
  const [, after = ''] = (await readFile('README.md', 'utf8')).split(heading);
  const [paragraph = ''] = after.split('\n**');
  return Array.from(paragraph.matchAll(/`([^`]+)`/g), ([, code = '']) => code.replaceAll('\n', ' '));
}

/** Between two hosts, or from one to a group, on the ports that are meant for it; ARP, IGMP and ICMP (nobody listens there) are the system's own. */
function isExpected(frame: string, addresses: readonly string[]): boolean {
  const { type, protocol, from, to, udp, tcp } = readEnds(frame);
  if (type === ARP) return true;
  if (!addresses.includes(from)) return false;
  if (protocol === IGMP) return true;
  if (protocol === ICMP) return addresses.includes(to);
  if (protocol === TCP)
    return addresses.includes(to) && (tcp.includes(PORTS.peers) || tcp.includes(PORTS.clients));
  if (protocol !== UDP) return false;
  const [fromPort, toPort] = udp;
  if (to === GROUPS.discovery) return toPort === PORTS.discovery;
  if (to === GROUPS.cluster) return fromPort === PORTS.peers && toPort === PORTS.group;
  return addresses.includes(to) && fromPort === PORTS.peers && toPort === PORTS.peers;
}

describe('discovery on hosts of their own', () => {
  let folder = '';
  let hosts: readonly ShellHost[] = [];
  let capture: CableCapture | undefined;
  let code: readonly string[] = [];

  before(async function () {
    this.timeout(150_000);
    ensureBuilt();
    code = await readmeCode('**Without a servers.txt**: ');
  });

  beforeEach(async function () {
    this.timeout(40_000);
    const why = await wireUp(IDS.length);
    if (why !== undefined) {
      console.log(`      skipped: ${why}`);
      this.skip();
    }
    folder = await mkdtemp(join(tmpdir(), 'toposphere-discovery-'));
    const commands = join(folder, 'bin');
    await mkdir(commands);
    await writeFile(join(commands, 'toposphere'), `#!/bin/sh\nexec node '${MAIN}' "$@"\n`, { mode: 0o755 });
    hosts = await Promise.all(
      IDS.map(async (id, index) => {
        await mkdir(join(folder, id));
        return new ShellHost(join(folder, id), commands, onHost(index));
      }),
    );
    const [first, ...others] = hosts;
    await first?.type('toposphere key generate cluster.key');
    await first?.type('(umask 077; openssl rand -hex 16 > client.password)');
    for (const secret of ['cluster.key', 'client.password'])
      for (const host of others) await cp(join(folder, 'alpha', secret), join(host.folder, secret));
    capture = await captureCables(IDS.length, join(folder, 'cables.pcapng'));
  });

  afterEach(async function () {
    if (this.currentTest?.state === 'failed') for (const host of hosts) console.log(host.log.join('\n'));
    await Promise.all(hosts.map((host) => host.end()));
    hosts = [];
    await takeDown(IDS.length);
    if (folder !== '') await rm(folder, { recursive: true, force: true });
  });

  function hostOf(id: (typeof IDS)[number]): ShellHost {
    return hosts[IDS.indexOf(id)] ?? assert.fail(id);
  }

  /** The README's line that has all of these words. */
  function line(...words: readonly string[]): string {
    const found = code.find((one) => words.every((word) => one.includes(word)));
    return found ?? assert.fail(`the README has no ${words.join(' … ')}`);
  }

  /** As the README says, each with an id of its own. */
  async function serve(id: (typeof IDS)[number], more = ''): Promise<void> {
    await hostOf(id).start(`${line('serve', '--discover').replace('--id alpha', `--id ${id}`)} ${more}`);
  }

  const at = (id: (typeof IDS)[number]): string => `--peer ${addressOf(IDS.indexOf(id))}:${PORTS.clients}`;

  async function awaitFound(expected: RegExp): Promise<void> {
    let seen = '';
    const isFound = async (): Promise<boolean> =>
      expected.test((seen = await hostOf('beta').type('toposphere discover')));
    await waitUntil(`${expected} discovered`, isFound, 30_000, () => seen);
  }

  /** Each of the three is written to, and all come to hold all of it, and nothing else. */
  async function converge(): Promise<void> {
    const three = IDS.slice(0, 3);
    await Promise.all(three.map((id) => hostOf(id).type(`toposphere wait-ready ${at(id)}`)));
    await Promise.all(three.map((id) => hostOf(id).type(`toposphere set from-${id} ${id} ${at(id)}`)));
    const writing = `toposphere discover ${line('--write')} --cluster-key-file cluster.key`;
    await hostOf('gamma').type(writing);
    const written = await readFile(join(folder, 'gamma', 'servers.txt'), 'utf8');
    const lines = written.split('\n').filter((one) => /^[^#]/.test(one));
    assert.deepEqual(
      lines,
      three.map((id, index) => `${id} ${addressOf(index)} ${PORTS.peers}`),
    );
    let said = '';
    const isEqual = async (): Promise<boolean> => {
      said = await hostOf('gamma').type('toposphere digest --servers servers.txt').catch(String); // fails while they differ
      return said.match(/^(?:alpha|beta|gamma) +[0-9a-f]{16} +3 +0$/gm)?.length === 3;
    };
    await waitUntil('equal digests over three keys', isEqual, 30_000, () => said);
    for (const id of three)
      assert.equal(
        await hostOf('gamma').type(`toposphere get from-${id} --servers servers.txt --id gamma`),
        id,
      );
  }

  /** Delta is seen, and is of nobody's cluster but its own. */
  async function assertApart(): Promise<void> {
    await awaitFound(/delta +\S+ +elsewhere/);
    const refusal = await hostOf('alpha')
      .type(`toposphere admit delta ${at('alpha')}`)
      .catch(String);
    assert.match(refusal, /delta is of cluster elsewhere.*never merge/);
    await hostOf('delta').type(`toposphere set of-delta alone ${at('delta')}`);
    const [inside, outside] = [
      await hostOf('alpha').type(`toposphere status --json ${at('alpha')}`),
      await hostOf('delta').type(`toposphere status --json ${at('delta')}`),
    ];
    assert.deepEqual(membersIn(inside), ['beta', 'gamma']);
    assert.deepEqual(membersIn(outside), []);
    const missing = await hostOf('alpha').type(`toposphere range of- ${at('alpha')}`);
    assert.doesNotMatch(missing, /of-delta/);
  }

  async function assertNothingElsewhere(): Promise<void> {
    if (capture === undefined) {
      console.log('      skipped: the capture, for tshark is missing');
      return;
    }
    const frames = await capture.end();
    const addresses = IDS.map((_, index) => addressOf(index));
    assert.ok(
      frames.some((frame) => frame.includes(`|${GROUPS.discovery}|`)),
      'discovery was seen',
    );
    assert.ok(
      frames.some((frame) => frame.includes(`|${GROUPS.cluster}|`)),
      'the group was seen',
    );
    assert.deepEqual([...new Set(frames.filter((frame) => !isExpected(frame, addresses)))], []);
    report(`${frames.length} frames on four cables, none to or from anybody else`);
  }

  it('three are found, admitted by one command each, and converge; a fourth of another cluster stays out', async () => {
    await Promise.all(['alpha', 'beta', 'gamma'].map((id) => serve(id as 'alpha')));
    await serve('delta', ELSEWHERE);
    await awaitFound(/delta .* elsewhere [^]*alpha [^]*beta [^]*gamma /);
    await hostOf('alpha').type(line('bootstrap', '--yes'));
    const admitting = line('admit beta');
    assert.match(await hostOf('alpha').type(admitting), /beta at 10\.0\.0\.2:7401 is a member now/);
    await hostOf('alpha').type(admitting.replace('beta', 'gamma'));
    await converge();
    await assertApart();
    // The file that was written serves without discovery.
    await hostOf('gamma').stop();
    const options =
      '--servers servers.txt --cluster-key-file cluster.key --client-password-file client.password';
    await hostOf('gamma').start(`toposphere serve ${options}`);
    await hostOf('gamma').type(`toposphere wait-ready ${at('gamma')}`);
    await hostOf('alpha').type(`toposphere set later still ${at('alpha')}`);
    const isThere = async (): Promise<boolean> =>
      (await hostOf('gamma')
        .type(`toposphere get later ${at('gamma')}`)
        .catch(String)) === 'still';
    await waitUntil('a later write at gamma', isThere);
    await assertNothingElsewhere();
  }).timeout(150_000);

  it('with the key and --admit-discovered they come in by themselves, and the fourth does not', async () => {
    const admitting = line('--admit-discovered');
    await serve('delta', `${admitting} ${ELSEWHERE}`);
    await Promise.all(['alpha', 'beta', 'gamma'].map((id) => serve(id as 'alpha', admitting)));
    await hostOf('alpha').type(line('bootstrap', '--yes'));
    await converge();
    await assertApart();
    await assertNothingElsewhere();
  }).timeout(120_000);
});

function membersIn(status: string): readonly string[] {
  const [peer] = JSON.parse(status) as readonly {
    readonly status?: { readonly members: readonly { readonly id: string }[] };
  }[];
  return (peer?.status?.members ?? assert.fail(status)).map(({ id }) => id).sort();
}
