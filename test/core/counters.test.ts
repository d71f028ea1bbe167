/** Convergent counters (protocol.md, section 10) on whole peers: what adds up, what begins anew, and what is left of it when everything has been collected. */
import assert from 'node:assert/strict';
import { countedCells, shownEntries } from '../../src/core/counted.ts';
import { cellKey, encodeCell } from '../../src/core/counterCells.ts';
import { parseInteger } from '../../src/core/decimal.ts';
import { AFTER_HIDDEN, HIDDEN_PREFIX, isHidden } from '../../src/core/hiddenKeys.ts';
import { findBrokenInvariants } from '../../src/core/invariants.ts';
import { defaultLimits } from '../../src/core/settings.ts';
import { judgeSession, noteRead } from '../../src/core/serveSession.ts';
import { EMPTY_SESSION, type SessionToken } from '../../src/core/session.ts';
import { countKeys } from '../../src/core/state.ts';
import type { KeyRange } from '../../src/core/store.ts';
import { SYNTHETIC_ID, type Incarnation, type Key } from '../../src/core/types.ts';
import type { Cluster } from './cluster.ts';
import { QUICK, three, THREE } from './three.ts';

/** Long enough for a few rounds, and for whoever waits longest to clean. */
const COLLECTED_MS = 12_000;

function cut(cluster: Cluster, alone: string): void {
  cluster.loses = (_message, from, to) => from === alone || to === alone;
}

function heal(cluster: Cluster): void {
  cluster.loses = () => false;
}

function assertSound(cluster: Cluster): void {
  for (const { id, state } of cluster.members) assert.deepEqual(findBrokenInvariants(state), [], id);
}

/** Every peer shows the same. */
function assertShown(cluster: Cluster, key: string, value: string | undefined): void {
  for (const { id } of cluster.members) assert.equal(cluster.read(id, key), value, id);
  assertSound(cluster);
}

/** How many entries of hidden keys a peer holds, tombstones too. */
function hiddenEntries(cluster: Cluster, id: string): number {
  const range = { from: HIDDEN_PREFIX, before: AFTER_HIDDEN };
  return [...cluster.at(id).disk.store.entries(range)].length;
}

/** What readers see of a range of keys at one peer, as `key=value`. */
function shownAt(cluster: Cluster, id: string, range: KeyRange = {}): string[] {
  const member = cluster.at(id);
  const shown = shownEntries(member.state, cluster.now(member), { before: HIDDEN_PREFIX, ...range });
  return Array.from(shown, ([key, { value }]) => `${key}=${new TextDecoder().decode(value)}`);
}

