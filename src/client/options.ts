/**
 * What a sticky client is told when it is made, and what holds where nothing is said.
 *
 * Owns the names, defaults and ranges; all faults are reported together. Which peers there are is peerList.ts's to read. Invariant: options that come out
 * are whole and in range: nothing is checked again.
 */
import { hostname } from 'node:os';
import { ToposphereError } from '../core/errors.ts';
import { LAST_PORT } from '../network/tcp.ts';
import { assertTlsMaterial } from '../network/tls.ts';
import type { TlsTrust } from '../network/tls.ts';
import type { NearCacheSettings } from './nearCache.ts';
import { assertReadLevel, assertWriteLevel } from './levels.ts';
import type { ReadLevel, WriteLevel } from './levels.ts';
import type { Access } from './redis.ts';

export interface StickyClientOptions {
  /** Where peers serve Redis clients, `host:port` each; or `servers`. */
  readonly peers?: readonly string[];
  /** Path of a servers.txt: its peers are reached at their port less 1000, with `tls` at `tlsPort`. */
  readonly servers?: string;
  /** What the peers ask of Redis clients. */
  readonly password?: string;
  /** User of their users file, whose password it is. */
  readonly username?: string;
  /** Goes to them over TLS; true: shows no certificate, and takes those of authorities that Node.js knows. */
  readonly tls?: boolean | TlsOptions;
  /** With `servers` and `tls`: where all of them serve Redis clients over TLS (`--client-tls-port`). Addresses of `peers` have it in them. */
  readonly tlsPort?: number;
  /** The token of another session, which this one goes on with. */
  readonly sessionToken?: string;
  /** False: no session, and no promise beyond that of each command; what any Redis client that goes to another peer has. */
  readonly session?: boolean;
  /** How to read where nothing else is asked: `session`. */
  readonly read?: ReadLevel;
  /** What a write waits for where nothing else is asked: `committed`. */
  readonly write?: WriteLevel;
  /** Writes are gathered, and sent together at the level `fast`. */
  readonly buffer?: BufferOptions;
  /** How long an operation looks for a peer that takes it, milliseconds. */
  readonly deadlineMs?: number;
  /** A peer that owes an answer for longer has hung, and is left, milliseconds. Raising it forgives slow peers and machines, and finds hung ones later. */
  readonly operationTimeoutMs?: number;
  /** A peer that has nothing to answer is asked so often whether it still does, milliseconds. */
  readonly heartbeatMs?: number;
  /** How long all peers together are measured at the start, milliseconds. */
  readonly measureMs?: number;
  /** While peers are sought, the next is tried beside one that has not answered after so long, milliseconds. */
  readonly staggerMs?: number;
  /** When no peer serves, all are tried again after at most so long, milliseconds; a twentieth at first, then twice as long each time. */
  readonly backoffMs?: number;
  /** Between peers that are about as near, the same text prefers the same one. The machine's name when left out: its clients meet at one peer. */
  readonly affinity?: string;
  /** Keep values that were read, and serve them while the peer tells of changes; true: with the limits as they are. Off when left out. */
  readonly nearCache?: boolean | NearCacheOptions;
}

/** As PEM, by the names of node:tls. A certificate has to be for the address at which its peer is reached. */
export interface TlsOptions {
  /** The authority that has to have signed the peers' certificates; left out: those that Node.js knows. */
  readonly ca?: string | Uint8Array;
  /** What is shown to peers that ask for a certificate, and its key. */
  readonly cert?: string | Uint8Array;
  readonly key?: string | Uint8Array;
}

export interface NearCacheOptions {
  /** Values kept, count. */
  readonly maxEntries?: number;
  /** Memory that they take, about. */
  readonly maxBytes?: number;
  /** The oldest that a value may be served after the last sign of the peer that it came from, milliseconds. Raising it serves on through longer pauses of the peer, and older values while it is cut off. */
  readonly leaseMs?: number;
}

/** The bounds of a buffer: at the first that is reached, what it holds is sent. */
export interface BufferOptions {
  /** Keys: 1,000. Raising it sends fewer, longer pipelines, and loses more with this process. */
  readonly maxWrites?: number;
  /** Keys and values together, bytes: 1 MiB. */
  readonly maxBytes?: number;
  /** Since the first that it holds, milliseconds: 10. */
  readonly maxDelayMs?: number;
}

/** Milliseconds, each from a lowest to a highest value. */
const TIMES = {
  deadlineMs: { standard: 5_000, from: 1, to: 600_000 },
  operationTimeoutMs: { standard: 500, from: 10, to: 60_000 },
  heartbeatMs: { standard: 200, from: 10, to: 60_000 },
  measureMs: { standard: 300, from: 10, to: 10_000 },
  staggerMs: { standard: 100, from: 1, to: 10_000 },
  backoffMs: { standard: 400, from: 20, to: 60_000 },
} as const;

const NEAR_CACHE = {
  maxEntries: { standard: 10_000, from: 1, to: 10_000_000, unit: 'entries' },
  maxBytes: { standard: 16 * 1024 * 1024, from: 1024, to: 16 * 1024 ** 3, unit: 'bytes' },
  leaseMs: { standard: 1_000, from: 20, to: 600_000, unit: 'milliseconds' },
} as const;

type TimeName = keyof typeof TIMES;

export interface ClientSettings extends Readonly<Record<TimeName, number>> {
  readonly peers: readonly string[];
  readonly servers: string | undefined;
  readonly access: Access;
  readonly tlsPort: number | undefined;
  readonly sessionToken: string | undefined;
  readonly hasSession: boolean;
  readonly read: ReadLevel;
  readonly write: WriteLevel;
  readonly affinity: string;
  /** Undefined: nothing is kept. */
  readonly nearCache: NearCacheSettings | undefined;
  readonly buffer: Required<BufferOptions> | undefined;
}

