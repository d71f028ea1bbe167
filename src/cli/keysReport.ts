/**
 * What the peers of a cluster say of their keys, and which step of a rotation is safe.
 *
 * Owns that judgement: a key is promoted when every peer accepts it, and those before it are retired when every peer seals with it. Leaves the steps to key.ts.
 * Invariant: no step is called safe while a peer that may need the old key has not answered.
 */
import { assertNever } from '../core/types.ts';
import { isLaterKey } from '../peer/clusterKeyFile.ts';
import { asCounts, asFields, asList } from './fields.ts';
import { renderTable } from './print.ts';

/** Keys by their ids. */
export interface KeysReport {
  readonly sealing: number;
  readonly accepted: readonly number[];
  /** Under which key each member was last heard, as far as it was. */
  readonly heard: ReadonlyMap<string, number>;
}

/** One peer's answer: undefined where it gave none, null where it has no key. */
export interface PeerKeys {
  readonly name: string;
  readonly keys: KeysReport | null | undefined;
}

/** A peer that has keys. */
export interface Keyed {
  readonly name: string;
  readonly keys: KeysReport;
}

/**
 * How far a rotation is. settled: one key, the same everywhere. notAccepted, notSealing: the newest key, at these peers, in time to mend it. stillAccepted: older keys
 * than others have. unanswered: who was not heard of may need the old key. unheard: members that peers last heard under another key than the newest. mayPromote,
 * mayRetire: the next step is safe.
 */
export type Rotation =
  | { readonly kind: 'settled'; readonly keyId: number }
  | { readonly kind: 'mayPromote' | 'mayRetire'; readonly keyId: number }
  | {
      readonly kind: 'notAccepted' | 'notSealing' | 'unheard';
      readonly keyId: number;
      readonly peers: readonly string[];
    }
  | {
      readonly kind: 'stillAccepted';
      readonly keyIds: readonly number[];
      readonly peers: readonly string[];
    }
  | { readonly kind: 'unanswered' };

/** Undefined for what is no report of keys. */
export function asKeysReport(value: unknown): KeysReport | undefined {
  const { sealing, accepted, heard } = asFields(value);
  if (typeof sealing !== 'number' || !Array.isArray(accepted)) return undefined;
  return {
    sealing,
    accepted: asList(accepted).filter((id) => typeof id === 'number'),
    heard: asCounts(heard),
  };
}

/** Lines for the operator; none where no peer has a key. */
export function describeKeys(peers: readonly PeerKeys[]): readonly string[] {
  const keyed = peers.flatMap(({ name, keys }) => (keys ? [{ name, keys }] : []));
  const silent = peers.filter(({ keys }) => keys === undefined).map(({ name }) => name);
  const rotation = judgeRotation(keyed, silent);
  if (rotation === undefined) return [];
  if (rotation.kind === 'settled') {
    const whom = silent.length === 0 ? 'every peer seals' : 'every peer that answered seals';
    return [`cluster key: ${whom} with key ${rotation.keyId} and accepts no other`];
  }
  return ['', ...renderKeys(keyed), ...describeRotation(rotation), ...waitFor(silent)];
}

function renderKeys(keyed: readonly Keyed[]): readonly string[] {
  const rows = keyed.map(({ name, keys: { sealing, accepted, heard } }) => [
    name,
    String(sealing),
    accepted.join(' '),
    Array.from(heard, ([id, keyId]) => `${id}:${keyId}`).join(' ') || '-',
  ]);
  return renderTable(['peer', 'seals with key', 'accepts', 'heard others under'], rows);
}

/** Undefined where no peer has a key. `silent` are those that gave no answer. */
export function judgeRotation(keyed: readonly Keyed[], silent: readonly string[]): Rotation | undefined {
  const sealing = [...new Set(keyed.map(({ keys }) => keys.sealing))];
  const accepted = [...new Set(keyed.flatMap(({ keys }) => keys.accepted))];
  const [first] = accepted;
  if (first === undefined) return undefined;
  if (accepted.length === 1) return { kind: 'settled', keyId: first };
  const keyId = newestKeyOf(accepted);
  const lacking = namesOf(keyed, ({ accepted: ids }) => !ids.includes(keyId));
  const behind = namesOf(keyed, (keys) => keys.sealing !== keyId);
  if (lacking.length > 0) return { kind: 'notAccepted', keyId, peers: lacking };
  if (behind.length > 0 && sealing.length > 1) return { kind: 'notSealing', keyId, peers: behind };
  const still = namesOf(keyed, (keys) => keys.accepted.length > 1);
  if (behind.length === 0 && still.length < keyed.length)
    return { kind: 'stillAccepted', keyIds: accepted.filter((id) => id !== keyId), peers: still };
  if (silent.length > 0) return { kind: 'unanswered' };
  if (behind.length > 0) return { kind: 'mayPromote', keyId };
  const unheard = heardUnderOther(keyed, keyId);
  return unheard.length > 0 ? { kind: 'unheard', keyId, peers: unheard } : { kind: 'mayRetire', keyId };
}

function describeRotation(rotation: Rotation): readonly string[] {
  switch (rotation.kind) {
    case 'notAccepted':
      return [copyTo(`key ${rotation.keyId} is not accepted yet by`, rotation.peers)];
    case 'notSealing':
      return [copyTo(`key ${rotation.keyId} does not seal yet at`, rotation.peers)];
    case 'stillAccepted':
      return [copyTo(`key ${rotation.keyIds.join(', ')} is still accepted by`, rotation.peers)];
    case 'mayPromote':
      return [`every peer accepts key ${rotation.keyId}: toposphere key promote may follow`];
    case 'unheard':
      return [
        `every peer seals with key ${rotation.keyId}, but another was the last that ${rotation.peers.join(', ')} was heard under: wait for it`,
      ];
    case 'mayRetire':
      return [`every peer seals with key ${rotation.keyId}: toposphere key retire may follow`];
    case 'settled':
    case 'unanswered':
      return [];
    default:
      return assertNever(rotation);
  }
}

/** Ids go round: the newest is the one that the least way leads to from all others. Of at least one. */
export function newestKeyOf(ids: readonly number[]): number {
  return ids.reduce((later, id) => (isLaterKey(id, later) ? id : later));
}

function namesOf(keyed: readonly Keyed[], isMeant: (keys: KeysReport) => boolean): readonly string[] {
  return keyed.filter(({ keys }) => isMeant(keys)).map(({ name }) => name);
}

/** Members that some peer last heard under another key: also those that were not asked. */
function heardUnderOther(keyed: readonly Keyed[], newest: number): readonly string[] {
  const ids = keyed.flatMap(({ keys }) =>
    Array.from(keys.heard).flatMap(([id, keyId]) => (keyId === newest ? [] : [id])),
  );
  return [...new Set(ids)];
}

function copyTo(what: string, names: readonly string[]): string {
  return `${what} ${names.join(', ')}: copy the key file there, then: toposphere reload`;
}

function waitFor(silent: readonly string[]): readonly string[] {
  return silent.length === 0
    ? []
    : [`${silent.join(', ')} did not answer: promote and retire no key before it has the file`];
}
