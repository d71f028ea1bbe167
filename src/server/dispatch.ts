/**
 * Finds the row of a request, checks it, runs it, and words what can go wrong as Redis 7 does.
 *
 * Owns the refusals: unknown command, unknown subcommand, arity, and the errors that a peer raises. Leaves
 * encoding to reply.ts and the connection's fate to connection.ts.
 * Invariant: a request gets exactly one reply, now or late, unless the answer is 'drop', or 'held'. What is thrown that is
 * no ToposphereError is a bug of our own and is not caught here.
 */
import { ToposphereError } from '../core/errors.ts';
import { refuseUnauthenticated } from './authentication.ts';
import { refuseUnpermitted } from './permissions.ts';
import { argumentText, LOCAL_TO_CONNECTION, NO_KEYS, rowOf, untilNul } from './command.ts';
import { byMajority, majorityLevelOf } from './byMajority.ts';
import type { Command, CommandChoices, CommandContext, LateReply, Row } from './command.ts';
import { replicationOf, whenOnDisks } from './replicationCommands.ts';
import type { ReplyWriter } from './reply.ts';
import { atMostOnce } from './requestOnce.ts';
import type { Request } from './requestParser.ts';
import { refuseWhileSubscribed } from './subscribeCommands.ts';
import { endTransaction, failTransaction, isQueued, queueCommand } from './transaction.ts';

/** Bytes of a name or of arguments that an error quotes back. */
const QUOTED_LIMIT_BYTES = 128;
/** Never what the session has not seen: whoever begins one and overlooks the answer must not read as if there were none. */
const SESSION_NOT_SERVED =
  'BEHIND this peer does not serve the session of this connection yet: say TOPOSPHERE SESSION BEGIN again, go to another peer, or TOPOSPHERE SESSION END';
const EXEC = 'exec';
/** First words of HTTP that Redis takes for an attack through a browser. */
const HTTP_WORDS: ReadonlySet<string> = new Set(['post', 'host:']);

/** 'drop': close without an answer. 'held': nothing was done, ask again when the pause is over. A promise: the reply comes later. */
type DispatchOutcome = 'read' | 'written' | 'drop' | 'held' | LateReply;

export function dispatch(context: CommandContext, request: Request): DispatchOutcome {
  const { server, client } = context;
  const found = server.table.findBytes(request.bytes, request.offsets[0] ?? 0, request.offsets[1] ?? 0);
  if (found === undefined) return refuseUnknown(context, request, argumentText(request, 0));
  if (request.isInline && isHttpLine(request)) return 'drop';
  const command = found.subcommands === undefined ? found : chooseSubcommand(context, request, found);
  if (command === undefined) return 'read';
  if (command.arity > 0 ? request.count !== command.arity : request.count < -command.arity)
    return refuse(context, command, `ERR wrong number of arguments for '${command.name}' command`);
  if (refuseUnauthenticated(context, command.flags) || refuseUnpermitted(context, command, request)) {
    failTransaction(client.transaction);
    return 'read';
  }
  if (command.unwrap !== undefined) return dispatchInner(context, command.unwrap, request);
  client.lastCommand = command.name;
  if (server.pause.isOn && server.pause.holds(client, command)) return 'held';
  server.counters.commandsProcessed += 1;
  const refused = findRefusal(context, command);
  if (refused !== undefined) return refuse(context, command, refused);
  if (client.transaction === undefined) return perform(context, command, request);
  if (isQueued(client, command)) {
    queueCommand(context, command, request);
    return 'read';
  }
  if (command.name !== EXEC) return perform(context, command, request);
  const { isWriting, fault } = client.transaction;
  const outcome = perform(context, isWriting || fault !== undefined ? asWriting(command) : command, request);
  endTransaction(client, server);
  return outcome;
}

function asWriting(command: Row): Row {
  return rowOf({ ...command, flags: [...command.flags, 'write'] });
}

