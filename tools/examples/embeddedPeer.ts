/**
 * An example for the embedded API: a web service whose every instance has all the data in its own process. A wall of notes.
 *
 * One peer a machine, no server beside: notes are read at memory speed, written wherever the visitor happens to be, also on a machine that is cut off. In two terminals
 *     npx tsx tools/examples/embeddedPeer.ts alpha config/servers.txt 3001
 *     npx tsx tools/examples/embeddedPeer.ts beta config/servers.txt 3002
 *     curl -X PUT -d tea localhost:3001/lunch; curl localhost:3002/lunch
 * (with a servers.txt of two peers; `config/servers.txt` waits for all four). In a project of your own, import from 'toposphere'.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { Peer, ToposphereError } from '../../src/index.ts';

const PREFIX = 'note/';

interface Answer {
  readonly status: number;
  readonly body: string;
}

async function answer(peer: Peer, { method, url = '/' }: IncomingMessage, body: string): Promise<Answer> {
  const name = decodeURIComponent(url.slice(1));
  if (method === 'GET' && name === '') {
    const names = Array.from(peer.range({ prefix: PREFIX }), ({ key }) =>
      key.toString().slice(PREFIX.length),
    );
    return { status: 200, body: `${names.join('\n')}\n` };
  }
  if (method === 'GET') {
    const note = peer.getText(PREFIX + name);
    return note === undefined ? { status: 404, body: 'no such note\n' } : { status: 200, body: note };
  }
  if (method === 'PUT') await peer.set(PREFIX + name, body);
  else if (method === 'DELETE') await peer.delete(PREFIX + name);
  else return { status: 405, body: 'GET, PUT or DELETE\n' };
  return { status: 204, body: '' };
}

/** Serves the notes of `peer`; what the peer refuses (a full disk, a clock that is ahead) is 503, with its words. */
export function serveNotes(peer: Peer): Server {
  return createServer((request, response) => {
    text(request)
      .then((body) => answer(peer, request, body))
      .catch((error: unknown): Answer => {
        if (error instanceof ToposphereError) return { status: 503, body: `${error.message}\n` };
        return { status: error instanceof URIError ? 400 : 500, body: `${String(error)}\n` };
      })
      .then(({ status, body }) => response.writeHead(status).end(body))
      .catch(() => request.destroy());
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [id = 'alpha', servers = 'config/servers.txt', port = '3001'] = process.argv.slice(2);
  const peer = await Peer.open({ id, servers }, ({ message }) => {
    console.log(message);
  });
  await peer.caughtUp(); // an instance that has just started has what the others have before it answers
  const server = serveNotes(peer).listen(Number(port));
  process.once('SIGINT', () => {
    server.close();
    void peer.close(); // says its last writes, and that it leaves
  });
}
