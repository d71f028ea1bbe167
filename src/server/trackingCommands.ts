/**
 * CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR: how a client that keeps copies of values asks to be told of changes.
 *
 * Owns reading and refusing these words as Redis 7 does. What they bring about is tracking.ts's.
 * Invariant: a request that is refused leaves the client tracking as it did.
 */
import type { Key } from '../core/types.ts';
import type { ClientState, Command, CommandContext } from './command.ts';
import type { CommandTable } from './commandTable.ts';
import { argumentKey, argumentText, LOCAL_TO_CONNECTION, NO_KEYS, readInteger } from './command.ts';
import type { Request } from './requestParser.ts';
import type { ClientTracking } from './tracking.ts';

/** Prefixes of one client, count: Redis has no limit. */
const PREFIX_LIMIT = 1024;
const SYNTAX = 'ERR syntax error';
const MODE_IS_SET =
  'before disabling tracking for this client, and then re-enabling it with a different mode.';
const MUST_NOT_OVERLAP = 'Prefixes for a single client must not overlap.';

const ORDINARY = { flags: ['noscript', 'loading', 'stale'], group: 'connection', keys: NO_KEYS } as const;

export const trackingSubcommands: readonly Command[] = [
  {
    ...ORDINARY,
    name: 'client|tracking',
    arity: -3,
    touches: trackedPrefixes,
    syntax:
      'ON|OFF [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]',
    summary:
      'Be told when a key that was read changes, or (BCAST) any with a prefix: ON|OFF [REDIRECT id] [PREFIX p ...] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]',
    partition:
      'Tells of changes as they reach this peer, wherever they were made; what a cut keeps away is told when it heals. A client that loses the connection drops what it keeps.',
    run: (context, request) => {
      const problem = switchTracking(context, request);
      if (problem === undefined) context.reply.ok();
      else context.reply.error(problem);
      return undefined;
    },
  },
  {
    ...ORDINARY,
    name: 'client|caching',
    arity: 3,
    syntax: 'YES|NO',
    summary:
      'Say of the next command alone whether the keys it reads are tracked: YES with OPTIN, NO with OPTOUT',
    partition: LOCAL_TO_CONNECTION,
    run: ({ client, reply }, request) => {
      const problem = setCaching(client.tracking, argumentText(request, 2).toLowerCase());
      if (problem === undefined) reply.ok();
      else reply.error(problem);
      return undefined;
    },
  },
  {
    ...ORDINARY,
    name: 'client|trackinginfo',
    arity: 2,
    syntax: '',
    summary: 'Tell how this connection tracks',
    partition: LOCAL_TO_CONNECTION,
    run: ({ client, reply }) => {
      const flags = flagsOf(client.tracking);
      const prefixes = [...(client.tracking?.prefixes ?? [])].sort();
      reply.map(3);
      reply.bulkText('flags');
      reply.set(flags.length);
      for (const flag of flags) reply.bulkText(flag);
      reply.bulkText('redirect');
      reply.integer(redirectOf(client));
      reply.bulkText('prefixes');
      reply.array(prefixes.length);
      for (const prefix of prefixes) reply.bulkText(prefix);
      return undefined;
    },
  },
  {
    ...ORDINARY,
    name: 'client|getredir',
    arity: 2,
    syntax: '',
    summary:
      'Tell the number of the connection that is told instead of this one: 0 for none, -1 where nothing is tracked',
    partition: LOCAL_TO_CONNECTION,
    run: ({ client, reply }) => {
      reply.integer(redirectOf(client));
      return undefined;
    },
  },
];

export function redirectOf({ tracking }: ClientState): number {
  return tracking?.redirect ?? -1;
}

/** What CLIENT CACHING said ends with the next command that is not of CLIENT itself. */
export function endCaching(tracking: ClientTracking, request: Request, table: CommandTable): void {
  const command = table.find(argumentText(request, 0));
  const subcommand =
    command?.name === 'client' && request.count > 1
      ? table.findSubcommand(command, argumentText(request, 1))
      : undefined;
  if (subcommand === undefined) tracking.isCaching = false;
}

function flagsOf(tracking: ClientTracking | undefined): readonly string[] {
  if (tracking === undefined) return ['off'];
  const { isBroadcast, isOptIn, isOptOut, isNoLoop, isCaching, isBroken } = tracking;
  const flags = ['on'];
  if (isBroadcast) flags.push('bcast');
  if (isOptIn) flags.push('optin');
  if (isOptIn && isCaching) flags.push('caching-yes');
  if (isOptOut) flags.push('optout');
  if (isOptOut && isCaching) flags.push('caching-no');
  if (isNoLoop) flags.push('noloop');
  if (isBroken) flags.push('broken_redirect');
  return flags;
}

