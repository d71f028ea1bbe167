/**
 * An example for `toposphere/client`: web sessions that outlive the peer they were written at. A Store for express-session, and a small Express application with it.
 *
 * The store is one sticky client: when its peer dies it goes on at the other one, and reads there what it wrote or something newer. With two peers running
 *     npx tsx tools/examples/sessionStore.ts 127.0.0.1:6401 127.0.0.1:6402
 *     curl -c jar -d name=ada localhost:3000/login; curl -b jar localhost:3000/me
 * In a project of your own, import from 'toposphere/client'.
 */
import type { Server } from 'node:http';
import { pathToFileURL } from 'node:url';
import express from 'express';
import session from 'express-session';
import type { SessionData } from 'express-session';
import { StickyClient } from '../../src/client/index.ts';

declare module 'express-session' {
  interface SessionData {
    name: string;
  }
}

/** How long a session lives after its last change, milliseconds. */
const LIVES_MS = 24 * 3_600_000;

/** Without `touch`: a request that is slow would write a session anew that another one has logged out meanwhile. */
export class ToposphereStore extends session.Store {
  readonly #client: StickyClient;

  constructor(client: StickyClient) {
    super();
    this.#client = client;
  }

  get(id: string, callback: (error: unknown, data?: SessionData | null) => void): void {
    this.#client.getText(keyOf(id)).then((text) => {
      callback(null, text === undefined ? null : (JSON.parse(text) as SessionData));
    }, callback);
  }

  set(id: string, data: SessionData, callback: (error?: unknown) => void = () => undefined): void {
    const expiresInMs = data.cookie.originalMaxAge ?? LIVES_MS;
    // 'durable' survives a power cut at this peer.
    this.#client.set(keyOf(id), JSON.stringify(data), { expiresInMs, write: 'durable' }).then(() => {
      callback();
    }, callback);
  }

  destroy(id: string, callback: (error?: unknown) => void = () => undefined): void {
    this.#client.delete(keyOf(id)).then(() => {
      callback();
    }, callback);
  }
}

function keyOf(id: string): string {
  return `web-session/${id}`;
}

/** Who logs in is known by name until they log out. `peerOf` tells which peer the store is at. */
export function createApplication(
  store: session.Store,
  secret: string,
  peerOf?: () => string | undefined,
): express.Express {
  const application = express();
  application.use(express.urlencoded({ extended: false }));
  application.use(session({ store, secret, resave: false, saveUninitialized: false }));
  application.post('/login', (request, response, next) => {
    // A new id: one that somebody else may have planted in this browser is worth nothing.
    request.session.regenerate((error: unknown) => {
      if (error) {
        next(error);
        return;
      }
      request.session.name = String((request.body as { name?: unknown }).name);
      response.send(`welcome, ${request.session.name}\n`);
    });
  });
  application.get('/me', (request, response) => {
    const { name } = request.session;
    if (name === undefined) response.status(401).send('log in first\n');
    else if (peerOf === undefined) response.send(`you are ${name}\n`);
    else response.send(`you are ${name}, and ${peerOf() ?? 'no peer'} says so\n`);
  });
  application.post('/logout', (request, response, next) => {
    request.session.destroy((error: unknown) => {
      if (error) next(error);
      else response.send('bye\n');
    });
  });
  return application;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const client = await StickyClient.connect({ peers: process.argv.slice(2) });
  client.on('failover', () => {
    console.log(`sessions are at ${client.peer ?? 'no peer'} now`);
  });
  const secret = process.env['SECRET'] ?? 'for trying it only';
  const application = createApplication(new ToposphereStore(client), secret, () => client.peer);
  const server: Server = application.listen(3000);
  process.once('SIGINT', () => {
    server.close();
    void client.close();
  });
}
