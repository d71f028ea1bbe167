/**
 * Multicast DNS: what is announced is understood, what is wrong is dropped and counted, and nobody displaces what is proved.
 *
 * Records and proofs without sockets; then over 127.0.0.1, which is named as the interface, on a port of the test's own.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import fc from 'fast-check';
import openMulticastDns from 'multicast-dns';
import type { Incarnation, PeerId } from '../../src/core/types.ts';
import { buildRecords, namesOf, parseRecords, SERVICE, TTL_SECONDS } from '../../src/network/announcement.ts';
import type { Announced, Announcement, DnsRecord } from '../../src/network/announcement.ts';
import {
  checkProof,
  deriveProofKeys,
  prove,
  PROOF_WINDOW_SECONDS,
} from '../../src/network/announcementProof.ts';
import { createArrivalGate } from '../../src/network/arrivalGate.ts';
import { openDiscovery } from '../../src/network/discovery.ts';
import type { Discovery, DiscoveryOptions, Proof } from '../../src/network/discovery.ts';
import { buildFound, FoundPeers, MAX_FOUND } from '../../src/network/foundPeers.ts';
import type { Taken } from '../../src/network/foundPeers.ts';
import { findGroup } from '../ports.ts';
import { duration, waitUntil } from '../sockets/waiting.ts';

const KEY = Buffer.alloc(32, 7);
const OTHER_KEY = Buffer.alloc(32, 9);
const NOW_SECONDS = 1_796_000_000;
const ALPHA: Announcement = {
  id: 'alpha' as PeerId,
  clusterId: 'toposphere',
  host: '10.0.0.1',
  port: 7401,
  incarnation: 900_719_925_474_099 as Incarnation,
  version: '0.1.0',
  state: 'member',
  membershipHash: 0xffff_ffff,
  memberCount: 3,
  writtenAtSeconds: NOW_SECONDS,
};

/** As it arrives. */
function announced(changes: Partial<Announced> = {}, secret: Uint8Array = KEY): Announced {
  const announcement = { ...ALPHA, ...changes };
  const proof = prove(deriveProofKeys([secret]), announcement);
  return { ...announcement, proof: changes.proof ?? proof };
}

function take(peers: FoundPeers, one: Announced, trust: Proof, nowMs: number): Taken {
  return peers.take(buildFound(one, trust, nowMs), nowMs);
}

