/**
 * What the peers of a cluster say of their keys, and which step of a rotation is safe.
 *
 * Owns that judgement: a key is promoted when every peer accepts it, and those before it are retired when every peer seals with it. Leaves the steps to key.ts.
 * Invariant: no step is called safe while a peer that may need the old key has not answered.
 */
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

interface Keyed {
  readonly name: string;
  readonly keys: KeysReport;
}

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
  const [first] = keyed;
  if (first === undefined) return [];
  const silent = peers.filter(({ keys }) => keys === undefined).map(({ name }) => name);
  const { sealing } = first.keys;
  if (keyed.every(({ keys }) => keys.accepted.join() === String(sealing))) {
    const whom = silent.length === 0 ? 'every peer seals' : 'every peer that answered seals';
    return [`cluster key: ${whom} with key ${sealing} and accepts no other`];
  }
  return ['', ...renderKeys(keyed), ...describeStep(keyed, silent)];
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

/** Which step of the rotation is under way, and what it waits for. */
function describeStep(keyed: readonly Keyed[], silent: readonly string[]): readonly string[] {
  const sealing = [...new Set(keyed.map(({ keys }) => keys.sealing))];
  const accepted = [...new Set(keyed.flatMap(({ keys }) => keys.accepted))];
  const newest = accepted.reduce((later, id) => (isLaterKey(id, later) ? id : later));
  const lacking = namesOf(keyed, ({ accepted: ids }) => !ids.includes(newest));
  const behind = namesOf(keyed, (keys) => keys.sealing !== newest);
  if (lacking.length > 0)
    return [copyTo(`key ${newest} is not accepted yet by`, lacking), ...waitFor(silent)];
  if (behind.length > 0 && sealing.length > 1) {
    return [copyTo(`key ${newest} does not seal yet at`, behind), ...waitFor(silent)];
  }
  const outdated = accepted.filter((id) => id !== newest);
  const still = namesOf(keyed, (keys) => keys.accepted.length > 1);
  if (behind.length === 0 && still.length < keyed.length) {
    return [copyTo(`key ${outdated.join(', ')} is still accepted by`, still), ...waitFor(silent)];
  }
  if (silent.length > 0) return waitFor(silent);
  if (behind.length > 0) return [`every peer accepts key ${newest}: toposphere key promote may follow`];
  const unheard = heardUnderOther(keyed, newest);
  return unheard.length > 0
    ? [
        `every peer seals with key ${newest}, but another was the last that ${unheard.join(', ')} was heard under: wait for it`,
      ]
    : [`every peer seals with key ${newest}: toposphere key retire may follow`];
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
