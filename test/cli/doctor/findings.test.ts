/** Each finding of `toposphere doctor` from a picture that was built for it: whom it blames, what it saw, and the advice. */
import assert from 'node:assert/strict';
import { listFindings, matters } from '../../../src/cli/doctor/findings.ts';
import type { Finding, Severity } from '../../../src/cli/doctor/finding.ts';
import type { Mark } from '../../../src/cli/doctor/picture.ts';
import { giveKeys, member, NOW_MS, only, pictureOf, serversText } from './pictures.ts';
import type { Change, Said } from './pictures.ts';

const FOUR = ['alpha', 'beta', 'gamma', 'delta'];
const TWO = ['alpha', 'beta'];

function findIn(change: Change, ids: readonly string[] = FOUR): readonly Finding[] {
  return listFindings(pictureOf(ids, change));
}

/** Exactly one finding, of this kind. */
function assertOne(
  findings: readonly Finding[],
  severity: Severity,
  code: string,
  peers: readonly string[],
  seen: RegExp,
  fix: RegExp,
): void {
  assert.deepEqual(
    findings.map((finding) => [finding.severity, finding.code, finding.peers]),
    [[severity, code, peers]],
    JSON.stringify(findings, undefined, 2),
  );
  assert.match(findings[0]?.seen ?? '', seen);
  assert.match(findings[0]?.fix ?? '', fix);
}

describe('findings of a cluster', () => {
  it('are none where nothing is wrong', () => {
    for (const ids of [['alpha'], TWO, FOUR]) assert.deepEqual(findIn({}, ids), []);
  });

  it('begin with the gravest, and only notes do not matter', () => {
    const findings = findIn({
      say: (said, id) => {
        if (id === 'beta') said.examination['node'] = 'v22.0.0';
        if (id === 'gamma') said.examination.receiveBuffer['grantedBytes'] = 100_000;
        if (id === 'delta') said.status['wallMs'] = NOW_MS + 3000;
        return undefined;
      },
    });
    assert.deepEqual(
      findings.map(({ severity }) => severity),
      ['fault', 'risk', 'note'],
    );
    assert.deepEqual(findings.map(matters), [true, true, false]);
  });
});

