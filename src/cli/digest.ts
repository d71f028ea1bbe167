/**
 * `toposphere digest`: asks replicas for the digest of everything they hold.
 *
 * Owns the comparison: equal digests mean equal entries with equal tags, tombstones included. Fails when
 * the digests differ or a peer does not answer, so that a script can wait for convergence.
 */
import type { Argv } from 'yargs';
import { withConnection } from './connection.ts';
import { CommandFailure } from './failure.ts';
import { printLine, renderTable } from './print.ts';
import { findTargets, nameOf, withTarget } from './target.ts';
import type { Target } from './target.ts';

interface Answer {
  readonly name: string;
  /** Digest, visible keys, tombstones; undefined when the peer did not answer. */
  readonly cells: readonly [string, string, string] | undefined;
  readonly reason: string;
}

async function askDigest(target: Target): Promise<Answer> {
  const name = nameOf(target);
  try {
    const reply = await withConnection(target, (connection) => connection.request(['TOPOSPHERE', 'DIGEST']));
    const [digest, visible, tombstones] = (Array.isArray(reply) ? reply : []) as readonly unknown[];
    if (!Buffer.isBuffer(digest)) throw new CommandFailure(`${name} answered DIGEST in an unexpected shape`);
    return { name, cells: [digest.toString(), String(visible), String(tombstones)], reason: '' };
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    return { name, cells: undefined, reason: error.message };
  }
}

export function addDigest(yargs: Argv): Argv {
  return yargs.command(
    'digest',
    'compare what the peers of servers.txt (or one of them) hold',
    (options) => withTarget(options),
    async (argv) => {
      const answers = await Promise.all((await findTargets(argv)).map(askDigest));
      const rows = answers.map(({ name, cells }) => [name, ...(cells ?? ['unreachable', '-', '-'])]);
      for (const line of renderTable(['peer', 'digest', 'visible', 'tombstones'], rows)) printLine(line);
      const silent = answers.filter(({ cells }) => cells === undefined);
      const digests = new Set(answers.flatMap(({ cells }) => (cells === undefined ? [] : [cells[0]])));
      if (digests.size > 1)
        throw new CommandFailure('the digests differ: not converged yet, or still being written');
      if (silent.length > 0) throw new CommandFailure(silent.map(({ reason }) => reason).join('\n'));
    },
  );
}
