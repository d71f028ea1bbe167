/**
 * An example without a line of Toposphere's: Express sessions kept by connect-redis, which outlive the peer where the user logged in.
 *
 * node-redis is given one name that has the address of each peer (DNS, or lines of /etc/hosts): when its peer dies, it connects to another by itself. What the dead peer
 * was told last may be on its way still; sessionStore.ts waits for it. With two peers running, and `toposphere` the name of both,
 *     npx tsx tools/examples/connectRedis.ts redis://toposphere:6401
 *     curl -c jar -d name=ada localhost:3000/login; curl -b jar localhost:3000/me
 */
import { pathToFileURL } from 'node:url';
import { RedisStore } from 'connect-redis';
import { createClient } from 'redis';
import type { RedisClientType } from 'redis';
import { createApplication } from './sessionStore.ts';

/** Milliseconds between two attempts to connect; node-redis's own way begins as fast, and slows down. */
const RECONNECT_MS = 100;

/** A client that is connected, and connects again for as long as it takes. `onError` hears of each connection that broke. */
export async function connectTo(url: string, onError: (error: Error) => void): Promise<RedisClientType> {
  const client: RedisClientType = createClient({ url, socket: { reconnectStrategy: RECONNECT_MS } });
  client.on('error', onError);
  await client.connect();
  return client;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const client = await connectTo(process.argv[2] ?? 'redis://127.0.0.1:6401', ({ message }) => {
    console.log(`the connection broke: ${message}`);
  });
  const secret = process.env['SECRET'] ?? 'for trying it only';
  const server = createApplication(new RedisStore({ client }), secret).listen(3000);
  process.once('SIGINT', () => {
    server.close();
    client.destroy();
  });
}
