/**
 * A Redis server over a map, fresh for each test of a `describe`, with clients that are closed behind it.
 *
 * Owns starting and ending both. What a test asks, and what it holds back or refuses in the backend, is the test's.
 */
import type { RedisServer, RedisServerOptions } from '../../src/server/server.ts';
import { startRedisServer } from '../../src/server/server.ts';
import { createMapBackend } from './mapBackend.ts';
import type { MapBackend } from './mapBackend.ts';
import { openRawClient } from './rawClient.ts';
import type { RawClient } from './rawClient.ts';

export interface Served {
  readonly backend: MapBackend;
  readonly server: RedisServer;
  /** The first client that is opened. */
  readonly client: RawClient;
  readonly open: () => RawClient;
  /** One that has said HELLO 3. */
  readonly openRespThree: () => Promise<RawClient>;
  /** The same, empty, with other options. */
  readonly restart: (options: Partial<RedisServerOptions>) => Promise<void>;
}

/** To be called in a `describe`; what it answers is looked at anew in each test. */
export function useServer(options: Partial<RedisServerOptions> = {}): Served {
  let backend = createMapBackend();
  let server: RedisServer | undefined;
  let clients: RawClient[] = [];

  async function start(chosen: Partial<RedisServerOptions>): Promise<void> {
    backend = createMapBackend();
    server = await startRedisServer({ backend, host: '127.0.0.1', port: 0, ...chosen });
  }

  async function end(): Promise<void> {
    for (const client of clients) client.destroy();
    clients = [];
    await server?.close();
  }

  beforeEach(() => start(options));
  afterEach(end);

  const served: Served = {
    get backend() {
      return backend;
    },
    get server() {
      if (server === undefined) throw new Error('no test runs');
      return server;
    },
    get client() {
      return clients[0] ?? served.open();
    },
    open: () => {
      const client = openRawClient(served.server.port);
      clients.push(client);
      return client;
    },
    openRespThree: async () => {
      const client = served.open();
      client.send('HELLO 3\r\n');
      await client.waitForBytes(100);
      await client.ask('PING\r\n', '+PONG\r\n');
      return client;
    },
    restart: async (chosen) => {
      await end();
      await start({ ...options, ...chosen });
    },
  };
  return served;
}