describe('findings of machines', () => {
  const clockOf = (id: string, offsetMs: number) =>
    only(id, ({ status }) => {
      status['wallMs'] = NOW_MS + offsetMs;
    });

  it('name the clock that is off, ahead or behind, and advise chrony', () => {
    for (const [offsetMs, how] of [
      [3000, /clock of gamma is 3\.0 s ahead of the others \(limit 500 ms\)/],
      [-3000, /clock of gamma is 3\.0 s behind the others/],
    ] as const)
      assertOne(findIn(clockOf('gamma', offsetMs)), 'fault', 'clock', ['gamma'], how, /install chrony/);
    assertOne(findIn(clockOf('gamma', 300)), 'risk', 'clock', ['gamma'], /300 ms ahead/, /chrony/);
    assert.deepEqual(findIn(clockOf('gamma', 200)), []);
  });

  it('of two clocks blame the one ahead, which gives way', () => {
    assertOne(
      findIn(clockOf('alpha', 3000), TWO),
      'fault',
      'clock',
      ['alpha'],
      /ahead of that of beta/,
      /chrony/,
    );
  });

  it('do not blame a clock beyond what the round trip leaves certain', () => {
    const picture = pictureOf(FOUR, clockOf('gamma', 3000));
    const peers = picture.peers.map((peer) =>
      peer.answer === undefined ? peer : { ...peer, answer: { ...peer.answer, wallUncertainMs: 1400 } },
    );
    assert.deepEqual(listFindings({ ...picture, peers }), []);
  });

  it('give the sysctl line for a receive buffer that is too small', () => {
    const findings = findIn(
      only('beta', ({ examination: { receiveBuffer } }) => {
        receiveBuffer['grantedBytes'] = 212_992;
        receiveBuffer['systemLimitBytes'] = 212_992;
      }),
    );
    assertOne(
      findings,
      'risk',
      'receiveBuffer',
      ['beta'],
      /8\.0 MiB and was granted 208 KiB; net\.core\.rmem_max is 212992/,
      /sysctl -w net\.core\.rmem_max=8388608 /,
    );
  });

  it('tell of an interface that datagrams do not fit through', () => {
    const mtuOf = (mtuBytes: number) =>
      findIn(
        only('beta', ({ examination: { link } }) => {
          link['mtuBytes'] = mtuBytes;
        }),
      );
    assertOne(
      mtuOf(1422),
      'risk',
      'mtu',
      ['beta'],
      /eth0 .* takes packets of 1422 bytes.* up to 1423/,
      /ip link set dev eth0 mtu/,
    );
    assert.deepEqual(mtuOf(1423), []);
  });

  it('tell of a disk that is low, soon low, or filling', () => {
    const diskOf = (disk: Record<string, unknown>) =>
      findIn(only('beta', ({ examination }) => Object.assign(examination.disk, disk)));
    assertOne(
      diskOf({ freeBytes: 100e6 }),
      'fault',
      'disk',
      ['beta'],
      /95 MiB free, and 244 MiB .*refuses writes/,
      /free some space/,
    );
    assertOne(
      diskOf({ freeBytes: 400e6 }),
      'risk',
      'disk',
      ['beta'],
      /381 MiB free/,
      /before it refuses writes/,
    );
    assertOne(diskOf({ lastsMs: 7_200_000 }), 'risk', 'disk', ['beta'], /lasts 2 h/, /larger disk/);
    assert.deepEqual(diskOf({ lastsMs: 48 * 3_600_000 }), []);
    assert.deepEqual(diskOf({ freeBytes: 1, minFreeBytes: 0 }), [], 'not watched');
  });

  it('tell of a disk that is slow to make a write safe, or does not', () => {
    const flushOf = (flush: Record<string, unknown>) =>
      findIn(only('beta', ({ examination }) => void (examination.disk['flush'] = flush)));
    assertOne(
      flushOf({ count: 3, medianMs: 120, worstMs: 2500, fault: null }),
      'risk',
      'flush',
      ['beta'],
      /120 ms .*at worst 2\.5 s/,
      /iostat/,
    );
    assertOne(
      flushOf({ count: 0, medianMs: 3000, worstMs: 3000, fault: 'EROFS' }),
      'fault',
      'flush',
      ['beta'],
      /EROFS/,
      /mounted, writable/,
    );
    assert.deepEqual(flushOf({ count: 7, medianMs: 50, worstMs: 400, fault: null }), []);
  });
});

