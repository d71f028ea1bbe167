/**
 * IPv4 and IPv6: what they spell differently where this house cares.
 *
 * Owns telling them apart, and how an interface that is named by its address is named to the system, which for an IPv6 group wants the interface itself.
 * Leaves sockets to datagrams.ts and the spelling of hosts to serversFile.ts. Keeps: an interface is looked for anew at each call, for it may come
 * up later; nothing here looks up a name.
 */
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

export type Family = 4 | 6;

/** Undefined: no address, so a name. */
export function familyOf(host: string): Family | undefined {
  const family = isIP(host);
  return family === 4 || family === 6 ? family : undefined;
}

/** A group on an interface, as the system wants both named. */
interface ScopedGroup {
  /** What the socket that hears the group is bound to. */
  readonly bind: string;
  /** For addMembership and setMulticastInterface. */
  readonly interface: string;
}

/** `interfaceAddress` is of the group's family. Undefined while no interface has it, which only matters for IPv6. */
export function scopeGroup(group: string, interfaceAddress: string): ScopedGroup | undefined {
  // Bound to the group's address a socket hears this group alone; Windows cannot bind to one.
  const isWindows = process.platform === 'win32';
  if (familyOf(group) === 4)
    return { bind: isWindows ? interfaceAddress : group, interface: interfaceAddress };
  const zone = zoneOf(interfaceAddress);
  if (zone === undefined) return undefined;
  return { bind: isWindows ? interfaceAddress : `${group}%${zone}`, interface: `::%${zone}` };
}

/** The interface that has the IPv6 address: its name, on Windows its number. */
function zoneOf(address: string): string | undefined {
  for (const [name, entries = []] of Object.entries(networkInterfaces())) {
    if (!entries.some((entry) => entry.address === address)) continue;
    if (process.platform !== 'win32') return name;
    // Only a link-local address says the number of its interface.
    const numbers = entries.map((entry) => (entry.family === 'IPv6' ? entry.scopeid : 0));
    return String(numbers.find((number) => number > 0) ?? 0);
  }
  return undefined;
}
