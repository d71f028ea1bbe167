/**
 * Where the peers are: their configured hosts as addresses of one family, ready at every send.
 *
 * Owns the only name look-ups while a peer runs. A host that is an address already is used as it is; a name is looked up when it is
 * first needed and again now and then, so that a peer whose address changed is found. Keeps sends free of
 * waiting: while a name has no address, there is simply nowhere to send.
 */
import { lookup } from 'node:dns';
import { ToposphereError } from '../core/errors.ts';
import { familyOf } from './family.ts';
import type { Family } from './family.ts';
import { errorCode } from './tcp.ts';

export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

interface Addresses {
  /** The peer's host as an address; undefined while its name is not resolved. */
  resolve(host: string): string | undefined;
}

/** A name is looked up again after this long, milliseconds, whether it was found or not. */
const LOOKUP_PERIOD_MS = 30_000;
/** Names remembered; beyond, all are looked up anew. */
const MAX_NAMES = 4_096;

interface Name {
  address: string | undefined;
  askedAtMs: number;
}

export function createAddresses(
  family: Family,
  onUnresolved: (host: string, reason: string) => void,
): Addresses {
  const names = new Map<string, Name>();
  return {
    resolve(host) {
      if (familyOf(host) !== undefined) return host;
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
    lookup(host, { family }, (failure, address) => {
      // A name that stops resolving keeps its last address: better an old one than none.
      if (failure === null) name.address = address;
      else onUnresolved(host, failure.code ?? failure.message);
    });
  }
}

/** The peer's own host as an address, of a name with both the IPv4 one. Rejects with BAD_CONFIGURATION when there is none. */
export async function resolveOwnHost(
  host: string,
): Promise<{ readonly host: string; readonly family: Family }> {
  const known = familyOf(host);
  if (known !== undefined) return { host, family: known };
  return new Promise((resolve, reject) => {
    lookup(host, { order: 'ipv4first' }, (cause, address, family) => {
      if (cause === null) resolve({ host: address, family: family === 6 ? 6 : 4 });
      else {
        const message = `host ${host}: ${errorCode(cause)}; give the address of this machine in servers.txt`;
        reject(new ToposphereError('BAD_CONFIGURATION', message, { cause }));
      }
    });
  });
}