describe('findings of who is reached', () => {
  /** gamma does not answer here; `isHeard` by the others or not. */
  const silent = (client: string, stream: string, isHeard: boolean): Change => ({
    reaches: { gamma: [client, stream] },
    say: (said, id) => {
      for (const view of member(said, 'gamma')) Object.assign(view, { heard: isHeard, alive: isHeard });
      return id !== 'gamma';
    },
  });

  it('tell a peer that does not run from a machine that is gone and a port that is closed', () => {
    for (const [change, severity, seen, fix] of [
      [silent('refused', 'refused', false), 'fault', /gamma does not run/, /toposphere serve --id gamma/],
      [silent('refused', 'refused', true), 'fault', /gamma does not run/, /toposphere serve --id gamma/],
      [
        silent('silent', 'silent', false),
        'fault',
        /10\.0\.0\.3:6401 is silent .*no other peer hears it/,
        /cable.* TCP 6401 \(clients\), TCP and UDP 7401/,
      ],
      [silent('EHOSTUNREACH', 'EHOSTUNREACH', false), 'fault', /EHOSTUNREACH/, /switched on/],
      [
        silent('silent', 'open', true),
        'risk',
        /gamma runs, for alpha, beta, delta hear it/,
        /let TCP 6401 through/,
      ],
      [silent('open', 'open', false), 'fault', /does not answer as a peer/, /its log/],
    ] as const)
      assertOne(findIn(change), severity, 'unreachable', ['gamma'], seen, fix);
  });

  it('tell of peers that do not hear each other, and of one way', () => {
    const deafTo = (observer: string, id: string) => (said: Said, each: string) => {
      if (each === observer)
        for (const view of member(said, id))
          Object.assign(view, { heard: false, alive: false, multicastHeard: false });
      return undefined;
    };
    const oneWay = findIn({ say: deafTo('beta', 'delta') });
    assertOne(
      oneWay,
      'fault',
      'unheard',
      ['beta', 'delta'],
      /delta hears beta, but beta does not hear delta/,
      /let UDP 7401 on beta through/,
    );
    const both = findIn({
      say: (said, id) => {
        deafTo('beta', 'delta')(said, id);
        deafTo('delta', 'beta')(said, id);
        return undefined;
      },
    });
    assertOne(
      both,
      'fault',
      'unheard',
      ['beta', 'delta'],
      /beta and delta do not hear each other/,
      /UDP 7401 on beta and UDP 7401 on delta/,
    );
  });

  it('tell of a TCP port that another peer cannot connect to', () => {
    const findings = findIn(
      only('alpha', (said) => {
        for (const view of member(said, 'beta')) view['stream'] = 'silent';
      }),
    );
    assertOne(
      findings,
      'fault',
      'stream',
      ['alpha', 'beta'],
      /alpha cannot connect to beta: TCP 10\.0\.0\.2:7401 is silent/,
      /let TCP 7401 through to beta/,
    );
  });

  it('say once who wants a password that doctor does not have, and nothing of ports', () => {
    const refusing = (ids: readonly string[], what: 'missing' | 'wrong'): readonly Finding[] =>
      findIn({
        say: (_, id) => !ids.includes(id),
        passwordRefused: Object.fromEntries(ids.map((id) => [id, what])),
      });
    assertOne(
      refusing(FOUR, 'missing'),
      'risk',
      'clientPassword',
      FOUR,
      /^alpha, beta, gamma, delta want a client password, and doctor was given none/,
      /--client-password-file/,
    );
    assertOne(
      refusing(FOUR, 'wrong'),
      'risk',
      'clientPassword',
      FOUR,
      /have another client password than the one that doctor was given/,
      /name the file that alpha, beta, gamma, delta go by/,
    );
    assertOne(
      refusing(['gamma'], 'wrong'),
      'fault',
      'clientPassword',
      ['gamma'],
      /gamma has another client password than alpha, beta, delta/,
      /copy the client password file of the others to gamma/,
    );
  });

  it('tell of a peer that cannot be examined, and go on with the others', () => {
    assertOne(
      findIn({ unexamined: ['beta'] }),
      'risk',
      'unexamined',
      ['beta'],
      /unknown subcommand/,
      /upgrade/,
    );
  });
});

