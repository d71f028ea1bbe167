/**
 * One request to each of several peers: what each says on a line of its own.
 *
 * Owns that one silent peer does not hide the others' answers: the command fails only when nobody did as asked.
 */
import { replyText, withConnection } from './connection.ts';
import { CommandFailure } from './failure.ts';
import { printLine, printWarning } from './print.ts';
import { nameOf } from './target.ts';
import type { Target } from './target.ts';

/** Throws CommandFailure with a line a peer when all of them refused or were silent. */
export async function askEach(
  targets: readonly Target[],
  words: readonly string[],
  timeoutMs?: number,
): Promise<void> {
  const failures = await Promise.all(
    targets.map(async (target) => {
      const name = nameOf(target);
      try {
        const reply = await withConnection(target, (connection) => connection.request(words, timeoutMs));
        printLine(`${name}: ${replyText(reply)}`);
        return undefined;
      } catch (error) {
        if (!(error instanceof CommandFailure)) throw error;
        return `${name}: ${error.message}`;
      }
    }),
  );
  const reasons = failures.filter((failure) => failure !== undefined);
  if (reasons.length === targets.length) throw new CommandFailure(reasons.join('\n'));
  for (const reason of reasons) printWarning(reason);
}
