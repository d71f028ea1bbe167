/**
 * MULTI EXEC DISCARD WATCH UNWATCH, as Redis 7 answers them.
 *
 * Owns these words, and what EXEC is: all queued commands one after the other in one turn, on what is there by then, their writes one group (core/groups.ts). Errors inside
 * do not end it, as in Redis. Queueing is transaction.ts's, watching watchedKeys.ts's; the level of its writes, a request id and tracking are as for any other command that writes.
 * Invariant: nothing of another client, and no update of another peer, comes between two commands of one EXEC.
 */
import { ToposphereError } from '../core/errors.ts';
import { argumentKey, LOCAL_TO_CONNECTION, NO_KEYS } from './command.ts';
import type { Command, CommandContext } from './command.ts';
import { runQueued, wordError } from './dispatch.ts';
import { createTransaction, endTransaction } from './transaction.ts';
import type { Transaction } from './transaction.ts';

const ORDINARY = {
  flags: ['noscript', 'loading', 'stale', 'fast'],
  group: 'transactions',
  keys: NO_KEYS,
} as const;

export const transactionCommands: readonly Command[] = [
  {
    ...ORDINARY,
    name: 'multi',
    arity: 1,
    syntax: '',
    summary: 'Begin a transaction: what follows is queued until EXEC',
    partition: LOCAL_TO_CONNECTION,
    run: ({ client, reply }) => {
      if (client.transaction !== undefined) reply.error('ERR MULTI calls can not be nested');
      else {
        client.transaction = createTransaction();
        reply.ok();
      }
      return undefined;
    },
  },
  {
    ...ORDINARY,
    name: 'exec',
    arity: 1,
    flags: ['noscript', 'loading', 'stale'],
    syntax: '',
    summary: 'Run all that was queued since MULTI, with nothing between, unless a watched key has changed',
    partition:
      'Atomic on this peer; the others take its writes together when they first receive them, each key by the larger tag. What has to be repaired (a loss, a cut, a restart) may come one by one. On two sides of a cut two transactions on one key both succeed.',
    run: (context) => {
      runExec(context);
      return undefined;
    },
  },
  {
    ...ORDINARY,
    name: 'discard',
    arity: 1,
    syntax: '',
    summary: 'Forget what was queued since MULTI, and what is watched',
    partition: LOCAL_TO_CONNECTION,
    run: ({ client, reply, server }) => {
      if (client.transaction === undefined) reply.error('ERR DISCARD without MULTI');
      else {
        endTransaction(client, server);
        reply.ok();
      }
      return undefined;
    },
  },
  {
    ...ORDINARY,
    name: 'watch',
    arity: -2,
    keys: [1, -1, 1],
    needs: 'read',
    access: 'RO',
    syntax: 'key [key ...]',
    summary: 'Let the next EXEC run nothing if one of these keys changes before it',
    partition:
      'Sees changes that have reached this peer, wherever they were made. What others write on the far side of a cut, or have just written, is none yet: EXEC runs, and the larger tag wins where both meet.',
    run: (context, request) => {
      const { client, reply, server } = context;
      if (client.transaction !== undefined) {
        reply.error('ERR WATCH inside MULTI is not allowed');
        return undefined;
      }
      const keys = Array.from({ length: request.count - 1 }, (_, at) => argumentKey(request, at + 1));
      if (server.watched.watch(client, keys)) reply.ok();
      else {
        server.counters.transactionsTooLarge += 1;
        reply.error(
          `ERR what one connection watches may take ${server.maxTransactionBytes} bytes (maxTransactionBytes): watch fewer keys`,
        );
      }
      return undefined;
    },
  },
  {
    ...ORDINARY,
    name: 'unwatch',
    arity: 1,
    syntax: '',
    summary: 'Watch nothing any more',
    partition: LOCAL_TO_CONNECTION,
    run: ({ client, reply, server }) => {
      server.watched.stop(client);
      reply.ok();
      return undefined;
    },
  },
];

function runExec(context: CommandContext): void {
  const { client, reply, server } = context;
  const { transaction } = client;
  if (transaction === undefined) {
    reply.error('ERR EXEC without MULTI');
    return;
  }
  const fault = transaction.fault ?? findFault(context, transaction);
  if (fault !== undefined) {
    server.counters.transactionsAborted += 1;
    reply.error(`EXECABORT ${fault}`);
  } else if (server.watched.hasChanged(client)) {
    server.counters.transactionsOvertaken += 1;
    reply.nullArray();
  } else {
    server.counters.transactionsExecuted += 1;
    runAll(context, transaction);
  }
}

/** What refuses every write refuses the transaction as a whole. */
function findFault({ backend }: CommandContext, { isWriting }: Transaction): string | undefined {
  if (!isWriting) return undefined;
  try {
    backend.assertTakesWrites();
    return undefined;
  } catch (error) {
    if (!(error instanceof ToposphereError)) throw error;
    return `Transaction discarded because of: ${wordError(error)}`;
  }
}

function runAll(context: CommandContext, { queue }: Transaction): void {
  context.reply.array(queue.length);
  context.backend.asGroup(() => {
    for (const { command, request } of queue) runQueued(context, command, request);
  });
}