describe('findings of multicast', () => {
  /** Undelivered where `isLost(from, to)`. */
  const lost = (isLost: (from: string, to: string) => boolean): Change => ({
    say: (said, to) => {
      for (const view of said.examination.members)
        if (isLost(String(view['id']), to)) view['multicastHeard'] = false;
      return undefined;
    },
  });

  it('suspect IGMP snooping where nobody hears the group, though all joined and unicast works', () => {
    assertOne(
      findIn(lost(() => true)),
      'risk',
      'multicastBlocked',
      FOUR,
      /between none of .*unicast works.* go on by unicast/,
      /IGMP snooping.*IGMP querier.*UDP 7400/,
    );
  });

  it('blame the one peer that is deaf, mute or both', () => {
    assertOne(
      findIn(lost((_, to) => to === 'beta')),
      'risk',
      'multicastBlocked',
      ['beta'],
      /beta has joined .* hears nobody by multicast, and is heard/,
      /UDP 7400 in through the firewall/,
    );
    assertOne(
      findIn(lost((from) => from === 'beta')),
      'risk',
      'multicastBlocked',
      ['beta'],
      /is heard by nobody by multicast/,
      /UDP 7400 out/,
    );
    assertOne(
      findIn(lost((from, to) => from === 'beta' || to === 'beta')),
      'risk',
      'multicastBlocked',
      ['beta'],
      /hears nobody by multicast and is heard by nobody/,
      /IGMP querier/,
    );
  });

  it('name single pairs, and one way', () => {
    assertOne(
      findIn(
        lost((from, to) => from === 'alpha' && to === 'beta'),
        TWO,
      ),
      'risk',
      'multicastBlocked',
      TWO,
      /alpha to beta \(one way\)/,
      /firewall of beta/,
    );
    const pair = findIn(
      lost((from, to) => (from === 'alpha' && to === 'beta') || (from === 'beta' && to === 'alpha')),
    );
    assertOne(
      pair,
      'risk',
      'multicastBlocked',
      ['beta', 'alpha'],
      /between alpha and beta, although/,
      /UDP 7400/,
    );
  });

  it('tell of a peer that could not join, or joined on another interface', () => {
    const notJoined = findIn({
      say: (said, id) => {
        if (id === 'beta') said.examination.multicast['joined'] = false;
        for (const view of said.examination.members)
          if (id === 'beta' || view['id'] === 'beta') view['multicastHeard'] = false;
        return undefined;
      },
    });
    assertOne(
      notJoined,
      'risk',
      'multicastNotJoined',
      ['beta'],
      /beta has not joined the group 239\.195\.74\.1:7400 on its interface 10\.0\.0\.2/,
      /--multicast-interface/,
    );
    const elsewhere = findIn({
      say: (said, id) => {
        if (id === 'beta') said.examination.multicast['interface'] = '192.168.0.2';
        for (const view of said.examination.members)
          if (id === 'beta' || view['id'] === 'beta') view['multicastHeard'] = false;
        return undefined;
      },
    });
    assertOne(
      elsewhere,
      'risk',
      'multicastBlocked',
      ['beta'],
      /joined on 192\.168\.0\.2, and its own address is 10\.0\.0\.2/,
      /--multicast-interface 10\.0\.0\.2/,
    );
  });

  it('only note that ::1 has no multicast, and advise by the family of the interface elsewhere', () => {
    const notJoined = (host: string, ids: readonly string[]): readonly Finding[] =>
      findIn({
        say: ({ examination }, id) => {
          if (ids.includes(id)) Object.assign(examination.multicast, { interface: host, joined: false });
          for (const view of examination.members) view['multicastHeard'] = false;
          return undefined;
        },
      });
    assertOne(
      notJoined('::1', FOUR),
      'note',
      'multicastNotJoined',
      FOUR,
      /alpha, beta, gamma, delta go by unicast.*no multicast on ::1/,
      /none is needed/,
    );
    for (const [host, advice] of [
      ['fd00::1', /ip -6 addr/],
      ['10.0.0.9', /ip -4 addr/],
    ] as const)
      assert.deepEqual(
        notJoined(host, FOUR).map(({ severity, code, fix }) => [severity, code, advice.test(fix)]),
        Array(4).fill(['risk', 'multicastNotJoined', true]),
      );
  });

  it('say nothing of peers that do not hear each other at all, or are of another group', () => {
    const otherGroup = findIn({
      say: (said, id) => {
        if (id === 'beta') said.examination.shared['multicastGroup'] = '239.1.1.1';
        for (const view of said.examination.members)
          if (id === 'beta' || view['id'] === 'beta') view['multicastHeard'] = false;
        return undefined;
      },
    });
    assertOne(
      otherGroup,
      'risk',
      'settingsDiffer',
      ['beta'],
      /--multicast-group is not the same .*239\.1\.1\.1 on beta.* by unicast/,
      /start beta again with --multicast-group 239\.195\.74\.1/,
    );
  });
});

