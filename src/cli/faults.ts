/**
 * `toposphere faults`: rehearses partitions and losses on running peers.
 *
 * Owns which peers are told; what a fault does, and whether the peer was started with --allow-faults,
 * is the peer's to judge. Every peer named is told, also when one of them refuses.
 */
import type { Argv } from 'yargs';
import { replyText, withConnection } from './connection.ts';
import { CommandFailure } from './failure.ts';
import { printLine } from './print.ts';
import { findTarget, findTargets, nameOf, withTarget } from './target.ts';
import type { Target } from './target.ts';

const ACTIONS = ['cut', 'heal', 'drop', 'status'] as const;

async function tell(target: Target, words: readonly string[]): Promise<string | undefined> {
  const name = nameOf(target);
  try {
    const reply = await withConnection(target, (connection) =>
      connection.request(['TOPOSPHERE', 'FAULTS', ...words]),
    );
    printLine(`${name}: ${replyText(reply)}`);
    return undefined;
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    return `${name}: ${error.message}`;
  }
}

export function addFaults(yargs: Argv): Argv {
  return yargs.command(
    'faults <action> [words..]',
    'rehearse a partition: cut <ids..>, heal, drop <percent> [kind], status',
    (options) =>
      withTarget(options)
        .positional('action', { choices: ACTIONS, demandOption: true, describe: 'what to do' })
        .positional('words', {
          type: 'string',
          array: true,
          default: [] as string[],
          describe:
            'for cut the ids to cut off from this peer, for drop the percentage of datagrams, or with a kind of message, of those',
        })
        .option('all', { type: 'boolean', describe: 'tell every peer of servers.txt' })
        .conflicts('all', ['peer', 'id'])
        .example('toposphere faults cut gamma delta --id alpha', 'alpha no longer hears gamma and delta')
        .example('toposphere faults heal --all', 'every peer hears every other again'),
    async (argv) => {
      const targets = argv.all === true ? await findTargets(argv) : [await findTarget(argv)];
      const refusals = await Promise.all(targets.map((target) => tell(target, [argv.action, ...argv.words])));
      const reasons = refusals.filter((refusal) => refusal !== undefined);
      if (reasons.length > 0) throw new CommandFailure(reasons.join('\n'));
    },
  );
}
