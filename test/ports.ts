/**
 * Free ports and multicast groups on this machine, for clusters that live for one test.
 *
 * Owns the choice alone; nobody keeps a port reserved, so a start may still find it taken. All ports
 * lie below the system's ephemeral range: an outgoing connection never takes one meanwhile. Invariants:
 * with every port p that comes out, p - 1000 (clients) and p + 1000 (status page) were free as well; test
 * processes that mocha runs side by side never draw the same.
 */
import { createSocket } from 'node:dgram';
import { createServer, isIPv6 } from 'node:net';

/** Peer ports are taken from these thousands, so that p - 1000 and p + 1000 stay within the range below 32768. */
const LOWEST_THOUSAND = 12;
const HIGHEST_THOUSAND = 29;
/** In each thousand a test process draws from a share of its own, which p - 1000 and p + 1000 do not leave. */
const SHARES = 8;
const SHARE_PORTS = 1000 / SHARES;
/** Set by mocha where it runs files side by side: 0, 1, ... */
const share = Number(process.env['MOCHA_WORKER_ID'] ?? 0) % SHARES;
/** Ports of multicast groups: above every p + 1000. */
const LOWEST_GROUP_PORT = 31_600;
const HIGHEST_GROUP_PORT = 32_700;
const TRIES = 500;
export const LOOPBACK = '127.0.0.1';

export interface GroupAddress {
  readonly group: string;
  readonly port: number;
}

function isTcpFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen({ host, port, exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

function isUdpFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.close(() => {
        resolve(true);
      });
    });
  });
}

async function isPeerPortFree(port: number, host: string): Promise<boolean> {
  const checks = [
    isTcpFree(port, host),
    isUdpFree(port, host),
    isTcpFree(port - 1000, host),
    isTcpFree(port + 1000, host),
  ];
  return (await Promise.all(checks)).every((isFree) => isFree);
}

function randomBetween(lowest: number, highest: number): number {
  return lowest + Math.floor(Math.random() * (highest - lowest + 1));
}

/** `count` peer ports in a row. */
export async function findPeerPorts(count: number, host = LOOPBACK): Promise<readonly number[]> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const thousand = randomBetween(LOWEST_THOUSAND, HIGHEST_THOUSAND);
    const first = 1000 * thousand + SHARE_PORTS * share + randomBetween(0, SHARE_PORTS - count);
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if ((await Promise.all(ports.map((port) => isPeerPortFree(port, host)))).every((isFree) => isFree))
      return ports;
  }
  throw new Error(
    `no ${count} free ports in a row in share ${share} of ${1000 * LOWEST_THOUSAND} to ${1000 * HIGHEST_THOUSAND + 999}`,
  );
}

/** A multicast group and port that no other cluster on this machine is likely to use. */
export async function findGroup(host = LOOPBACK): Promise<GroupAddress> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = randomBetween(LOWEST_GROUP_PORT, HIGHEST_GROUP_PORT);
    const [high, low] = [randomBetween(1, 254), randomBetween(1, 254)];
    const group = isIPv6(host)
      ? `ff12::efc3:${high.toString(16)}${low.toString(16).padStart(2, '0')}`
      : `239.195.${high}.${low}`;
    if (await isUdpFree(port, host)) return { group, port };
  }
  throw new Error('no free port for a multicast group');
}
