/**
 * The configuration file: one JSON object whose keys are the tunables' names.
 *
 * Owns its grammar, its types and what its paths are relative to: the file's own folder, so that it means the same from
 * wherever it is named. Ranges are tunableValue.ts's, what overrides it settingSources.ts's. Invariant: a key is a
 * setting or a fault, and a fault never repeats the value of an unknown key, which may be a secret in the wrong place.
 */
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import type { DocumentNode, MemberNode, ObjectNode } from '@humanwhocodes/momoa';
import { ToposphereError } from '../core/errors.ts';
import { errorCode } from '../network/tcp.ts';
import { findNearest } from './nearestName.ts';
import { isTunableName, TUNABLE_NAMES, TUNABLES } from './tunables.ts';
import type { TunableName } from './tunables.ts';
import { findJsonFault } from './tunableValue.ts';
import type { GivenValue, GivenValues } from './tunableValue.ts';

/** Read when no other file is named, if it is there. */
export const DEFAULT_CONFIGURATION_PATH = 'config/toposphere.json';
/** Where editors look for the schema; it sets nothing. */
const SCHEMA_KEY = '$schema';

export interface ConfigurationFile {
  readonly path: string;
  readonly values: GivenValues;
  /** One line a fault, each with the file's name. */
  readonly faults: readonly string[];
}

function refuse(message: string, cause?: unknown): ToposphereError {
  return new ToposphereError('BAD_CONFIGURATION', message, { cause });
}

/** What momoa calls the marks of JSON when one is out of place. */
const MARKS: ReadonlyMap<string, string> = new Map([
  ['LBrace', "'{'"],
  ['RBrace', "'}'"],
  ['LBracket', "'['"],
  ['RBracket', "']'"],
  ['Comma', "','"],
  ['Colon', "':'"],
]);

/** `Unexpected token RBrace found. (3:1)` as `unexpected '}'`. */
function describeSyntax(said: string): string {
  return said
    .replace(/ found\. \(\d+:\d+\)$/, '')
    .replace(/ token (\w+)$/, (_, token: string) => ` ${MARKS.get(token) ?? token.toLowerCase()}`)
    .replace('Unexpected', 'unexpected');
}

async function parseObject(text: string, path: string): Promise<ObjectNode> {
  // Loaded only here: without a file there is nothing to parse.
  const { parse } = await import('@humanwhocodes/momoa');
  let document: DocumentNode;
  try {
    document = parse(text.replace(/^\uFEFF/, ''), { mode: 'json' });
  } catch (cause) {
    const { line, column, message } = cause as { line: number; column: number; message: string };
    throw refuse(`${path}:${line}:${column}: is not JSON: ${describeSyntax(message)}`, cause);
  }
  if (document.body.type === 'Object') return document.body;
  throw refuse(`${path}: holds no object; write { "name": value, ... }`);
}

/** The value of a member as JSON.parse would have it; what is no setting's anyway stays a list or an object without content. */
function valueOf({ value }: MemberNode): unknown {
  switch (value.type) {
    case 'String':
    case 'Number':
    case 'Boolean':
      return value.value;
    case 'Array':
      return [];
    case 'Object':
      return {};
    default:
      return null;
  }
}

function describeUnknown(key: string): string {
  const nearest = findNearest(key, TUNABLE_NAMES);
  return `${key} is not a setting; ${nearest === undefined ? 'take it out' : `did you mean ${nearest}?`}`;
}

function findMemberFault(key: string, value: unknown): string | undefined {
  if (key === SCHEMA_KEY) return typeof value === 'string' ? undefined : `${key} must be a text`;
  if (!isTunableName(key)) return describeUnknown(key);
  const fault = findJsonFault(TUNABLES[key], value);
  return fault === undefined ? undefined : `${key} ${fault}`;
}

function resolvePath(name: TunableName, value: GivenValue, path: string): GivenValue {
  const tunable = TUNABLES[name];
  const isPath = tunable.kind === 'text' && 'isPath' in tunable;
  if (!isPath || typeof value !== 'string' || value === '' || isAbsolute(value)) return value;
  return join(dirname(path), value);
}

/** Reads the text of a file; `path` is what messages call it. Throws BAD_CONFIGURATION when it is no JSON object. */
export async function parseConfiguration(text: string, path: string): Promise<ConfigurationFile> {
  const values: Partial<Record<TunableName, GivenValue>> = {};
  const faults: string[] = [];
  const lineOfKey = new Map<string, number>();
  for (const member of (await parseObject(text, path)).members) {
    const key = member.name.type === 'String' ? member.name.value : member.name.name;
    const value = valueOf(member);
    const { line } = member.loc.start;
    const earlier = lineOfKey.get(key);
    lineOfKey.set(key, line);
    const fault =
      earlier === undefined
        ? findMemberFault(key, value)
        : `${key} is there twice, on lines ${earlier} and ${line}; keep one`;
    if (fault !== undefined) faults.push(`${path}: ${fault}`);
    else if (isTunableName(key)) values[key] = resolvePath(key, value as GivenValue, path);
  }
  return { path, values, faults };
}

/** Reads the file that `namedBy` names. Throws BAD_CONFIGURATION, also when it cannot be read. */
export async function readConfiguration(path: string, namedBy: string): Promise<ConfigurationFile> {
  if (path === '')
    throw refuse(`${namedBy} is empty; give the path of a configuration file, or leave it out`);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw refuse(`${path}: cannot be read (${errorCode(cause)}); correct ${namedBy}`, cause);
  }
  return parseConfiguration(text, path);
}

/** Reads the default file; undefined when there is none. Throws BAD_CONFIGURATION when it is there and no good. */
export async function readDefaultConfiguration(): Promise<ConfigurationFile | undefined> {
  const path = DEFAULT_CONFIGURATION_PATH;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return undefined;
    throw refuse(`${path}: cannot be read (${errorCode(cause)}); make it readable, or remove it`, cause);
  }
  return parseConfiguration(text, path);
}
