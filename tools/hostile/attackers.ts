/**
 * Connections that mean harm: many at a time, what they send, and what becomes of them.
 *
 * Owns the sockets and their end. What is sent is attacks.ts's. Invariant: nothing that a peer does to one of them ends this process, and `closeAll` leaves none open.
 */
import { dialTcp } from '../../src/network/tcp.ts';
import type { Socket } from '../../src/network/tcp.ts';
import { HOST } from '../bench/workspace.ts';

/** Connections that are dialled before the first of them is waited for, count: a listen queue holds 511. */
const DIAL_AT_ONCE = 200;

export class Attackers {
  readonly #port: number;
  readonly #open = new Set<Socket>();
  /** Of all connections: bytes handed over, and how many the peer has closed. */
  sentBytes = 0;
  closed = 0;
  opened = 0;

  constructor(port: number) {
    this.#port = port;
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** Connects `count` times; `onOpen` is told each that was accepted. */
  async open(count: number, onOpen: (socket: Socket) => void): Promise<void> {
    for (let left = count; left > 0; left -= DIAL_AT_ONCE)
      await Promise.all(Array.from({ length: Math.min(left, DIAL_AT_ONCE) }, () => this.#dial(onOpen)));
  }

  send(socket: Socket, bytes: Buffer | string): boolean {
    if (socket.destroyed) return false;
    this.sentBytes += bytes.length;
    return socket.write(bytes);
  }

  /** Sends `chunk` again and again, as fast as the peer takes it, until it was sent `times` times or the connection has ended. */
  async flood(socket: Socket, chunk: Buffer, times: number): Promise<void> {
    for (let left = times; left > 0 && !socket.destroyed; left -= 1) {
      if (this.send(socket, chunk)) continue;
      await new Promise<void>((resolve) => {
        const go = (): void => {
          socket.off('drain', go);
          socket.off('close', go);
          resolve();
        };
        socket.on('drain', go);
        socket.on('close', go);
      });
    }
  }

  closeAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  #dial(onOpen: (socket: Socket) => void): Promise<void> {
    return new Promise((resolve) => {
      const socket = dialTcp({ host: HOST, port: this.#port });
      this.#open.add(socket);
      socket.on('connect', () => {
        this.opened += 1;
        onOpen(socket);
        resolve();
      });
      socket.on('close', () => {
        this.closed += 1;
        this.#open.delete(socket);
        resolve();
      });
    });
  }
}
