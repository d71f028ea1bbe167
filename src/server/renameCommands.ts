/**
 * The commands that take what one key holds to another: RENAME RENAMENX COPY.
 *
 * Owns what becomes of both keys: the value with the time at which it expires. Invariant: both changes are of one turn, on this disk both or none, and one group where that has room; whether they are taken is
 * asked before the first is made. The new key is written before the old one goes, so that a peer which has only one of them (a repair may bring one) has the value.
 */
import type { Key } from '../core/types.ts';
import type { Command, CommandContext } from './command.ts';
import { COUNTS_ANEW, argumentKey, argumentText, SYNTAX } from './command.ts';
import { findDatabaseFault } from './databaseCommands.ts';
import { noteMiss, noteTransfer } from './keyspaceEvents.ts';
import { asOneGroup, TOGETHER } from './oneGroup.ts';
import type { Request } from './requestParser.ts';

const NO_SUCH_KEY = 'ERR no such key';

const RENAMES = `Never refused because of a cut; two updates, of the new key and then of the old. ${TOGETHER} What the other side of a cut wrote later to either of them stands. ${COUNTS_ANEW}`;
const CONDITIONAL =
  'That there is no such key is judged by what this peer has: on two sides of a cut both may find none, and then the later of the two values stands.';
const COPIES = `Never refused because of a cut; copies what this peer has. What the other side of a cut wrote later to the new key stands. ${COUNTS_ANEW}`;

/** Writes what `from` holds to `to`; the caller has seen that it holds something. */
function copy({ backend, keys }: CommandContext, from: Key, to: Key): void {
  const value = Uint8Array.from(keys.read(from) ?? []);
  backend.assertWritable(to, value.length);
  keys.write(to, value, keys.expiryOf(from) ?? 0);
}

function move(context: CommandContext, from: Key, to: Key): void {
  const { backend, keys } = context;
  backend.assertWritable(from, 0);
  const bytes = to.length + (keys.read(from)?.length ?? 0) + from.length;
  asOneGroup(context, 2, bytes, () => {
    copy(context, from, to);
    keys.remove(from);
  });
}

function renameCommand(name: string, isConditional: boolean, summary: string): Command {
  return {
    name,
    arity: 3,
    access: ['RW access delete', isConditional ? 'OW insert' : 'OW update'],
    syntax: 'key newkey',
    flags: isConditional ? ['write', 'fast'] : ['write'],
    group: 'generic',
    keys: [1, 2, 1],
    summary,
    partition: isConditional ? `${RENAMES} ${CONDITIONAL}` : RENAMES,
    run: (context, request) => {
      const { keys, reply } = context;
      const [from, to] = [argumentKey(request, 1), argumentKey(request, 2)];
      if (keys.read(from) === undefined) {
        reply.error(NO_SUCH_KEY);
        return undefined;
      }
      const isMet = !isConditional || keys.read(to) === undefined;
      if (isMet && from !== to) {
        move(context, from, to);
        noteTransfer(context, from, to, true);
      }
      if (isConditional) reply.integer(isMet ? 1 : 0);
      else reply.ok();
      return undefined;
    },
  };
}

/** Whether COPY writes over what the new key holds; or what is wrong with its words. */
function readCopyWords(request: Request): boolean | { readonly error: string } {
  let replaces = false;
  for (let index = 3; index < request.count; index += 1) {
    const word = argumentText(request, index).toLowerCase();
    if (word === 'replace') replaces = true;
    else if (word === 'db' && index + 1 < request.count) {
      index += 1;
      const error = findDatabaseFault(argumentText(request, index));
      if (error !== undefined) return { error };
    } else return { error: SYNTAX };
  }
  return replaces;
}

export const renameCommands: readonly Command[] = [
  renameCommand(
    'rename',
    false,
    'Give a key another name; it expires when it did, and what had that name is gone',
  ),
  renameCommand('renamenx', true, 'Give a key another name that no key has'),
  {
    name: 'copy',
    arity: -3,
    flags: ['write'],
    group: 'generic',
    keys: [1, 2, 1],
    access: ['RO access', 'OW update'],
    syntax: 'source destination [DB 0] [REPLACE]',
    summary: 'Copy what a key holds to another one: COPY key key [DB 0] [REPLACE]',
    partition: `${COPIES} ${CONDITIONAL}`,
    run: (context, request) => {
      const { keys, reply } = context;
      const replaces = readCopyWords(request);
      if (typeof replaces !== 'boolean') {
        reply.error(replaces.error);
        return undefined;
      }
      const [from, to] = [argumentKey(request, 1), argumentKey(request, 2)];
      if (from === to) {
        reply.error('ERR source and destination objects are the same');
        return undefined;
      }
      const isThere = keys.read(from) !== undefined;
      if (!isThere) noteMiss(context, from);
      const isMet = isThere && (replaces || keys.read(to) === undefined);
      if (isMet) {
        copy(context, from, to);
        noteTransfer(context, from, to, false);
      }
      reply.integer(isMet ? 1 : 0);
      return undefined;
    },
  },
];
