/**
 * What a scenario can say: its grammar for people, and its statements as data.
 */
import type { Decimal } from '../core/decimal.ts';
import type { MessageKind, Phase } from '../core/messages.ts';
import type { Copies } from '../core/replication.ts';
import type { Level, LinkQuality, ValueSpec } from './schedule.ts';
import type { DiskState } from './virtualDisk.ts';
import type { VersionRange } from '../wire/versions.ts';

export const SCENARIO_HELP = `One statement a line, or several with ; between them. # begins a comment.
  peers alpha beta gamma          who takes part (alpha to delta when left out); or: peers 5
  seed 7                          of all chance in the run (1 when left out)
  settings keepaliveMs=100 …      limits maxGapIntervals=3 …
  set x=1 at alpha durable        also fast or committed (when left out); set k{1..100}=v at alpha; set big=<70000 bytes> at alpha
  set x=1 at alpha for 5s         it expires then
  set x=1 at alpha on 3 disks within 2s     or: on majority disks, on all disks; the scenario goes on
  delete x at alpha
  add 3 to c at alpha durable     a counter counts on, by as much, as INCRBY or INCRBYFLOAT; also expect refused add …
  cut alpha,beta from gamma,delta     cut alpha to beta (one way)     heal     heal alpha from gamma
  lose 30% [of updates|of multicast] [from alpha] [to beta]     duplicate 10%     reorder 20%     delay 5..40ms
  lose commit from alpha to beta      lose no commit      any kind of message: update, sync, nak, prepare, prepared, commit …
  crash alpha     power off alpha     stop alpha (it says that it leaves)     start alpha     pause alpha     resume alpha
  twin alpha     end twin alpha       a second process with its id, on a copy of its disk
  clock alpha +3600s     clock alpha right
  disk alpha full|slow|stalled|unflushed|fsyncError|ok
  stray alpha 30%                 its datagrams arrive from another address
  install alpha 1..2              reads these versions of the protocol from its next start on
  wipe alpha      back up alpha     roll back alpha       its disk, empty or as it was; the process must be started again
  newcomers epsilon (in the head)   admit epsilon     forget delta at alpha     bootstrap alpha
  wait 2s
  expect x=1 everywhere within 2s     expect x absent at alpha,beta     expect equal within 1s among alpha,beta
  expect refused set x=1 at alpha     expect joining at alpha within 1s     expect member everywhere within 5s
  expect collected within 9s           no tombstone and no table row is left, at any peer or at those named
  expect beta left at alpha            stopped, and said so; or alive, or silent
  expect x dropped at alpha            absent, and without a tombstone
  expect version 2 at alpha            in which it speaks to all
  expect x on its disks within 1s      so its client was told; or: expect x unknown, its deadline has passed; or: expect x waiting
At the end everything is healed and the peers must come to rest, equal and silent.`;

export type Statement =
  | {
      readonly kind: 'write';
      readonly peer: string;
      readonly writes: readonly KeyWrite[];
      readonly level: Level;
      readonly expiresInMs: number | undefined;
      readonly isRefused: boolean;
      /** Its client waits for other disks; the scenario goes on. */
      readonly replicated?: { readonly copies: Copies; readonly withinMs: number };
    }
  | {
      readonly kind: 'add';
      readonly peer: string;
      readonly key: string;
      readonly by: Decimal;
      readonly level: Level;
      readonly isRefused: boolean;
    }
  | {
      readonly kind: 'cut';
      readonly from: readonly string[];
      readonly to: readonly string[];
      readonly isOneWay: boolean;
    }
  | { readonly kind: 'heal'; readonly from?: readonly string[]; readonly to?: readonly string[] }
  | {
      readonly kind: 'links';
      readonly quality: Partial<LinkQuality>;
      readonly from?: readonly string[];
      readonly to?: readonly string[];
    }
  | {
      readonly kind: 'crash' | 'powerOff' | 'start' | 'stop' | 'pause' | 'resume' | 'twin' | 'endTwin';
      readonly peer: string;
    }
  | {
      readonly kind: 'loseKind';
      readonly message: MessageKind;
      readonly isLost: boolean;
      readonly from?: readonly string[];
      readonly to?: readonly string[];
    }
  | { readonly kind: 'wipe' | 'backUp' | 'rollBack' | 'admit' | 'bootstrap'; readonly peer: string }
  | { readonly kind: 'forget'; readonly peer: string; readonly member: string }
  | {
      readonly kind: 'expectState';
      readonly state: 'collected' | Phase;
      readonly peers: readonly string[] | undefined;
      readonly withinMs: number;
    }
  | {
      readonly kind: 'expectSeen';
      readonly member: string;
      readonly as: SeenAs;
      readonly peers: readonly string[] | undefined;
      readonly withinMs: number;
    }
  | { readonly kind: 'install'; readonly peer: string; readonly versions: VersionRange }
  | {
      readonly kind: 'expectVersion';
      readonly version: number;
      readonly peers: readonly string[] | undefined;
      readonly withinMs: number;
    }
  | {
      readonly kind: 'expectFate';
      readonly key: string;
      readonly fate: 'reached' | 'unknown' | 'waits';
      readonly withinMs: number;
    }
  | { readonly kind: 'clock'; readonly peer: string; readonly offsetMs: number }
  | { readonly kind: 'disk'; readonly peer: string; readonly state: DiskState }
  | { readonly kind: 'stray'; readonly peer: string; readonly share: number }
  | { readonly kind: 'wait'; readonly forMs: number }
  | {
      readonly kind: 'expectValue';
      readonly keys: readonly KeyWrite[];
      /** Not even a tombstone is left. */
      readonly isDropped: boolean;
      /** Undefined: everywhere. */
      readonly peers: readonly string[] | undefined;
      readonly withinMs: number;
    }
  | {
      readonly kind: 'expectEqual';
      readonly peers: readonly string[] | undefined;
      readonly withinMs: number;
    };

/** How a peer sees a member. silent: neither live nor known to have left. */
export type SeenAs = 'alive' | 'left' | 'silent';

export interface KeyWrite {
  readonly key: string;
  /** Undefined: deleted, or absent. */
  readonly value: ValueSpec | undefined;
}

export interface Scenario {
  readonly peers: readonly string[];
  /** Those of `peers` that only come when they are admitted. */
  readonly newcomers: readonly string[];
  readonly seed: number;
  readonly settings: Readonly<Record<string, number>>;
  readonly limits: Readonly<Record<string, number>>;
  readonly statements: readonly { readonly text: string; readonly line: number; readonly does: Statement }[];
}
