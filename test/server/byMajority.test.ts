/** A linearizable write in a session: what a peer's own path does of itself is done here too. */
import { deepEqual } from 'node:assert/strict';
import type { Key } from '../../src/core/types.ts';
import { byMajority } from '../../src/server/byMajority.ts';
import type { Command, CommandContext } from '../../src/server/command.ts';
import { createCommandTable } from '../../src/server/commandTable.ts';
import { createRequestParser, feed, nextRequest } from '../../src/server/requestParser.ts';
import { createMapBackend } from './mapBackend.ts';
import { encode } from './rawClient.ts';

describe('a command as a majority answers it', () => {
  for (const [words, expected] of [
    ['SET k 1', ['follow', 'write k', 'seen k']],
    ['DEL k', ['follow', 'write k', 'seen k']],
    ['GET k', ['read k', 'seen k']],
  ] as const)
    it(`${words}: a write is stamped above what its session has seen (R3), and what was done is of the session`, async () => {
      const done: string[] = [];
      const backend = createMapBackend();
      const registers = {
        read: (key: Key) => Promise.resolve(void done.push(`read ${key}`)),
        write: (key: Key) => Promise.resolve(done.push(`write ${key}`) > 0),
      };
      const session = {
        follow: () => void done.push('follow'),
        keys: { read: (key: Key) => void done.push(`seen ${key}`) },
      };
      const context = { backend: { ...backend, registers }, session } as unknown as CommandContext;
      const parser = createRequestParser();
      feed(parser, encode(...words.split(' ')));
      nextRequest(parser);
      const command = createCommandTable().find(words.slice(0, 3)) as Command;
      const late = byMajority(command, 'linearizable', {}).run?.(context, parser);
      const reply = { null: () => undefined, ok: () => undefined, integer: () => undefined };
      (await late)?.(reply as never);
      deepEqual(done, expected);
    });
});