describe('findings of what should be the same', () => {
  it('name the lines in which a servers.txt differs', () => {
    const text = serversText(FOUR).replace('beta 10.0.0.2', 'beta 10.0.0.9');
    const findings = findIn(
      only('gamma', ({ examination }) => Object.assign(examination.servers, { text, fileText: text })),
    );
    assertOne(
      findings,
      'fault',
      'serversDiffer',
      ['gamma'],
      /it has 'beta 10\.0\.0\.9 7401', which servers\.txt has not, it lacks 'beta 10\.0\.0\.2 7401'/,
      /toposphere reload --id gamma/,
    );
  });

  it('tell of a file that was edited and not read again', () => {
    const fileText = `${serversText(FOUR)}omega 10.0.0.5 7401\n`;
    const findings = findIn(
      only('gamma', ({ examination }) => Object.assign(examination.servers, { fileText })),
    );
    assertOne(
      findings,
      'risk',
      'serversEdited',
      ['gamma'],
      /on gamma was edited since it was read: it has 'omega/,
      /toposphere reload --id gamma/,
    );
    const gone = findIn(
      only('gamma', ({ examination }) =>
        Object.assign(examination.servers, { fileText: null, fault: 'cannot be read (ENOENT)' }),
      ),
    );
    assertOne(gone, 'risk', 'serversUnreadable', ['gamma'], /ENOENT/, /\/etc\/servers\.txt/);
  });

  it('take the file here for the wrong one where all peers agree on another', () => {
    const findings = findIn({ localText: serversText(TWO) });
    assertOne(
      findings,
      'risk',
      'serversDiffer',
      [],
      /servers\.txt here differs from .* on all peers: it lacks 'gamma/,
      /copy theirs/,
    );
  });

  it('go by the hash where a peer does not tell its text', () => {
    const findings = findIn({
      unexamined: ['beta'],
      say: (said, id) => {
        if (id === 'beta') for (const view of member(said, 'gamma')) view['sameServers'] = false;
        return undefined;
      },
    });
    assert.deepEqual(
      findings.map(({ code }) => code),
      ['serversDiffer', 'unexamined'],
    );
  });

  it('tell of settings and versions that differ', () => {
    assertOne(
      findIn(only('gamma', ({ examination }) => void (examination.shared['maxDriftMs'] = 600))),
      'fault',
      'settingsDiffer',
      ['gamma'],
      /--max-drift-ms is not the same everywhere: 500 on alpha, beta, delta; 600 on gamma/,
      /start gamma again with --max-drift-ms 500/,
    );
    assertOne(
      findIn(only('gamma', ({ examination }) => void (examination['version'] = '1.1.0'))),
      'risk',
      'versionsDiffer',
      FOUR,
      /1\.0\.0 on alpha, beta, delta; 1\.1\.0 on gamma/,
      /newest/,
    );
    assertOne(
      findIn(only('gamma', ({ examination }) => void (examination['node'] = 'v22.0.0'))),
      'note',
      'nodeVersionsDiffer',
      FOUR,
      /v22\.0\.0 on gamma/,
      /20\.19/,
    );
  });
});

