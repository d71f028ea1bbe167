/**
 * Child process: one embedded peer of four, with the Redis server in front of it as `serve` has.
 *
 * Owns the peer, a watch that notes arrivals, and writes through the embedded API. Clients of the second measurement (through Redis
 * clients) come to the same peers: nothing differs but the way in and out. Invariant: it is ready only when it
 * hears all the others, and they it, by multicast.
 */
import { waitUntil } from './peers.ts';
import { loadPeer, loadServer } from './shipped.ts';
import type { ProbeTask } from './visibilityMessages.ts';
import { sequenceText, startProbe } from './visibilityProbe.ts';
import { HOST } from './workspace.ts';

/** Milliseconds until all must hear each other. */
const MEET_TIMEOUT_MS = 15_000;
/** Keys of the embedded measurement. */
const PREFIX = 'e:';

interface PeerTask extends ProbeTask {
  readonly id: string;
  readonly servers: string;
  readonly dataDirectory: string;
  readonly clusterId: string;
  readonly multicastGroup: string;
  readonly multicastPort: number;
  readonly clientPort: number;
}

const { processes, valueBytes, clientPort, ...settings } = JSON.parse(process.argv[2] ?? '{}') as PeerTask;
const value = Buffer.alloc(valueBytes, 'v');
const { Peer } = await loadPeer();
const { startRedisServer } = await loadServer();
const peer = await Peer.open(settings);
await startRedisServer({ backend: peer.backend, host: HOST, port: clientPort });

const probe = startProbe({
  receivers: 1,
  write: (sequence) => peer.set(PREFIX + sequenceText(sequence), value),
});
peer.watch(PREFIX, ({ key }) => {
  probe.note(Number(key.toString('latin1', PREFIX.length)), 0);
});
const haveMet = await waitUntil(() => {
  const { members } = peer.status();
  const met = members.filter(({ alive, multicast }) => alive && multicast).length;
  return Promise.resolve(met === processes - 1);
}, MEET_TIMEOUT_MS);
if (!haveMet)
  throw new Error(`${settings.id} does not hear all others: ${JSON.stringify(peer.status().members)}`);
probe.announce();
