/**
 * What a peer says of the versions of the protocol: which it reads, and which the members that it hears read.
 *
 * Owns the part `protocol` of a STATUS; the rest is statusReport.ts's, the words are versionsApart.ts's. As there, a field of another shape is
 * left out, never an error.
 */
import { adviseApart, describeApart } from '../peer/versionsApart.ts';
import type { Reader } from '../peer/versionsApart.ts';
import { highestCommon } from '../wire/versions.ts';
import type { VersionRange } from '../wire/versions.ts';

export interface ProtocolReport {
  readonly reads: VersionRange;
  /** What members read that share none with it. */
  readonly apart: readonly Reader[];
}

type Fields = Readonly<Record<string, unknown>>;

function asFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function asRange(value: unknown): VersionRange | undefined {
  const { lowest, highest } = asFields(value);
  return typeof lowest === 'number' && typeof highest === 'number' ? { lowest, highest } : undefined;
}

/** Undefined for a peer that does not say. */
export function asProtocol(value: unknown): ProtocolReport | undefined {
  const { reads, members } = asFields(value);
  const own = asRange(reads);
  if (own === undefined) return undefined;
  const apart = Object.entries(asFields(members)).flatMap(([id, member]) => {
    const range = asRange(asFields(member)['reads']);
    return range === undefined || highestCommon(own, range) !== undefined ? [] : [{ id, reads: range }];
  });
  return { reads: own, apart };
}

/** One sentence for each member that it cannot speak with. */
export function listApart(name: string, protocol: ProtocolReport | undefined): readonly string[] {
  if (protocol === undefined) return [];
  const own = { id: name, reads: protocol.reads };
  return protocol.apart.map((member) => `${describeApart(own, member)}; ${adviseApart(own, member)}`);
}
