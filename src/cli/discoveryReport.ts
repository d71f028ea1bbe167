/**
 * What a peer says of those it discovered, and what an operator should do about them.
 *
 * Owns the part `discovery` of a STATUS and its sentences; the rest is statusReport.ts's. As there, a field of another shape is left out, never an error.
 */
import { asFields, asList, asText } from './fields.ts';

interface FoundReport {
  readonly id: string;
  readonly address: string;
  readonly state: string;
  readonly standing: string;
}

export interface DiscoveryReport {
  /** It has no servers.txt: without data it waits to be admitted, or to be told to begin. */
  readonly isUnlisted: boolean;
  readonly unavailable: string | undefined;
  readonly found: readonly FoundReport[];
}

function asFound(value: unknown): readonly FoundReport[] {
  const { id, host, port, state, standing } = asFields(value);
  if (typeof id !== 'string' || typeof host !== 'string' || typeof standing !== 'string') return [];
  return [{ id, address: `${host}:${String(port)}`, state: String(state), standing }];
}

/** Undefined for a peer that discovers nobody. */
export function asDiscovery(value: unknown): DiscoveryReport | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { isUnlisted, unavailable, found } = asFields(value);
  return {
    isUnlisted: isUnlisted === true,
    unavailable: asText(unavailable),
    found: asList(found).flatMap(asFound),
  };
}

/** One sentence each. `option` is how a command names this peer, which has no data yet while it `isFresh`. */
export function describeDiscovery(
  name: string,
  option: string,
  isFresh: boolean,
  discovery: DiscoveryReport | undefined,
): readonly string[] {
  if (discovery === undefined) return [];
  const described = discovery.found.flatMap(({ id, address, state, standing }) => {
    if (standing === 'proposed' && isFresh && state === 'member')
      return [
        `${name}: ${id} at ${address} takes part: \`toposphere admit ${name}\` there lets ${name} join`,
      ];
    switch (standing) {
      case 'proposed':
        return [
          `${name}: ${id} at ${address} was discovered and is no member: \`toposphere admit ${id} ${option}\` admits it`,
        ];
      case 'unproved':
        return [
          `${name}: ${id} at ${address} says that it is of this cluster, and does not prove the cluster key (\`toposphere discover\` says why)`,
        ];
      case 'forgotten':
        return [`${name}: ${id} at ${address} was forgotten: give it a new id and an empty data directory`];
      default:
        return [];
    }
  });
  if (discovery.unavailable === undefined) return described;
  return [
    ...described,
    `${name} discovers nobody for now (${discovery.unavailable}); it goes on with the addresses that it knows`,
  ];
}

/** Of a peer without a servers.txt that has no data. */
export function describeUnlistedStart(name: string, option: string): string {
  return `${name} has no data and takes no writes yet: \`toposphere admit ${name}\` at a member lets it join; if it is the first of a new cluster, \`toposphere bootstrap ${option} --yes\` lets it begin`;
}
