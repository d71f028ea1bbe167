/**
 * Which peer a command speaks to.
 *
 * Owns the options --peer and --id and the settings that the client commands share, and turns them into the
 * addresses of client ports and what to say there. The file's grammar is src/peer/serversFile.ts's. Invariant: an address that comes out was
 * said by the user or follows from servers.txt, never guessed.
 */
import type { Argv } from 'yargs';
import { formatAddress, LAST_PORT } from '../network/tcp.ts';
import { createFaultReport } from '../peer/faultReport.ts';
import { canonicalHost, clientPortOf, readServersFile } from '../peer/serversFile.ts';
import type { ServerLine, ServersFile } from '../peer/serversFile.ts';
import { TUNABLES } from '../peer/tunables.ts';
import type { Settings, TunableName } from '../peer/tunables.ts';
import { numberOf } from '../peer/tunableValue.ts';
import type { Address, Credentials } from './connection.ts';
import { CREDENTIAL_SETTINGS, readCredentials } from './credentials.ts';
import { CommandFailure } from './failure.ts';
import { readSettings, withOptionsOf } from './settingsOptions.ts';

/**
 * Settings that a client command takes, from the same sources as `serve`. Not `id`: which peer this machine is does not
 * say whom to ask.
 */
const CLIENT_SETTINGS: readonly TunableName[] = ['servers', 'clientTlsPort', ...CREDENTIAL_SETTINGS];

/** What yargs has of the options of `withTarget`; those of CLIENT_SETTINGS are readClientSettings's to find. */
export interface TargetArguments {
  readonly peer: string | undefined;
  readonly id: string | undefined;
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
  const options = yargs
    .option('peer', {
      type: 'string',
      requiresArg: true,
      conflicts: 'id',
      describe: 'host:port where the peer serves Redis clients',
    })
    .option('id', { type: 'string', requiresArg: true, describe: "the peer's id in servers.txt" });
  return withOptionsOf(options, CLIENT_SETTINGS);
}

interface ClientSettings {
  readonly settings: Settings;
  readonly credentials: Credentials;
}

/** Throws BAD_CONFIGURATION with every fault of the sources, also of settings that only peers use. */
async function readClientSettings(argv: TargetArguments): Promise<ClientSettings> {
  const { settings, origins } = await readSettings(argv, CLIENT_SETTINGS);
  const faults = createFaultReport(origins);
  const credentials = await readCredentials(settings, faults);
  faults.refuse();
  return { settings, credentials };
}

/** Where a peer of servers.txt serves clients: nothing there says it of TLS. Throws CommandFailure. */
function portsOf({ settings, credentials }: ClientSettings): (server: ServerLine) => number {
  if (credentials.tls === undefined) return clientPortOf;
  const port = numberOf('clientTlsPort', settings);
  if (port !== undefined) return () => port;
  throw new CommandFailure(
    'with --tls the peers of servers.txt are asked at --client-tls-port, which was not given; add it, or name one peer with --peer host:port',
  );
}

/** Parses `host:port` or `[ipv6]:port`. Throws CommandFailure. */
export function parseAddress(text: string): Address {
  const [, host = '', port = ''] = /^(.+):([0-9]{1,5})$/.exec(text) ?? [];
  const canonical = canonicalHost(host);
  const isAmbiguous = host.includes(':') && !host.startsWith('['); // an IPv6 host without brackets
  if (canonical === undefined || isAmbiguous || Number(port) < 1 || Number(port) > LAST_PORT) {
    throw new CommandFailure(`--peer is '${text}'; give host:port, for example 127.0.0.1:6401`);
  }
  return { host: canonical, port: Number(port) };
}

/** Whom a command speaks to, and the servers.txt that they were found in; undefined where --peer says it all. */
interface Listed {
  readonly targets: readonly Target[];
  readonly file: ServersFile | undefined;
}

/** Every peer of servers.txt, or the one that --peer or --id names. Throws CommandFailure or BAD_CONFIGURATION. */
export async function findTargets(argv: TargetArguments): Promise<readonly Target[]> {
  return (await findListed(argv)).targets;
}

/** As findTargets, with the file: read once, so that both are of one moment. */
export async function findListed(argv: TargetArguments): Promise<Listed> {
  const given = await readClientSettings(argv);
  const { settings, credentials } = given;
  if (argv.peer !== undefined)
    return { targets: [{ id: undefined, ...parseAddress(argv.peer), ...credentials }], file: undefined };
  const portOf = portsOf(given);
  const file = await readServersFile(settings.servers ?? TUNABLES.servers.default);
  const targets = file.servers.map((server): Target => ({
    id: server.id,
    host: server.host,
    port: portOf(server),
    ...credentials,
  }));
  if (argv.id === undefined) return { targets, file };
  const named = targets.filter((target) => target.id === argv.id);
  if (named.length > 0) return { targets: named, file };
  const listed = targets.map((target) => target.id).join(', ');
  throw new CommandFailure(`${file.name} has no peer '${argv.id}'; it lists ${listed}`);
}

/** The one peer a command speaks to: the named one, else the first line of servers.txt. */
export async function findTarget(argv: TargetArguments): Promise<Target> {
  const [first] = await findTargets(argv);
  if (first === undefined) throw new CommandFailure('servers.txt lists no peer');
  return first;
}
