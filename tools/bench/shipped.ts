/**
 * The built package, as users run it: what the benchmark measures, and what tools simulate with.
 *
 * Owns the paths into dist and the complaint when it is not there. Why not src: the loader that runs TypeScript directly
 * names each function anew whenever it is created (0.25 µs a closure where plain JavaScript takes 0.01, measured), which users
 * do not pay. Invariant: no measured line of Toposphere runs through that loader; types alone come from src.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as peerModule from '../../src/peer/peer.ts';
import type * as serverModule from '../../src/server/server.ts';

type PeerModule = Pick<typeof peerModule, 'Peer'>;
type ServerModule = Pick<typeof serverModule, 'startRedisServer'>;

const DIST = new URL('../../dist/', import.meta.url);

/** Path of a file of the build. Throws when it is not there. */
function builtPath(name: string): string {
  const path = fileURLToPath(new URL(name, DIST));
  if (!existsSync(path)) throw new Error(`dist/${name} is missing: run npm run build first`);
  return path;
}

/** A module of the build, for instance simulator/world.js; the caller says of which source it has the type. Throws when it is not there. */
export async function loadBuilt(name: string): Promise<unknown> {
  builtPath(name);
  return import(new URL(name, DIST).href);
}

/** The command line, to be run with node: as it is shipped, or, for a profile that is to name files, before it is bundled. */
export function builtCommand(isUnbundled = false): string {
  return builtPath(isUnbundled ? 'cli/main.js' : 'bin/toposphere.js');
}

/** The command line of another clone of this repository that was built, of whatever commit. Throws when none is there. */
export function commandOf(clone: string): string {
  const description = join(clone, 'package.json');
  if (!existsSync(description)) throw new Error(`${clone} is no clone: it has no package.json`);
  const { bin } = JSON.parse(readFileSync(description, 'utf8')) as {
    readonly bin?: Readonly<Record<string, string>>;
  };
  const path = join(clone, bin?.['toposphere'] ?? 'no command toposphere');
  if (!existsSync(path)) throw new Error(`${path} is missing: run npm ci and npm run build there first`);
  return path;
}

/** The embedded peer. */
export async function loadPeer(): Promise<PeerModule> {
  return (await loadBuilt('peer/peer.js')) as PeerModule;
}

/** The Redis server in front of a peer. */
export async function loadServer(): Promise<ServerModule> {
  return (await loadBuilt('server/server.js')) as ServerModule;
}
