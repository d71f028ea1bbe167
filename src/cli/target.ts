/**
 * Which peer a command speaks to.
 *
 * Owns the options --peer, --id and --servers that the client commands share, and turns them into the
 * addresses of client ports. The file's grammar is src/peer/serversFile.ts's. Invariant: an address
 * that comes out was said by the user or follows from servers.txt, never guessed.
 */
import type { Argv } from 'yargs';
import { formatAddress } from '../network/tcp.ts';
import { canonicalHost, clientPortOf, readServersFile } from '../peer/serversFile.ts';
import type { Address } from './connection.ts';
import { CommandFailure } from './failure.ts';

export interface TargetArguments {
  readonly peer: string | undefined;
  readonly id: string | undefined;
  readonly servers: string;
}

/** A peer's client port; `id` is undefined when only an address was given. */
export interface Target extends Address {
  readonly id: string | undefined;
}

/** What messages call a peer: its id, or the address that was given. */
export function nameOf({ id, host, port }: Target): string {
  return id ?? formatAddress(host, port);
}

/** Adds the options that choose a peer. */
export function withTarget<T>(yargs: Argv<T>): Argv<T & TargetArguments> {
  return yargs
    .option('peer', {
      type: 'string',
      requiresArg: true,
      conflicts: 'id',
      describe: 'host:port where the peer serves Redis clients',
    })
    .option('id', { type: 'string', requiresArg: true, describe: "the peer's id in servers.txt" })
    .option('servers', {
      type: 'string',
      requiresArg: true,
      default: 'config/servers.txt',
      describe: 'path of servers.txt',
    });
}

/** Parses `host:port` or `[ipv6]:port`. Throws CommandFailure. */
export function parseAddress(text: string): Address {
  const [, host = '', port = ''] = /^(.+):([0-9]{1,5})$/.exec(text) ?? [];
  const canonical = canonicalHost(host);
  const isAmbiguous = host.includes(':') && !host.startsWith('['); // an IPv6 host without brackets
  if (canonical === undefined || isAmbiguous || Number(port) < 1 || Number(port) > 65_535) {
    throw new CommandFailure(`--peer is '${text}'; give host:port, for example 127.0.0.1:6401`);
  }
  return { host: canonical, port: Number(port) };
}

/** Every peer of servers.txt, or the one that --peer or --id names. Throws CommandFailure or BAD_CONFIGURATION. */
export async function findTargets(argv: TargetArguments): Promise<readonly Target[]> {
  if (argv.peer !== undefined) return [{ id: undefined, ...parseAddress(argv.peer) }];
  const file = await readServersFile(argv.servers);
  const targets = file.servers.map((server): Target => ({
    id: server.id,
    host: server.host,
    port: clientPortOf(server),
  }));
  if (argv.id === undefined) return targets;
  const named = targets.filter((target) => target.id === argv.id);
  if (named.length > 0) return named;
  const listed = targets.map((target) => target.id).join(', ');
  throw new CommandFailure(`${argv.servers} has no peer '${argv.id}'; it lists ${listed}`);
}

/** The one peer a command speaks to: the named one, else the first line of servers.txt. */
export async function findTarget(argv: TargetArguments): Promise<Target> {
  const [first] = await findTargets(argv);
  if (first === undefined) throw new CommandFailure(`${argv.servers} lists no peer`);
  return first;
}