/** An error in place of running it; of a transaction nothing will be run then. */
function refuse({ client, reply, server }: CommandContext, { name }: Command, error: string): 'read' {
  if (name === EXEC) {
    endTransaction(client, server);
    reply.error(`EXECABORT Transaction discarded because of: ${error.replace(/^ERR /, '')}`);
  } else {
    failTransaction(client.transaction);
    reply.error(error);
  }
  return 'read';
}

function findRefusal(context: CommandContext, command: Row): string | undefined {
  const loading = command.isServedLoading ? undefined : context.backend.findLoading();
  if (loading !== undefined) return wordError(new ToposphereError('LOADING', loading));
  return refuseWhileSubscribed(context.client, command) ?? refuseBySession(context, command);
}

/** Runs the command, with all that was chosen for it. */
function perform(context: CommandContext, command: Row, request: Request): DispatchOutcome {
  const { server, client, reply } = context;
  const startedMs = server.slowlog.begin(command);
  let late: LateReply | undefined;
  try {
    const waits = command.isWriting && command.runAtOnce === undefined;
    const disks = waits ? replicationOf(context) : undefined;
    const chosen =
      context.choices === undefined ? command : asChosen(command, context.choices, disks !== undefined);
    const row = disks === undefined ? chosen : whenOnDisks(chosen, disks);
    late = server.keyspaceEvents.isActive
      ? server.keyspaceEvents.run(command.isWriting, () => runRow(row, context, request))
      : runRow(row, context, request);
  } catch (error) {
    if (!(error instanceof ToposphereError)) throw error;
    reply.error(wordError(error));
  }
  server.slowlog.end(startedMs, command, context, request);
  if (!command.isWriting) return late ?? 'read';
  client.lastWritten = context.backend.lastWritten();
  // A write that failed half way may have changed something: its reply waits like any other.
  return late ?? 'written';
}

function runRow(row: Command, context: CommandContext, request: Request): LateReply | undefined {
  const { tracking } = context.server;
  return tracking.isActive ? tracking.run(row, context, request) : row.run?.(context, request);
}

/** Runs one command of a transaction: exactly one reply, now. */
export function runQueued(context: CommandContext, command: Command, request: Request): void {
  const { server, client, reply } = context;
  client.lastCommand = command.name;
  const refused = refuseBySession(context, command);
  if (refused !== undefined) {
    reply.error(refused);
    return;
  }
  if (server.tracking.isActive) server.tracking.noteReads(command, client, request);
  try {
    const late = (command.runAtOnce ?? command.run)?.(context, request);
    if (late === undefined) return;
    late.catch(() => undefined); // nobody waits for it
    reply.error(`ERR ${command.name} cannot be answered inside a transaction`);
  } catch (error) {
    if (!(error instanceof ToposphereError)) throw error;
    reply.error(wordError(error));
  }
}

/** Runs the command within another, with what was chosen for it. */
function dispatchInner(
  context: CommandContext,
  unwrap: NonNullable<Command['unwrap']>,
  request: Request,
): DispatchOutcome {
  const { keys, reply } = context;
  if (context.choices !== undefined) {
    failTransaction(context.client.transaction);
    reply.error('ERR TOPOSPHERE DO cannot run TOPOSPHERE DO');
    return 'read';
  }
  try {
    const inner = unwrap(request);
    context.choices = inner.choices;
    if (inner.choices.read === 'local') context.keys = context.backend;
    return dispatch(context, inner.request);
  } catch (error) {
    if (!(error instanceof ToposphereError)) throw error;
    failTransaction(context.client.transaction);
    reply.error(wordError(error));
    return 'read';
  } finally {
    if (context.choices?.read === 'local') context.keys = keys;
  }
}

/** The command as TOPOSPHERE DO wants it run. Throws BAD_ARGUMENT. */
function asChosen(command: Command, choices: CommandChoices, isForDisks: boolean): Command {
  const level = majorityLevelOf(choices);
  if (level !== undefined) return byMajority(command, level, choices);
  return choices.request === undefined ? command : atMostOnce(command, choices.request, isForDisks);
}