describe('findings of who refuses whom', () => {
  /** gamma and each of the others refuse each other's packets, and do not hear each other. */
  const refused = (reason: string, ids: readonly string[]): Change => ({
    say: (said, id) => {
      const strangers = id === 'gamma' ? ids.filter((other) => other !== 'gamma') : ['gamma'];
      for (const other of strangers)
        for (const view of member(said, other)) Object.assign(view, { heard: false, alive: false });
      const last = strangers[strangers.length - 1] ?? '';
      said.status.dropSources[reason] = `10.0.0.${ids.indexOf(last) + 1}:7401`;
      return undefined;
    },
  });

  it('blame the peer with the wrong key once, not every pair, and nobody else', () => {
    assertOne(
      findIn(refused('badSeal', FOUR)),
      'fault',
      'wrongKey',
      ['gamma'],
      /gamma sends is refused by .*badSeal.* another cluster key, under the same id 1/,
      /gamma: give it the same cluster key file/,
    );
    assertOne(
      findIn(refused('otherCluster', FOUR)),
      'fault',
      'otherCluster',
      ['gamma'],
      /another cluster/,
      /--cluster-id/,
    );
  });

  it('of two blame neither', () => {
    assertOne(
      findIn(refused('badSeal', ['alpha', 'gamma']), ['alpha', 'gamma']),
      'fault',
      'wrongKey',
      ['alpha', 'gamma'],
      /refuse each other's packets/,
      /the same cluster key file/,
    );
  });

  it('name two that share no version of the protocol, once, and not as a lost link', () => {
    const reads = (version: number): object => ({ lowest: version, highest: version });
    const change = ({ status, examination }: Said, id: string): undefined => {
      const others = id === 'gamma' ? FOUR.filter((other) => other !== 'gamma') : ['gamma'];
      const members = others.map((other) => [
        other,
        { reads: reads(other === 'gamma' ? 2 : 1), spoken: null },
      ]);
      status['protocol'] = {
        reads: reads(id === 'gamma' ? 2 : 1),
        toAll: 1,
        members: Object.fromEntries(members) as object,
      };
      for (const view of [...status.members, ...examination.members])
        if (others.includes(String(view['id'])))
          Object.assign(view, { alive: false, heard: false, hearsMe: false });
    };
    assertOne(
      findIn({ say: change }),
      'fault',
      'protocolVersion',
      ['alpha', 'beta', 'delta', 'gamma'],
      /in version 1 by alpha, beta, delta, and in version 2 by gamma: nothing passes between them/,
      /upgrade toposphere on alpha, beta, delta, or go back on gamma to a release that reads version 1/,
    );
  });

  it('let a refusal that is past be: the peer is heard again', () => {
    assert.deepEqual(
      findIn(only('alpha', ({ status }) => void (status.dropSources['badSeal'] = '10.0.0.3:7401'))),
      [],
    );
  });

  it('note strangers, and let what else is dropped be', () => {
    const findings = findIn(
      only('alpha', ({ status }) => {
        status.dropSources['badSeal'] = '10.0.0.77:5353';
        status.dropSources['replayed'] = '10.0.0.78:5353';
      }),
    );
    assertOne(findings, 'note', 'stranger', ['alpha'], /10\.0\.0\.77:5353 \(badSeal\)/, /none is needed/);
  });

  it('note strangers with IPv6 addresses, and none where a peer is', () => {
    const picture = pictureOf(
      TWO,
      only('alpha', ({ status }) => {
        status.dropSources['badSeal'] = '[fd00::2]:9000';
        status.dropSources['unknownKey'] = '[fd00::7]:9000';
      }),
    );
    const peers = picture.peers.map((peer, at) => ({
      ...peer,
      peers: { host: `fd00::${at + 1}`, port: 7401 },
    }));
    assertOne(
      listFindings({ ...picture, peers }),
      'note',
      'stranger',
      ['alpha'],
      /from \[fd00::7\]:9000 \(unknownKey\)/,
      /none is needed/,
    );
  });

  it('tell of a rehearsed cut once, and not of a lost link', () => {
    const findings = findIn({
      say: (said, id) => {
        if (id !== 'beta') return undefined;
        said.status.faults['cut'] = ['delta'];
        for (const view of member(said, 'delta')) Object.assign(view, { heard: false, alive: false });
        return undefined;
      },
    });
    assertOne(
      findings,
      'risk',
      'rehearsed',
      ['beta'],
      /cut off from delta/,
      /toposphere faults heal --id beta/,
    );
  });

  it('tell of peers that were started apart, each pair once', () => {
    const findings = findIn({
      say: (said, id) => {
        const other = id === 'alpha' ? 'beta' : id === 'beta' ? 'alpha' : '';
        for (const view of member(said, other)) view['apart'] = true;
        return undefined;
      },
    });
    assertOne(findings, 'fault', 'apart', TWO, /started apart/, /empty data directory/);
  });
});

