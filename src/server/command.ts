/**
 * What a command is: its row in the table, what it is given, and how it reads its arguments.
 *
 * Owns the shapes that the command files, the dispatcher and COMMAND share. Leaves the rows to the family
 * files and their collection to commandTable.ts.
 * Invariant: everything that COMMAND, the documentation and the dispatcher say of a command comes from its one row.
 */
import type { Key } from '../core/types.ts';
import type {
  AcknowledgementLevel,
  Attempt,
  Backend,
  ClientRight,
  ClientSession,
  ClientUser,
  KeyAccess,
  ReadLevel,
  ReplicatedLevel,
  RequestId,
} from '../peer/backend.ts';
import type { PasswordCheck } from './authentication.ts';
import type { ClientPause } from './clientPause.ts';
import type { ReplyWriter } from './reply.ts';
import type { Request } from './requestParser.ts';
import type { CommandTable } from './commandTable.ts';
import type { KeyspaceEvents } from './keyspaceEvents.ts';
import type { ScanCursors } from './scanCursors.ts';
import type { ServerCounters } from './serverCounters.ts';
import type { LatencyEvents } from './latencyEvents.ts';
import type { ClientSubscriber } from './subscriber.ts';
import type { ServerLimits } from './serverLimits.ts';
import type { Slowlog } from './slowlog.ts';
import type { ClientTracking, Tracking } from './tracking.ts';
import type { Transaction } from './transaction.ts';
import type { WatchedKeys } from './watchedKeys.ts';

type CommandFlag = 'readonly' | 'write' | 'fast' | 'admin' | 'noscript' | 'loading' | 'stale' | 'no_auth';
type CommandGroup = 'connection' | 'generic' | 'string' | 'server' | 'pubsub' | 'transactions';

/** What one connection remembers between commands. */
export interface ClientState {
  readonly id: number;
  readonly address: string;
  readonly localAddress: string;
  /** When it came, and when it last sent anything: milliseconds of performance.now, a clock that nobody sets. */
  readonly connectedAtMs: number;
  lastCommandAtMs: number;
  name: string;
  libraryName: string;
  libraryVersion: string;
  protocol: 2 | 3;
  acknowledge: AcknowledgementLevel;
  /** Writes wait for other peers' disks in place of that. */
  replicated: ReplicatedLevel | undefined;
  /** The last update of this peer's after this client's last write; 0 before it. */
  lastWritten: number;
  /** It was answered from the record of what another process executed, and has not said WAIT since. */
  hasOthersWrite: boolean;
  /** Set while WAIT waits: counts at once. */
  endWait: (() => void) | undefined;
  /** Set while its next command is held back (clientPause.ts). */
  goOn: (() => void) | undefined;
  /** Has given the password, or needs none. */
  isAuthenticated: boolean;
  /** Undefined: `default`, who may do everything, or nobody yet. */
  user: ClientUser | undefined;
  /** Full name of the last command, as 'client|list'. */
  lastCommand: string;
  /** Set by QUIT: nothing more is read, what was answered is sent, then the connection ends. */
  isClosing: boolean;
  /** Prefixes that TOPOSPHERE WATCH asked for; each ends with the connection or RESET. */
  readonly watches: (() => void)[];
  /** Set by CLIENT TRACKING, through `Tracking` alone. */
  tracking: ClientTracking | undefined;
  /** What it listens to; through subscriber.ts alone. Whether that is anything. */
  subscriber: ClientSubscriber | undefined;
  isSubscribed: boolean;
  /** Begun by MULTI. */
  transaction: Transaction | undefined;
  /** Bytes received and not yet understood, and answered and not yet taken by the client. */
  readonly pendingInputBytes: () => number;
  readonly pendingOutputBytes: () => number;
  /** Closes the connection: at once, or, when it is the one that asks, behind its reply. */
  readonly kill: (isOwn: boolean) => void;
  /** What becomes of replies (CLIENT REPLY): `skip` leaves out the next one. */
  replies: 'on' | 'off' | 'skip';
  /** Sends out-of-band data between two replies; `write` fills the writer with one whole frame. */
  readonly sendPush: (write: (reply: ReplyWriter) => void) => void;
}

/** What is settled when a server starts. */
interface ServerFacts {
  readonly host: string;
  /** Nobody is asked for a password, and that was said by name. */
  readonly isOpen: boolean;
  readonly bulkLimitBytes: number;
  readonly requestLimitBytes: number;
  readonly outputLimitBytes: number;
  readonly watchOutputLimitBytes: number;
  readonly maxTrackedKeys: number;
}