describe('a counter', () => {
  for (const expiresInMs of [undefined, 60_000])
    it(`${expiresInMs === undefined ? 'lets go of' : 'keeps'} increments upon a deletion that nobody has, where an older value ${expiresInMs === undefined ? 'stays' : 'ends by time'}`, () => {
      const cluster = three();
      cluster.write('alpha', 'n', '5', expiresInMs);
      cluster.run(500);
      cluster.write('alpha', 'gone', 'x');
      cluster.write('alpha', 'gone', undefined);
      cluster.run(COLLECTED_MS);
      const { self, horizon } = cluster.at('alpha').state;
      const base = { timestamp: horizon, id: SYNTHETIC_ID, incarnation: 0 as Incarnation, sequence: 0 };
      const cell = cellKey({ ...self, key: 'n' as Key, base: { kind: 'zero', ...base } });
      const sum = parseInteger(new TextEncoder().encode('2'));
      assert.ok(
        sum !== undefined &&
          horizon > (cluster.at('alpha').disk.store.readEntry('n' as Key)?.timestamp ?? Infinity),
      );
      cluster.write('alpha', cell, new TextDecoder().decode(encodeCell({ sum, absorbed: 0 as Incarnation })));
      cluster.run(COLLECTED_MS);
      for (const { id, disk } of cluster.members)
        assert.equal(disk.store.readEntry(cell)?.kind === 'value', expiresInMs !== undefined, id);
    });

  it('counts from nothing, and every peer shows what all have counted', () => {
    const cluster = three();
    assert.equal(cluster.increment('alpha', 'n'), '1');
    assert.equal(cluster.increment('alpha', 'n', '41'), '42');
    cluster.run(500);
    assert.equal(cluster.increment('beta', 'n', '-2'), '40');
    cluster.run(500);
    assertShown(cluster, 'n', '40');
    for (const { state } of cluster.members) assert.equal(countKeys(state), 1);
  });

  it('adds up what both sides of a cut count, upon a value and upon nothing', () => {
    const cluster = three();
    cluster.write('alpha', 'v', '100');
    cluster.run(500);
    cut(cluster, 'gamma');
    for (const id of THREE) {
      cluster.increment(id, 'v', '7');
      cluster.increment(id, 'n');
    }
    assert.equal(cluster.read('gamma', 'v'), '107');
    heal(cluster);
    cluster.run(3000);
    assertShown(cluster, 'v', '121');
    assertShown(cluster, 'n', '3');
  });

  it('keeps fractions exact, in whatever order they come', () => {
    const cluster = three();
    cut(cluster, 'gamma');
    cluster.increment('alpha', 'f', '0.1', 'float');
    cluster.increment('gamma', 'f', '0.2', 'float');
    cluster.increment('gamma', 'f', '1e17', 'float');
    heal(cluster);
    cluster.run(3000);
    assertShown(cluster, 'f', '100000000000000000.3');
  });

  it('begins anew with SET and DEL, also against increments that those had not seen', () => {
    const cluster = three();
    for (const key of ['set', 'del']) cluster.increment('alpha', key, '10');
    cluster.run(500);
    cut(cluster, 'gamma');
    for (const key of ['set', 'del']) cluster.increment('gamma', key, '5');
    cluster.run(100);
    cluster.write('alpha', 'set', '1000');
    cluster.write('alpha', 'del', undefined);
    assert.equal(cluster.increment('beta', 'new'), '1');
    cluster.run(500);
    assert.equal(cluster.increment('beta', 'set'), '1001');
    heal(cluster);
    cluster.run(3000);
    assertShown(cluster, 'set', '1001');
    assertShown(cluster, 'del', undefined);
    cluster.run(COLLECTED_MS);
    assertShown(cluster, 'set', '1001');
    assertShown(cluster, 'del', undefined);
  });

  it('goes on from nothing behind a deletion, and from nothing again when that has been forgotten', () => {
    const cluster = three();
    cluster.increment('alpha', 'n', '10');
    cluster.run(500);
    cluster.write('beta', 'n', undefined);
    cluster.run(500);
    assert.equal(cluster.increment('gamma', 'n', '3'), '3');
    cluster.run(COLLECTED_MS);
    assertShown(cluster, 'n', '3');
    for (const { state } of cluster.members) assert.equal(state.tombstones.count, 0);
    assert.equal(cluster.increment('alpha', 'n'), '4');
    cluster.run(500);
    assertShown(cluster, 'n', '4');
  });

  it('expires with the value that it is counted upon, and then counts from nothing', () => {
    const cluster = three();
    cluster.write('alpha', 'n', '10', 2000);
    cluster.run(500);
    assert.equal(cluster.increment('beta', 'n'), '11');
    cluster.run(500);
    assertShown(cluster, 'n', '11');
    cluster.run(1500);
    assertShown(cluster, 'n', undefined);
    assert.equal(cluster.increment('beta', 'n'), '1');
    cluster.run(COLLECTED_MS);
    assertShown(cluster, 'n', '1');
    for (const { id, state } of cluster.members) {
      assert.deepEqual([state.tombstones.count, state.expiries.count], [0, 0], id);
      assert.equal(hiddenEntries(cluster, id), 1, id);
    }
  });

  it('refuses what is no number, or would not stay one, and changes nothing', () => {
    const cluster = three({ ...QUICK, limits: { ...defaultLimits, maxCounterCells: 2, maxKeyBytes: 200 } });
    cluster.write('alpha', 'text', 'ten');
    cluster.write('alpha', 'f', '1.5');
    cluster.write('alpha', 'max', '9223372036854775807');
    const before = cluster.at('alpha').state.own.have.contiguous;
    assert.equal(cluster.increment('alpha', 'text'), 'notAnInteger');
    assert.equal(cluster.increment('alpha', 'text', '1', 'float'), 'notANumber');
    assert.equal(cluster.increment('alpha', 'f'), 'notAnInteger');
    assert.equal(cluster.increment('alpha', 'max'), 'overflow');
    assert.equal(cluster.increment('alpha', 'k'.repeat(180)), 'KEY_TOO_LONG');
    assert.equal(cluster.at('alpha').state.own.have.contiguous, before);
    assert.equal(cluster.increment('alpha', 'f', '1', 'float'), '2.5');
    assert.equal(cluster.increment('alpha', 'a'), '1');
    assert.equal(cluster.increment('alpha', 'b'), 'NO_ROOM');
    assert.equal(cluster.increment('alpha', 'a'), '2');
  });

  it('stands between other keys for whoever walks over them, forwards and back', () => {
    const cluster = three();
    for (const key of ['a', 'c', 'c\0', 'e']) cluster.write('alpha', key, key);
    for (const key of ['b', 'c\0\0', 'd', 'f', 'f\xff']) cluster.increment('alpha', key);
    cluster.write('alpha', 'd', '7');
    cluster.increment('alpha', 'd');
    cluster.run(500);
    const all = ['a=a', 'b=1', 'c=c', 'c\0=c\0', 'c\0\0=1', 'd=8', 'e=e', 'f=1', 'f\xff=1'];
    assert.deepEqual(shownAt(cluster, 'beta'), all);
    assert.deepEqual(shownAt(cluster, 'beta', { reverse: true }), [...all].reverse());
    assert.deepEqual(shownAt(cluster, 'beta', { after: 'b' as Key, before: 'f' as Key }), all.slice(2, 7));
    assert.deepEqual(shownAt(cluster, 'beta', { from: 'c\0\0' as Key }), all.slice(4));
    const back = { after: 'b' as Key, before: 'f' as Key, reverse: true };
    assert.deepEqual(shownAt(cluster, 'beta', back), all.slice(2, 7).reverse());
    assert.equal(countKeys(cluster.at('beta').state), all.length);
    assertSound(cluster);
  });

  it('is counted, and found again, after a restart', () => {
    const cluster = three();
    cluster.increment('alpha', 'n', '5');
    cluster.run(500);
    cluster.restart('alpha');
    assert.equal(cluster.read('alpha', 'n'), '5');
    assert.equal(countKeys(cluster.at('alpha').state), 1);
    assert.equal(cluster.increment('alpha', 'n'), '6');
    cluster.run(500);
    assertShown(cluster, 'n', '6');
  });
});

