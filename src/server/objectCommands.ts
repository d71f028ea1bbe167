/**
 * What a key's value is made of: OBJECT ENCODING, REFCOUNT, IDLETIME and FREQ, and MEMORY USAGE.
 *
 * Owns answering what Redis's tools ask so that they go on: a value here has no inside, so its encoding is what Redis would choose for these bytes, and it is referred to once. When a key was
 * read last is recorded nowhere, and is not made up.
 */
import type { Command, CommandContext } from './command.ts';
import { argumentKey, argumentText, NOT_AN_INTEGER, readWideInteger, SYNTAX } from './command.ts';
import type { Request } from './requestParser.ts';

/** Longer strings Redis keeps apart from their header, bytes. */
const EMBEDDED_BYTES = 44;
/** What an entry has on disk besides key and value: tag, times, lengths, and its row in the update table, bytes. */
const ENTRY_OVERHEAD_BYTES = 64;
const LONGEST_INTEGER = 20;
const NOT_TRACKED =
  'Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.';

const ABOUT_VALUE = {
  flags: ['readonly'],
  group: 'generic',
  keys: [2, 2, 1],
  partition:
    'Answers from this peer: what it wrote and what has reached it; the other side of a cut may know more.',
} as const;

/** `write` is given the value; null for a key that is not there. */
function objectSubcommand(
  name: string,
  summary: string,
  write: (context: CommandContext, value: Uint8Array) => void,
): Command {
  return {
    ...ABOUT_VALUE,
    name: `object|${name}`,
    arity: 3,
    access: 'RO',
    syntax: 'key',
    summary,
    run: (context, request) => {
      const value = context.keys.read(argumentKey(request, 2));
      if (value === undefined) context.reply.null();
      else write(context, value);
      return undefined;
    },
  };
}

function encodingOf(value: Uint8Array): 'int' | 'embstr' | 'raw' {
  if (value.length <= LONGEST_INTEGER && isInteger(Buffer.from(value).toString('latin1'))) return 'int';
  return value.length <= EMBEDDED_BYTES ? 'embstr' : 'raw';
}

function isInteger(text: string): boolean {
  return /^(?:0|-?[1-9][0-9]{0,18})$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);
}

export const objectCommand: Command = {
  ...ABOUT_VALUE,
  name: 'object',
  arity: -2,
  keys: [0, 0, 0],
  syntax: '',
  summary: 'Tell how the value of a key is kept',
  subcommands: [
    objectSubcommand('encoding', 'Tell how Redis would keep the value of a key', ({ reply }, value) => {
      reply.bulkText(encodingOf(value));
    }),
    objectSubcommand('freq', 'Refused: how often keys are read is not recorded', ({ reply }) => {
      reply.error(
        `ERR An LFU maxmemory policy is not selected, access frequency not tracked. ${NOT_TRACKED}`,
      );
    }),
    objectSubcommand('idletime', 'Refused: when keys were read last is not recorded', ({ reply }) => {
      reply.error('ERR idle time not tracked: reads leave no trace here');
    }),
    objectSubcommand('refcount', 'Tell how often the value of a key is referred to: once', ({ reply }) => {
      reply.integer(1);
    }),
  ],
};

export const memoryCommand: Command = {
  ...ABOUT_VALUE,
  name: 'memory',
  arity: -2,
  group: 'server',
  keys: [0, 0, 0],
  syntax: '',
  summary: 'Tell how much room a key takes',
  subcommands: [
    {
      ...ABOUT_VALUE,
      name: 'memory|usage',
      arity: -3,
      group: 'server',
      access: 'RO',
      syntax: 'key [SAMPLES count]',
      summary: 'Tell how many bytes a key takes with its value and what is kept with it',
      run: ({ keys, reply }, request) => {
        const error = findSamplesFault(request);
        const key = argumentKey(request, 2);
        const value = error === undefined ? keys.read(key) : undefined;
        if (error !== undefined) reply.error(error);
        else if (value === undefined) reply.null();
        else reply.integer(key.length + value.length + ENTRY_OVERHEAD_BYTES);
        return undefined;
      },
    },
  ],
};

/** `SAMPLES count`, any number of times: values here are whole, so it is read and not needed. */
function findSamplesFault(request: Request): string | undefined {
  for (let index = 3; index < request.count; index += 2) {
    if (argumentText(request, index).toLowerCase() !== 'samples' || index + 1 >= request.count) return SYNTAX;
    const samples = readWideInteger(argumentText(request, index + 1));
    if (samples === undefined) return NOT_AN_INTEGER;
    if (samples < 0) return SYNTAX;
  }
  return undefined;
}
