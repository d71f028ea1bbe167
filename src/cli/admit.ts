/**
 * `toposphere admit <member>`: lets a peer that was discovered be a member.
 *
 * Owns whom to ask: the named peer, or those of servers.txt in turn until one that has discovered it says yes. Who may be admitted is the peer's to say.
 */
import type { Argv } from 'yargs';
import { replyText, withConnection } from './connection.ts';
import { CommandFailure } from './failure.ts';
import { printLine } from './print.ts';
import { findTargets, nameOf, withTarget } from './target.ts';
import type { Target } from './target.ts';

/** Milliseconds a peer is given: it writes one line to its disk. */
const ANSWER_TIMEOUT_MS = 5000;

/** Prints what the first that admits it says. Rejects with every reason when none does. */
async function admit(targets: readonly Target[], member: string): Promise<void> {
  const reasons: string[] = [];
  for (const target of targets) {
    try {
      const said = await withConnection(target, async (connection) =>
        replyText(await connection.request(['TOPOSPHERE', 'ADMIT', member], ANSWER_TIMEOUT_MS)),
      );
      printLine(`${nameOf(target)}: ${said}`);
      return;
    } catch (error) {
      if (!(error instanceof CommandFailure)) throw error;
      reasons.push(`${nameOf(target)}: ${error.message}`);
    }
  }
  throw new CommandFailure(reasons.join('\n'));
}

export function addAdmit(yargs: Argv): Argv {
  return yargs.command(
    'admit <member>',
    'admit a peer that was discovered (--discover) as a member, everywhere',
    (options) =>
      withTarget(options).positional('member', {
        type: 'string',
        demandOption: true,
        describe: 'id of the newcomer, as status or discover shows it',
      }),
    async ({ member, ...argv }) => admit(await findTargets(argv), member),
  );
}
