/** Clusters of bare cores in which checkpoints are given and joined, part by part if a test wants. */
import assert from 'node:assert/strict';
import { openCheckpoint, readPart } from '../../src/core/buildCheckpoint.ts';
import { findBrokenInvariants } from '../../src/core/invariants.ts';
import type { CheckpointMessage } from '../../src/core/messages.ts';
import {
  defaultLimits,
  defaultSettings,
  type CoreLimits,
  type CoreSettings,
} from '../../src/core/settings.ts';
import type { Incarnation } from '../../src/core/types.ts';
import type { PeerState } from '../../src/core/state.ts';
import { openMemoryStore } from '../../src/storage/memoryStore.ts';
import { Cluster, type Sent } from './cluster.ts';

/** No rounds, so that nothing moves but what a test moves. */
const STILL = { ...defaultSettings, gcUpdateCount: 1e9, gcIntervalMs: 1e9 };
export function cluster(ids: readonly string[], settings = STILL): Cluster {
  const made = new Cluster(ids, 1, settings);
  made.run(1000);
  return made;
}

export function bounded(limits: Partial<CoreLimits>): CoreSettings {
  return { ...STILL, limits: { ...defaultLimits, ...limits } };
}

/** All parts of a checkpoint of now. */
export function allParts(state: PeerState, joiner: Incarnation, snapshot = 1): CheckpointMessage[] {
  const checkpoint = openCheckpoint(state);
  const parts: CheckpointMessage[] = [];
  for (let part = 0; ; part += 1) {
    const content = readPart(checkpoint, part);
    if (content === undefined) break;
    parts.push({ kind: 'checkpoint', snapshot, part, joiner, ...content });
  }
  checkpoint.snapshot.close();
  return parts;
}

/** As after a start that found it outdated (R10), or on an empty disk. */
export function makeJoin(made: Cluster, id: string, isWiped = false): void {
  const member = made.at(id);
  if (isWiped) {
    member.disk = openMemoryStore();
    made.restart(id);
  }
  made.at(id).state.phase = 'joining';
}

export function assertSound(made: Cluster): void {
  for (const { id, isUp, state } of made.members)
    if (isUp) assert.deepEqual(findBrokenInvariants(state), [], id);
}

/** Holds back what goes to a peer of a kind, and hands it on one message at a time. */
export function holdBack(made: Cluster, to: string): Sent[] {
  const held: Sent[] = [];
  made.loses = (message, from, receiver, channel) => {
    if (receiver !== to || message.kind !== 'checkpoint') return false;
    held.push({ from, to: receiver, channel, message });
    return true;
  };
  return held;
}

export function handOn(made: Cluster, one: Sent | undefined): void {
  if (one !== undefined) made.deliver(one.from, one.to, one.message, one.channel);
}