/** Why a command on keys is not run as its session stands, or as was chosen for it. */
function refuseBySession({ session, choices }: CommandContext, command: Command): string | undefined {
  if (choices?.read === 'local')
    return command.flags.includes('readonly') ? undefined : 'ERR READ LOCAL is for commands that only read';
  if (choices?.read === 'session' && session === undefined)
    return 'ERR this connection has no session: say TOPOSPHERE SESSION BEGIN first';
  return session?.isServed() === false && touchesKeys(command) ? SESSION_NOT_SERVED : undefined;
}

function touchesKeys({ flags }: Command): boolean {
  return flags.includes('readonly') || flags.includes('write');
}

/** `-<code without underscores> <message>`; a bad argument is Redis's plain ERR. */
export function wordError(error: ToposphereError): string {
  const prefix = error.code === 'BAD_ARGUMENT' ? 'ERR' : error.code.replaceAll('_', '');
  // Replies are written as latin-1: carry the message's UTF-8 bytes through.
  return `${prefix} ${Buffer.from(error.message).toString('latin1')}`;
}

/** Calls back once with what writes the reply, an error where there is one. */
export function whenAnswered(late: LateReply, onAnswer: (write: (reply: ReplyWriter) => void) => void): void {
  late.then(onAnswer, (error: unknown) => {
    // Our own bug must not hide in a rejection.
    if (!(error instanceof ToposphereError)) throw error;
    onAnswer((reply) => {
      reply.error(wordError(error));
    });
  });
}

function chooseSubcommand(context: CommandContext, request: Request, command: Row): Row | undefined {
  // COMMAND by itself is a command, CLIENT is not: its row's arity of -2 refuses it.
  if (request.count === 1) return command;
  const name = argumentText(request, 1);
  const subcommand = context.server.table.findSubcommand(command, name);
  if (subcommand !== undefined) return subcommand;
  if (name.toLowerCase() === 'help') return helpOf(command);
  const shown = untilNul(name).slice(0, QUOTED_LIMIT_BYTES);
  failTransaction(context.client.transaction);
  context.reply.error(`ERR unknown subcommand '${shown}'. Try ${command.name.toUpperCase()} HELP.`);
  return undefined;
}

function helpOf(command: Command): Row {
  return rowOf({
    name: `${command.name}|help`,
    arity: -2,
    flags: ['loading', 'stale'],
    group: command.group,
    keys: NO_KEYS,
    syntax: '',
    summary: 'Prints this help.',
    partition: LOCAL_TO_CONNECTION,
    run: (context) => {
      writeHelp(context, command);
      return undefined;
    },
  });
}

function writeHelp(context: CommandContext, command: Command): void {
  const { reply } = context;
  const name = command.name.toUpperCase();
  const lines = [`${name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`];
  for (const subcommand of command.subcommands ?? []) {
    lines.push(subcommand.name.slice(command.name.length + 1).toUpperCase(), `    ${subcommand.summary}`);
  }
  lines.push('HELP', '    Prints this help.');
  reply.array(lines.length);
  for (const line of lines) reply.simple(line);
}

function refuseUnknown(context: CommandContext, request: Request, name: string): DispatchOutcome {
  if (HTTP_WORDS.has(name.toLowerCase())) return 'drop';
  if (request.isInline && isHttpLine(request)) return 'drop';
  let quoted = '';
  for (let index = 1; index < request.count && quoted.length < QUOTED_LIMIT_BYTES; index += 1) {
    const shown = untilNul(argumentText(request, index)).slice(0, QUOTED_LIMIT_BYTES - quoted.length);
    quoted += `'${shown}' `;
  }
  failTransaction(context.client.transaction);
  const shownName = untilNul(name).slice(0, QUOTED_LIMIT_BYTES);
  context.reply.error(`ERR unknown command '${shownName}', with args beginning with: ${quoted}`);
  return 'read';
}

/** `GET / HTTP/1.1`: Redis answers it with an arity error and drops the Host: line that follows; we drop both. */
function isHttpLine(request: Request): boolean {
  return request.count === 3 && argumentText(request, 2).startsWith('HTTP/');
}