/** Throws BAD_ARGUMENT with every fault, a line each. */
export function readClientOptions(options: StickyClientOptions): ClientSettings {
  const faults: string[] = [];
  const attempt = (check: () => void): void => {
    try {
      check();
    } catch (error) {
      if (!(error instanceof ToposphereError)) throw error;
      faults.push(error.message);
    }
  };
  const { peers = [], servers, buffer, read = 'session', session = true } = options;
  const { write = buffer === undefined ? 'committed' : 'fast' } = options;
  if (peers.length === 0 ? servers === undefined : servers !== undefined)
    faults.push('say where the peers are: either peers: ["host:port", ...] or servers: "servers.txt"');
  if (!session && options.sessionToken !== undefined)
    faults.push('sessionToken is of a session, and session: false asks for none; leave one of them out');
  if (!session && read === 'session')
    faults.push('read: "session" needs a session; with session: false say read: "local"');
  if (buffer !== undefined && write !== 'fast')
    faults.push('a buffer writes at the level fast: leave out write, and ask for more where it matters');
  const access = readAccess(options, faults);
  attempt(() => {
    if (access.tls !== undefined) assertTlsMaterial(access.tls);
  });
  attempt(() => {
    assertReadLevel(read);
  });
  attempt(() => {
    assertWriteLevel(write);
  });
  const times = Object.fromEntries(
    Object.keys(TIMES).map((name) => [name, readTime(name as TimeName, options, faults)]),
  ) as Record<TimeName, number>;
  const nearCache = readNearCache(options.nearCache, times.heartbeatMs, faults);
  const bounds = buffer === undefined ? undefined : readBounds(buffer, faults);
  if (faults.length > 0) throw new ToposphereError('BAD_ARGUMENT', faults.join('\n'));
  return {
    ...times,
    peers,
    servers,
    access,
    tlsPort: options.tlsPort,
    sessionToken: options.sessionToken,
    hasSession: session,
    read,
    write,
    affinity: options.affinity ?? hostname(),
    nearCache,
    buffer: bounds,
  };
}

function readAccess(options: StickyClientOptions, faults: string[]): Access {
  const { servers, password, username, tls, tlsPort } = options;
  if (username !== undefined && password === undefined)
    faults.push('username needs the password of that user beside it');
  const isTls = tls !== undefined && tls !== false;
  if (isTls && servers !== undefined && tlsPort === undefined)
    faults.push('over TLS the peers of a servers.txt are reached at one port: say tlsPort, or give peers');
  if (tlsPort !== undefined && (!isTls || servers === undefined))
    faults.push('tlsPort is for servers and tls together; leave it out, or add them');
  if (tlsPort !== undefined && (!Number.isSafeInteger(tlsPort) || tlsPort < 1 || tlsPort > LAST_PORT))
    faults.push(`tlsPort is ${tlsPort}; give a whole number of 1 to ${LAST_PORT}`);
  return { password, username, tls: isTls ? readTls(tls === true ? {} : tls, faults) : undefined };
}

function readTls({ ca, cert, key }: TlsOptions, faults: string[]): TlsTrust {
  const textOf = (pem: string | Uint8Array | undefined): string | undefined =>
    pem === undefined ? undefined : Buffer.from(pem).toString('latin1');
  const trust = { authority: textOf(ca), certificate: textOf(cert), key: textOf(key) };
  if ((cert === undefined) !== (key === undefined))
    faults.push('tls.cert needs tls.key, and the other way round; give both, or neither');
  return trust;
}

/** An idle peer is asked each `heartbeatMs` whether it is there: a lease that is not longer than two of these ends between them. */
function readNearCache(
  options: boolean | NearCacheOptions | undefined,
  heartbeatMs: number,
  faults: string[],
): NearCacheSettings | undefined {
  if (options === undefined || options === false) return undefined;
  const given = options === true ? {} : options;
  const number = (name: keyof NearCacheOptions): number => {
    const { standard, from, to, unit } = NEAR_CACHE[name];
    const value = given[name] ?? standard;
    if (!Number.isSafeInteger(value) || value < from || value > to)
      faults.push(`nearCache.${name} is ${value}; give a whole number of ${from} to ${to} ${unit}`);
    return value;
  };
  const leaseMs = number('leaseMs');
  if (leaseMs < 2 * heartbeatMs)
    faults.push(
      `nearCache.leaseMs is ${leaseMs}, and an idle peer is asked every heartbeatMs (${heartbeatMs}) only; make the lease at least twice as long`,
    );
  return { maxEntries: number('maxEntries'), maxBytes: number('maxBytes'), leaseMs };
}

function readBounds(buffer: BufferOptions, faults: string[]): Required<BufferOptions> {
  const bounds = { maxWrites: 1_000, maxBytes: 1024 * 1024, maxDelayMs: 10, ...buffer };
  for (const [name, value] of Object.entries(bounds))
    if (!Number.isSafeInteger(value) || value < 1)
      faults.push(`buffer.${name} is ${value}; give a whole number from 1`);
  return bounds;
}

function readTime(name: TimeName, options: StickyClientOptions, faults: string[]): number {
  const { standard, from, to } = TIMES[name];
  const value = options[name] ?? standard;
  if (!Number.isFinite(value) || value < from || value > to)
    faults.push(`${name} is ${value}; give ${from} to ${to} milliseconds`);
  return value;
}
