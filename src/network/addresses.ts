/**
 * Where the peers are: their configured hosts as IPv4 addresses, ready at every send.
 *
 * Owns the only name look-ups. A host that is an address already is used as it is; a name is looked up when it is
 * first needed and again now and then, so that a peer whose address changed is found. Keeps sends free of
 * waiting: while a name has no address, there is simply nowhere to send.
 */
import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import { ToposphereError } from '../core/errors.ts';
import { errorCode } from './tcp.ts';

export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

export interface Addresses {
  /** The peer's host as an address; undefined while its name is not resolved. */
  resolve(host: string): string | undefined;
}

/** A name is looked up again after this long, milliseconds, whether it was found or not. */
export const LOOKUP_PERIOD_MS = 30_000;
/** Names remembered; beyond, all are looked up anew. */
const MAX_NAMES = 4_096;

interface Name {
  address: string | undefined;
  askedAtMs: number;
}

export function createAddresses(onUnresolved: (host: string, reason: string) => void): Addresses {
  const names = new Map<string, Name>();
  return {
    resolve(host) {
      if (isIP(host) !== 0) return host;
      const nowMs = performance.now();
      let name = names.get(host);
      if (name === undefined) {
        if (names.size >= MAX_NAMES) names.clear();
        name = { address: undefined, askedAtMs: -LOOKUP_PERIOD_MS };
        names.set(host, name);
      }
      if (nowMs - name.askedAtMs >= LOOKUP_PERIOD_MS) ask(host, name, nowMs);
      return name.address;
    },
  };

  function ask(host: string, name: Name, nowMs: number): void {
    name.askedAtMs = nowMs;
    lookup(host, 4, (failure, address) => {
      // A name that stops resolving keeps its last address: better an old one than none.
      if (failure === null) name.address = address;
      else onUnresolved(host, failure.code ?? failure.message);
    });
  }
}

/** The peer's own host as an IPv4 address. Rejects with BAD_CONFIGURATION when there is none. */
export async function resolveOwnHost(host: string): Promise<string> {
  if (isIP(host) === 4) return host;
  const advice = 'give the IPv4 address of this machine in servers.txt';
  if (isIP(host) === 6)
    throw new ToposphereError('BAD_CONFIGURATION', `host ${host} is an IPv6 address: ${advice}`);
  return new Promise((resolve, reject) => {
    lookup(host, 4, (cause, address) => {
      if (cause === null) resolve(address);
      else
        reject(
          new ToposphereError('BAD_CONFIGURATION', `host ${host}: ${errorCode(cause)}; ${advice}`, { cause }),
        );
    });
  });
}
