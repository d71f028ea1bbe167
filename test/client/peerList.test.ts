/** In which order a client tries peers, and what an error reply means to it. */
import assert from 'node:assert/strict';
import { orderPeers, parsePeers, readPeers } from '../../src/client/peerList.ts';
import { readRefusal } from '../../src/client/refusals.ts';

const PEERS = parsePeers(['10.0.0.1:6401', '10.0.0.2:6401', '10.0.0.3:6401', '10.0.0.4:6401']);
const [FIRST = '', SECOND = '', THIRD = '', FOURTH = ''] = PEERS.map(({ name }) => name);

describe('the order of peers', () => {
  const order = (roundTrips: Readonly<Record<string, number>>, affinity = 'a'): readonly string[] =>
    orderPeers(PEERS, new Map(Object.entries(roundTrips)), affinity).map(({ name }) => name);

  it('is by round trip, and those that did not answer come last', () => {
    assert.deepEqual(order({ [THIRD]: 0.1, [FIRST]: 1, [FOURTH]: 5 }), [THIRD, FIRST, FOURTH, SECOND]);
  });

  it('among those about as near is the same each time, and another for other clients', () => {
    const [one, again] = [
      { [FIRST]: 0.2, [SECOND]: 0.24, [THIRD]: 0.22 },
      { [FIRST]: 0.23, [SECOND]: 0.2, [THIRD]: 0.21 },
    ];
    const firsts = new Set<string | undefined>();
    for (let client = 0; client < 50; client += 1) {
      assert.deepEqual(order(one, `${client}`), order(again, `${client}`));
      assert.equal(order(one, `${client}`)[3], FOURTH);
      firsts.add(order(one, `${client}`)[0]);
    }
    assert.deepEqual([...firsts].sort(), [FIRST, SECOND, THIRD]);
  });

  it('has a peer on this machine before those on the LAN', () => {
    for (let client = 0; client < 20; client += 1)
      assert.equal(
        order({ [FIRST]: 0.3, [SECOND]: 0.05, [THIRD]: 0.25, [FOURTH]: 0.3 }, `${client}`)[0],
        SECOND,
      );
  });

  it('has each address once', () => {
    const names = parsePeers(['a:1', 'A:1', '[::1]:2', '[0:0::1]:2']).map(({ name }) => name);
    assert.deepEqual(names, ['a:1', '[::1]:2']);
  });

  it('is of those of servers.txt at their ports less 1000, or all at the one for TLS', async () => {
    const portsOf = async (tlsPort?: number): Promise<readonly number[]> =>
      (await readPeers('config/servers.txt', tlsPort)).map(({ port }) => port);
    assert.deepEqual(await portsOf(), [6401, 6402, 6403, 6404]);
    assert.deepEqual(await portsOf(6501), [6501, 6501, 6501, 6501]);
  });
});

describe('an error reply', () => {
  const read = (text: string): readonly unknown[] => {
    const { error, isElsewhere } = readRefusal(text);
    return [error.code, error.message, error.changed, isElsewhere];
  };

  it('is a code and a message; elsewhere may be better if nothing was changed', () => {
    assert.deepEqual(read('LOSTWRITE of "k"'), ['LOST_WRITE', 'of "k"', false, false]);
    assert.deepEqual(read('DISKFULL no room'), ['DISK_FULL', 'no room', false, true]);
    assert.deepEqual(read('STORAGEFAILED the write may be lost'), [
      'STORAGE_FAILED',
      'the write may be lost',
      'unknown',
      false,
    ]);
    assert.deepEqual(read('UNKNOWN two of three have it'), ['UNKNOWN', 'two of three have it', true, false]);
    assert.deepEqual(read('LOADING'), ['LOADING', '', false, true]);
  });

  it('without a code of ours is a bad argument, in its own words', () => {
    assert.deepEqual(read('ERR value is not an integer'), [
      'BAD_ARGUMENT',
      'ERR value is not an integer',
      false,
      false,
    ]);
    assert.deepEqual(read('NOAUTH Authentication required.'), [
      'BAD_ARGUMENT',
      'NOAUTH Authentication required.',
      false,
      true,
    ]);
  });
});
