/** Who was discovered and may be a member: every refusal says what to do, and nobody gets an address that the file of them could not hold. */
import assert from 'node:assert/strict';
import { createPeerState } from '../../src/core/loadState.ts';
import { learnMembers } from '../../src/core/members.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import type { Incarnation, PeerId } from '../../src/core/types.ts';
import type { Found } from '../../src/network/discovery.ts';
import { AddressBook } from '../../src/peer/addressBook.ts';
import { findAddressFault, findAdmissible } from '../../src/peer/admission.ts';
import type { AdmissionParts } from '../../src/peer/admission.ts';
import { parseServersFile } from '../../src/peer/serversFile.ts';
import { openMemoryStore } from '../../src/storage/memoryStore.ts';

const ALPHA = 'alpha' as PeerId;
const BETA = 'beta' as PeerId;
const GAMMA = 'gamma' as PeerId;
const WALL_MS = Date.UTC(2026, 0, 1);
const NEWCOMER: Found = {
  id: 'delta' as PeerId,
  clusterId: 'toposphere',
  host: '10.0.0.4',
  port: 7404,
  incarnation: 9 as Incarnation,
  version: '0.1.0',
  state: 'fresh',
  membershipHash: 0,
  memberCount: 1,
  writtenAtSeconds: WALL_MS / 1000,
  proof: '',
  trust: 'right',
  expiresMs: 0,
};

describe('admission of who was discovered', () => {
  let parts: AdmissionParts;
  let book: AddressBook;

  /** Alpha, with beta in its servers.txt and gamma discovered; gamma is heard. */
  beforeEach(() => {
    const store = openMemoryStore().store;
    const options = { settings: defaultSettings, store, random: () => 0.5, isBootstrap: true };
    const now = { monotonicMs: 10_000, wallMs: WALL_MS };
    const state = createPeerState({ ...options, id: ALPHA, members: [ALPHA, BETA, GAMMA] }, now);
    const gamma = state.peers.get(GAMMA);
    assert.ok(gamma !== undefined);
    gamma.lastHeardMs = now.monotonicMs;
    gamma.incarnation = 5 as Incarnation;
    book = new AddressBook(ALPHA, parseServersFile('alpha 10.0.0.1 7401\nbeta 10.0.0.2 7402', 'servers.txt'));
    book.place(GAMMA, { host: '10.0.0.3', port: 7403 });
    parts = { state, addresses: book, clusterId: 'toposphere', multicastPort: 7400, now };
  });

  const refusal = (changes: Partial<Found>): string => {
    try {
      findAdmissible(changes.id ?? NEWCOMER.id, [{ ...NEWCOMER, ...changes }], parts);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    return '';
  };

  it('takes one of this cluster, proved, at an address of its own', () => {
    assert.equal(refusal({}), '');
    assert.equal(findAdmissible('delta', [NEWCOMER], parts), NEWCOMER);
  });

  it('refuses an address that no servers.txt could have beside the others, each with what to do', () => {
    const at = (host: string, port: number): string => refusal({ host, port });
    assert.equal(
      at('10.0.0.4', 1030),
      'delta at 10.0.0.4:1030: its port is not one of 2024 to 64535; start it with another --port',
    );
    assert.equal(
      at('10.0.0.4', 7400),
      'delta at 10.0.0.4:7400: its port is that of the multicast group; start it with another --port',
    );
    assert.match(at('10.0.0.1', 7401), /that is the address of this peer; start it at another address/);
    assert.match(
      at('10.0.0.2', 7402),
      /beta is there by servers\.txt; correct the line of beta, or start it/,
    );
    assert.match(at('10.0.0.3', 7403), /gamma, a member that is heard, was found there; start it/);
  });

  it('lets a newcomer have the address of a member that is silent, or forgotten', () => {
    const silent = { ...parts, now: { ...parts.now, monotonicMs: 60_000 } };
    const found = { ...NEWCOMER, host: '10.0.0.3', port: 7403 };
    assert.match(findAddressFault(found, parts) ?? '', /gamma, a member that is heard/);
    assert.equal(findAddressFault(found, silent), undefined);
    learnMembers(parts.state, { admitted: [], forgotten: [GAMMA] });
    assert.equal(findAddressFault(found, parts), undefined);
  });

  it('believes the very process that is heard of where it is, also where another member was: two may have changed places', () => {
    const delta = NEWCOMER.id;
    learnMembers(parts.state, { admitted: [delta], forgotten: [] });
    const view = parts.state.peers.get(delta);
    assert.ok(view !== undefined);
    view.lastHeardMs = parts.now.monotonicMs;
    const found = { ...NEWCOMER, host: '10.0.0.3', port: 7403 };
    view.incarnation = 8 as Incarnation;
    assert.match(findAddressFault(found, parts) ?? '', /gamma, a member that is heard/);
    view.incarnation = found.incarnation;
    assert.equal(findAddressFault(found, parts), undefined);
    assert.match(findAddressFault({ ...found, trust: 'unchecked' }, parts) ?? '', /gamma, a member/);
  });

  it('refuses who is none to be admitted, each with what to do', () => {
    assert.match(refusal({ id: GAMMA }), /gamma is a member already/);
    assert.match(refusal({ clusterId: 'other' }), /different clusters never merge/);
    assert.match(refusal({ trust: 'missing' }), /give it the same --cluster-key-file/);
    assert.match(
      refusal({ trust: 'stale', writtenAtSeconds: WALL_MS / 1000 - 900 }),
      /its clock is 900 s from .* \(NTP\)/,
    );
    learnMembers(parts.state, { admitted: [], forgotten: [NEWCOMER.id] });
    assert.match(refusal({}), /it can come back only under a new id/);
  });
});
