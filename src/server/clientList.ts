/**
 * Which connections CLIENT LIST and CLIENT KILL speak of, and the line that is printed for each.
 *
 * Owns the line and the filters, in Redis's words. Leaves closing to the connection itself.
 * Invariant: a filter that is not understood chooses nobody.
 */
import { hasUser, userNameOf } from './aclCommand.ts';
import type { ClientState, CommandContext } from './command.ts';
import { argumentText, readInteger } from './command.ts';
import { describeLevel } from './replicationCommands.ts';
import type { Request } from './requestParser.ts';
import { redirectOf } from './trackingCommands.ts';

const SYNTAX = 'ERR syntax error';

/** Whether a client is meant. */
type Filter = (client: ClientState) => boolean;

/** The types that Redis knows; there are no masters and replicas here. */
const TYPES: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ['normal', (client) => !isListening(client)],
  ['pubsub', isListening],
  ['master', () => false],
  ['slave', () => false],
  ['replica', () => false],
]);

/** Waits for messages: it may be silent for as long as it likes. */
export function isListening(client: ClientState): boolean {
  return client.isSubscribed;
}

/** Waits for an answer: of WAIT, or because its command is held back. */
export function isBlocked({ endWait, goOn }: ClientState): boolean {
  return endWait !== undefined || goOn !== undefined;
}

/** What CLIENT LIST lists, or why it cannot: [TYPE type | ID id ...]. */
export function readListFilter(request: Request): Filter | string {
  if (request.count === 2) return () => true;
  const word = argumentText(request, 2).toLowerCase();
  if (word === 'type' && request.count === 4) return readType(argumentText(request, 3));
  if (word !== 'id' || request.count < 4) return SYNTAX;
  const ids = new Set<number>();
  for (let index = 3; index < request.count; index += 1) {
    const id = readInteger(argumentText(request, index));
    if (id === undefined) return 'ERR Invalid client ID';
    ids.add(id);
  }
  return ({ id }) => ids.has(id);
}

function readType(name: string): Filter | string {
  return TYPES.get(name.toLowerCase()) ?? `ERR Unknown client type '${name}'`;
}

/** Each filter of CLIENT KILL by its word. */
const KILL_FILTERS: Readonly<Record<string, (value: string, context: CommandContext) => Filter | string>> = {
  id: (value) => {
    const id = readInteger(value);
    return id === undefined || id < 1
      ? 'ERR client-id should be greater than 0'
      : (client) => client.id === id;
  },
  type: readType,
  addr: (value) => (client) => client.address === value,
  laddr: (value) => (client) => client.localAddress === value,
  user: (value, { server }) =>
    hasUser(server, value) ? ({ user }) => userNameOf(user) === value : `ERR No such user '${value}'`,
  maxage: (value) => {
    const seconds = readInteger(value);
    if (seconds === undefined || seconds < 1) return 'ERR maxage is not an integer or out of range';
    return (client) => performance.now() - client.connectedAtMs >= seconds * 1000;
  },
};

/** Writes the reply of CLIENT KILL address, or CLIENT KILL filter value [filter value ...] [SKIPME yes|no]. */
export function killClients(context: CommandContext, request: Request): void {
  const { reply } = context;
  if (request.count === 3) {
    const address = argumentText(request, 2);
    if (kill(context, (client) => client.address === address, false) > 0) reply.ok();
    else reply.error('ERR No such client');
    return;
  }
  const read = readKillFilters(context, request);
  if (typeof read === 'string') reply.error(read);
  else reply.integer(kill(context, read.isMeant, read.skipsOwn));
}

function readKillFilters(
  context: CommandContext,
  request: Request,
): { readonly isMeant: Filter; readonly skipsOwn: boolean } | string {
  const filters: Filter[] = [];
  let skipsOwn = true;
  for (let index = 2; index < request.count; index += 2) {
    const word = argumentText(request, index).toLowerCase();
    if (index + 1 >= request.count) return SYNTAX;
    const value = argumentText(request, index + 1);
    if (word === 'skipme') {
      const answer = value.toLowerCase();
      if (answer !== 'yes' && answer !== 'no') return SYNTAX;
      skipsOwn = answer === 'yes';
      continue;
    }
    const read = Object.hasOwn(KILL_FILTERS, word) ? KILL_FILTERS[word]?.(value, context) : undefined;
    if (read === undefined) return SYNTAX;
    if (typeof read === 'string') return read;
    filters.push(read);
  }
  return { isMeant: (client) => filters.every((filter) => filter(client)), skipsOwn };
}

/** How many were closed. */
function kill({ client: own, server }: CommandContext, isMeant: Filter, skipsOwn: boolean): number {
  const meant = [...server.clients()].filter((client) => isMeant(client) && !(skipsOwn && client === own));
  for (const client of meant) client.kill(client === own);
  return meant.length;
}

/** The word for CLIENT LIST: P listens, x has begun a transaction, b waits, t tracks, R whose redirection is broken, B every key with a prefix. */
function describeFlags(client: ClientState): string {
  const { tracking, transaction, isSubscribed } = client;
  const flags = [
    isSubscribed ? 'P' : '',
    transaction === undefined ? '' : 'x',
    isBlocked(client) ? 'b' : '',
    tracking === undefined ? '' : 't',
    tracking?.isBroken === true ? 'R' : '',
    tracking?.isBroadcast === true ? 'B' : '',
  ].join('');
  return flags === '' ? 'N' : flags;
}

/** One line of CLIENT LIST, in Redis's `name=value` words and two of ours at the end. */
export function describeClient(client: ClientState): string {
  const nowMs = performance.now();
  const ageSeconds = Math.floor((nowMs - client.connectedAtMs) / 1000);
  const idleSeconds = Math.max(0, Math.floor((nowMs - client.lastCommandAtMs) / 1000));
  const outputBytes = client.pendingOutputBytes();
  return (
    `id=${client.id} addr=${client.address} laddr=${client.localAddress} fd=-1 name=${client.name}` +
    ` age=${ageSeconds} idle=${idleSeconds} flags=${describeFlags(client)} db=0 sub=${client.subscriber?.channels.size ?? 0} psub=${client.subscriber?.patterns.size ?? 0} ssub=0 multi=${client.transaction?.queue.length ?? -1}` +
    ` qbuf=${client.pendingInputBytes()} qbuf-free=0 obl=0 oll=0 omem=${outputBytes} events=r` +
    ` cmd=${client.lastCommand} user=${userNameOf(client.user)} redir=${redirectOf(client)} resp=${client.protocol}` +
    ` lib-name=${client.libraryName} lib-ver=${client.libraryVersion}` +
    ` ack=${describeLevel(client).replaceAll(' ', '-')} watches=${client.watches.length}`
  );
}
