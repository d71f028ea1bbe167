/**
 * Who looks on while a cluster is simulated: checkers judge, observers write down.
 *
 * The shapes only. The built-in checkers are stepChecks.ts and restChecks.ts; a user's own are called after them.
 */
import type { Channel } from '../core/messages.ts';
import type { Written } from './truth.ts';
import type { Fate } from './virtualNetwork.ts';
import type { VirtualDisk } from './virtualDisk.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

/** Looks on; may throw BrokenInvariant. Every function is optional. */
export interface Checker {
  /** After each step of a process: `peer.touched` says what the step wrote. */
  readonly afterStep?: (world: World, peer: VirtualPeer) => void;
  /** A process is about to end; what its clients were promised is known. */
  readonly beforeCrash?: (world: World, peer: VirtualPeer, kind: 'process' | 'power' | 'disk') => void;
  /** A process has loaded what its disk holds. */
  readonly afterStart?: (world: World, peer: VirtualPeer) => void;
  /** A machine was given another disk, empty or older: what was known of the old one is void. */
  readonly afterNewDisk?: (world: World, peer: VirtualPeer) => void;
  /** What one disk has was copied to another. */
  readonly afterDiskCopy?: (world: World, from: VirtualDisk, to: VirtualDisk) => void;
  /** A write was told OK. */
  readonly onAcknowledged?: (world: World, peer: VirtualPeer, written: Written) => void;
  /** Everything is healed and every peer says that it has all. */
  readonly atRest?: (world: World) => void;
}

/** Looks on without judging: transcripts and plots. */
export interface Observer {
  readonly onEvent?: (atMs: number, where: string, text: string) => void;
  readonly onPacket?: (
    atMs: number,
    fate: Fate,
    from: string,
    to: string,
    bytes: Uint8Array,
    channel: Channel,
  ) => void;
  readonly onWritten?: (atMs: number, where: string, written: Written) => void;
}
