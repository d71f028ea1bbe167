/**
 * The reply of a command that is kept before it is sent: to be recorded, or because something is waited for first.
 *
 * Owns running a command into a writer of its own, and writing that out again. Why it is kept is its users' affair: requestOnce.ts, replicationCommands.ts. Invariant: a kept
 * reply is of RESP2, whatever the client speaks, so that it can be given to another one.
 */
import type { Command, CommandContext } from './command.ts';
import { createReplyWriter } from './reply.ts';
import type { ReplyWriter } from './reply.ts';
import type { Request } from './requestParser.ts';

/** Bytes of a reply that is kept: a value that GETSET answers may be as long. */
const REPLY_LIMIT_BYTES = 64 * 1024 * 1024;
/** Room for a reply that is written and read once, bytes. */
const REPLY_CHUNK_BYTES = 256;
const CARRIAGE_RETURN = 0x0d;
const MINUS = 0x2d;

interface KeptReply {
  readonly bytes: Uint8Array;
  /** The whole reply is an error: of a transaction its commands' errors are not. */
  readonly isError: boolean;
}

/** Runs the command, and keeps what it answers. 'late': it has only begun, and answers later. */
export function keepReply(command: Command, context: CommandContext, request: Request): KeptReply | 'late' {
  const reply = createReplyWriter(REPLY_LIMIT_BYTES, REPLY_CHUNK_BYTES);
  if (command.run?.({ ...context, reply }, request) !== undefined) return 'late';
  const bytes = Buffer.concat(reply.detach());
  return { bytes, isError: bytes[0] === MINUS };
}

/** Writes a RESP2 reply in whatever protocol the client speaks. */
export function replayReply(bytes: Uint8Array, reply: ReplyWriter): void {
  let position = 0;
  for (let left = 1; left > 0; left -= 1) {
    const end = bytes.indexOf(CARRIAGE_RETURN, position);
    const line = Buffer.from(bytes.buffer, bytes.byteOffset + position, end - position).toString('latin1');
    position = end + 2;
    if (line.startsWith('*')) left += replayArray(Number(line.slice(1)), reply);
    else position += replayElement(line, bytes.subarray(position), reply);
  }
}

/** How many elements follow. */
function replayArray(count: number, reply: ReplyWriter): number {
  if (count < 0) reply.nullArray();
  else reply.array(count);
  return Math.max(0, count);
}

/** Answers how many of the bytes `behind` its line belong to it. */
function replayElement(line: string, behind: Uint8Array, reply: ReplyWriter): number {
  const rest = line.slice(1);
  switch (line[0]) {
    case '+':
      reply.simple(rest);
      return 0;
    case '-':
      reply.error(rest);
      return 0;
    case ':':
      reply.integerText(rest);
      return 0;
    case '$':
      if (rest === '-1') {
        reply.null();
        return 0;
      }
      reply.bulk(behind.subarray(0, Number(rest)));
      return Number(rest) + 2;
    default:
      throw new Error(`a command that writes answered ${JSON.stringify(line)}, which cannot be recorded`);
  }
}
