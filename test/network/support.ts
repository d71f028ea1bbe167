/**
 * What real-socket tests share: waiting for an event with a deadline, networks that get closed.
 *
 * All sockets are on 127.0.0.1 unless a test names another host. Nothing here sleeps: `until` looks again whenever something happened.
 */
import { EventEmitter, once } from 'node:events';
import type { PeerId } from '../../src/core/types.ts';
import { openNetwork } from '../../src/network/network.ts';
import type { Network, NetworkOptions } from '../../src/network/network.ts';

export const HOST = '127.0.0.1';
const DEADLINE_MS = 5_000;

/** Everything a network reported, and a way to wait for it. */
export interface Inbox {
  readonly datagrams: { readonly bytes: Buffer; readonly channel: 'multicast' | 'unicast' }[];
  readonly frames: Buffer[];
  readonly faults: string[];
  /** Resolves once `condition` holds; looks after each arrival. Rejects after five seconds. */
  until(condition: () => boolean): Promise<void>;
}

export interface TestNetwork extends Inbox {
  readonly network: Network;
  readonly port: number;
}

const opened: Network[] = [];

/** Closes what the test opened. */
export async function closeNetworks(): Promise<void> {
  await Promise.all(opened.splice(0).map((network) => network.close()));
}

export async function openTestNetwork(
  port: number,
  peers: ReadonlyMap<PeerId, { readonly host: string; readonly port: number }>,
  options: Partial<NetworkOptions> = {},
): Promise<TestNetwork> {
  const arrivals = new EventEmitter();
  const inbox: Pick<Inbox, 'datagrams' | 'frames' | 'faults'> = { datagrams: [], frames: [], faults: [] };
  const network = await openNetwork({
    self: { host: HOST, port },
    peers,
    multicast: undefined,
    receiveBufferBytes: 64 * 1024,
    onDatagram(bytes, channel) {
      inbox.datagrams.push({ bytes, channel });
      arrivals.emit('arrival');
    },
    onFrame(bytes) {
      inbox.frames.push(Buffer.from(bytes));
      arrivals.emit('arrival');
      return true;
    },
    onFault(description) {
      inbox.faults.push(description);
      arrivals.emit('arrival');
    },
    ...options,
  });
  opened.push(network);
  return {
    ...inbox,
    network,
    port,
    async until(condition) {
      const signal = AbortSignal.timeout(DEADLINE_MS);
      while (!condition()) await once(arrivals, 'arrival', { signal });
    },
  };
}

/** A map of peers on this machine, by name and port. */
export function peersOn(
  ports: Readonly<Record<string, number>>,
  host = HOST,
): Map<PeerId, { host: string; port: number }> {
  return new Map(Object.entries(ports).map(([id, port]) => [id as PeerId, { host, port }]));
}
