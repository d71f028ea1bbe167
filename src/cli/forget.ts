/**
 * `toposphere forget <id>`: tells the cluster that a member will not come back.
 *
 * Owns the asking twice (without --yes it only says what only that member may hold), and whom to ask: the first peer that answers, for where
 * one is gone others may be. What forgetting means is the peer's.
 */
import type { Argv } from 'yargs';
import { replyText, withConnection } from './connection.ts';
import { CommandFailure, PeerRefusal } from './failure.ts';
import { printLine, printWarning } from './print.ts';
import { findTargets, nameOf, withTarget } from './target.ts';
import type { Target, TargetArguments } from './target.ts';

/** Milliseconds a peer is given to say what it knows, from memory; then the next one is asked. */
const ANSWER_TIMEOUT_MS = 2000;

interface Teller {
  readonly target: Target;
  /** What forgetting would mean, as it sees it. */
  readonly said: string;
}

/** The peers to ask in turn: the one that was named, or all of servers.txt but the one to be forgotten. */
async function findCandidates(argv: TargetArguments, member: string): Promise<readonly Target[]> {
  const candidates = (await findTargets(argv)).filter(({ id }) => id !== member);
  if (candidates.length > 0) return candidates;
  throw new CommandFailure(
    `${member} cannot be asked to forget itself: name another peer with --id or --peer`,
  );
}

/** The first that answers, after a warning for each that did not. Rejects with its refusal, or with every reason when all are silent. */
async function findTeller(candidates: readonly Target[], member: string): Promise<Teller> {
  const reasons: string[] = [];
  for (const target of candidates) {
    try {
      const said = await ask(target, member);
      for (const reason of reasons) printWarning(reason);
      return { target, said };
    } catch (error) {
      if (!(error instanceof CommandFailure) || error instanceof PeerRefusal) throw error;
      reasons.push(`${nameOf(target)}: ${error.message}`);
    }
  }
  throw new CommandFailure(reasons.join('\n'));
}

function ask(target: Target, member: string): Promise<string> {
  return withConnection(target, async (connection) =>
    replyText(await connection.request(['TOPOSPHERE', 'FORGET', member], ANSWER_TIMEOUT_MS)),
  );
}

export function addForget(yargs: Argv): Argv {
  return yargs.command(
    'forget <member>',
    'say what forgetting a member would lose; with --yes forget it, for good and everywhere',
    (options) =>
      withTarget(options)
        .positional('member', { type: 'string', demandOption: true, describe: 'id of the member' })
        .option('yes', { type: 'boolean', default: false, describe: 'do it' }),
    async ({ member, yes, ...argv }) => {
      const { target, said } = await findTeller(await findCandidates(argv, member), member);
      printLine(`${nameOf(target)}: ${said}`);
      if (!yes) {
        printLine(`Nothing was done. To forget it: toposphere forget ${member} --yes`);
        return;
      }
      await withConnection(target, (connection) =>
        connection.request(['TOPOSPHERE', 'FORGET', member, 'YES']),
      );
      printLine(
        `${nameOf(target)} was told and tells the others: ${member} is forgotten; take its line out of servers.txt on every machine, then: toposphere reload`,
      );
    },
  );
}