describe('announcements', () => {
  const records = (changes: Partial<Announcement> = {}): DnsRecord[] => [
    ...buildRecords({ ...ALPHA, ...changes }, 'a-proof', TTL_SECONDS),
  ];
  /** One record of alpha's, changed. */
  const changed = (type: string, change: Partial<DnsRecord>): DnsRecord[] =>
    records().map((record) => (record.type === type ? { ...record, ...change } : record));
  const texts = (...changes: readonly string[]): string[] => {
    const own = records().find(({ type }) => type === 'TXT')?.data as string[];
    const keys = changes.map((text) => text.split('=')[0]);
    return [...own.filter((text) => !keys.includes(text.split('=')[0])), ...changes];
  };

  it('are understood as they were meant, texts as bytes too, names in any case', () => {
    const asBytes = changed('TXT', { data: texts().map((text) => Buffer.from(text)) });
    for (const arrived of [
      records(),
      asBytes,
      records().map((one) => ({ ...one, name: one.name.toUpperCase() })),
    ])
      assert.deepEqual(parseRecords(arrived), {
        announced: [{ ...ALPHA, proof: 'a-proof' }],
        malformed: 0,
      });
  });

  it('have names that are one label, whatever the id, and another for each process', () => {
    const dotted = namesOf({ ...ALPHA, id: 'a.b.'.repeat(8) as PeerId });
    assert.equal(dotted.instance.split('.').length, SERVICE.split('.').length + 1);
    assert.ok((dotted.instance.split('.')[0] ?? '').length <= 63);
    const next = namesOf({ ...ALPHA, incarnation: (ALPHA.incarnation + 1) as Incarnation });
    assert.notEqual(next.instance, namesOf(ALPHA).instance);
    assert.notEqual(next.host, namesOf(ALPHA).host);
  });

  it('that lack a record, or say what cannot be, are counted and dropped', () => {
    const wrong: Record<string, DnsRecord[]> = {
      'no SRV': records().filter(({ type }) => type !== 'SRV'),
      'no TXT': records().filter(({ type }) => type !== 'TXT'),
      'no A': records().filter(({ type }) => type !== 'A'),
      'a port of 0': changed('SRV', { data: { port: 0, target: namesOf(ALPHA).host } }),
      'no port': changed('SRV', { data: {} }),
      'a group as host': changed('A', { data: '239.1.1.1' }),
      'no address as host': changed('A', { data: 'alpha.local' }),
      'texts that are none': changed('TXT', { data: [7] }),
      'another version of the texts': changed('TXT', { data: texts('txtvers=2') }),
      'an id with a blank': changed('TXT', { data: texts('id=al pha') }),
      'a long id': changed('TXT', { data: texts(`id=${'a'.repeat(33)}`) }),
      'a cluster id with a line end': changed('TXT', { data: texts('cluster=a\nb') }),
      'an unknown state': changed('TXT', { data: texts('state=king') }),
      'an incarnation that is no number': changed('TXT', { data: texts('incarnation=1e3') }),
      'an incarnation beyond all': changed('TXT', { data: texts('incarnation=9007199254740993') }),
      'a hash beyond 32 bits': changed('TXT', { data: texts('membership=4294967296') }),
      'a version with an escape': changed('TXT', { data: texts('version=\u001b[2J') }),
      'a proof that is too long': changed('TXT', { data: texts(`proof=${'a'.repeat(44)}`) }),
    };
    for (const [what, arrived] of Object.entries(wrong))
      assert.deepEqual(parseRecords(arrived), { announced: [], malformed: 1 }, what);
  });

  it('of other services are passed over, and many in one packet are bounded', () => {
    assert.deepEqual(
      parseRecords([{ name: '_ipp._tcp.local', type: 'PTR', ttl: 9, data: 'x._ipp._tcp.local' }]),
      {
        announced: [],
        malformed: 0,
      },
    );
    const many = Array.from({ length: 40 }, (_, index) => ({
      name: SERVICE,
      type: 'PTR',
      data: `p${index}.${SERVICE}`,
    }));
    assert.equal(parseRecords(many).malformed, 8);
  });

  it('never throw, whatever records hold', () => {
    const data = fc.oneof(
      fc.anything(),
      fc.constant(namesOf(ALPHA).instance),
      fc.array(fc.uint8Array()),
      fc.record({ port: fc.anything(), target: fc.anything() }),
    );
    const name = fc.oneof(
      fc.string(),
      fc.constantFrom(SERVICE, namesOf(ALPHA).instance, namesOf(ALPHA).host),
    );
    const record = fc.record({
      name,
      type: fc.constantFrom('PTR', 'SRV', 'TXT', 'A', 'X'),
      ttl: fc.integer(),
      data,
    });
    fc.assert(fc.property(fc.array(record), (arrived) => void parseRecords(arrived)));
  });

  it('live as long as ours, whatever their records say: a recorded one with a shorter life sends nobody away', () => {
    const proof = prove(deriveProofKeys([KEY]), ALPHA);
    for (const ttlSeconds of [0, 1, 0xffff_ffff]) {
      const peers = new FoundPeers();
      take(peers, announced(), 'right', 0);
      const [replayed] = parseRecords(buildRecords(ALPHA, proof, ttlSeconds)).announced;
      assert.ok(replayed !== undefined);
      assert.equal(take(peers, replayed, 'right', 10), 'same');
      assert.equal(peers.list(10 + 1000 * TTL_SECONDS - 1).length, 1);
      assert.equal(peers.list(10 + 1000 * TTL_SECONDS).length, 0);
    }
  });
});