describe('findings of cluster keys', () => {
  /** Peers with these keys, the sealing one first; who is not named is unchanged. */
  const keysOf = (keys: Readonly<Record<string, readonly number[]>>): Change => ({
    say: (said, id) => {
      const accepted = keys[id];
      if (accepted !== undefined) giveKeys(said, accepted);
      return undefined;
    },
  });
  const all = (accepted: readonly number[]): Record<string, readonly number[]> =>
    Object.fromEntries(FOUR.map((id) => [id, accepted]));

  it('are none without keys, or with one that is the same everywhere', () => {
    const none = findIn({
      say: ({ status, examination }) => {
        status.clusterKeys = null;
        examination.clusterKeyFile = null;
        return undefined;
      },
    });
    assert.deepEqual(none, []);
    assert.deepEqual(findIn(keysOf(all([7]))), []);
  });

  it('name the peer that lacks the key with which others seal', () => {
    assertOne(
      findIn(keysOf({ alpha: [2, 1], beta: [2, 1], gamma: [1], delta: [1, 2] })),
      'fault',
      'keyMissing',
      ['gamma'],
      /gamma does not have key 2, with which alpha, beta seal: it refuses all/,
      /copy the cluster key file of alpha to gamma \(mode 600\), then: toposphere reload --id gamma$/,
    );
  });

  it('name the peer that still seals with a key that others have retired, ids that went round included', () => {
    assertOne(
      findIn(keysOf({ alpha: [1], beta: [1], gamma: [255, 1], delta: [1, 255] })),
      'fault',
      'keyRetired',
      ['gamma'],
      /gamma still seals with key 255, which alpha, beta do not accept any more/,
      /cluster key file of alpha to gamma .*reload --id gamma$/,
    );
  });

  it('say of a peer without the key once that it is cut off, and of no refusal or lost link beside', () => {
    const found = findIn({
      say: (said, id) => {
        giveKeys(said, id === 'gamma' ? [1] : [2]);
        for (const other of id === 'gamma' ? FOUR : ['gamma'])
          for (const view of member(said, other)) Object.assign(view, { heard: false, alive: false });
        said.status.dropSources['unknownKey'] = id === 'gamma' ? '10.0.0.1:7401' : '10.0.0.3:7401';
        return undefined;
      },
    });
    assert.deepEqual(
      found.map(({ code, peers }) => [code, peers]),
      [
        ['keyMissing', ['gamma']],
        ['keyRetired', ['gamma']],
      ],
    );
  });

  it('tell of a rotation that is not finished, and what comes next', () => {
    const cases = [
      [{ ...all([1, 2]), delta: [1] }, ['delta'], /key 2 is not accepted yet by delta/, /reload --id delta$/],
      [{ ...all([2, 1]), delta: [1, 2] }, ['delta'], /key 2 does not seal yet at delta/, /copy .* delta/],
      [{ ...all([2]), delta: [2, 1] }, ['delta'], /key 1 is still accepted by delta/, /copy .* delta/],
      [all([1, 2]), [], /every peer accepts key 2, and none seals/, /^toposphere key promote/],
      [all([2, 1]), [], /every peer seals with key 2, and older/, /^toposphere key retire/],
    ] as const;
    for (const [keys, peers, seen, fix] of cases)
      assertOne(findIn(keysOf(keys)), 'risk', 'keyRotation', peers, seen, fix);
  });

  it('call no step safe while a peer did not answer, or a member was last heard under an older key', () => {
    const silent = findIn({
      say: (said, id) => {
        giveKeys(said, [2, 1]);
        return id !== 'delta';
      },
    });
    const rotation = silent.find(({ code }) => code === 'keyRotation');
    assert.match(rotation?.fix ?? '', /^promote and retire no key before delta has the key file$/);
    const unheard = findIn({
      say: (said, id) => {
        giveKeys(said, [2, 1]);
        if (id === 'alpha') Object.assign(said.status.clusterKeys?.['heard'] as object, { omega: 1 });
        return undefined;
      },
    });
    assertOne(unheard, 'risk', 'keyRotation', ['omega'], /last that omega was heard under/, /omega has the/);
  });

  it('tell of a key file that was changed and not read again, and of one that cannot be read', () => {
    const fileOf = (file: Record<string, unknown>): Change =>
      only('beta', ({ examination }) => Object.assign(examination.clusterKeyFile ?? {}, file));
    assertOne(
      findIn(fileOf({ keyIds: [1, 2] })),
      'risk',
      'keyFileEdited',
      ['beta'],
      /^\/etc\/cluster\.key on beta was changed .* it holds key 1 and, accepted, 2, and key 1 is in use$/,
      /^toposphere reload --id beta$/,
    );
    assertOne(
      findIn(fileOf({ keyIds: null, fault: 'cluster.key: key 1 is not the one that is in use' })),
      'risk',
      'keyFileUnreadable',
      ['beta'],
      /beta could not read .*key 1 is not the one/,
      /put a right \/etc\/cluster\.key back there \(mode 600\)/,
    );
    const spread = findIn({
      say: (said, id) => {
        giveKeys(said, id === 'gamma' ? [1] : [1, 2]);
        if (id === 'gamma') Object.assign(said.examination.clusterKeyFile ?? {}, { keyIds: [1, 2] });
        return undefined;
      },
    });
    assert.deepEqual(
      spread.map(({ code }) => code),
      ['keyFileEdited'],
      'that the rotation waits for it is said with that',
    );
  });
});

