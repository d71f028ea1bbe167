/**
 * What the peer runtime needs of the world: two clocks, randomness, timers, the end of a turn, a network.
 *
 * A deployment hands in the machine's; a simulator hands in its own, and the same runtime runs in virtual time.
 */
import type { Now } from '../core/clock.ts';
import type { Effect } from '../core/effects.ts';
import type { ToposphereError } from '../core/errors.ts';
import type { PeerId } from '../core/types.ts';
import type { VersionRange } from '../wire/versions.ts';
import type { VersionsVerdict } from './peerVersions.ts';
import type { Refusal } from './runtimeErrors.ts';

/** Where bytes came from, for the operator's eyes: nothing is ever sent there because of it. */
export interface PacketSource {
  readonly address: string;
  readonly port: number;
}

export interface Transport {
  /** One datagram to the cluster's group. */
  readonly multicast: (bytes: Uint8Array) => void;
  /** One datagram to a peer's configured address. */
  readonly unicast: (to: PeerId, bytes: Uint8Array) => void;
  /** One frame over TCP to a peer's configured address; dropped and counted when it cannot be delivered. `onDone`: the bytes are not read any more; it may not be called. */
  readonly stream: (to: PeerId, bytes: Uint8Array, onDone: () => void) => void;
}

export interface RuntimePorts {
  readonly now: () => Now;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly after: (delayMs: number, callback: () => void) => void;
  /** Runs the callback when the inputs at hand have been taken in: the end of the event-loop turn. */
  readonly endOfTurn: (callback: () => void) => void;
  /** Runs the callback when the code that runs now is done, before any other input. */
  readonly soon: (callback: () => void) => void;
  readonly transport: Transport;
}

export type NoticeEffect = Extract<Effect, { kind: 'notice' }>;

export interface RuntimeEvents {
  readonly onNotice: (notice: NoticeEffect) => void;
  readonly onFailure: (failure: ToposphereError) => void;
  /** A member that reads `reads` shares no version of the protocol with this peer, or does again. */
  readonly onVersions?: ((member: PeerId, reads: VersionRange, verdict: VersionsVerdict) => void) | undefined;
  /** Why nothing more may be written for now, beside what the protocol says. */
  readonly findRefusal?: () => Refusal | undefined;
}