describe('the proof of an announcement', () => {
  const keys = deriveProofKeys([KEY]);
  const check = (one: Announced, own = keys): string => checkProof(own, one, NOW_SECONDS);

  it('is right with the same key, first or second, and with no other', () => {
    assert.equal(check(announced()), 'right');
    assert.equal(check(announced(), deriveProofKeys([OTHER_KEY, KEY])), 'right');
    assert.equal(check(announced({}, OTHER_KEY)), 'wrong');
    assert.equal(check(announced({ proof: '' })), 'missing');
    assert.equal(check(announced({ proof: 'abc' })), 'wrong');
    assert.equal(check(announced(), []), 'unchecked');
  });

  it('is of every field', () => {
    const { proof } = announced();
    const changes: Partial<Announced>[] = [
      { id: 'beta' as PeerId },
      { clusterId: 'other' },
      { host: '10.0.0.2' },
      { port: 7402 },
      { incarnation: 1 as Incarnation },
      { version: '0.1.1' },
      { state: 'fresh' },
      { membershipHash: 1 },
      { memberCount: 4 },
      { writtenAtSeconds: NOW_SECONDS + 1 },
    ];
    for (const change of changes)
      assert.equal(check(announced({ ...change, proof })), 'wrong', JSON.stringify(change));
  });

  it('does not last: an old announcement, or one of a clock far off, is stale', () => {
    for (const [secondsOff, expected] of [
      [PROOF_WINDOW_SECONDS, 'right'],
      [PROOF_WINDOW_SECONDS + 1, 'stale'],
      [-PROOF_WINDOW_SECONDS - 1, 'stale'],
    ] as const)
      assert.equal(check(announced({ writtenAtSeconds: NOW_SECONDS + secondsOff })), expected);
  });
});

describe('found peers', () => {
  it('are news once, change, go with their goodbye, and are forgotten in time', () => {
    const peers = new FoundPeers();
    assert.equal(take(peers, announced(), 'right', 0), 'new');
    assert.equal(take(peers, announced(), 'right', 10), 'same');
    assert.equal(take(peers, announced({ state: 'joining' }), 'right', 20), 'changed');
    assert.equal(peers.list(20 + 1000 * TTL_SECONDS - 1).length, 1);
    assert.equal(peers.list(20 + 1000 * TTL_SECONDS).length, 0);
    assert.equal(take(peers, announced({ state: 'leaving' }), 'right', 30), 'gone');
    assert.deepEqual(peers.list(30), []);
  });

  it('are not displaced, moved or sent away by who proves less', () => {
    const peers = new FoundPeers();
    take(peers, announced(), 'right', 0);
    const forged = announced({ host: '10.0.0.66', incarnation: (ALPHA.incarnation + 1) as Incarnation });
    for (const trust of ['wrong', 'missing', 'stale'] as const)
      assert.equal(take(peers, forged, trust, 1), 'lessProved', trust);
    assert.equal(take(peers, announced({ state: 'leaving' }), 'wrong', 1), 'lessProved');
    assert.equal(peers.list(1)[0]?.host, '10.0.0.1');
  });

  it('give way to who proves more, and to a later process, not to an earlier one', () => {
    const peers = new FoundPeers();
    take(peers, announced({ host: '10.0.0.66' }), 'wrong', 0);
    assert.equal(take(peers, announced(), 'right', 1), 'changed');
    const earlier = announced({ incarnation: (ALPHA.incarnation - 1) as Incarnation, host: '10.0.0.9' });
    assert.equal(take(peers, earlier, 'right', 2), 'older');
    assert.equal(
      take(peers, announced({ writtenAtSeconds: NOW_SECONDS - 1, state: 'fresh' }), 'right', 2),
      'older',
    );
    const later = announced({ incarnation: (ALPHA.incarnation + 1) as Incarnation, host: '10.0.0.9' });
    assert.equal(take(peers, later, 'right', 3), 'changed');
    assert.equal(peers.list(3)[0]?.host, '10.0.0.9');
  });

  it('are one at one address: who was there has gone, and an announcement recorded before does not bring it back', () => {
    const peers = new FoundPeers();
    const ids = (): string => peers.list(0).map(({ id }) => id).join(' '); // prettier-ignore
    const beta = announced({ id: 'beta' as PeerId, writtenAtSeconds: NOW_SECONDS + 1 });
    take(peers, announced(), 'right', 0);
    assert.equal(take(peers, beta, 'wrong', 0), 'new');
    assert.equal(ids(), 'alpha beta', 'no proof of the key, no eviction');
    assert.equal(take(peers, beta, 'right', 0), 'changed');
    assert.equal(ids(), 'beta');
    assert.equal(take(peers, announced(), 'right', 0), 'older');
    assert.equal(take(peers, announced({ host: '10.0.0.2' }), 'right', 0), 'new');
    assert.equal(ids(), 'alpha beta');
  });

  it('are bounded, and strangers do not keep a member out', () => {
    const peers = new FoundPeers();
    const stranger = (index: number): Announced =>
      announced({ id: `x${index}` as PeerId, port: 10_000 + index });
    for (let index = 0; index < MAX_FOUND; index += 1)
      assert.equal(take(peers, stranger(index), 'wrong', 0), 'new');
    assert.equal(take(peers, stranger(MAX_FOUND), 'wrong', 0), 'tooManyPeers');
    assert.equal(take(peers, announced(), 'right', 0), 'new');
    assert.equal(peers.list(0).length, MAX_FOUND);
  });
});

