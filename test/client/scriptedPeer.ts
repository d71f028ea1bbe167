/**
 * A peer for the sticky client's tests, that answers as told: what a real one does when it is healthy, and what no real one could be made to do at will.
 *
 * Owns the ordinary answers (HELLO, PING, the session). Invariant: an answer of undefined is none: the peer says nothing to that request.
 */
import { bulk, startFakePeer, type FakePeer } from '../cli/fakePeer.ts';

/** The answer to a request, as its words in one text; 'ordinary' for what a healthy peer says, undefined for silence, 'close' to end the connection. */
export type Script = (words: string) => string | Buffer | undefined;

export interface ScriptedPeer {
  readonly address: string;
  /** What was asked but for HELLO, CLIENT and PING, in order: the words of each in one text. */
  readonly asked: () => readonly string[];
  script: Script;
  close(): Promise<void>;
}

/** Ends each token that this peer gives: a count of the operations that it has answered. */
export async function startScriptedPeer(
  name: string,
  script: Script = () => 'ordinary',
): Promise<ScriptedPeer> {
  let operations = 0;
  const fake: FakePeer = await startFakePeer((words, socket) => {
    const text = words.map((word) => word.toString('latin1')).join(' ');
    const told = peer.script(text);
    if (told === 'close') {
      socket.destroy();
      return undefined;
    }
    if (told !== 'ordinary') return told;
    return ordinary(text);
  });

  function ordinary(text: string): string | Buffer {
    if (text.startsWith('HELLO')) return '%1\r\n$5\r\nproto\r\n:3\r\n';
    if (text === 'PING') return '+PONG\r\n';
    if (text === 'TOPOSPHERE SESSION TOKEN') return bulk(`${name}.${operations}`);
    if (/^(?:CLIENT|TOPOSPHERE (?:SESSION|ACK))/.test(text)) return '+OK\r\n';
    operations += 1;
    if (/(?:^| )GET /.test(text)) return bulk(`${name}'s`);
    return text.startsWith('SET') || / SET /.test(text) ? '+OK\r\n' : ':1\r\n';
  }

  const peer: ScriptedPeer = {
    address: `127.0.0.1:${fake.port}`,
    asked: () =>
      fake.requests.map((words) => words.join(' ')).filter((text) => !/^(?:HELLO|CLIENT|PING)/.test(text)),
    script,
    close: () => fake.close(),
  };
  return peer;
}
