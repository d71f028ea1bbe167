/**
 * What `--discover` needs: settings that stand in for a servers.txt, and what they have to do with each other.
 *
 * Owns the own line where no file has it: by default on the one address that this machine has. Ranges of numbers are configuration.ts's to check.
 * Invariant: what is not understood is one fault a setting, with what to do; nothing is guessed where there is a choice.
 */
import type { PeerId } from '../core/types.ts';
import type { FaultReport } from './faultReport.ts';
import { knownPeersPath } from './knownPeers.ts';
import { canonicalHost, isIpv4, isLoopback, isPeerId } from './serversFile.ts';
import type { ServerLine, ServersFile } from './serversFile.ts';
import type { Settings } from './tunables.ts';

export interface DiscoverySettings {
  readonly port: number;
  /** Whoever proves the cluster key and has no data is admitted unasked. */
  readonly admits: boolean;
  /** There is no servers.txt. */
  readonly isUnlisted: boolean;
  readonly knownPeersPath: string;
}

/** With `--discover` a servers.txt is read only where it is named. */
export function isWithoutServers({ discover, servers }: Settings): boolean {
  return discover === true && servers === undefined;
}

/** What a servers.txt would say of this peer alone; `port` has been checked. Undefined, with a fault, when it cannot be told. */
export function buildOwnServers(
  settings: Settings,
  port: number | undefined,
  ownAddresses: readonly string[],
  faults: FaultReport,
): ServersFile | undefined {
  const id = findOwnId(settings, faults);
  const host = findOwnHost(settings, ownAddresses, faults);
  if (id === undefined || port === undefined || host === undefined) return undefined;
  return { name: 'the settings', servers: [{ id, host, address: host, port, line: 1 }] };
}

function findOwnId({ id }: Settings, faults: FaultReport): PeerId | undefined {
  if (id !== undefined && isPeerId(id)) return id;
  const seen = id === undefined ? 'missing' : `'${id}'`;
  faults.push(
    `${faults.called('id')} is ${seen}; without a servers.txt name this peer: 1 to 32 characters of A-Z a-z 0-9 _ . -`,
  );
  return undefined;
}

/** By interface: the one that was named, or the only one there is. Without a key peers talk on loopback alone. */
function findOwnHost(
  settings: Settings,
  ownAddresses: readonly string[],
  faults: FaultReport,
): string | undefined {
  const given = settings.host ?? settings.multicastInterface;
  if (given !== undefined) {
    if (isIpv4(given) && canonicalHost(given) !== undefined) return given;
    const called = faults.called(settings.host === undefined ? 'multicastInterface' : 'host');
    faults.push(`${called} is '${given}'; give an IPv4 address of this machine, for discovery needs one`);
    return undefined;
  }
  if (settings.clusterKeyFile === undefined) return '127.0.0.1';
  const choices = ownAddresses.filter((address) => isIpv4(address) && !isLoopback(address));
  const [only] = choices;
  if (only !== undefined && choices.length === 1) return only;
  const seen = choices.length === 0 ? 'no IPv4 address but loopback' : `several: ${choices.join(', ')}`;
  faults.push(
    `${faults.called('host')} is missing, and this machine has ${seen}; say which address is this peer's`,
  );
  return undefined;
}

/** Undefined where nobody is to be discovered. `folder` is the peer's own, `port` has been checked. */
export function checkDiscovery(
  settings: Settings,
  folder: string,
  port: number,
  own: ServerLine | undefined,
  faults: FaultReport,
): DiscoverySettings | undefined {
  const isUnlisted = isWithoutServers(settings);
  const admits = settings.admitDiscovered ?? false;
  if (admits && (settings.discover !== true || settings.clusterKeyFile === undefined)) {
    faults.push(
      `${faults.called('admitDiscovered')} needs --discover, and --cluster-key-file to know who may be admitted`,
    );
  }
  for (const name of ['host', 'port'] as const) {
    if (isUnlisted || settings[name] === undefined) continue;
    faults.push(
      `${faults.called(name)} is for --discover without --servers; otherwise this peer's line of servers.txt says it`,
    );
  }
  if (settings.discover !== true) return undefined;
  if (own && !isIpv4(own.address))
    faults.push(`${own.id} is at ${own.host}; --discover needs an IPv4 address`);
  return { port, admits, isUnlisted, knownPeersPath: knownPeersPath(folder) };
}
