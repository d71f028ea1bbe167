/**
 * Writes that are acknowledged when so many members have them on disk, as an application and a server ask for it: what may be asked, and what a deadline says.
 *
 * When it is so is core/replication.ts's to judge. Invariant: a deadline that passes is UNKNOWN, with those who have answered and those who have not; it is never said
 * that the write failed.
 */
import { ToposphereError } from '../core/errors.ts';
import {
  findHolders,
  type Copies,
  type ReplicationGoal,
  type ReplicationOutcome,
} from '../core/replication.ts';
import type { ReplicaCount } from './backend.ts';
import type { Runtime } from './runtime.ts';

/** How long is waited by default, and at most, milliseconds. */
const REPLICATED_WITHIN_MS = 1_000;
export const LONGEST_WITHIN_MS = 600_000;

/** On the disks of so many members, this peer counting as one; `majority` and `all` of those that are members when it is counted. */
export interface ReplicatedLevel {
  readonly replicated: Copies;
  /** Deadline, milliseconds; 1000 when left out. When it passes, the write is UNKNOWN: it stands here and goes on spreading, and the others may have it or not. */
  readonly withinMs?: number;
}

/** Before a write: throws BAD_ARGUMENT for what cannot be asked, also of more disks than there are members, and BUSY where too many wait. */
export function assertReplicable(runtime: Runtime, { replicated, withinMs }: ReplicatedLevel): void {
  const isCount = typeof replicated === 'number' && Number.isSafeInteger(replicated) && replicated >= 1;
  if (!isCount && replicated !== 'majority' && replicated !== 'all')
    throw new ToposphereError(
      'BAD_ARGUMENT',
      `replicated is ${JSON.stringify(replicated)}: say a whole number of disks from 1, majority or all`,
    );
  const isTime = withinMs === undefined || (Number.isSafeInteger(withinMs) && withinMs >= 1);
  if (!isTime || (withinMs ?? 0) > LONGEST_WITHIN_MS)
    throw new ToposphereError(
      'BAD_ARGUMENT',
      `withinMs is ${String(withinMs)}: it must be a whole number of milliseconds from 1 to ${LONGEST_WITHIN_MS}`,
    );
  runtime.replicas.assertPossible({ kind: 'copies', copies: replicated });
}

/** Resolves when everything that was written here so far is on so many disks. Rejects with UNKNOWN when that is not known in time. */
export function whenReplicated(
  runtime: Runtime,
  { replicated, withinMs = REPLICATED_WITHIN_MS }: ReplicatedLevel,
): Promise<void> {
  const { state, replicas } = runtime;
  const goal = { kind: 'copies', copies: replicated } as const;
  return new Promise((resolve, reject) => {
    replicas.wait(goal, withinMs, state.own.have.contiguous, (outcome) => {
      if (outcome instanceof Error) reject(outcome);
      else if (outcome.isReached) resolve();
      else reject(describeUnknown(state.self.id, replicated, withinMs, outcome));
    });
    runtime.endTurnSoon();
  });
}

/**
 * Counts the other members that have this process's updates through `sequence` on disk, when there are `wanted` of them or `withinMs` (Infinity: ever) has passed; `end`
 * counts at once.
 */
export function countReplicas(
  runtime: Runtime,
  wanted: number,
  withinMs: number,
  sequence: number,
): ReplicaCount {
  const { state, replicas } = runtime;
  const goal: ReplicationGoal = { kind: 'others', count: wanted };
  const count = ({ onDisk }: Pick<ReplicationOutcome, 'onDisk'>): number =>
    onDisk.filter((id) => id !== state.self.id).length;
  let end = (): void => undefined;
  const counted = new Promise<number>((resolve, reject) => {
    const endWait = replicas.wait(goal, withinMs, sequence, (outcome) => {
      if (outcome instanceof Error) reject(outcome);
      else resolve(count(outcome));
    });
    runtime.endTurnSoon();
    end = () => {
      endWait();
      resolve(count(findHolders(state, sequence)));
    };
  });
  return { counted, end };
}

function describeUnknown(
  id: string,
  replicated: Copies,
  withinMs: number,
  { onDisk, silent }: ReplicationOutcome,
): ToposphereError {
  const wanted = typeof replicated === 'number' ? `${replicated} disks` : `the disks of ${replicated}`;
  const known = onDisk.length === 0 ? 'no disk yet' : `the disks of ${onDisk.join(', ')}`;
  return new ToposphereError(
    'UNKNOWN',
    `the write stands on ${id} and goes on spreading; ${withinMs} ms later it is known to be on ${known}, and not on ${wanted}: ` +
      `${silent.join(', ')} did not say so in time, and may have it or not. Do not take it for failed; read it, or write it again`,
    { changed: true, replicas: { onDisk, silent } },
  );
}
