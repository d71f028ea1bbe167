/**
 * The place of one run: a fresh folder, free ports, a multicast group of its own.
 *
 * Owns the folder and its removal, and the search for ports; who listens on them is the parts'. Invariant: nothing is
 * written outside the folder, and every address is on 127.0.0.1, so a run neither hears nor disturbs a cluster that is really at work.
 */
import { createSocket } from 'node:dgram';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DERIVED_PORT_DISTANCE } from '../../src/peer/serversFile.ts';

export const HOST = '127.0.0.1';
/** Ports are looked for below the range that systems hand out to outgoing connections. */
const LOWEST_PORT = 12_000;
const HIGHEST_PORT = 30_000;
const PORT_ATTEMPTS = 500;

export interface ServersText {
  /** Path of the servers.txt that was written. */
  readonly path: string;
  readonly ids: readonly string[];
  /** Port of each peer, in the order of `ids`; its clients are at the port less 1000. */
  readonly ports: readonly number[];
  readonly dataDirectory: string;
  readonly clusterId: string;
  readonly multicast: MulticastAddress;
}

export interface MulticastAddress {
  readonly group: string;
  readonly port: number;
}

function isTcpPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen({ host: HOST, port, exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

function isUdpPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ address: HOST, port, exclusive: true }, () => {
      socket.close(() => {
        resolve(true);
      });
    });
  });
}

export class Workspace {
  readonly directory: string;
  readonly #handedOut = new Set<number>();
  #clusters = 0;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(): Promise<Workspace> {
    return new Workspace(await mkdtemp(join(tmpdir(), 'toposphere-bench-')));
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }

  /** A new empty folder inside the workspace. */
  async folder(name: string): Promise<string> {
    const path = join(this.directory, name);
    await mkdir(path, { recursive: true });
    return path;
  }

  /** A port that is free for TCP and UDP, with its client port and page port free too. */
  async freePort(): Promise<number> {
    for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
      const port = LOWEST_PORT + Math.floor(Math.random() * (HIGHEST_PORT - LOWEST_PORT));
      const family = [port - DERIVED_PORT_DISTANCE, port, port + DERIVED_PORT_DISTANCE];
      if (family.some((one) => this.#handedOut.has(one))) continue;
      const isFree = await Promise.all([...family.map(isTcpPortFree), isUdpPortFree(port)]);
      if (isFree.includes(false)) continue;
      for (const one of family) this.#handedOut.add(one);
      return port;
    }
    throw new Error(`no free port between ${LOWEST_PORT} and ${HIGHEST_PORT}`);
  }

  /** A group of the organisation-local range, drawn anew: two runs at once do not meet. */
  async freeMulticast(): Promise<MulticastAddress> {
    const draw = (): number => 1 + Math.floor(Math.random() * 254);
    return { group: `239.195.${draw()}.${draw()}`, port: await this.freePort() };
  }

  /** Writes a servers.txt of `count` peers on free ports, and picks the rest that makes a cluster of its own. */
  async cluster(count: number): Promise<ServersText> {
    const name = `cluster${++this.#clusters}`;
    const directory = await this.folder(name);
    const ids = ['alpha', 'beta', 'gamma', 'delta'].slice(0, count);
    const ports: number[] = [];
    while (ports.length < count) ports.push(await this.freePort());
    const path = join(directory, 'servers.txt');
    await writeFile(path, ids.map((id, index) => `${id} ${HOST} ${ports[index] ?? 0}\n`).join(''));
    return {
      path,
      ids,
      ports,
      dataDirectory: join(directory, 'data'),
      clusterId: `bench-${process.pid}-${name}`,
      multicast: await this.freeMulticast(),
    };
  }
}
