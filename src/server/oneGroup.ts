/**
 * Several updates of one command as one group: the others take all of it or nothing when it first arrives (core/groups.ts).
 *
 * Owns which commands' updates are one, and what is said of that under partition; which commands ask for it is theirs. What outgrows a group is written as separate updates, not refused: a command must not fail
 * for its length that did not before. Invariant: no group within a group; inside EXEC all is of the transaction's.
 */
import type { CommandContext } from './command.ts';

/** For the partition line of a command that writes so. */
export const TOGETHER =
  'All of it is written at once here and is one group: the others take it whole when it first arrives. What has to be repaired (a loss, a cut, a restart), and what outgrows a group (maxTransactionBytes), may come there one by one.';

/** Runs what makes so many updates, of so many bytes of keys and values. The caller has asked whether they are taken. */
export function asOneGroup(
  { backend, client }: Pick<CommandContext, 'backend' | 'client'>,
  updates: number,
  bytes: number,
  run: () => void,
): void {
  if (client.transaction === undefined && backend.hasGroupRoom(updates, bytes)) backend.asGroup(run);
  else run();
}
