/**
 * What the core asks its driver to do, in order: send, schedule, tell.
 *
 * An effect's `after` says what must be true of the turn it was made in before it may leave (R1):
 * `nothing`; `committed`, the turn survives this process's death; `durable`, a power cut. The driver keeps
 * the order of effects within each level.
 */
import type { CounterChange } from './cells.ts';
import type { Message } from './messages.ts';
import type { Answer } from './quorum.ts';
import type { ReplicationOutcome } from './replication.ts';
import type { RoundAnswer } from './rounds.ts';
import type { Entry, Key, PeerId, Tag } from './types.ts';

export type After = 'nothing' | 'committed' | 'durable';

/** Timers are data: one that comes back with an outdated token is ignored. */
export type TimerName =
  | 'keepalive'
  | 'heartbeat'
  | 'liveness'
  | 'nak'
  | 'repair'
  | 'catchUp'
  | 'give'
  | 'join'
  | 'round'
  | 'sweep'
  | 'expiry'
  | 'questions'
  | 'ask'
  | 'miss'
  | 'republish';

/** Handed back to the core as it is when the turn is as safe as was asked. */
export type Reminder =
  | (RoundAnswer & { readonly kind: 'prepared'; readonly number: number })
  /** What this peer held of the key of its own question (quorum.ts). */
  | { readonly kind: 'held'; readonly number: number; readonly tag: Tag }
  /** The own updates through this sequence are on disk. */
  | { readonly kind: 'onDisk'; readonly sequence: number };

export type NoticeName =
  | 'peerAlive'
  | 'peerDead'
  | 'peerLeft'
  | 'clockAhead'
  | 'clockBehind'
  | 'clockRight'
  | 'recordAheadOfClock'
  | 'writeBelowHorizon'
  | 'serversDiffer'
  | 'mustJoin'
  | 'joinWaits'
  | 'joined'
  | 'began'
  | 'startedApart'
  | 'bootstrapped'
  | 'roundRefused'
  | 'checkpointTooLarge'
  | 'requestExecutedTwice'
  | 'admitted'
  | 'forgotten'
  | 'selfForgotten';

export type Effect =
  /** By multicast, and the same bytes by unicast to those whom multicast does not reach. */
  | {
      readonly kind: 'multicast';
      readonly message: Message;
      readonly alsoTo: readonly PeerId[];
      readonly after: After;
    }
  | {
      readonly kind: 'send';
      readonly to: PeerId;
      readonly by: 'unicast' | 'stream';
      readonly message: Message;
      readonly after: After;
    }
  | { readonly kind: 'schedule'; readonly timer: TimerName; readonly token: number; readonly delayMs: number }
  /** The core's own `reminder`, when this turn is durable. */
  | { readonly kind: 'remind'; readonly reminder: Reminder; readonly after: 'durable' }
  /** The answer to a question of this peer's (quorum.ts). */
  | { readonly kind: 'answered'; readonly number: number; readonly answer: Answer }
  /** A wait for other disks is over (replication.ts). */
  | { readonly kind: 'replicated'; readonly number: number; readonly outcome: ReplicationOutcome }
  /** This incarnation must not go on: another process has the id, or a higher incarnation of it is known (R10). */
  | { readonly kind: 'end'; readonly reason: 'fenced' | 'superseded' }
  | {
      readonly kind: 'notice';
      readonly name: NoticeName;
      readonly detail: Readonly<Record<string, string | number>>;
    };

/** The entry of a key changed on this peer. Told apart from effects: it needs no disk, and watchers want it at once. */
export interface EntryChange {
  readonly key: Key;
  readonly previous: Entry | undefined;
  /** Undefined when the key is gone: a checkpoint says that it was deleted long ago (R9). */
  readonly entry: Entry | undefined;
  /** Of a key with cells: how it counted before and after. */
  readonly counters: CounterChange | undefined;
}
