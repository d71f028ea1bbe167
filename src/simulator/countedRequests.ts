/**
 * Requests with ids that count: what one answers and writes on a peer, and the increment that it was once it has been executed.
 *
 * When a request is executed, and how often, is requestClients.ts's; what counters must show, counterGhost.ts's. Invariant: each execution is one increment there, so that a request that
 * counts twice is in no total that is right.
 */
import { isCellKey } from '../core/cells.ts';
import { formatDecimal } from '../core/decimal.ts';
import { planIncrement } from '../core/increment.ts';
import type { Key } from '../core/types.ts';
import type { KeyWrite, WriteRefusal } from '../core/write.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import { answerTo, decimalOf, readText } from './counterAnswers.ts';
import { counterName, type CounterGhost, ONE } from './counterGhost.ts';
import { wholeBetween } from './random.ts';
import type { RandomStream } from './random.ts';
import type { Level } from './schedule.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

export interface CountedRequest {
  readonly key: Key;
  /** An amount. */
  readonly by: bigint;
}

type PlannedRequest =
  | { readonly kind: 'planned'; readonly total: string; readonly change: KeyWrite }
  /** An error is the reply, and nothing is executed. */
  | { readonly kind: 'fault' }
  | { readonly kind: 'refused'; readonly refusal: WriteRefusal };

export function drawCounted(random: RandomStream): CountedRequest {
  return { key: counterName(wholeBetween(random, 1, 2)), by: BigInt(wholeBetween(random, -3, 9)) * ONE };
}

/** What it would answer and change here and now. */
export function planCounted(peer: VirtualPeer, { key, by }: CountedRequest): PlannedRequest {
  const { fault, total } = answerTo(readText(peer, key), by, 'integer');
  const plan = planIncrement(peer.state, peer.now(), key, decimalOf(by), 'integer');
  if (plan.kind === 'refused') return plan;
  const said = plan.kind === 'planned' ? formatDecimal(plan.total) : plan.fault;
  if (said !== (fault ?? total))
    throw new BrokenInvariant(
      'counters',
      `a request to add ${by / ONE} to ${key} at ${peer.address} is answered ${said}, and not ${fault ?? total}`,
    );
  return plan.kind === 'planned' ? { kind: 'planned', total: said, change: plan.write } : { kind: 'fault' };
}

/** It has been executed: what this step has written since is its record, and the increment. */
export function noteCounted(
  world: World,
  peer: VirtualPeer,
  ghost: CounterGhost,
  { by }: CountedRequest,
  level: Level,
  first: number,
): void {
  for (const { key, entry, before } of peer.touched.entries.slice(first)) {
    const written = world.truth.note(key, entry, world.nowMs);
    if (!isCellKey(key)) continue;
    ghost.noteIncrement(written, before, by);
    world.acknowledge(peer, written, level);
  }
}