/** What all connections of one server share. */
export interface ServerState {
  readonly table: CommandTable;
  readonly cursors: ScanCursors;
  readonly counters: ServerCounters;
  /** What INFO counts from: CONFIG RESETSTAT sets it. */
  countersAtReset: Readonly<ServerCounters>;
  readonly limits: ServerLimits;
  readonly facts: ServerFacts;
  readonly slowlog: Slowlog;
  readonly latency: LatencyEvents;
  readonly tracking: Tracking;
  readonly keyspaceEvents: KeyspaceEvents;
  readonly watched: WatchedKeys;
  readonly pause: ClientPause;
  /** What one client may queue behind MULTI, and what it may watch. */
  readonly maxTransactionBytes: number;
  /** Level that a new or reset connection waits for. */
  readonly acknowledge: AcknowledgementLevel;
  /** Undefined: clients need no password. May change to another check, not to or from undefined. */
  isPassword: PasswordCheck | undefined;
  /** Of the users file, by name; undefined: there is none. May change to others, not to or from undefined. */
  users: ReadonlyMap<string, ClientUser> | undefined;
  /** To be called whenever a client's `isAuthenticated` was set. */
  readonly noteAuthentication: (client: ClientState) => void;
  readonly port: () => number;
  /** Undefined: there is none. */
  readonly tlsPort: () => number | undefined;
  readonly startedAtMs: number;
  readonly clients: () => IterableIterator<ClientState>;
  readonly findClient: (id: number) => ClientState | undefined;
  readonly clientCount: () => number;
}

/** The client's name for this request, and what it says of earlier attempts. */
export interface RequestChoice {
  readonly id: RequestId;
  readonly attempt: Attempt;
}

/** What TOPOSPHERE DO says of one command; the connection's own where it says nothing. */
export interface CommandChoices {
  readonly acknowledge?: AcknowledgementLevel;
  readonly read?: 'local' | 'session' | ReadLevel;
  /** How long what has to be waited for may take, milliseconds. */
  readonly withinMs?: number;
  readonly replicated?: ReplicatedLevel;
  /** It is executed at most once. */
  readonly request?: RequestChoice;
}

export interface CommandContext {
  readonly backend: Backend;
  /** How this client reads and writes keys: the backend's way, or its session's. */
  keys: KeyAccess;
  /** Begun by TOPOSPHERE SESSION; until it is served, commands on keys are refused. */
  session: ClientSession | undefined;
  /** Of the command that runs, until its reply has been delivered or held back. */
  choices: CommandChoices | undefined;
  /** Where its replies go, or nowhere (CLIENT REPLY). */
  reply: ReplyWriter;
  readonly client: ClientState;
  readonly server: ServerState;
}

/** An answer that needed time: the reply is written when it is the connection's turn again. */
export type LateReply = Promise<(reply: ReplyWriter) => void>;

/** Writes exactly one reply, or answers a LateReply. `undefined` rather than void: a forgotten promise fails to compile. */
type CommandHandler = (context: CommandContext, request: Request) => LateReply | undefined;

export interface Command {
  /** Lower case; 'client|list' for a subcommand. */
  readonly name: string;
  /** Number of arguments with the name, negative for "at least": Redis's convention. */
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  readonly group: CommandGroup;
  /** First key, last key (negative from the end), step; zeros for none. */
  readonly keys: readonly [first: number, last: number, step: number];
  /** What is done to its keys, in Redis's words: to each, to the first and to others, or as the words say (the name is one). Left out: `RO access` where it reads, `OW update` where it writes. */
  readonly access?:
    string | readonly [first: string, others: string] | ((words: readonly string[]) => string);
  /** What is typed behind the name, as `key value [NX|XX]` (commandSyntax.ts); '' for nothing, and for a name that is only the first word of others. */
  readonly syntax: string;
  /** What a named user needs for it; left out: what its flags say. */
  readonly needs?: ClientRight;
  /** What the names of keys or channels begin with that it touches beside those of `keys`; '' for any. Whoever has this reads at least. */
  readonly touches?: (request: Request) => readonly string[];
  /** One line for COMMAND DOCS and the documentation. */
  readonly summary: string;
  /** Its arguments are never shown: a password may be among them. */
  readonly isSecret?: boolean;
  /** What it promises, and what not, while peers are cut off from each other. */
  readonly partition: string;
  readonly run?: CommandHandler;
  /** It may write over several turns, and its late reply then waits by itself for what was chosen, levels and disks: this is run instead inside a transaction, which is one turn. */
  readonly runAtOnce?: (context: CommandContext, request: Request) => undefined;
  /** In place of `run`: the request holds another one, to be run with these choices. Throws BAD_ARGUMENT. */
  readonly unwrap?: (request: Request) => { readonly choices: CommandChoices; readonly request: Request };
  readonly subcommands?: readonly Command[];
}

