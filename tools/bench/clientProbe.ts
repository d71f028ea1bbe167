/**
 * Child process: Redis clients, one that sets at the first server and one at each other server that is told of it.
 *
 * Owns the sockets. The same bytes go to both systems but for the words that subscribe: `TOPOSPHERE WATCH` on a peer, keyspace events
 * on a redis replica. All clients live in this one process, for both systems alike. Invariant: a key occurs once in
 * what a server sends about it, so finding it is noticing the change.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { encodeRequest } from '../../src/cli/connection.ts';
import type { ProbeTask } from './visibilityMessages.ts';
import { sequenceText, startProbe } from './visibilityProbe.ts';
import { HOST } from './workspace.ts';

interface ClientTask extends ProbeTask {
  /** The first takes the writes, the others tell. */
  readonly ports: readonly number[];
  readonly subscribe: readonly string[];
  /** Keys begin with this; nothing else that a server sends does. */
  readonly prefix: string;
}

const SEQUENCE_DIGITS = 9;
const task = JSON.parse(process.argv[2] ?? '{}') as ClientTask;
const value = 'v'.repeat(task.valueBytes);
const [writerPort = 0, ...receiverPorts] = task.ports;
const replies: (() => void)[] = [];

function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: HOST, port, noDelay: true }, () => {
      resolve(socket);
    });
    socket.once('error', reject);
    socket.once('close', () => {
      reject(new Error(`127.0.0.1:${port} closed the connection`));
    });
  });
}

const writer = await dial(writerPort);
const probe = startProbe({
  receivers: receiverPorts.length,
  write(sequence) {
    writer.write(encodeRequest(['SET', task.prefix + sequenceText(sequence), value]));
    return new Promise((resolve) => replies.push(resolve));
  },
});

let writerText = '';
writer.on('data', (chunk) => {
  writerText += chunk.toString('latin1');
  const lines = writerText.split('\r\n');
  writerText = lines.pop() ?? '';
  for (const line of lines) {
    if (line !== '+OK') throw new Error(`SET was answered: ${line}`);
    replies.shift()?.();
  }
});

/** Resolves when the server has answered the subscription. */
async function subscribe(port: number, receiver: number): Promise<void> {
  const socket = await dial(port);
  let rest = '';
  const answered = new Promise<void>((resolve, reject) => {
    socket.once('data', (chunk) => {
      if (chunk.toString('latin1').startsWith('-')) reject(new Error(chunk.toString('latin1')));
      else resolve();
    });
  });
  const keyLength = task.prefix.length + SEQUENCE_DIGITS;
  socket.on('data', (chunk) => {
    const text = rest + chunk.toString('latin1');
    let end = 0;
    for (let at = text.indexOf(task.prefix); at >= 0; at = text.indexOf(task.prefix, end)) {
      end = at + keyLength;
      if (end > text.length) break;
      probe.note(Number(text.slice(at + task.prefix.length, end)), receiver);
    }
    // A key may be cut in two by the end of the chunk: its beginning is kept.
    rest =
      end > text.length
        ? text.slice(end - keyLength)
        : text.slice(Math.max(end, text.length - task.prefix.length));
  });
  socket.write(encodeRequest(task.subscribe));
  await answered;
}

await Promise.all(receiverPorts.map(subscribe));
probe.announce();