describe('the gate before the decoder', () => {
  const source = { address: '127.0.0.1', port: 5353 };
  const header = (...counts: readonly number[]): Buffer => {
    const packet = Buffer.alloc(12);
    counts.forEach((count, index) => packet.writeUInt16BE(count, 4 + 2 * index));
    return packet;
  };

  it('refuses other networks, other ports, long packets and many records', () => {
    const gate = createArrivalGate('127.0.0.1', 5353, () => 0);
    assert.equal(gate.refuses(header(1), source), undefined);
    assert.equal(gate.refuses(header(1), { ...source, address: '10.0.0.1' }), 'foreignSource');
    assert.equal(gate.refuses(header(1), { ...source, port: 40_000 }), 'wrongPort');
    assert.equal(gate.refuses(Buffer.alloc(1473), source), 'tooLong');
    assert.equal(gate.refuses(header(16, 16, 16, 17), source), 'tooManyRecords');
    assert.equal(gate.refuses(header(0xffff), source), 'tooManyRecords');
    assert.equal(gate.refuses(Buffer.alloc(3), source), undefined);
  });

  it('refuses a flood, and takes packets again afterwards', () => {
    let nowMs = 0;
    const gate = createArrivalGate('127.0.0.1', 5353, () => nowMs);
    const taken = (): number =>
      Array.from({ length: 1000 }, () => gate.refuses(header(1), source)).filter((one) => one === undefined)
        .length;
    assert.equal(taken(), 200);
    nowMs = 1000;
    assert.equal(taken(), 100);
  });

  it('refuses all while this machine has no such interface', () => {
    assert.equal(createArrivalGate('203.0.113.1', 5353, () => 0).refuses(header(1), source), 'foreignSource');
  });
});

