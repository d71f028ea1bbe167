/**
 * One name for the address of every peer, as DNS or /etc/hosts give it on a LAN (README), within this process.
 *
 * Owns what Node answers for that name; what a client then tries, and in which order, is Node's and the client's own.
 * Invariant: other names are looked up as ever, and after `end` this one is again unknown.
 */
import dns from 'node:dns';
import type { LookupAddress, LookupOptions } from 'node:dns';

type Callback = (error: Error | null, found: string | readonly LookupAddress[], family?: number) => void;
type Lookup = (name: string, options: LookupOptions, callback: Callback) => void;

/** Answers what ends it. */
export function nameAddresses(name: string, addresses: readonly string[]): () => void {
  const found = addresses.map((address) => ({ address, family: 4 }));
  const real = dns.lookup.bind(dns) as unknown as Lookup;
  const realPromise = dns.promises.lookup.bind(dns.promises);
  const mine: Lookup = (asked, options, callback) => {
    if (asked !== name) real(asked, options, callback);
    else if (options.all === true) callback(null, found);
    else callback(null, found[0]?.address ?? '', 4);
  };
  Reflect.set(dns, 'lookup', mine);
  // node-redis asks this way what kind of address its peer has.
  Reflect.set(dns.promises, 'lookup', async (asked: string, options: LookupOptions) =>
    asked === name ? found[0] : realPromise(asked, options),
  );
  return () => {
    Reflect.set(dns, 'lookup', real);
    Reflect.set(dns.promises, 'lookup', realPromise);
  };
}
