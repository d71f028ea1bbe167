/**
 * The cluster key file: `id key` a line, `#` comments; the first key seals, every key opens.
 *
 * Owns the file's grammar and the three steps of a rotation: a key is added (accepted), promoted (seals), and those before it are retired. A bare key is key 1.
 * Leaves the file's mode to secretFiles.ts, sealing to src/wire. Invariant: comments and order survive each step, and no message quotes a line, for it may be
 * most of a real key.
 */
import { randomBytes } from 'node:crypto';
import { ToposphereError } from '../core/errors.ts';
import type { ClusterKey } from '../wire/envelope.ts';
import { readSecretFile } from './secretFiles.ts';

/** Bytes of an AES-256 key. */
const KEY_BYTES = 32;
/** Key ids go from 1 to this; 0 stands in the header of packets in clear. */
const KEY_ID_MAXIMUM = 255;
const KEY_LINE = /^(?:(\d{1,3})\s+)?([0-9a-fA-F]{64})$/;
const BARE_KEY = /^\s*[0-9a-fA-F]{64}/;

const HEADER = `# The cluster key of Toposphere, the same on every machine: id and key a line. The first key seals, every key opens.
# Whoever can read this file can read and write everything in the cluster.
`;

interface Line {
  readonly text: string;
  readonly key: ClusterKey | undefined;
}

/** The keys, the sealing one first. Throws BAD_CONFIGURATION with a line a fault; `name` is what they call the file. */
export function parseClusterKeys(text: string, name: string): readonly ClusterKey[] {
  return keysOf(parseLines(text, name));
}

/** Keys, and the path that they came from. */
export interface ClusterKeys {
  readonly path: string;
  /** The sealing one first. */
  readonly keys: readonly ClusterKey[];
}

/** The keys in a file. Rejects with BAD_CONFIGURATION. */
export async function readClusterKeys(path: string): Promise<ClusterKeys> {
  return { path, keys: parseClusterKeys(await readSecretFile(path, 'cluster key'), path) };
}

/** The text of a new file with one new key. */
export function generateKeyText(): string {
  return `${HEADER}${keyLine(1)}\n`;
}

/** What a step made of a key file. */
export interface KeyStep {
  readonly text: string;
  /** The key that was added or promoted, or that alone is left. */
  readonly keyId: number;
  readonly keys: readonly ClusterKey[];
}

/** One more key, accepted and not sealing yet. */
export function addKey(text: string, name: string): KeyStep {
  const lines = parseLines(text, name);
  const keys = keysOf(lines);
  const taken = new Set(keys.map(({ id }) => id));
  if (taken.size === KEY_ID_MAXIMUM)
    throw refused(`${name}: all ${KEY_ID_MAXIMUM} key ids are in use; retire some first`);
  let keyId = newestOf(keys);
  do keyId = (keyId % KEY_ID_MAXIMUM) + 1;
  while (taken.has(keyId));
  // A bare key says its id from now on.
  const named = lines.map(({ text: line, key }) =>
    key !== undefined && BARE_KEY.test(line) ? `${key.id} ${line.trim()}` : line,
  );
  return rewritten([...named, keyLine(keyId)], name, keyId);
}

/** The newest key seals from now on; the others are accepted still. */
export function promoteKey(text: string, name: string): KeyStep {
  const lines = parseLines(text, name);
  const keys = keysOf(lines);
  const keyId = newestOf(keys);
  if (keys[0]?.id === keyId) {
    const advice = keys.length === 1 ? `add one first: toposphere key add ${name}` : 'nothing was changed';
    throw refused(`${name}: key ${keyId} is the newest and seals already; ${advice}`);
  }
  const promoted = lines.filter(({ key }) => key?.id === keyId);
  const rest = lines.filter(({ key }) => key?.id !== keyId);
  const first = rest.findIndex(({ key }) => key !== undefined);
  const ordered = [...rest.slice(0, first), ...promoted, ...rest.slice(first)];
  return rewritten(
    ordered.map((line) => line.text),
    name,
    keyId,
  );
}

/** The sealing key alone is left. */
export function retireKeys(text: string, name: string): KeyStep {
  const lines = parseLines(text, name);
  const keys = keysOf(lines);
  const [sealing] = keys;
  if (sealing === undefined || keys.length === 1)
    throw refused(`${name}: holds one key only; there is none to retire`);
  const newest = newestOf(keys);
  if (newest !== sealing.id) {
    throw refused(
      `${name}: key ${newest} does not seal yet; promote it first: toposphere key promote ${name}`,
    );
  }
  const left = lines.filter(({ key }) => key === undefined || key === sealing);
  return rewritten(
    left.map((line) => line.text),
    name,
    sealing.id,
  );
}

function parseLines(text: string, name: string): readonly Line[] {
  const faults: string[] = [];
  const seen = new Map<number, number>();
  const lines = text
    .replace(/\n$/, '')
    .split('\n')
    .map((line, index): Line => {
      const words = (line.split('#', 1)[0] ?? '').trim();
      if (words === '') return { text: line, key: undefined };
      const [, idText = '1', hex = ''] = KEY_LINE.exec(words) ?? [];
      const id = Number(idText);
      const fault =
        hex === '' || id < 1 || id > KEY_ID_MAXIMUM
          ? `is no key: write an id from 1 to ${KEY_ID_MAXIMUM} and ${2 * KEY_BYTES} hexadecimal digits`
          : seen.has(id)
            ? `key ${id} is in line ${seen.get(id) ?? 0} already: number the keys apart`
            : undefined;
      if (fault !== undefined) faults.push(`${name}:${index + 1}: ${fault}`);
      if (hex !== '') seen.set(id, index + 1);
      return { text: line, key: { id, secret: Buffer.from(hex, 'hex') } };
    });
  if (faults.length > 0) throw refused(faults.join('\n'));
  if (seen.size === 0)
    throw refused(`${name}: holds no cluster key; make one with: toposphere key generate <file>`);
  return lines;
}

function keysOf(lines: readonly Line[]): readonly ClusterKey[] {
  return lines.map(({ key }) => key).filter((key) => key !== undefined);
}

/** Ids go round: the newest is the one that the least way leads to from all others. */
function newestOf(keys: readonly ClusterKey[]): number {
  return keys.map(({ id }) => id).reduce((newest, id) => (isLaterKey(id, newest) ? id : newest));
}

/** Whether the key with this id was made after the other one. */
export function isLaterKey(id: number, than: number): boolean {
  const distance = (id - than + KEY_ID_MAXIMUM) % KEY_ID_MAXIMUM;
  return distance > 0 && distance <= KEY_ID_MAXIMUM / 2;
}

function rewritten(lines: readonly string[], name: string, keyId: number): KeyStep {
  const text = `${lines.join('\n')}\n`;
  return { text, keyId, keys: parseClusterKeys(text, name) };
}

function keyLine(id: number): string {
  return `${id} ${randomBytes(KEY_BYTES).toString('hex')}`;
}

function refused(message: string): ToposphereError {
  return new ToposphereError('BAD_CONFIGURATION', message);
}