describe('findings of state', () => {
  it('tell of peers that do not take part yet', () => {
    const phaseOf = (phase: string) => findIn(only('beta', ({ status }) => void (status['phase'] = phase)));
    assertOne(
      phaseOf('joining'),
      'risk',
      'phase',
      ['beta'],
      /beta takes no writes until it has caught up/,
      /bootstrap --id beta/,
    );
    assertOne(phaseOf('fresh'), 'risk', 'phase', ['beta'], /beta has no data/, /--bootstrap/);
    assertOne(phaseOf('forgotten'), 'fault', 'phase', ['beta'], /beta was forgotten/, /another id/);
  });

  it('say whom collection waits for and since when, once for all that wait', () => {
    const waitOf = (sinceMs: number) =>
      findIn({
        say: ({ status }, id) => {
          if (id === 'alpha' || id === 'beta')
            Object.assign(status['collection'] as object, {
              waitingFor: ['delta'],
              waitingSinceMs: NOW_MS - sinceMs,
              waitingWhy: { delta: 'deaf' },
            });
          return undefined;
        },
      });
    assertOne(
      waitOf(60_000),
      'risk',
      'collection',
      ['delta'],
      /waits for delta since .* \(rounds of alpha, beta\): delta does not hear this peer/,
      /its log/,
    );
    assert.deepEqual(waitOf(5000), [], 'each round waits a moment');
  });

  const mark: Mark = {
    kind: 'value',
    timestamp: 2 ** 49,
    id: 'alpha',
    incarnation: 1,
    sequence: 7,
    expiresAt: 0,
    digest: '00ff00ff00ff00ff',
  };
  const differing = [
    {
      key: 'two words',
      held: new Map([
        ['alpha', mark],
        ['beta', { ...mark, kind: 'tombstone' }],
        ['gamma', undefined],
        ['delta', mark],
      ]),
    },
  ];

  it('name a key that differs, with what each peer has', () => {
    assertOne(
      findIn({ comparison: { differing } }),
      'fault',
      'keyDiffers',
      FOUR,
      /key "two words" differs .*a value of 2024-\S+ \(update 7 of alpha\/1, hash 00ff00ff\) on alpha, delta; a tombstone of .* on beta; absent on gamma/,
      /write the right value once more/,
    );
  });

  it('tell what may be on its way from what is wrong', () => {
    assertOne(
      findIn({ comparison: { unsettled: differing } }),
      'note',
      'keysOnTheWay',
      [],
      /1 key is not the same everywhere.*"two words"/,
      /ask again/,
    );
    assertOne(findIn({ comparison: { fault: 'gone' } }), 'risk', 'notCompared', [], /gone/, /ask again/);
    const more = findIn({ comparison: { differing, unseenKeys: 12_345 } });
    assert.deepEqual(
      more.map(({ code }) => code),
      ['keyDiffers', 'moreKeysDiffer'],
    );
    assert.match(more[1]?.seen ?? '', /up to 12,345 keys/);
  });
});
