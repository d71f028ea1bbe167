/**
 * Free ports and multicast groups on this machine, for clusters that live for one test.
 *
 * Owns the choice alone; nobody keeps a port reserved, so a start may still find it taken. All ports
 * lie below the system's ephemeral range: an outgoing connection never takes one meanwhile. Invariant:
 * with every port p that comes out, p - 1000 (clients) and p + 1000 (status page) were free as well.
 */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/** Peer ports are taken from here, so that p - 1000 and p + 1000 stay within the range below 32768. */
const LOWEST_PORT = 12_000;
const HIGHEST_PORT = 30_500;
/** Ports of multicast groups: above every p + 1000. */
const LOWEST_GROUP_PORT = 31_600;
const HIGHEST_GROUP_PORT = 32_700;
const TRIES = 500;

export interface GroupAddress {
  readonly group: string;
  readonly port: number;
}

function isTcpFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

function isUdpFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ address: '127.0.0.1', port, exclusive: true }, () => {
      socket.close(() => {
        resolve(true);
      });
    });
  });
}

async function isPeerPortFree(port: number): Promise<boolean> {
  const checks = [isTcpFree(port), isUdpFree(port), isTcpFree(port - 1000), isTcpFree(port + 1000)];
  return (await Promise.all(checks)).every((isFree) => isFree);
}

function randomBetween(lowest: number, highest: number): number {
  return lowest + Math.floor(Math.random() * (highest - lowest + 1));
}

/** `count` peer ports in a row. */
export async function findPeerPorts(count: number): Promise<readonly number[]> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const first = randomBetween(LOWEST_PORT, HIGHEST_PORT - count);
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if ((await Promise.all(ports.map(isPeerPortFree))).every((isFree) => isFree)) return ports;
  }
  throw new Error(`no ${count} free ports in a row between ${LOWEST_PORT} and ${HIGHEST_PORT}`);
}

/** A multicast group and port that no other cluster on this machine is likely to use. */
export async function findGroup(): Promise<GroupAddress> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = randomBetween(LOWEST_GROUP_PORT, HIGHEST_GROUP_PORT);
    const group = `239.195.${randomBetween(1, 254)}.${randomBetween(1, 254)}`;
    if (await isUdpFree(port)) return { group, port };
  }
  throw new Error('no free port for a multicast group');
}
