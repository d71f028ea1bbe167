/**
 * Writing the keys and values of MSET and MSETNX.
 *
 * Owns that they are taken all or none on this peer: all are asked for before the first is written. That others take them so is oneGroup.ts's.
 */
import type { CommandContext } from './command.ts';
import { argumentBytes, argumentKey, argumentValue } from './command.ts';
import { writeNoted } from './keyspaceEvents.ts';
import { asOneGroup } from './oneGroup.ts';
import type { Request } from './requestParser.ts';

/** Throws what a write is refused with; every key is as it was then. */
export function writePairs(context: CommandContext, request: Request): void {
  const { backend } = context;
  let bytes = 0;
  for (let index = 1; index < request.count; index += 2) {
    const valueBytes = argumentBytes(request, index + 1);
    backend.assertWritable(argumentKey(request, index), valueBytes);
    bytes += argumentBytes(request, index) + valueBytes;
  }
  asOneGroup(context, (request.count - 1) / 2, bytes, () => {
    for (let index = 1; index < request.count; index += 2)
      writeNoted(context, 'set', argumentKey(request, index), argumentValue(request, index + 1));
  });
}
