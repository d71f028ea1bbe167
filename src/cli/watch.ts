/**
 * `toposphere watch`: prints every visible change of the keys under a prefix, until it is stopped.
 *
 * Owns the form of a line: `set key value`, `del key`, with what was there before. Changes come in the
 * order in which that peer applied them, which another peer's may not share.
 */
import type { Argv } from 'yargs';
import { withConnection } from './connection.ts';
import type { Reply } from './connection.ts';
import { printLine, quoteBytes } from './print.ts';
import { listenForStop } from './stopSignal.ts';
import { findTarget, withTarget } from './target.ts';

/** The line for one pushed change; undefined for a push that is none. */
function describeChange(push: Reply): string | undefined {
  if (!Array.isArray(push)) return undefined;
  const [kind, key, previous, value] = push as readonly unknown[];
  if (!Buffer.isBuffer(kind) || kind.toString() !== 'change' || !Buffer.isBuffer(key)) return undefined;
  const before = Buffer.isBuffer(previous) ? ` (was ${quoteBytes(previous)})` : '';
  return Buffer.isBuffer(value)
    ? `set ${quoteBytes(key)} ${quoteBytes(value)}${before}`
    : `del ${quoteBytes(key)}${before}`;
}

export function addWatch(yargs: Argv): Argv {
  return yargs.command(
    'watch [prefix]',
    'print changes of keys that start with a prefix as they happen',
    (options) =>
      withTarget(options).positional('prefix', {
        type: 'string',
        default: '',
        describe: 'every key when left out',
      }),
    async (argv) => {
      const stop = listenForStop();
      const target = await findTarget(argv);
      await withConnection(target, async (connection) => {
        const ended = connection.listen((push) => {
          const line = describeChange(push);
          if (line !== undefined) printLine(line);
        });
        ended.catch(() => undefined); // judged by the race below; until then the request reports it
        await connection.request(['TOPOSPHERE', 'WATCH', argv.prefix]);
        await Promise.race([stop.requested, ended]);
      });
    },
  );
}
