/**
 * The reply of a command that is kept before it is sent: to be recorded, or because something is waited for first.
 *
 * Owns running a command into a writer of its own, and writing that out again. Why it is kept is its users' affair: requestOnce.ts, replicationCommands.ts. Invariant: a kept
 * reply is of RESP2 and of one element, whatever the client speaks, so that it can be given to another one.
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

interface KeptReply {
  readonly bytes: Uint8Array;
  readonly isError: boolean;
}

/** Runs the command, and keeps what it answers. 'late': it has only begun, and answers later. */
export function keepReply(command: Command, context: CommandContext, request: Request): KeptReply | 'late' {
  const reply = createReplyWriter(REPLY_LIMIT_BYTES, REPLY_CHUNK_BYTES);
  if (command.run?.({ ...context, reply }, request) !== undefined) return 'late';
  const isError = reply.errorCount > 0;
  return { bytes: Buffer.concat(reply.detach()), isError };
}

/** Writes a RESP2 reply of one element in whatever protocol the client speaks. */
export function replayReply(bytes: Uint8Array, reply: ReplyWriter): void {
  const end = bytes.indexOf(CARRIAGE_RETURN);
  const line = Buffer.from(bytes.buffer, bytes.byteOffset, end).toString('latin1');
  const rest = line.slice(1);
  switch (line[0]) {
    case '+':
      reply.simple(rest);
      return;
    case '-':
      reply.error(rest);
      return;
    case ':':
      reply.integerText(rest);
      return;
    case '$':
      if (rest === '-1') reply.null();
      else reply.bulk(bytes.subarray(end + 2, end + 2 + Number(rest)));
      return;
    default:
      throw new Error(`a command that writes answered ${JSON.stringify(line)}, which cannot be recorded`);
  }
}