function setCaching(tracking: ClientTracking | undefined, word: string): string | undefined {
  if (tracking === undefined)
    return 'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled';
  if (word !== 'yes' && word !== 'no') return SYNTAX;
  if (word === 'yes' && !tracking.isOptIn)
    return 'ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.';
  if (word === 'no' && !tracking.isOptOut)
    return 'ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.';
  tracking.isCaching = true;
  return undefined;
}

/** The words after ON or OFF. */
interface Options {
  redirect: number;
  readonly words: Set<string>;
  readonly prefixes: Key[];
}

/** What is wrong, in Redis's words and in its order; undefined when the client tracks, or does not, as it said. */
function switchTracking({ client, server }: CommandContext, request: Request): string | undefined {
  const options = readOptions(request, (id) => server.findClient(id) !== undefined);
  if (typeof options === 'string') return options;
  const word = argumentText(request, 2).toLowerCase();
  if (word !== 'on' && word !== 'off') return SYNTAX;
  if (word === 'off') {
    server.tracking.stop(client);
    return undefined;
  }
  const problem = findConflict(options, client.tracking) ?? findOverlap(options.prefixes, client.tracking);
  if (problem !== undefined) return problem;
  const { redirect, words, prefixes } = options;
  const isBroadcast = words.has('bcast');
  const asked = isBroadcast && prefixes.length === 0 ? ['' as Key] : prefixes;
  server.tracking.start(client, {
    redirect,
    isBroadcast,
    isOptIn: words.has('optin'),
    isOptOut: words.has('optout'),
    isNoLoop: words.has('noloop'),
    prefixes: new Set([...(client.tracking?.prefixes ?? []), ...asked]),
    isCaching: client.tracking?.isCaching ?? false,
    isBroken: false,
  });
  return undefined;
}

/** What the keys begin with that this client would be told of, read or not; the error of wrong options names none. */
function trackedPrefixes(request: Request): readonly string[] {
  const options = readOptions(request, () => true);
  if (typeof options === 'string' || !options.words.has('bcast')) return [];
  return options.prefixes.length === 0 ? [''] : options.prefixes;
}

function readOptions(request: Request, isClient: (id: number) => boolean): Options | string {
  const options: Options = { redirect: 0, words: new Set(), prefixes: [] };
  for (let index = 3; index < request.count; index += 1) {
    const word = argumentText(request, index).toLowerCase();
    const hasMore = index + 1 < request.count;
    if (word === 'redirect' && hasMore) {
      if (options.redirect !== 0) return 'ERR A client can only redirect to a single other client';
      index += 1;
      const id = readInteger(argumentText(request, index));
      if (id === undefined) return 'ERR value is not an integer or out of range';
      if (!isClient(id)) return 'ERR The client ID you want redirect to does not exist';
      options.redirect = id;
    } else if (word === 'prefix' && hasMore) {
      index += 1;
      options.prefixes.push(argumentKey(request, index));
    } else if (word === 'bcast' || word === 'optin' || word === 'optout' || word === 'noloop') {
      options.words.add(word);
    } else {
      return SYNTAX;
    }
  }
  return options;
}

function findConflict({ words, prefixes }: Options, present: ClientTracking | undefined): string | undefined {
  const [isBroadcast, isOptIn, isOptOut] = [words.has('bcast'), words.has('optin'), words.has('optout')];
  if (!isBroadcast && prefixes.length > 0) return 'ERR PREFIX option requires BCAST mode to be enabled';
  if (present !== undefined && present.isBroadcast !== isBroadcast)
    return `ERR You can't switch BCAST mode on/off ${MODE_IS_SET}`;
  if (isBroadcast && (isOptIn || isOptOut)) return 'ERR OPTIN and OPTOUT are not compatible with BCAST';
  if (isOptIn && isOptOut) return "ERR You can't specify both OPTIN mode and OPTOUT mode";
  if ((isOptIn && present?.isOptOut === true) || (isOptOut && present?.isOptIn === true))
    return `ERR You can't switch OPTIN/OPTOUT mode ${MODE_IS_SET}`;
  return undefined;
}

function findOverlap(prefixes: readonly Key[], present: ClientTracking | undefined): string | undefined {
  const had = [...(present?.prefixes ?? [])].sort();
  if (had.length + prefixes.length > PREFIX_LIMIT)
    return `ERR a connection tracks at most ${PREFIX_LIMIT} prefixes`;
  for (const [index, prefix] of prefixes.entries()) {
    const existing = had.find((other) => overlaps(prefix, other));
    if (existing !== undefined)
      return `ERR Prefix '${prefix}' overlaps with an existing prefix '${existing}'. ${MUST_NOT_OVERLAP}`;
    const other = prefixes.slice(index + 1).find((later) => overlaps(prefix, later));
    if (other !== undefined)
      return `ERR Prefix '${prefix}' overlaps with another provided prefix '${other}'. ${MUST_NOT_OVERLAP}`;
  }
  return undefined;
}

function overlaps(one: string, other: string): boolean {
  return one.startsWith(other) || other.startsWith(one);
}
