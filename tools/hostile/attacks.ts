/**
 * What clients that mean harm do to a peer, one way each, and what the peer is to make of it.
 *
 * Owns the bytes, the sizes of both forms, and the bound of each attack: what the peer's memory may grow by, and which counter has to tell of it. Leaves sockets to attackers.ts,
 * measuring to main.ts. Invariant: a bound is a limit of the peer's, in its own terms, and not what was once measured.
 */
import type { Attackers } from './attackers.ts';

const MIB = 1024 * 1024;
/** What a peer may grow by whoever attacks: garbage that is not collected yet, buffers of the system's. */
const SLACK_MIB = 96;

/** How long clients that stand still are borne, milliseconds: a setting of the peer that is attacked. */
export const STALLED_MS = 1500;
/** Key that slow readers ask for, and its size. */
export const BIG_KEY = 'hostile:big';
export const BIG_BYTES = 1 * MIB;

export interface Attack {
  readonly name: string;
  /** Count of connections, short and long. */
  readonly connections: Sizes;
  /** Most that the peer's own memory may grow by, MiB. */
  readonly boundMiB: (connections: number) => number;
  /** Field of INFO that has to rise; undefined: nothing is closed, for nothing wrong was said. */
  readonly reason: string | undefined;
  /** How many times, at least. */
  readonly reasonLeast: (connections: number) => number;
  readonly run: (attackers: Attackers, connections: number) => Promise<void>;
}

interface Sizes {
  readonly short: number;
  readonly long: number;
}

const all = (connections: number): number => connections;
const none = (): number => 0;
const slack = (): number => SLACK_MIB;

/** Each connection says `bytes` at once. */
function saying(bytes: Buffer): Attack['run'] {
  return (attackers, connections) =>
    attackers.open(connections, (socket) => {
      attackers.send(socket, bytes);
    });
}

export const ATTACKS: readonly Attack[] = [
  {
    name: 'nested arrays: *30000000 six times, and *1048576 within itself',
    connections: { short: 50, long: 2000 },
    boundMiB: slack,
    reason: 'client_protocol_errors',
    reasonLeast: all,
    run: async (attackers, connections) => {
      await saying(Buffer.from('*30000000\r\n'.repeat(6)))(attackers, connections / 2);
      await saying(Buffer.from('*1048576\r\n'.repeat(1000)))(attackers, connections / 2);
    },
  },
  {
    name: 'claims of 512 MB: $536870912',
    connections: { short: 50, long: 2000 },
    boundMiB: slack,
    reason: 'client_protocol_errors',
    reasonLeast: all,
    run: saying(Buffer.from('*2\r\n$3\r\nGET\r\n$536870912\r\n')),
  },
  {
    name: 'arguments of 16 MB that are claimed, half sent and left',
    connections: { short: 20, long: 150 },
    // The limit for all unfinished requests, 512 MiB; and a buffer that has just grown stands beside the old one.
    boundMiB: (connections) => SLACK_MIB + 2 * Math.min(512, connections * 8),
    reason: 'client_query_buffer_limit_disconnections',
    reasonLeast: (connections) => Math.max(0, connections - 64),
    run: async (attackers, connections) => {
      const floods: Promise<void>[] = [];
      const chunk = Buffer.alloc(256 * 1024, 'x');
      await attackers.open(connections, (socket) => {
        attackers.send(socket, '*2\r\n$3\r\nGET\r\n$16777216\r\n');
        floods.push(attackers.flood(socket, chunk, 32));
      });
      await Promise.all(floods);
    },
  },
  {
    name: 'half a request, and then nothing',
    connections: { short: 200, long: 5000 },
    boundMiB: slack,
    reason: undefined,
    reasonLeast: none,
    run: saying(Buffer.from('*3\r\n$3\r\nSET\r\n$1\r\na\r\n$10')),
  },
  {
    name: 'garbage without a line end',
    connections: { short: 20, long: 500 },
    boundMiB: slack,
    reason: 'client_protocol_errors',
    reasonLeast: all,
    run: async (attackers, connections) => {
      const floods: Promise<void>[] = [];
      await attackers.open(connections, (socket) => {
        floods.push(attackers.flood(socket, Buffer.alloc(16 * 1024, 'garbage '), 8));
      });
      await Promise.all(floods);
    },
  },
  {
    name: 'HTTP of a browser that was sent here',
    connections: { short: 50, long: 1000 },
    boundMiB: slack,
    reason: 'client_http_dropped',
    reasonLeast: all,
    run: saying(Buffer.from('POST / HTTP/1.1\r\nHost: peer\r\n\r\nFLUSHALL\r\n')),
  },
  {
    name: 'readers that ask for 64 MB each and take nothing',
    connections: { short: 10, long: 300 },
    // A megabyte of replies before the next request is not read, and the one that passed it.
    boundMiB: (connections) => SLACK_MIB + connections * 3,
    reason: 'client_stalled_disconnections',
    reasonLeast: all,
    run: async (attackers, connections) => {
      await attackers.open(connections, (socket) => {
        socket.pause();
        attackers.send(socket, `GET ${BIG_KEY}\r\n`.repeat(64));
      });
    },
  },
  {
    name: 'idle connections, more than there is room for',
    connections: { short: 320, long: 10_050 },
    boundMiB: (connections) => SLACK_MIB + connections * 0.02,
    reason: 'rejected_connections',
    reasonLeast: () => 1,
    run: (attackers, connections) => attackers.open(connections, () => undefined),
  },
  {
    name: 'connections that come and go',
    connections: { short: 500, long: 10_000 },
    boundMiB: slack,
    reason: undefined,
    reasonLeast: none,
    run: (attackers, connections) =>
      attackers.open(connections, (socket) => {
        attackers.send(socket, 'PING\r\n');
        socket.resetAndDestroy();
      }),
  },
  {
    name: 'MULTI of very many commands',
    connections: { short: 1, long: 4 },
    boundMiB: (connections) => SLACK_MIB + connections * 256,
    reason: 'transactions_too_large',
    reasonLeast: all,
    run: async (attackers, connections) => {
      const floods: Promise<void>[] = [];
      const commands = Buffer.from('SET hostile:m 1\r\n'.repeat(1000));
      await attackers.open(connections, (socket) => {
        socket.resume();
        attackers.send(socket, 'MULTI\r\n');
        floods.push(attackers.flood(socket, commands, connections === 1 ? 100 : 1000));
      });
      await Promise.all(floods);
    },
  },
];
