/**
 * Recipes of the README that need a LAN, typed on hosts of their own: two network cards, and a switch that loses multicast.
 *
 * Network namespaces on bridges, where root allows; else skipped with the reason. What is typed is read from the README. The default route of each
 * host goes by its second card, so that whatever does not name its interface goes there, and is seen.
 */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ShellHost } from './shellHost.ts';
import { report, waitUntil } from './waiting.ts';
import { readmeRecipe, readmeStart, typedIn, WiredHosts } from './wiredHosts.ts';

const IDS = ['alpha', 'beta', 'gamma'] as const;
const LAN = { name: 'lan', network: '10.71.0' };
const OTHER = { name: 'other', network: '10.72.0' };

describe('recipes of the README on a LAN', function () {
  this.timeout(120_000);
  let folder = '';
  const lan = new WiredHosts('tl-recipes-', [LAN, OTHER]);

  beforeEach(async function () {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-recipes-'));
    const refused = await lan.wireUp(IDS.length, folder);
    if (refused === undefined) return;
    console.log(`      skipped: ${refused}`);
    this.skip();
  });

  afterEach(async function () {
    if (this.currentTest?.state === 'failed')
      for (const host of lan.hosts) console.log(host.log.slice(-30).join('\n'));
    if (process.getuid?.() === 0) await lan.takeDown();
    await rm(folder, { recursive: true, force: true });
  });

  function hostOf(index: number): ShellHost {
    return lan.hosts[index] ?? assert.fail(`no host ${index}`);
  }

  /** servers.txt, key and password on every host, as the README says. Answers the line that starts a peer. */
  async function prepare(): Promise<string> {
    const { secrets, serve } = await readmeStart();
    const lines = IDS.map((id, index) => `${id} ${lan.addressOf(index, LAN.name)} 7401\n`);
    for (const line of secrets) await hostOf(0).type(line);
    for (const { folder: home } of lan.hosts) {
      await writeFile(join(home, 'servers.txt'), lines.join(''));
      for (const secret of ['cluster.key', 'client.password'])
        if (home !== hostOf(0).folder) await cp(join(hostOf(0).folder, secret), join(home, secret));
    }
    return serve;
  }

  const tell = (index: number, words: string): Promise<string> =>
    hostOf(index).type(`toposphere ${words} --servers servers.txt`);

  /** What doctor finds; its exit code says that there is something, as with buffers that are small here. */
  const examine = (index: number, command = 'toposphere doctor'): Promise<string> =>
    hostOf(index).type(`${command} --servers servers.txt || true`);

  /** Each writes, and all have all of it. */
  async function converge(round: string): Promise<void> {
    for (const [index, id] of IDS.entries()) await tell(index, `set ${round}/${id} ${id} --id ${id}`);
    await waitUntil(`equal digests, ${round}`, () =>
      tell(0, 'digest').then(
        () => true,
        () => false,
      ),
    );
    for (const [index, id] of IDS.entries())
      assert.match(await tell(index, `range ${round}/ --id ${id}`), /alpha[^]*beta[^]*gamma/);
  }

  /** By what way peers hear each other, as `status` says. */
  async function awaitMulticast(isHeard: boolean): Promise<number> {
    let seen = '';
    return waitUntil(
      `multicast ${isHeard ? '' : 'not '}heard`,
      async () => {
        seen = await tell(0, 'status');
        const count = seen.match(/\(unicast\)/g)?.length ?? 0;
        return (
          !/!|one way/.test(seen.replace('hears (! not)', '')) &&
          count === (isHeard ? 0 : IDS.length * (IDS.length - 1))
        );
      },
      20_000,
      () => seen,
    );
  }

  function assertNoRestart(): void {
    for (const { log } of lan.hosts) assert.equal(log.filter((line) => line.startsWith('ready ')).length, 1);
  }

  it('two network cards: all goes by the one whose address servers.txt has, and the other may go', async () => {
    const recipe = await readmeRecipe('Two network cards');
    const options = typedIn(recipe);
    assert.deepEqual(options, ['--client-host ADDRESS', '--multicast-interface ADDRESS']);
    const serve = await prepare();
    await Promise.all(lan.hosts.map((host) => host.start(serve)));
    await converge('first');
    await awaitMulticast(true);
    const sent = (): Promise<readonly number[]> =>
      Promise.all(IDS.map((_, index) => lan.sentBy(index, OTHER.name)));
    assert.deepEqual(await sent(), [0, 0, 0], 'nothing by the other card');
    assert.ok((await lan.sentBy(0, LAN.name)) > 20);

    // The other network goes: its switch, then a card, then an address.
    await lan.onSwitch(`link set ${OTHER.name} down`);
    await lan.onHost(1, `link set ${OTHER.name} down`);
    await lan.onHost(2, `addr del ${lan.addressOf(2, OTHER.name)}/24 dev ${OTHER.name}`);
    await converge('second');
    await awaitMulticast(true);
    assertNoRestart();
    for (const { log } of lan.hosts)
      assert.deepEqual(
        log.filter((line) => /unavailable|dead|not heard/.test(line)),
        [],
      );
    await lan.onSwitch(`link set ${OTHER.name} up`);

    // Clients by the other card, as the recipe says; the peers' own traffic stays where it is.
    await hostOf(0).stop();
    const before = await lan.sentBy(0, OTHER.name);
    const clientHost = (options[0] ?? '').replace('ADDRESS', lan.addressOf(0, OTHER.name));
    await hostOf(0).start(`${serve} ${clientHost}`);
    await waitUntil('alpha caught up', () =>
      hostOf(0)
        .type(`toposphere get second/beta --peer ${lan.addressOf(0, OTHER.name)}:6401`)
        .then(
          (value) => value === 'beta',
          () => false,
        ),
    );
    assert.equal(await lan.sentBy(0, OTHER.name), before);
  });

  it('two network cards: an address of no card is said once, in one line, and by doctor', async () => {
    const serve = await prepare();
    const wrong = ((await readmeRecipe('Two network cards')).match(/--multicast-interface/) ?? [''])[0];
    await Promise.all([0, 1].map((index) => hostOf(index).start(serve)));
    await hostOf(2).start(`${serve} ${wrong} ${lan.addressOf(2, OTHER.name)}`);
    await converge('first');
    assert.ok((await lan.sentBy(2, OTHER.name)) > 0, 'what goes by the other card is seen here');
    assert.match(
      await examine(1),
      /gamma has joined .* on 10\.72\.0\.3.*start it with --multicast-interface 10\.71\.0\.3/,
    );

    await hostOf(0).stop();
    await hostOf(0).start(`${serve} ${wrong} 10.99.0.1`);
    await converge('second');
    const said = hostOf(0).log.filter((line) => line.includes('10.99.0.1'));
    assert.equal(said.length, 1, said.join('\n'));
    assert.match(said[0] ?? '', /no interface of this machine has that address; going on by unicast/);
    assert.match(await examine(1), /alpha has not joined the group .* on its interface 10\.99\.0\.1/);
  });

  it('a switch that loses multicast while all run: they go on by unicast and back, and doctor says what to set', async () => {
    const commands = typedIn(await readmeRecipe('A switch that loses multicast'));
    assert.deepEqual(commands, ['toposphere doctor']);
    const serve = await prepare();
    await Promise.all(lan.hosts.map((host) => host.start(serve)));
    await converge('before');
    await awaitMulticast(true);

    await lan.setMulticast(LAN.name, false);
    const awayMs = await awaitMulticast(false);
    await converge('unicast');
    const finding = await examine(0, commands[0]);
    assert.match(finding, /multicast is delivered between none of alpha, beta, gamma/);
    assert.match(
      finding,
      /turn on an IGMP querier on the switch or router of this LAN, or turn snooping off there/,
    );

    await lan.setMulticast(LAN.name, true);
    const backMs = await awaitMulticast(true);
    await converge('returned');
    assert.doesNotMatch(await examine(0), /multicast/);
    assertNoRestart();
    for (const { log } of lan.hosts)
      assert.deepEqual(
        log.filter((line) => /dead|not heard/.test(line)),
        [],
      );
    report(
      `by unicast ${Math.round(awayMs)} ms after multicast was lost, back ${Math.round(backMs)} ms after it was there`,
    );
  });
});
