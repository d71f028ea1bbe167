/** Files read again while a peer runs: what its next start would refuse is refused now, with nothing changed. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPeerState } from '../../src/core/loadState.ts';
import { learnMembers } from '../../src/core/members.ts';
import { defaultSettings } from '../../src/core/settings.ts';
import type { PeerState } from '../../src/core/state.ts';
import type { PeerId } from '../../src/core/types.ts';
import { AddressBook } from '../../src/peer/addressBook.ts';
import { createLog } from '../../src/peer/logger.ts';
import { reload } from '../../src/peer/reloading.ts';
import { readServersFile } from '../../src/peer/serversFile.ts';
import { openMemoryStore } from '../../src/storage/memoryStore.ts';

const ALPHA = 'alpha' as PeerId;

describe('files read again', () => {
  let folder: string;
  let path: string;
  let state: PeerState;
  let addresses: AddressBook;
  let log: string[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-reload-'));
    path = join(folder, 'servers.txt');
    await writeFile(path, 'alpha 127.0.0.1 7401\n');
    const store = openMemoryStore().store;
    const options = { settings: defaultSettings, store, random: () => 0.5, isBootstrap: true };
    const now = { monotonicMs: 0, wallMs: Date.UTC(2026, 0, 1) };
    state = createPeerState({ ...options, id: ALPHA, members: [ALPHA] }, now);
    addresses = new AddressBook(ALPHA, await readServersFile(path));
    log = [];
  });

  afterEach(() => rm(folder, { recursive: true }));

  async function readAgain(lines: readonly string[]): Promise<string> {
    await writeFile(path, lines.join('\n'));
    const admit = (ids: readonly PeerId[]): boolean => learnMembers(state, { admitted: ids, forgotten: [] });
    return reload({
      addresses,
      runtime: { state, admit },
      multicast: { port: 7400 },
      keys: undefined,
      discovering: undefined,
      further: [],
      now: () => ({ monotonicMs: 0, wallMs: Date.UTC(2026, 0, 1) }),
      log: createLog(
        ({ event }) => log.push(event),
        () => ({ peer: ALPHA }),
      ),
    });
  }

  it('admit a new line', async () => {
    assert.match(await readAgain(['alpha 127.0.0.1 7401', 'beta 127.0.0.1 7402']), /beta admitted$/);
    assert.deepEqual(log, ['serversReread']);
  });

  it('are refused where the next start would refuse them, every fault told, and nothing is changed', async () => {
    const lines = ['alpha 127.0.0.1 7401', 'beta 127.0.0.1 7400', 'gamma 10.0.0.3 7403'];
    await assert.rejects(readAgain(lines), {
      code: 'BAD_CONFIGURATION',
      message: [
        `${path}: beyond loopback (gamma 10.0.0.3) peers talk only with a cluster key; give one with --cluster-key-file`,
        `${path}:2: port 7400 of 'beta' is the multicast port; change one of them`,
        'nothing was changed',
      ].join('\n'),
    });
    assert.deepEqual([state.peers.size, addresses.peers.size, log.length], [0, 0, 0]);
  });
});
