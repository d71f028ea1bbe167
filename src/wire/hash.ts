/**
 * xxHash for everyone: envelope checksums, vector hashes, digests.
 *
 * Owns the one instance of the WebAssembly module, loaded on first use. The hashes detect damage and
 * difference; they are no defence against someone who wants a collision (the seal is). Keeps the numbers
 * equal on every machine: they travel between peers.
 */
import xxhash from 'xxhash-wasm';

export interface Hashing {
  /** Unsigned 32 bits. A string is hashed as its UTF-8 bytes. */
  readonly h32: (input: Uint8Array | string) => number;
  /** Unsigned 64 bits. A string is hashed as its UTF-8 bytes. */
  readonly h64: (input: Uint8Array | string) => bigint;
  /** A 64-bit hash of all that is fed to it, in order. */
  createHash64(): { update(input: Uint8Array | string): unknown; digest(): bigint };
}

let loading: Promise<Hashing> | undefined;

/** The same instance at every call. The module keeps memory for the longest input it has seen. */
export function loadHashing(): Promise<Hashing> {
  loading ??= xxhash().then((module) => ({
    h32: (input) => (typeof input === 'string' ? module.h32(input) : module.h32Raw(input)),
    h64: (input) => (typeof input === 'string' ? module.h64(input) : module.h64Raw(input)),
    createHash64: () => module.create64(),
  }));
  return loading;
}
