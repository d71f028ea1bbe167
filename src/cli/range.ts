/**
 * `toposphere range`: prints keys and values by prefix, in key order.
 *
 * Owns the paging: each request starts after the last key of the page before, so that a range of any
 * length costs one page of memory. The picture is not one moment's: a key written while the command
 * runs may or may not show.
 */
import type { Argv } from 'yargs';
import { withConnection } from './connection.ts';
import type { Connection } from './connection.ts';
import { CommandFailure } from './failure.ts';
import { printLine, quoteBytes } from './print.ts';
import { findTarget, withTarget } from './target.ts';

/** Keys asked for at a time: values may be long, and a page is in memory on both sides. */
const PAGE_KEYS = 100;

/** One page of key and value buffers; refuses another shape. */
async function readPage(
  connection: Connection,
  prefix: string,
  after: Uint8Array | string,
  limit: number,
): Promise<readonly (readonly [Buffer, Buffer])[]> {
  const reply = await connection.request(['TOPOSPHERE', 'RANGE', prefix, after, String(limit)]);
  const flat = Array.isArray(reply) ? (reply as readonly unknown[]) : [reply];
  const page: [Buffer, Buffer][] = [];
  for (let index = 0; index < flat.length; index += 2) {
    const key = flat[index];
    const value = flat[index + 1];
    if (!Buffer.isBuffer(key) || !Buffer.isBuffer(value)) {
      throw new CommandFailure('the peer answered RANGE in an unexpected shape; is it of the same version?');
    }
    page.push([key, value]);
  }
  return page;
}

function parseLimit(text: string | undefined): number {
  if (text === undefined) return Infinity;
  if (/^[1-9][0-9]{0,14}$/.test(text)) return Number(text);
  throw new CommandFailure(`--limit is '${text}'; give a whole number from 1`);
}

export function addRange(yargs: Argv): Argv {
  return yargs.command(
    'range [prefix]',
    'print keys and values that start with a prefix, in key order',
    (options) =>
      withTarget(options)
        .positional('prefix', { type: 'string', default: '', describe: 'every key when left out' })
        .option('after', { type: 'string', requiresArg: true, default: '', describe: 'start after this key' })
        .option('limit', { type: 'string', requiresArg: true, describe: 'at most so many keys' })
        .option('keys', { type: 'boolean', default: false, describe: 'print the keys only' }),
    async (argv) => {
      let left = parseLimit(argv.limit);
      const target = await findTarget(argv);
      await withConnection(target, async (connection) => {
        let after: Uint8Array | string = argv.after;
        while (left > 0) {
          const asked = Math.min(left, PAGE_KEYS);
          const page = await readPage(connection, argv.prefix, after, asked);
          for (const [key, value] of page) {
            printLine(argv.keys ? quoteBytes(key) : `${quoteBytes(key)} ${quoteBytes(value)}`);
            after = key;
          }
          left -= page.length;
          if (page.length < asked) return;
        }
      });
    },
  );
}
