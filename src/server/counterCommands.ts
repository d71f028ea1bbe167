/**
 * Counters: INCR DECR INCRBY DECRBY INCRBYFLOAT.
 *
 * Owns their words; what counting is is the backend's, and so are the refusals, in redis's words. Invariant: nothing is read here to be written back, so increments of two peers add up.
 */
import type { Decimal } from '../peer/backend.ts';
import { parseFloating, parseInteger } from '../peer/backend.ts';
import type { Command } from './command.ts';
import { argumentKey, argumentValue } from './command.ts';
import { incrementNoted } from './keyspaceEvents.ts';
import type { Request } from './requestParser.ts';

const COUNTS =
  'Never refused because of a cut: what both sides counted adds up once they meet, and the reply is what this peer knows of. SET and DEL, and whatever else writes the key, begin anew: what the other side counted upon what was before is gone with that. With a request id it counts once.';
const SPILLS =
  ' A total that two sides together brought beyond 64 bits is shown as it is, and counted on by INCRBYFLOAT alone.';
const NOT_AN_INTEGER = 'ERR value is not an integer or out of range';
const NOT_A_NUMBER = 'ERR value is not a valid float';
const INFINITE = 'ERR increment would produce NaN or Infinity';
const ONE: Decimal = { mantissa: 1n, scale: 0 };
const LEAST_INTEGER = -(2n ** 63n);

export const counterCommands: readonly Command[] = [
  counterCommand('incr', 2, 'Count one up', () => ONE),
  counterCommand('decr', 2, 'Count one down', () => negative(ONE)),
  counterCommand('incrby', 3, 'Count so many up', readInteger64),
  counterCommand('decrby', 3, 'Count so many down', (request) => {
    const by = readInteger64(request);
    if (typeof by === 'string') return by;
    return by.mantissa === LEAST_INTEGER ? 'ERR decrement would overflow' : negative(by);
  }),
  {
    name: 'incrbyfloat',
    arity: 3,
    flags: ['write', 'fast'],
    group: 'string',
    keys: [1, 1, 1],
    access: 'RW access update',
    syntax: 'key increment',
    summary: 'Add a number, with a fraction or not, exactly: 17 places at most',
    partition: COUNTS,
    run: (context, request) => {
      const { keys, reply } = context;
      const by = parseFloating(argumentValue(request, 2));
      const key = argumentKey(request, 1);
      if (by === undefined) reply.error(NOT_A_NUMBER);
      else if (by === 'infinite') reply.error(isNumber(keys.read(key)) ? INFINITE : NOT_A_NUMBER);
      else reply.bulk(incrementNoted(context, key, by, 'float'));
      return undefined;
    },
  },
];

function counterCommand(
  name: string,
  arity: number,
  summary: string,
  readBy: (request: Request) => Decimal | string,
): Command {
  return {
    name,
    arity,
    flags: ['write', 'fast'],
    group: 'string',
    keys: [1, 1, 1],
    access: 'RW access update',
    syntax: arity === 2 ? 'key' : 'key number',
    summary,
    partition: COUNTS + SPILLS,
    run: (context, request) => {
      const by = readBy(request);
      if (typeof by === 'string') context.reply.error(by);
      else context.reply.integerText(textOf(incrementNoted(context, argumentKey(request, 1), by, 'integer')));
      return undefined;
    },
  };
}

function readInteger64(request: Request): Decimal | string {
  return parseInteger(argumentValue(request, 2)) ?? NOT_AN_INTEGER;
}

function negative({ mantissa, scale }: Decimal): Decimal {
  return { mantissa: -mantissa, scale };
}

function isNumber(value: Uint8Array | undefined): boolean {
  return value === undefined || parseFloating(value) !== undefined;
}

function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
