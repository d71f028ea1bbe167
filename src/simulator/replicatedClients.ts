/**
 * Simulated clients whose writes wait for other peers' disks. What they are told is checked by replicaWatch.ts.
 *
 * Each client has a stream of chance of its own, and draws nothing that the schedule draws.
 */
import { ToposphereError } from '../core/errors.ts';
import type { Copies, ReplicationGoal } from '../core/replication.ts';
import { between, chance, openStream, pick, untilNextMs, wholeBetween } from './random.ts';
import type { RandomStream } from './random.ts';
import type { ReplicaWatch } from './replicaWatch.ts';
import type { Schedule } from './schedule.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

const COPIES: readonly Copies[] = [2, 2, 3, 'majority', 'all'];
const GOALS: readonly ReplicationGoal[] = [
  ...COPIES.map((copies) => ({ kind: 'copies', copies }) as const),
  { kind: 'others', count: 1 },
];

interface Client {
  readonly name: string;
  readonly random: RandomStream;
  readonly perSecond: number;
  peer: string;
}

/** Begins the clients that the schedule asks for, over all its peers, as long as its faults last. To be called before time starts. */
export function beginReplicatedClients(
  world: World,
  { seed, durationMs, replicas = 0 }: Pick<Schedule, 'seed' | 'durationMs' | 'replicas'>,
  watch: ReplicaWatch,
): void {
  function next(client: Client): void {
    const { random } = client;
    const atMs = world.nowMs + untilNextMs(random, client.perSecond);
    if (atMs >= durationMs) return;
    world.at(atMs, () => {
      const { peer: id } = client;
      const isTaken = world.ids.includes(id) && world.visit(id, (peer) => write(world, client, peer, watch));
      if (!isTaken || chance(random, 0.05)) client.peer = pick(random, world.ids);
      next(client);
    });
  }

  for (let at = 0; at < replicas; at += 1) {
    const random = openStream(seed, `replicas ${at}`);
    const perSecond = between(random, 1, 15);
    next({ name: `replica${at}`, random, perSecond, peer: pick(random, world.ids) });
  }
}

/** Answers whether it was taken. */
function write(world: World, client: Client, peer: VirtualPeer, watch: ReplicaWatch): boolean {
  const { random, name } = client;
  const goal = pick(random, GOALS);
  const withinMs = pick(random, [30, 500, 2_000]);
  const key = chance(random, 0.3)
    ? `k${wholeBetween(random, 1, 3)}`
    : `${name}.${wholeBetween(random, 1, 500)}`;
  const value = chance(random, 0.1) ? undefined : `${name} ${watch.fates.size}`;
  try {
    peer.runtime.replicas.assertPossible(goal);
  } catch (error) {
    if (!(error instanceof ToposphereError)) throw error;
    watch.figures.refused += 1;
    return false;
  }
  const outcome = world.write(client.peer, key, value);
  if (outcome.kind !== 'taken') return false;
  watch.wait(world, peer, outcome.written, goal, withinMs);
  return true;
}
