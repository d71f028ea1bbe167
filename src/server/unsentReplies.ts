/**
 * A command whose reply its client does not want: CLIENT REPLY OFF, or SKIP before it.
 *
 * Owns that nothing of the reply is sent, and that SKIP skips one. Leaves the words to clientCommands.ts. Pushes are sent all the same, as in Redis.
 * Invariant: the command itself runs, and is counted, as any other.
 */
import type { CommandContext } from './command.ts';
import { dispatch } from './dispatch.ts';
import type { ReplyWriter } from './reply.ts';
import type { Request } from './requestParser.ts';

export function dispatchUnsent(
  context: CommandContext,
  request: Request,
  unsent: ReplyWriter,
): ReturnType<typeof dispatch> {
  const { client, reply } = context;
  const before = client.replies;
  context.reply = unsent;
  let isHeld = false;
  try {
    const outcome = dispatch(context, request);
    isHeld = outcome === 'held';
    // CLIENT REPLY ON and RESET are answered.
    if (client.replies === 'on') reply.fillSlot(reply.openArray(), Buffer.concat(unsent.detach()));
    return outcome instanceof Promise ? outcome.then(() => sendNothing) : outcome;
  } finally {
    context.reply = reply;
    unsent.clear();
    if (before === 'skip' && client.replies === 'skip' && !isHeld) client.replies = 'on';
  }
}

function sendNothing(): void {
  // As it says.
}