describe('what is left of counters', () => {
  it('is one cell for each member and base, however often it was started anew', () => {
    const cluster = three();
    for (let start = 0; start < 4; start += 1) {
      for (const id of THREE) cluster.increment(id, 'n');
      cluster.run(1500);
      cluster.restart('alpha');
      cluster.run(1500);
    }
    cluster.run(COLLECTED_MS);
    assertShown(cluster, 'n', '12');
    for (const { id, state } of cluster.members) {
      const counter = state.cells.byKey.get('n' as Key);
      const names = counter?.cells.map((cell) => `${cell.id} ${cell.base.timestamp}`) ?? [];
      assert.equal(new Set(names).size, names.length, `${id}: ${names.join(', ')}`);
      assert.equal(hiddenEntries(cluster, id), names.length, id);
    }
  });

  it('is nothing at all behind SET and DEL', () => {
    const cluster = three();
    for (const key of ['set', 'del']) for (const id of THREE) cluster.increment(id, key);
    cluster.run(1000);
    cluster.write('gamma', 'set', '1');
    cluster.write('gamma', 'del', undefined);
    cluster.run(COLLECTED_MS);
    for (const { id, state } of cluster.members) {
      assert.equal(hiddenEntries(cluster, id), 0, id);
      assert.deepEqual([state.cells.count, state.cells.byKey.size, state.tombstones.count], [0, 0, 0], id);
      assert.equal(countKeys(state), 1);
    }
    assert.ok(isHidden(HIDDEN_PREFIX));
  });

  it('stays bounded while a key is set and counted again and again', () => {
    const cluster = three();
    for (let step = 0; step < 60; step += 1) {
      cluster.write('alpha', 'n', '0');
      cluster.run(50);
      for (const id of THREE) cluster.increment(id, 'n');
      cluster.run(450);
    }
    for (const { id, state } of cluster.members)
      assert.ok(state.cells.count < 40, `${id}: ${state.cells.count}`);
  });
});

