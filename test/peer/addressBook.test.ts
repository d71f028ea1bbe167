/**
 * servers.txt read again: what a peer then says, and where it sends, whatever the name service does.
 */
import assert from 'node:assert/strict';
import { createPeerState } from '../../src/core/loadState.ts';
import { learnMembers } from '../../src/core/members.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import type { PeerState } from '../../src/core/state.ts';
import type { PeerId } from '../../src/core/types.ts';
import { AddressBook, applyServers } from '../../src/peer/addressBook.ts';
import { parseServersFile } from '../../src/peer/serversFile.ts';
import type { ServersFile } from '../../src/peer/serversFile.ts';
import { openMemoryStore } from '../../src/storage/memoryStore.ts';

const ALPHA = 'alpha' as PeerId;
const BETA = 'beta' as PeerId;
const GAMMA = 'gamma' as PeerId;
const DELTA = 'delta' as PeerId;
const LINES = {
  alpha: 'alpha alpha.lan 7401',
  beta: 'beta beta.lan 7402',
  gamma: 'gamma 10.0.0.3 7403',
  delta: 'delta 10.0.0.4 7404',
} as const;

/** The file with these lines; `names` is what the name service knows. */
function servers(lines: readonly string[], names: Readonly<Record<string, string>> = NAMES): ServersFile {
  const file = parseServersFile(lines.join('\n'), 'servers.txt');
  return {
    ...file,
    servers: file.servers.map((line) => ({ ...line, address: names[line.host] ?? line.host })),
  };
}

const NAMES = { 'alpha.lan': '10.0.0.1', 'beta.lan': '10.0.0.2' };

describe('servers.txt read again', () => {
  let state: PeerState;
  let book: AddressBook;
  const whole = [LINES.alpha, LINES.beta, LINES.gamma];
  const reload = (file: ServersFile): string => {
    const admit = (ids: readonly PeerId[]): boolean => learnMembers(state, { admitted: ids, forgotten: [] });
    return applyServers(book, { state, admit }, file).replace('servers.txt was read again: ', '');
  };
  const forget = (id: PeerId): void => void learnMembers(state, { admitted: [], forgotten: [id] });

  beforeEach(() => {
    const store = openMemoryStore().store;
    const options = { settings: defaultSettings, store, random: () => 0.5, isBootstrap: true };
    state = createPeerState(
      { ...options, id: ALPHA, members: [ALPHA, BETA, GAMMA] },
      { monotonicMs: 0, wallMs: Date.UTC(2026, 0, 1) },
    );
    book = new AddressBook(ALPHA, servers(whole));
  });

  it('admits who is new and says so once', () => {
    assert.equal(reload(servers([...whole, LINES.delta])), 'delta admitted');
    assert.ok(state.peers.has(DELTA));
    assert.deepEqual(book.peers.get(DELTA), { host: '10.0.0.4', port: 7404 });
    assert.equal(reload(servers([...whole, LINES.delta])), 'nothing new');
  });

  it('does not call admitted whom another peer admitted before', () => {
    learnMembers(state, { admitted: [DELTA], forgotten: [] });
    assert.match(reload(servers(whole)), /^delta is a member and not listed, .* add its line/);
    assert.equal(reload(servers([...whole, LINES.delta])), 'delta is now at 10.0.0.4:7404');
  });

  it('keeps a member whose line is gone, and says how to remove it', () => {
    const without = servers([LINES.alpha, LINES.beta]);
    assert.match(reload(without), /^gamma is a member and not listed \(toposphere forget gamma/);
    assert.ok(book.peers.has(GAMMA));
  });

  it('has nothing to say of a forgotten one whose line was taken out', () => {
    forget(GAMMA);
    assert.equal(reload(servers([LINES.alpha, LINES.beta])), 'nothing new');
  });

  it('does not call admitted who was forgotten, known to this file or not', () => {
    forget(GAMMA);
    assert.match(reload(servers(whole)), /^gamma was forgotten and stays so: take its line out/);
    book = new AddressBook(ALPHA, servers([LINES.alpha, LINES.beta]));
    assert.match(reload(servers(whole)), /^gamma was forgotten and stays so: [^;]*; [^;]* new id$/);
    assert.ok(!state.peers.has(GAMMA));
  });

  it('moves an address that changed', () => {
    assert.equal(
      reload(servers([LINES.alpha, LINES.beta, 'gamma 10.0.0.9 7403'])),
      'gamma is now at 10.0.0.9:7403',
    );
    assert.deepEqual(book.peers.get(GAMMA), { host: '10.0.0.9', port: 7403 });
  });

  it('keeps every address while the name service is down, and says which names did not resolve', () => {
    assert.equal(
      reload(servers(whole, {})),
      'the name alpha.lan of alpha did not resolve: 10.0.0.1 stays in use; ' +
        'the name beta.lan of beta did not resolve: 10.0.0.2 stays in use',
    );
    assert.deepEqual(book.peers.get(BETA), { host: '10.0.0.2', port: 7402 });
    assert.equal(reload(servers(whole)), 'nothing new');
  });

  it('takes a new name that does not resolve yet for where the peer is', () => {
    const said = reload(servers([LINES.alpha, 'beta other.lan 7402', LINES.gamma]));
    assert.match(
      said,
      /^beta is now at other\.lan:7402; the name other\.lan of beta did not resolve: .*again/,
    );
    assert.equal(book.peers.get(BETA)?.host, 'other.lan');
  });

  it('refuses a file in which the own line changed or is gone, and changes nothing', () => {
    const refuses = (own: readonly string[], message: RegExp): void => {
      assert.throws(() => reload(servers([...own, LINES.beta, LINES.delta])), message);
    };
    refuses(['alpha alpha.lan 7499'], /the line of alpha changed; a peer cannot move while it runs/);
    refuses(['alpha elsewhere.lan 7401'], /the line of alpha changed/);
    refuses([], /the line of alpha, which reads it, is gone/);
    assert.ok(!book.peers.has(DELTA) && !state.admitted.has(DELTA));
  });

  it('has nobody twice at one address: who was discovered there leaves it to who is there now, and the file is not overruled', () => {
    const linesOf = (): string =>
      book
        .lines()
        .map(({ id, address, port }) => `${id} ${address}:${port}`)
        .join(', ');
    const listed = 'alpha 10.0.0.1:7401, beta 10.0.0.2:7402, gamma 10.0.0.3:7403';
    assert.equal(book.place(DELTA, { host: '10.0.0.4', port: 7404 }), undefined);
    assert.equal(book.place('epsilon' as PeerId, { host: '10.0.0.4', port: 7404 }), DELTA);
    assert.equal(linesOf(), `${listed}, epsilon 10.0.0.4:7404`);
    assert.ok(!book.peers.has(DELTA));
    assert.equal(book.holderOf({ host: '10.0.0.2', port: 7402 }), BETA, 'by the address of its name');
    reload(servers([...whole, LINES.delta]));
    assert.equal(linesOf(), `${listed}, delta 10.0.0.4:7404`);
    assert.ok(book.isListed(DELTA) && !book.isListed('epsilon' as PeerId));
  });

  it('moves two peers that change places', () => {
    const swapped = [LINES.alpha, 'beta 10.0.0.3 7403', 'gamma beta.lan 7402'];
    assert.equal(reload(servers(swapped)), 'beta is now at 10.0.0.3:7403; gamma is now at 10.0.0.2:7402');
    assert.deepEqual(book.peers.get(BETA), { host: '10.0.0.3', port: 7403 });
    assert.deepEqual(book.peers.get(GAMMA), { host: '10.0.0.2', port: 7402 });
  });
});
