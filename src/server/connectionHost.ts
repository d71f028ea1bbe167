/**
 * What a connection is given: its socket, and what it shares with the other connections of its server.
 *
 * Owns the two shapes only: connection.ts works against them, server.ts fills them in, and node:net stays in
 * src/network.
 */
import type { Acknowledgements } from './acknowledgements.ts';
import type { Backend } from '../peer/backend.ts';
import type { ServerState } from './command.ts';
import type { ReplyWriter } from './reply.ts';
import type { RequestLimits } from './requestParser.ts';

/** What a connection needs of a socket; node:net's has it all. */
export interface ClientSocket {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly writableLength: number;
  allowHalfOpen: boolean;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'drain' | 'end' | 'close' | 'timeout', listener: () => void): unknown;
  write(bytes: Uint8Array): boolean;
  end(onFinished: () => void): unknown;
  cork(): void;
  uncork(): void;
  /** 'timeout' comes when for so long nothing was received and nothing more of what was written has left; 0: never. */
  setTimeout(ms: number): unknown;
  pause(): unknown;
  resume(): unknown;
  destroy(): unknown;
}

/** What the connections of a server share. */
export interface ConnectionHost {
  readonly backend: Backend;
  readonly server: ServerState;
  /** One writer for all: a connection leaves it empty when its turn is over. */
  readonly reply: ReplyWriter;
  /** Where replies go that the client does not want (CLIENT REPLY). Empty between two commands. */
  readonly unsent: ReplyWriter;
  readonly acknowledgements: Acknowledgements;
  /** `isRunning`: the shared writer is in use. */
  readonly turn: { isRunning: boolean };
  readonly requestLimits: RequestLimits;
  /** Adds to the memory behind all unfinished requests; false when there is too much of it. */
  readonly noteInputBytes: (change: number) => boolean;
  /** Calls `onReady` once the backend takes writes again. */
  readonly whenReady: (onReady: () => void) => void;
  /** A client took nothing of its replies, and is closed for that. */
  readonly noteStalled: () => void;
  readonly onClosed: (clientId: number) => void;
}