describe('discovery over 127.0.0.1', () => {
  const open: { close(): Promise<void> }[] = [];
  let port = 0;
  before(async () => {
    ({ port } = await findGroup());
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((one) => one.close()));
  });
  const start = (options: Partial<DiscoveryOptions> = {}): Discovery & { readonly faults: string[] } => {
    const faults: string[] = [];
    const discovery = openDiscovery({
      interface: '127.0.0.1',
      port,
      secrets: [KEY],
      onFault: (description) => void faults.push(description),
      wallMs: Date.now,
      ...options,
    });
    open.push(discovery);
    return { ...discovery, faults };
  };
  const closeLater = (close: (done: () => void) => void): void => {
    open.push({
      close: () =>
        new Promise((resolve) => {
          close(resolve);
        }),
    });
  };
  const self = (changes: Partial<Announcement> = {}): Announcement => ({
    ...ALPHA,
    host: '127.0.0.1',
    writtenAtSeconds: Math.floor(Date.now() / 1000),
    ...changes,
  });
  const seen = (discovery: Discovery): string[] =>
    discovery.found().map(({ id, state, trust }) => `${id} ${state} ${trust}`);
  const see = (discovery: Discovery, ...expected: string[]): Promise<number> =>
    waitUntil(
      expected.join(', ') || 'nobody',
      () => seen(discovery).join() === expected.join(),
      5000,
      () => seen(discovery).join(),
    );
  /** A socket that speaks from the port of multicast DNS, as a stranger may. */
  const stranger = async (): Promise<Socket> => {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    await new Promise<void>((resolve) => socket.bind(port, '127.0.0.1', resolve));
    socket.setMulticastInterface('127.0.0.1');
    closeLater((done) => {
      socket.close(done);
    });
    return socket;
  };

  it('finds who announces itself, before and after, with the proof judged; hears its changes and its goodbye', async () => {
    let state: Announcement['state'] = 'fresh';
    const early = start();
    const alpha = start({ describe: () => self({ state }) });
    await see(early, 'alpha fresh right');
    const late = start({ secrets: [OTHER_KEY] });
    await see(late, 'alpha fresh wrong');
    state = 'member';
    late.setSecrets([KEY]); // its key file was read again
    alpha.announce();
    await see(early, 'alpha member right');
    await see(late, 'alpha member right');
    let hasClosed = false;
    void alpha.close().then(() => (hasClosed = true));
    await alpha.close();
    assert.ok(hasClosed, 'whoever closes it again waits for the same end');
    await see(early);
    assert.deepEqual(alpha.found(), [], 'itself');
    assert.deepEqual(early.report().drops, {});
    assert.equal(early.report().unavailable, null);
  });

  it('announces no more than once a second, however many ask', async () => {
    const alpha = start({ describe: self });
    const beginMs = performance.now();
    const asker = openMulticastDns({ port, interface: '127.0.0.1', bind: '0.0.0.0' });
    closeLater((done) => {
      asker.destroy(done);
    });
    let answers = 0;
    asker.on('response', ({ answers: records = [] }) => {
      if (records.some(({ type }) => type === 'SRV')) answers += 1;
    });
    for (let asked = 0; asked < 60; asked += 1) {
      asker.query({ questions: [{ name: SERVICE, type: 'PTR' }] });
      await duration(25);
    }
    await waitUntil('two answers', () => answers >= 2, 5000);
    const mostAnswers = 1 + Math.ceil((performance.now() - beginMs) / 1000);
    assert.ok(alpha.report().announced <= mostAnswers, `${alpha.report().announced} in ${mostAnswers} s`);
  });

  it('does not answer who knows it already', async () => {
    const alpha = start({ describe: self });
    await waitUntil('three announcements', () => alpha.report().announced === 3, 8000);
    const asker = openMulticastDns({ port, interface: '127.0.0.1', bind: '0.0.0.0' });
    closeLater((done) => {
      asker.destroy(done);
    });
    const known = { name: SERVICE, type: 'PTR' as const, data: namesOf(self()).instance };
    asker.query({ questions: [{ name: SERVICE, type: 'PTR' }], answers: [{ ...known, ttl: TTL_SECONDS }] });
    asker.query({ questions: [{ name: SERVICE, type: 'PTR' }], answers: [{ ...known, ttl: TTL_SECONDS }] });
    await duration(300); // longer than an answer waits
    assert.equal(alpha.report().announced, 3);
    asker.query({
      questions: [{ name: SERVICE, type: 'PTR' }],
      answers: [{ ...known, ttl: TTL_SECONDS / 4 }],
    });
    await waitUntil('an answer', () => alpha.report().announced === 4, 5000);
  });

  it('drops and counts what strangers send, and goes on', async () => {
    const alpha = start({ describe: self });
    const socket = await stranger();
    const send = (packet: Buffer): void => {
      socket.send(packet, port, '224.0.0.251');
    };
    send(Buffer.from('no DNS'));
    send(Buffer.alloc(1473));
    const many = Buffer.alloc(12);
    many.writeUInt16BE(0xffff, 6);
    send(many);
    const forger = start({ secrets: [OTHER_KEY], describe: () => self({ id: 'beta' as PeerId }) });
    const beta = start({ describe: () => self({ id: 'beta' as PeerId }) });
    await see(alpha, 'beta member right');
    await waitUntil('counts', () => {
      const { undecodable = 0, tooLong = 0, tooManyRecords = 0, wrongProof = 0 } = alpha.report().drops;
      return Math.min(undecodable, tooLong, tooManyRecords, wrongProof) > 0;
    });
    const refused = (): number => alpha.report().drops.wrongProof ?? 0;
    const before = refused();
    await forger.close();
    await waitUntil('its goodbye', () => refused() > before);
    assert.equal(alpha.found().length, 1, 'its goodbye proves nothing either');
    await beta.close();
    await see(alpha);
  });

  it('says once why it cannot be heard, and goes on', async () => {
    const nowhere = start({ interface: '203.0.113.1', describe: self });
    await waitUntil('unavailable', () => nowhere.report().unavailable !== null, 5000);
    assert.match(
      nowhere.faults[0] ?? '',
      /^discoveryUnavailable: multicast DNS on 203\.0\.113\.1, .*: E[A-Z]+; going on/,
    );
    await duration(5500); // longer than the first announcements take, and until the group is to be joined again
    assert.equal(nowhere.faults.length, 1, nowhere.faults.join());
    assert.equal(nowhere.report().announced, 0, 'by the default route');
    assert.equal(nowhere.report().asked, 0);
  });
});
