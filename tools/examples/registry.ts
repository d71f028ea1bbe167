/**
 * An example for the embedded API: a service registry with presence, on every machine, without a server of its own.
 *
 * Who offers a service sets a key that expires, and sets it again before it does: a process that ends in whatever way is gone from every list a few seconds later,
 * on both sides of a cut. In a project of your own, import from 'toposphere'.
 */
import { ToposphereError, type Peer } from '../../src/index.ts';

/** How long an entry lives that is not renewed, and how often it is renewed, milliseconds. */
const LIVES_MS = 3_000;
const RENEWED_EACH_MS = 1_000;

export class Registry {
  readonly #peer: Peer;

  constructor(peer: Peer) {
    this.#peer = peer;
  }

  /** Offers a service at an address until the answered function is called, or this process ends. Rejects when the first entry could not be made. */
  async offer(service: string, address: string): Promise<() => Promise<void>> {
    const key = keyOf(service, address);
    const renew = (): Promise<void> => this.#peer.set(key, address, { expiresInMs: LIVES_MS });
    await renew();
    const renewing = setInterval(() => {
      renew().catch((error: unknown) => {
        if (error instanceof ToposphereError && error.code === 'CLOSED') clearInterval(renewing);
        else console.error(`${key} was not renewed: ${String(error)}`);
      });
    }, RENEWED_EACH_MS);
    return async () => {
      clearInterval(renewing);
      await this.#peer.delete(key);
    };
  }

  /** Where a service is offered now, in order. */
  list(service: string): string[] {
    return Array.from(this.#peer.range({ prefix: keyOf(service, '') }), ({ value }) => value.toString());
  }

  /** Tells of every address that comes or goes; what is only renewed is none. Answers the function that ends it. */
  watch(service: string, onChange: (address: string, isThere: boolean) => void): () => void {
    return this.#peer.watch(keyOf(service, ''), ({ previous, value }) => {
      if (previous === undefined && value !== undefined) onChange(value.toString(), true);
      if (previous !== undefined && value === undefined) onChange(previous.toString(), false);
    });
  }
}

function keyOf(service: string, address: string): string {
  return `service/${service}/${address}`;
}
