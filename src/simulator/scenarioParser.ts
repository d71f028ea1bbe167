/**
 * Scenarios as short readable text, taken apart into statements.
 *
 * Owns series of keys (`k{1..100}`), quotes, and the wording of what cannot be read: every
 * fault of a text is reported together, with its line. What a statement does is scenario.ts's.
 */
import { parseFloating } from '../core/decimal.ts';
import { ToposphereError } from '../core/errors.ts';
import type { Phase } from '../core/messages.ts';
import { MESSAGE_KINDS } from '../peer/faults.ts';
import type { KeyWrite, Scenario, SeenAs, Statement } from './scenarioStatement.ts';
import { DISK_STATES } from './virtualDisk.ts';
import type { DiskState } from './virtualDisk.ts';
import type { Level } from './schedule.ts';

const DEFAULT_PEERS = ['alpha', 'beta', 'gamma', 'delta'];
const SERIES_LIMIT = 100_000;
const FATES = { 'on its disks': 'reached', unknown: 'unknown', waiting: 'waits' } as const;
const NAMED_STATES = DISK_STATES.join('|');

/** `nameOf` numbers peers for `peers 5`. Throws BAD_ARGUMENT with every line that cannot be read. */
export function parseScenario(text: string, nameOf: (count: number) => readonly string[]): Scenario {
  const faults: string[] = [];
  let peers: readonly string[] = DEFAULT_PEERS;
  let newcomers: readonly string[] = [];
  let seed = 1;
  const settings: Record<string, number> = {};
  const limits: Record<string, number> = {};
  const statements: { text: string; line: number; does: Statement }[] = [];
  for (const { words, line } of splitStatements(text)) {
    try {
      const [verb, rest] = cutFirst(words);
      if (verb === 'peers') peers = /^\d+$/.test(rest) ? nameOf(Number(rest)) : rest.split(/[\s,]+/);
      else if (verb === 'newcomers') newcomers = rest.split(/[\s,]+/);
      else if (verb === 'seed') seed = parseNumber(rest);
      else if (verb === 'settings') parseAssignments(rest, settings);
      else if (verb === 'limits') parseAssignments(rest, limits);
      else statements.push({ text: words, line, does: parseStatement(verb, rest, words) });
    } catch (error) {
      faults.push(`line ${line}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  for (const { does, line } of statements)
    for (const name of namesIn(does))
      if (!peers.includes(name)) faults.push(`line ${line}: no peer ${name}; there are ${peers.join(', ')}`);
  for (const name of newcomers) if (!peers.includes(name)) faults.push(`newcomers: no peer ${name}`);
  if (faults.length > 0)
    throw new ToposphereError('BAD_ARGUMENT', `the scenario cannot be read:\n${faults.join('\n')}`);
  return { peers, newcomers, seed, settings, limits, statements };
}

function parseStatement(verb: string, rest: string, words: string): Statement {
  const peer = rest.trim();
  switch (verb) {
    case 'set':
    case 'delete':
      return parseWrite(verb, rest, false);
    case 'add':
      return parseIncrement(rest, false);
    case 'cut': {
      const [, from = '', how, to = ''] = match(
        /^(\S+) (from|to) (\S+)$/,
        rest,
        'cut a,b from c,d, or cut a to b',
      );
      return { kind: 'cut', from: from.split(','), to: to.split(','), isOneWay: how === 'to' };
    }
    case 'heal': {
      if (rest === '') return { kind: 'heal' };
      const [, from = '', to = ''] = match(/^(\S+) from (\S+)$/, rest, 'heal, or heal a from b');
      return { kind: 'heal', from: from.split(','), to: to.split(',') };
    }
    case 'lose': {
      const kind = /^(no )?([a-z]+)(?: from (\S+))?(?: to (\S+))?$/.exec(rest);
      const message = MESSAGE_KINDS.find((known) => known === kind?.[2]);
      if (kind === null || message === undefined) return parseLinks(verb, rest);
      const groups = parseGroups(kind[3], kind[4]);
      return { kind: 'loseKind', message, isLost: kind[1] === undefined, ...groups };
    }
    case 'duplicate':
    case 'reorder':
    case 'delay':
      return parseLinks(verb, rest);
    case 'wipe':
    case 'admit':
    case 'bootstrap':
    case 'crash':
    case 'start':
    case 'stop':
    case 'pause':
    case 'resume':
    case 'twin':
      return { kind: verb, peer };
    case 'back': {
      const [, name = ''] = match(/^up (\S+)$/, rest, 'back up alpha');
      return { kind: 'backUp', peer: name };
    }
    case 'roll': {
      const [, name = ''] = match(/^back (\S+)$/, rest, 'roll back alpha');
      return { kind: 'rollBack', peer: name };
    }
    case 'forget': {
      const [, member = '', at = ''] = match(/^(\S+) at (\S+)$/, rest, 'forget delta at alpha');
      return { kind: 'forget', peer: at, member };
    }
    case 'power': {
      const [, name = ''] = match(/^off (\S+)$/, rest, 'power off alpha');
      return { kind: 'powerOff', peer: name };
    }
    case 'end': {
      const [, name = ''] = match(/^twin (\S+)$/, rest, 'end twin alpha');
      return { kind: 'endTwin', peer: name };
    }
    case 'clock': {
      const [, name = '', offset = ''] = match(
        /^(\S+) (right|[+-]\S+)$/,
        rest,
        'clock alpha +3600s, or clock alpha right',
      );
      return { kind: 'clock', peer: name, offsetMs: offset === 'right' ? 0 : parseTime(offset) };
    }
    case 'disk': {
      const [, name = '', state = ''] = match(
        new RegExp(`^(\\S+) (${NAMED_STATES})$`),
        rest,
        `disk alpha ${NAMED_STATES}`,
      );
      return { kind: 'disk', peer: name, state: state as DiskState };
    }
    case 'stray': {
      const [, name = '', share = ''] = match(/^(\S+) (\S+%)$/, rest, 'stray alpha 30%');
      return { kind: 'stray', peer: name, share: parseShare(share) };
    }
    case 'install': {
      const [, name = '', lowest = '', highest = ''] = match(
        /^(\S+) (\d+)\.\.(\d+)$/,
        rest,
        'install alpha 1..2',
      );
      return {
        kind: 'install',
        peer: name,
        versions: { lowest: parseNumber(lowest), highest: parseNumber(highest) },
      };
    }
    case 'wait':
      return { kind: 'wait', forMs: parseTime(rest) };
    case 'expect':
      return parseExpectation(rest);
    default:
      throw new Error(`'${words}' is no statement; toposphere simulate --help lists them`);
  }
}

function parseWrite(verb: string, rest: string, isRefused: boolean): Statement {
  const [, what = '', peer = '', time, level = 'committed', disks, deadline = ''] = match(
    verb === 'set'
      ? /^(.+) at (\S+?)(?: for (\S+))?(?: (fast|committed|durable)| on (\d+|majority|all) disks within (\S+))?$/
      : /^(.+) at (\S+?)()(?: (fast|committed|durable)| on (\d+|majority|all) disks within (\S+))?$/,
    rest,
    `${verb === 'set' ? 'set x=1 at alpha [for 5s]' : 'delete x at alpha'} [fast|committed|durable|on 2 disks within 1s]`,
  );
  const writes =
    verb === 'set' ? parseAssignment(what) : expand(unquote(what)).map((key) => ({ key, value: undefined }));
  const expiresInMs = time === undefined || time === '' ? undefined : parseTime(time);
  const write = { kind: 'write', peer, writes, level: level as Level, expiresInMs, isRefused } as const;
  if (disks === undefined) return write;
  const copies = disks === 'majority' || disks === 'all' ? disks : Number(disks);
  return { ...write, replicated: { copies, withinMs: parseTime(deadline) } };
}

function parseIncrement(rest: string, isRefused: boolean): Statement {
  const [, amount = '', key = '', peer = '', level = 'committed'] = match(
    /^(\S+) to (.+) at (\S+?)(?: (fast|committed|durable))?$/,
    rest,
    'add 3 to c at alpha [fast|committed|durable]',
  );
  const by = parseFloating(Buffer.from(amount));
  if (by === undefined || by === 'infinite') throw new Error(`'${amount}' is no number`);
  return { kind: 'add', peer, key: unquote(key), by, level: level as Level, isRefused };
}

function parseLinks(verb: 'lose' | 'duplicate' | 'reorder' | 'delay', rest: string): Statement {
  const [, what = '', of, from, to] = match(
    /^(\S+)(?: of (updates|multicast))?(?: from (\S+))?(?: to (\S+))?$/,
    rest,
    `${verb} ${verb === 'delay' ? '5..40ms' : '30%'} [from a] [to b]`,
  );
  const groups = parseGroups(from, to);
  if (verb === 'delay') {
    const [, low = '', high = low] = match(
      /^(\d+(?:\.\d+)?)(?:\.\.(\d+(?:\.\d+)?))?ms$/,
      what,
      'delay 5..40ms',
    );
    return { kind: 'links', quality: { minDelayMs: Number(low), maxDelayMs: Number(high) }, ...groups };
  }
  const share = parseShare(what);
  if (verb === 'lose')
    return {
      kind: 'links',
      quality: { [of === undefined ? 'loss' : of === 'updates' ? 'updateLoss' : 'multicastLoss']: share },
      ...groups,
    };
  return { kind: 'links', quality: { [verb]: share }, ...groups };
}

function parseGroups(
  from: string | undefined,
  to: string | undefined,
): { readonly from?: readonly string[]; readonly to?: readonly string[] } {
  return {
    ...(from === undefined ? {} : { from: from.split(',') }),
    ...(to === undefined ? {} : { to: to.split(',') }),
  };
}

function parseExpectation(rest: string): Statement {
  const refused = /^refused (set|delete) (.+)$/.exec(rest);
  if (refused !== null) return parseWrite(refused[1] ?? '', refused[2] ?? '', true);
  if (rest.startsWith('refused add ')) return parseIncrement(rest.slice('refused add '.length), true);
  const [, body = '', time] = match(/^(.+?)(?: within (\S+))?$/, rest, 'expect … [within 2s]');
  const withinMs = time === undefined ? 0 : parseTime(time);
  const equal = /^equal(?: among (\S+))?$/.exec(body);
  if (equal !== null) return { kind: 'expectEqual', peers: equal[1]?.split(','), withinMs };
  const late = /^equal within (\S+) among (\S+)$/.exec(rest);
  if (late !== null)
    return { kind: 'expectEqual', peers: (late[2] ?? '').split(','), withinMs: parseTime(late[1] ?? '') };
  const state = /^(collected|fresh|joining|forgotten|member)(?: everywhere| at (\S+))?$/.exec(body);
  if (state !== null)
    return { kind: 'expectState', state: state[1] as Phase, peers: state[2]?.split(','), withinMs };
  const version = /^version (\d+)(?: everywhere| at (\S+))?$/.exec(body);
  if (version !== null)
    return { kind: 'expectVersion', version: Number(version[1]), peers: version[2]?.split(','), withinMs };
  const fate = /^(\S+) (on its disks|unknown|waiting)$/.exec(body);
  if (fate !== null)
    return { kind: 'expectFate', key: fate[1] ?? '', fate: FATES[fate[2] as keyof typeof FATES], withinMs };
  const seen = /^(\S+) (alive|left|silent)(?: everywhere| at (\S+))?$/.exec(body);
  if (seen !== null)
    return {
      kind: 'expectSeen',
      member: seen[1] ?? '',
      as: seen[2] as SeenAs,
      peers: seen[3]?.split(','),
      withinMs,
    };
  const [, what = '', peers] = match(
    /^(.+?) (?:everywhere|at (\S+))$/,
    body,
    'expect x=1 everywhere, expect x absent at alpha,beta, or expect equal',
  );
  const absent = /^(.+) (absent|dropped)$/.exec(what);
  const keys =
    absent === null
      ? parseAssignment(what)
      : expand(unquote(absent[1] ?? '')).map((key) => ({ key, value: undefined }));
  return {
    kind: 'expectValue',
    keys,
    isDropped: absent?.[2] === 'dropped',
    peers: peers?.split(','),
    withinMs,
  };
}

/** `x=1`, `k{1..9}=v`, `big=<7000 bytes>`; quoted parts are JSON strings. */
function parseAssignment(text: string): KeyWrite[] {
  const [, keys = '', value = ''] = match(/^("(?:[^"\\]|\\.)*"|[^=]+)=(.*)$/s, text, 'key=value');
  const size = /^<(\d+) bytes>$/.exec(value);
  const spec = size === null ? unquote(value) : Number(size[1]);
  return expand(unquote(keys)).map((key) => ({ key, value: spec }));
}

/** `k{1..3}`: k1, k2, k3. */
function expand(text: string): string[] {
  const series = /^(.*)\{(\d+)\.\.(\d+)\}(.*)$/s.exec(text);
  if (series === null) return [text];
  const [, before = '', from = '', to = '', after = ''] = series;
  const count = Number(to) - Number(from) + 1;
  if (count < 1 || count > SERIES_LIMIT)
    throw new Error(`a series has 1 to ${SERIES_LIMIT} members, not ${count}`);
  return Array.from({ length: count }, (_, at) => `${before}${Number(from) + at}${after}`);
}

function unquote(text: string): string {
  const trimmed = text.trim();
  if (!trimmed.startsWith('"')) return trimmed;
  const value: unknown = JSON.parse(trimmed);
  if (typeof value !== 'string') throw new Error(`${trimmed} is no string`);
  return value;
}

function match(pattern: RegExp, text: string, usage: string): (string | undefined)[] {
  const found = pattern.exec(text);
  if (found === null) throw new Error(`'${text}' is not understood here: say ${usage}`);
  return [...found];
}

/** `2s`, `250ms`, `3min`, with a sign or without. Milliseconds. */
function parseTime(text: string): number {
  const [, number = '', unit = ''] = match(
    /^([+-]?[\d.]+)(ms|s|min|h)$/,
    text.trim(),
    '250ms, 2s, 3min or 1h',
  );
  const factor = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 }[unit] ?? 1;
  return parseNumber(number) * factor;
}

function parseShare(text: string): number {
  const [, percent = ''] = match(/^([\d.]+)%$/, text, '30%');
  const share = parseNumber(percent) / 100;
  if (share > 1) throw new Error(`${text}: 0% to 100%`);
  return share;
}

function parseNumber(text: string): number {
  const number = Number(text);
  if (text.trim() === '' || !Number.isFinite(number)) throw new Error(`'${text}' is no number`);
  return number;
}

function parseAssignments(text: string, into: Record<string, number>): void {
  for (const word of text.split(/\s+/)) {
    const [, name = '', value = ''] = match(/^(\w+)=(\S+)$/, word, 'name=number');
    into[name] = parseNumber(value);
  }
}

function cutFirst(text: string): [string, string] {
  const space = text.search(/\s/);
  return space < 0 ? [text, ''] : [text.slice(0, space), text.slice(space).trim()];
}

/** Statements end at a line's end or at a semicolon, both outside quotes; # outside quotes begins a comment. */
function splitStatements(text: string): { readonly words: string; readonly line: number }[] {
  const found: { words: string; line: number }[] = [];
  for (const [index, whole] of text.split(/\r?\n/).entries()) {
    for (const piece of whole.match(/(?:"(?:[^"\\]|\\.)*"|[^;"#]|"(?![^"]*"))+|#.*|;/g) ?? []) {
      if (piece.startsWith('#')) break;
      const words = piece.trim().replaceAll(/\s+(?=(?:[^"]*"[^"]*")*[^"]*$)/g, ' ');
      if (words !== '' && words !== ';') found.push({ words, line: index + 1 });
    }
  }
  return found;
}

function namesIn(statement: Statement): readonly string[] {
  switch (statement.kind) {
    case 'cut':
      return [...statement.from, ...statement.to];
    case 'heal':
    case 'links':
      return [...(statement.from ?? []), ...(statement.to ?? [])];
    case 'loseKind':
      return [...(statement.from ?? []), ...(statement.to ?? [])];
    case 'forget':
      return [statement.peer, statement.member];
    case 'expectSeen':
      return [statement.member, ...(statement.peers ?? [])];
    case 'expectValue':
    case 'expectEqual':
    case 'expectState':
    case 'expectVersion':
      return statement.peers ?? [];
    case 'wait':
    case 'expectFate':
      return [];
    default:
      return [statement.peer];
  }
}