describe('a tombstone of a key that may be counted', () => {
  /** Alpha and beta have deleted `n`, gamma has not heard of it; a round has ended with a horizon above. */
  function deletedUnheard(): Cluster {
    const cluster = three();
    cluster.write('alpha', 'n', '5');
    cluster.run(500);
    cluster.loses = (message, from, to) =>
      (message.kind === 'update' || message.kind === 'sync') && (to === 'gamma' || from === 'gamma');
    cluster.write('alpha', 'n', undefined);
    cluster.run(4000);
    return cluster;
  }

  it('is kept until all have it, whatever the horizon', () => {
    const cluster = deletedUnheard();
    const { state } = cluster.at('beta');
    const entry = state.store.readEntry('n' as Key);
    assert.ok(entry?.kind === 'tombstone');
    assert.ok(entry.timestamp <= state.horizon, 'the horizon is above it');
    cluster.loses = () => false;
    cluster.run(COLLECTED_MS);
    for (const { id, state: at } of cluster.members) assert.equal(at.tombstones.count, 0, id);
  });

  it('ends what is counted meanwhile where it has not been heard of', () => {
    const cluster = deletedUnheard();
    assert.equal(cluster.increment('gamma', 'n', '2'), '7');
    cluster.run(2000);
    cluster.loses = () => false;
    cluster.run(COLLECTED_MS);
    assertShown(cluster, 'n', undefined);
    for (const { id } of cluster.members) assert.equal(hiddenEntries(cluster, id), 0, id);
  });

  it('is kept until the cells that it ended are gone, and lets those go that stand upon it', () => {
    const cluster = three();
    cluster.increment('alpha', 'n', '5');
    cluster.increment('beta', 'n', '5');
    cluster.run(500);
    cluster.write('gamma', 'n', undefined);
    cluster.run(200);
    assert.equal(cluster.increment('gamma', 'n'), '1');
    const seen: string[] = [];
    for (let step = 0; step < 120; step += 1) {
      cluster.run(100);
      for (const { id, state } of cluster.members) {
        const isKept = state.store.readEntry('n' as Key) !== undefined;
        const cells = state.cells.byKey.get('n' as Key)?.cells.length ?? 0;
        assert.ok(isKept || cells === 1, `${id} dropped it with ${cells} cells`);
        seen.push(`${String(isKept)} ${cells}`);
      }
    }
    assert.ok(seen.includes('true 3') && seen.includes('false 1'), [...new Set(seen)].join(', '));
    assertShown(cluster, 'n', '1');
  });
});

describe('a session that has read a counter', () => {
  /** As sessionKeeper.ts notes it. */
  function readIn(cluster: Cluster, id: string, key: string): SessionToken {
    const member = cluster.at(id);
    const entry = member.disk.store.readEntry(key as Key);
    let token = noteRead(member.state, EMPTY_SESSION, key as Key, entry);
    for (const cell of countedCells(member.state, cluster.now(member), key as Key, entry))
      token = noteRead(member.state, token, cell.hidden, cell.entry);
    return token;
  }

  function judge(cluster: Cluster, id: string, token: SessionToken): string {
    const member = cluster.at(id);
    return judgeSession(member.state, cluster.now(member), token).kind;
  }

  it('is not served by a peer that lacks what was counted', () => {
    const cluster = three();
    cluster.increment('alpha', 'n');
    cluster.run(500);
    cut(cluster, 'gamma');
    cluster.increment('beta', 'n');
    cluster.run(500);
    const token = readIn(cluster, 'alpha', 'n');
    assert.deepEqual([judge(cluster, 'beta', token), judge(cluster, 'gamma', token)], ['serves', 'behind']);
    heal(cluster);
    cluster.run(3000);
    assert.equal(judge(cluster, 'gamma', token), 'serves');
  });

  it('is told of no loss when cells have gone into others, or a new base has begun', () => {
    const cluster = three();
    for (const key of ['absorbed', 'ended']) {
      cluster.write('beta', key, '10');
      cluster.run(100);
      cluster.increment('alpha', key);
      cluster.run(100);
    }
    const tokens = ['absorbed', 'ended'].map((key) => readIn(cluster, 'beta', key));
    cluster.write('beta', 'ended', '0');
    cluster.restart('alpha');
    cluster.run(COLLECTED_MS);
    cluster.increment('gamma', 'ended');
    cluster.run(COLLECTED_MS);
    for (const { id, state } of cluster.members) {
      assert.equal(state.tombstones.count, 0, id);
      for (const token of tokens) assert.equal(judge(cluster, id, token), 'serves', id);
    }
  });
});
