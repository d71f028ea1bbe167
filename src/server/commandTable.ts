/**
 * The one table of commands, and finding a row in it.
 *
 * Owns the order of the families and the lookup by any spelling of a name. Leaves the rows to the family files
 * and running them to dispatch.ts.
 * Invariant: no two rows share a name.
 */
import { rowOf } from './command.ts';
import type { Command, Row } from './command.ts';
import { aclCommand } from './aclCommand.ts';
import { authCommand } from './authentication.ts';
import { clientCommand } from './clientCommands.ts';
import { configCommand } from './configCommand.ts';
import { conditionalCommands } from './conditionalCommands.ts';
import { connectionCommands } from './connectionCommands.ts';
import { counterCommands } from './counterCommands.ts';
import { databaseCommands } from './databaseCommands.ts';
import { expiryCommands } from './expiryCommands.ts';
import { infoCommand } from './infoCommand.ts';
import { introspectionCommand } from './introspectionCommand.ts';
import { keyCommands } from './keyCommands.ts';
import { latencyCommand } from './latencyCommand.ts';
import { memoryCommand, objectCommand } from './objectCommands.ts';
import { rangeCommands } from './rangeCommands.ts';
import { renameCommands } from './renameCommands.ts';
import { waitCommand } from './replicationCommands.ts';
import { publishCommand, pubsubCommand } from './publishCommands.ts';
import { scanCommands } from './scanCommands.ts';
import { slowlogCommand } from './slowlog.ts';
import { subscribeCommands } from './subscribeCommands.ts';
import { toposphereCommand } from './toposphereCommands.ts';
import { transactionCommands } from './transactionCommands.ts';

export interface CommandTable {
  /** All rows, in the order in which COMMAND lists them. */
  readonly commands: readonly Row[];
  /** The row of `name` in any spelling of upper and lower case. */
  find(name: string): Row | undefined;
  /** The same for bytes [start, end): names of a few letters, the hot ones, without making a string. */
  findBytes(bytes: Buffer, start: number, end: number): Row | undefined;
  findSubcommand(command: Command, name: string): Row | undefined;
}

/** Letters that `packName` fits into a small integer at five bits each, count. */
const PACKED_LETTERS = 6;

export const allCommands: readonly Command[] = [
  ...keyCommands,
  ...conditionalCommands,
  ...counterCommands,
  ...rangeCommands,
  ...renameCommands,
  ...expiryCommands,
  ...scanCommands,
  objectCommand,
  memoryCommand,
  ...subscribeCommands,
  publishCommand,
  pubsubCommand,
  ...transactionCommands,
  authCommand,
  aclCommand,
  ...connectionCommands,
  ...databaseCommands,
  clientCommand,
  waitCommand,
  introspectionCommand,
  infoCommand,
  configCommand,
  slowlogCommand,
  latencyCommand,
  toposphereCommand,
];

export function createCommandTable(commands: readonly Command[] = allCommands): CommandTable {
  // Clients write names in capitals or small letters; both are found without making a new string.
  const bySpelling = new Map<string, Row>();
  const byPackedName = new Map<number, Row>();
  const subcommands = new Map<Command, Map<string, Row>>();
  const rows = commands.map(rowOf);
  for (const command of rows) {
    if (bySpelling.has(command.name)) throw new Error(`two commands are named ${command.name}`);
    bySpelling.set(command.name, command);
    bySpelling.set(command.name.toUpperCase(), command);
    const packed = packName(Buffer.from(command.name), 0, command.name.length);
    if (packed !== 0) byPackedName.set(packed, command);
    if (command.subcommands === undefined) continue;
    const names = new Map<string, Row>();
    for (const subcommand of command.subcommands) {
      names.set(subcommand.name.slice(command.name.length + 1), rowOf(subcommand));
    }
    subcommands.set(command, names);
  }
  const find = (name: string): Row | undefined => bySpelling.get(name) ?? bySpelling.get(name.toLowerCase());
  return {
    commands: rows,
    find,
    findBytes: (bytes, start, end) => {
      const packed = packName(bytes, start, end);
      if (packed !== 0) return byPackedName.get(packed);
      return find(bytes.toString('latin1', start, end));
    },
    findSubcommand: (command, name) => subcommands.get(command)?.get(name.toLowerCase()),
  };
}

/** A name of 1 to 6 letters, in any case, as one number of its own; 0 for every other name. */
function packName(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > PACKED_LETTERS) return 0;
  let packed = 0;
  for (let index = start; index < end; index += 1) {
    const letter = ((bytes[index] ?? 0) | 0x20) - 0x60;
    if (letter < 1 || letter > 26) return 0;
    packed = packed * 32 + letter;
  }
  return packed;
}
