/**
 * SLOWLOG: the last commands whose work took long, with what they were and whose.
 *
 * Owns which commands are timed and what of them is kept. Leaves the threshold and the number to ServerLimits. Time is a command's own work here: not
 * the parsing, not a wait for the disk or for other peers, as in Redis. One that is marked `fast` does little whatever it is given, and is timed only where the
 * threshold is below TIME_ALL_MICROSECONDS: a reading of the clock costs a twentieth of a GET in a pipeline.
 * Invariant: what an entry keeps is bounded, whatever the arguments were, and no password is in it.
 */
import type { Command, CommandContext, Row } from './command.ts';
import { argumentBytes, argumentText, LOCAL_TO_PEER, NO_KEYS, readWideInteger } from './command.ts';
import type { ReplyWriter } from './reply.ts';
import type { Request } from './requestParser.ts';
import type { ServerLimits } from './serverLimits.ts';

/** Arguments of one entry, count, and characters of each (as Redis). */
const ARGUMENTS_KEPT = 32;
const ARGUMENT_BYTES = 128;
const TIME_ALL_MICROSECONDS = 1000;
/** Entries that GET answers unless told otherwise, count (as Redis). */
const DEFAULT_COUNT = 10;

interface SlowCommand {
  readonly id: number;
  /** Seconds since 1970. */
  readonly atSeconds: number;
  readonly microseconds: number;
  readonly words: readonly string[];
  readonly address: string;
  readonly clientName: string;
}

export interface Slowlog {
  /** Milliseconds of a clock that nobody sets, to be given to `end`; 0: this command is not timed. */
  begin(command: Row): number;
  /** The command has done its work. */
  end(startedMs: number, command: Command, context: CommandContext, request: Request): void;
  /** The last ones, the newest first. */
  list(count: number): readonly SlowCommand[];
  size(): number;
  clear(): void;
}

/** `onSlow` is told how long each command took that is kept, milliseconds. */
export function createSlowlog(limits: ServerLimits, onSlow: (ms: number) => void): Slowlog {
  let entries: SlowCommand[] = [];
  let lastId = -1;

  function keep(microseconds: number, command: Command, { client }: CommandContext, request: Request): void {
    onSlow(microseconds / 1000);
    lastId += 1;
    entries.push({
      id: lastId,
      atSeconds: Math.floor(Date.now() / 1000),
      microseconds: Math.floor(microseconds),
      words: wordsOf(command, request),
      address: client.address,
      clientName: client.name,
    });
    const surplus = entries.length - limits.slowCommandsKept;
    if (surplus > 0) entries.splice(0, surplus);
  }

  return {
    begin: ({ isFast }) => {
      const threshold = limits.slowCommandMicroseconds;
      if (threshold < 0 || (threshold >= TIME_ALL_MICROSECONDS && isFast)) return 0;
      return performance.now();
    },
    end: (startedMs, command, context, request) => {
      if (startedMs === 0) return;
      const microseconds = (performance.now() - startedMs) * 1000;
      const threshold = limits.slowCommandMicroseconds;
      // The command may have switched it off.
      if (threshold >= 0 && microseconds >= threshold) keep(microseconds, command, context, request);
    },
    list: (count) => entries.slice(Math.max(0, entries.length - count)).reverse(),
    size: () => entries.length,
    clear: () => {
      entries = [];
    },
  };
}

function wordsOf({ name, isSecret = false }: Command, request: Request): readonly string[] {
  const all = request.count <= ARGUMENTS_KEPT;
  const kept = all ? request.count : ARGUMENTS_KEPT - 1;
  const words: string[] = [];
  for (let index = 0; index < kept; index += 1) {
    const isShown = !isSecret || index < name.split('|').length;
    words.push(isShown ? shortened(request, index) : '(redacted)');
  }
  if (!all) words.push(`... (${request.count - kept} more arguments)`);
  return words;
}

function shortened(request: Request, index: number): string {
  const bytes = argumentBytes(request, index);
  if (bytes <= ARGUMENT_BYTES) return argumentText(request, index);
  const start = request.offsets[2 * index] ?? 0;
  const text = request.bytes.toString('latin1', start, start + ARGUMENT_BYTES);
  return `${text}... (${bytes - ARGUMENT_BYTES} more bytes)`;
}

const ORDINARY = {
  flags: ['admin', 'loading', 'stale'],
  group: 'server',
  keys: NO_KEYS,
  partition: LOCAL_TO_PEER,
} as const;

export const slowlogCommand: Command = {
  ...ORDINARY,
  name: 'slowlog',
  arity: -2,
  syntax: '',
  summary: 'Tell which commands took long here',
  subcommands: [
    {
      ...ORDINARY,
      name: 'slowlog|get',
      arity: -2,
      syntax: '[count]',
      summary: 'List the last slow commands, the newest first: GET [count], -1 for all',
      run: ({ reply, server }, request) => {
        if (request.count > 3) {
          const said = argumentText(request, 1);
          reply.error(`ERR unknown subcommand or wrong number of arguments for '${said}'. Try SLOWLOG HELP.`);
          return undefined;
        }
        const count = request.count === 2 ? DEFAULT_COUNT : readWideInteger(argumentText(request, 2));
        if (count === undefined || count < -1) {
          reply.error('ERR count should be greater than or equal to -1');
          return undefined;
        }
        const entries = count === 0 ? [] : server.slowlog.list(count === -1 ? server.slowlog.size() : count);
        reply.array(entries.length);
        for (const entry of entries) writeEntry(reply, entry);
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'slowlog|len',
      arity: 2,
      syntax: '',
      summary: 'Count the slow commands that are remembered',
      run: ({ reply, server }) => {
        reply.integer(server.slowlog.size());
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'slowlog|reset',
      arity: 2,
      syntax: '',
      summary: 'Forget the slow commands',
      run: ({ reply, server }) => {
        server.slowlog.clear();
        reply.ok();
        return undefined;
      },
    },
  ],
};

function writeEntry(reply: ReplyWriter, entry: SlowCommand): void {
  reply.array(6);
  reply.integer(entry.id);
  reply.integer(entry.atSeconds);
  reply.integer(entry.microseconds);
  reply.array(entry.words.length);
  for (const word of entry.words) reply.bulkText(word);
  reply.bulkText(entry.address);
  reply.bulkText(entry.clientName);
}