/** A command as the table hands it out: what every request asks of its flags is looked up once. */
export interface Row extends Command {
  readonly isWriting: boolean;
  readonly isFast: boolean;
  /** It is answered by a peer that has no data yet. */
  readonly isServedLoading: boolean;
}

const BLANK: Readonly<Record<keyof Row, undefined>> = {
  name: undefined,
  arity: undefined,
  flags: undefined,
  group: undefined,
  keys: undefined,
  access: undefined,
  syntax: undefined,
  needs: undefined,
  touches: undefined,
  summary: undefined,
  isSecret: undefined,
  partition: undefined,
  run: undefined,
  runAtOnce: undefined,
  unwrap: undefined,
  subcommands: undefined,
  isWriting: undefined,
  isFast: undefined,
  isServedLoading: undefined,
};

/** Commands leave out what they do not need; rows with other fields each made whoever serves several commands look for every field anew. */
export function rowOf(command: Command): Row {
  const { flags } = command;
  const read = {
    isWriting: flags.includes('write'),
    isFast: flags.includes('fast'),
    isServedLoading: flags.includes('loading'),
  };
  return { ...BLANK, ...command, ...read } as Row; // undefined says what left out says
}

/** What commands that only concern their own connection promise. */
export const LOCAL_TO_CONNECTION = 'Concerns this connection only; partitions do not matter.';
export const LOCAL_TO_PEER = 'Tells of this peer only; works the same while it is cut off.';
/** Of what reads a value to write one. */
export const COUNTS_ANEW =
  'Of a counter what it stands at on this peer is taken, and counting begins anew upon that.';
export const NO_KEYS = [0, 0, 0] as const;
/** What a command `touches` that may touch, or name, any key. */
export const anyKey = (): readonly string[] => [''];

/** Redis's words for what is wrong with arguments. */
export const SYNTAX = 'ERR syntax error';
export const NOT_AN_INTEGER = 'ERR value is not an integer or out of range';

/** Argument `index` as a binary string. */
export function argumentText(request: Request, index: number): string {
  return request.bytes.toString('latin1', request.offsets[2 * index], request.offsets[2 * index + 1]);
}

export function argumentKey(request: Request, index: number): Key {
  return request.bytes.toString('latin1', request.offsets[2 * index], request.offsets[2 * index + 1]) as Key;
}

/** Argument `index`, its bytes decoded as UTF-8: words of our own, such as peers' names. */
export function argumentUtf8(request: Request, index: number): string {
  return request.bytes.toString('utf8', request.offsets[2 * index], request.offsets[2 * index + 1]);
}

/** Argument `index` as bytes of their own: what is kept must not hold on to the chunk it came in. */
export function argumentValue(request: Request, index: number): Uint8Array {
  const start = request.offsets[2 * index] ?? 0;
  const end = request.offsets[2 * index + 1] ?? start;
  const value = Buffer.allocUnsafe(end - start);
  request.bytes.copy(value, 0, start, end);
  return value;
}

/** What Redis shows of a word in an error: C's printf stops at a NUL. */
export function untilNul(text: string): string {
  const nul = text.indexOf('\0');
  return nul === -1 ? text : text.slice(0, nul);
}

/** Bytes of one argument. */
export function argumentBytes(request: Request, index: number): number {
  return (request.offsets[2 * index + 1] ?? 0) - (request.offsets[2 * index] ?? 0);
}

/** The keys that a request names, as the command's row says where they are. */
export function* keysOf({ keys: [first, last, step] }: Command, request: Request): Generator<Key> {
  if (first === 0) return;
  const end = last < 0 ? request.count + last : last;
  for (let index = first; index <= end; index += step) yield argumentKey(request, index);
}

/** All arguments from `first` on as binary strings. */
export function argumentsFrom(request: Request, first: number): string[] {
  const texts: string[] = [];
  for (let index = first; index < request.count; index += 1) texts.push(argumentText(request, index));
  return texts;
}

/** A whole number as Redis reads one (no sign +, no leading zero), or undefined. */
export function readInteger(text: string): number | undefined {
  if (!/^(?:0|-?[1-9][0-9]{0,18})$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** The same for all of 64 bits, for what is clamped anyway: infinite where it is no safe integer. */
export function readWideInteger(text: string): number | undefined {
  const value = readInteger(text);
  if (value !== undefined) return value;
  if (!/^-?[1-9][0-9]{15,18}$/.test(text) || BigInt.asIntN(64, BigInt(text)) !== BigInt(text))
    return undefined;
  return text.startsWith('-') ? -Infinity : Infinity;
}
