/**
 * One machine of the simulation: a process that runs the shipped peer runtime, its disk, its clock.
 *
 * Owns the life of the process (start, stop, crash, pause) and the ports it runs on: virtual time, a stream of chance of its own,
 * an event loop whose turns take some microseconds. A paused process keeps its timers and packets; on resume the timers
 * run first, as in Node. What belongs to an earlier life of the process never runs in a later one.
 */
import type { ToposphereError } from '../core/errors.ts';
import { timestampOf, type Now } from '../core/clock.ts';
import { timeMs } from '../core/expiry.ts';
import type { Channel } from '../core/messages.ts';
import type { CoreSettings } from '../core/settings.ts';
import type { PeerState } from '../core/state.ts';
import type { Incarnation, PeerId } from '../core/types.ts';
import { Faults } from '../peer/faults.ts';
import type { PacketSource, Transport } from '../peer/ports.ts';
import { Runtime } from '../peer/runtime.ts';
import type { NoticeEffect } from '../peer/ports.ts';
import { createEnvelope } from '../wire/envelope.ts';
import type { Hashing } from '../wire/hash.ts';
import { OWN_VERSIONS } from '../wire/versions.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import { between } from './random.ts';
import type { RandomStream } from './random.ts';
import { kindOf } from './sniffer.ts';
import { createTouched, noteWrites } from './touched.ts';
import type { Touched } from './touched.ts';
import { openVirtualDisk } from './virtualDisk.ts';
import type { VirtualDisk } from './virtualDisk.ts';

/** True wall time at the start of every run, milliseconds since 1970. */
const START_WALL_MS = Date.UTC(2026, 0, 1);
/** How long a turn of the event loop gathers inputs, milliseconds. */
const TURN_MS = [0.002, 0.05] as const;
/** Bytes of packets a socket keeps for a process that does not read. */
const SOCKET_BYTES = 4 * 1024 * 1024;
const CLUSTER_ID = 'simulation';

export interface VirtualPeerPorts {
  /** The stream of chance of a concern, begun once a run: a second twin goes on where the first stopped, or both would draw one incarnation. */
  readonly stream: (concern: string) => RandomStream;
  readonly hashing: Hashing;
  readonly nowMs: () => number;
  /** Runs `run` in so many virtual milliseconds. */
  readonly after: (delayMs: number, run: () => void) => void;
  /** Every piece of the process's own code runs through this: one step, then the checks. */
  readonly step: (peer: VirtualPeer, run: () => void) => void;
  readonly transportOf: (peer: VirtualPeer) => Transport;
  readonly onNotice: (peer: VirtualPeer, notice: NoticeEffect) => void;
  /** A commit failed, or the incarnation must not go on: the process is to end. */
  readonly onFailure: (peer: VirtualPeer, failure: ToposphereError) => void;
}

interface VirtualPeerOptions {
  readonly id: PeerId;
  /** Where it lives; equal to its id unless it is a twin. */
  readonly address: string;
  /** What servers.txt lists at the time of a start. */
  readonly members: () => readonly PeerId[];
  readonly settings: CoreSettings;
}

interface Waiting {
  readonly timers: (() => void)[];
  readonly packets: (() => void)[];
  packetBytes: number;
}

export class VirtualPeer {
  readonly id: PeerId;
  readonly address: string;
  /** Wall clock less the true time, milliseconds. */
  clockOffsetMs = 0;
  /** Of the protocol, what the process reads from its next start on. */
  versions = OWN_VERSIONS;
  /** Share of datagrams that leave from an address that is not its own. */
  strayShare = 0;
  touched: Touched = createTouched();
  #disk: VirtualDisk;
  readonly #options: VirtualPeerOptions;
  readonly #ports: VirtualPeerPorts;
  readonly #random: RandomStream;
  readonly #loop: RandomStream;
  readonly #stray: RandomStream;
  #runtime: Runtime | undefined;
  /** Which life of the process this is. */
  #life = 0;
  #isPaused = false;
  #isStopping = false;
  /** It is to start again when it has stopped. */
  #isStartDue = false;
  #hasLeft = false;
  #spokenIncarnation = 0;
  readonly #incarnations: Incarnation[] = [];
  #waiting: Waiting = { timers: [], packets: [], packetBytes: 0 };
  #soon: (() => void)[] = [];

  constructor(options: VirtualPeerOptions, ports: VirtualPeerPorts, disk?: VirtualDisk) {
    this.#options = options;
    this.#ports = ports;
    this.id = options.id;
    this.address = options.address;
    this.#random = ports.stream(`peer ${options.address}`);
    this.#loop = ports.stream(`loop ${options.address}`);
    this.#stray = ports.stream(`stray ${options.address}`);
    this.#disk =
      disk ?? openVirtualDisk({ after: ports.after, random: ports.stream(`disk ${options.address}`) });
  }

  get disk(): VirtualDisk {
    return this.#disk;
  }

  /** Puts another disk in; the process must be down. */
  replaceDisk(disk: VirtualDisk): void {
    if (this.#runtime !== undefined) throw new Error(`${this.address} is running`);
    this.#disk = disk;
    this.#spokenIncarnation = 0; // I4 holds within one disk's life
  }

  get isRunning(): boolean {
    return this.#runtime !== undefined;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Clients and operators are answered. */
  get isReachable(): boolean {
    return this.isRunning && !this.#isPaused && !this.#isStopping;
  }

  /** Throws unless the process runs. */
  get runtime(): Runtime {
    if (this.#runtime === undefined) throw new Error(`${this.address} is down`);
    return this.#runtime;
  }

  get state(): PeerState {
    return this.runtime.state;
  }

  now(): Now {
    const monotonicMs = this.#ports.nowMs();
    return { monotonicMs, wallMs: Math.floor(START_WALL_MS + monotonicMs + this.clockOffsetMs) };
  }

  /** What a client's "expires in so many milliseconds" is here and now, a Timestamp; 0, never, for undefined. */
  expiryIn(expiresInMs: number | undefined): number {
    return expiresInMs === undefined ? 0 : timestampOf(timeMs(this.state, this.now()) + expiresInMs);
  }

  /** It sent something: this incarnation must never be drawn again. */
  noteSpoken(packet: Uint8Array): void {
    this.#spokenIncarnation = this.state.self.incarnation;
    if (!this.#isStopping) return;
    const kind = kindOf(packet);
    if (kind === 'leaving') this.#hasLeft = true;
    else if (this.#hasLeft)
      throw new BrokenInvariant('section 3', `${this.address} sent ${kind ?? 'something'} after LEAVING`);
  }

  /** The last incarnation that sent anything: one that never spoke may be drawn again. */
  get spokenIncarnation(): number {
    return this.#spokenIncarnation;
  }

  /** All that it has ever run as. */
  get incarnations(): readonly Incarnation[] {
    return this.#incarnations;
  }

  drawsStray(): boolean {
    return this.strayShare > 0 && this.#stray() < this.strayShare;
  }

  /** Starts the process unless it runs; while it stops, when it has. */
  start(): void {
    if (this.#isStopping) this.#isStartDue = true;
    if (this.#runtime !== undefined) return;
    const { id, settings } = this.#options;
    const members = this.#options.members();
    const life = (this.#life += 1);
    this.touched = createTouched();
    const isAlive = (): boolean => life === this.#life;
    this.#ports.step(this, () => {
      const store = noteWrites(this.disk.store, this.touched);
      const runtime = new Runtime(
        { id, members, settings, store, random: this.#random },
        {
          now: () => this.now(),
          random: this.#random,
          after: (delayMs, run) => {
            this.#ports.after(delayMs, () => {
              if (isAlive()) this.#wake(run);
            });
          },
          endOfTurn: (run) => {
            this.#ports.after(between(this.#loop, ...TURN_MS), () => {
              if (isAlive()) this.#wake(run);
            });
          },
          soon: (run) => void this.#soon.push(run),
          transport: this.#ports.transportOf(this),
        },
        new Faults(false, () => [], this.#random),
        {
          onNotice: (notice) => {
            this.#ports.onNotice(this, notice);
          },
          onFailure: (failure) => {
            if (isAlive()) this.#ports.onFailure(this, failure);
          },
        },
      );
      this.#runtime = runtime;
      this.#incarnations.push(runtime.state.self.incarnation);
      const envelope = createEnvelope({
        hashing: this.#ports.hashing,
        clusterId: CLUSTER_ID,
        self: runtime.state.self,
        membershipHash: runtime.state.membershipHash,
        versions: this.versions,
      });
      // Whoever crashes while it starts is told so; nobody waits for it here.
      runtime.start(envelope).catch(() => undefined);
    });
  }

  /** SIGTERM: it takes in nothing more, and says what it owes and that it leaves. `onStopped`: it has, and is to end. */
  stop(onStopped: () => void): void {
    const { runtime } = this;
    const life = this.#life;
    this.#isStopping = true;
    this.#ports.step(this, () => {
      runtime.leave(() => {
        // It ends when the code that runs now is done; until then that is still on the stack.
        this.#ports.after(0, () => {
          if (life !== this.#life) return;
          const isStartDue = this.#isStartDue;
          onStopped();
          if (isStartDue) this.start();
        });
      });
    });
  }

  /** Ends the process at once. */
  crash(kind: 'process' | 'power'): void {
    if (this.#runtime === undefined) return;
    this.#runtime = undefined;
    this.#life += 1;
    this.#isPaused = false;
    this.#isStopping = false;
    this.#isStartDue = false;
    this.#hasLeft = false;
    this.#waiting = { timers: [], packets: [], packetBytes: 0 };
    this.#soon = [];
    this.disk.crash(kind);
  }

  pause(): void {
    if (this.#runtime !== undefined) this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    const { timers, packets } = this.#waiting;
    this.#waiting = { timers: [], packets: [], packetBytes: 0 };
    for (const run of [...timers, ...packets]) if (this.#runtime !== undefined) this.#ports.step(this, run);
  }

  receive(bytes: Uint8Array, channel: Channel, source: PacketSource): void {
    const runtime = this.#runtime;
    if (runtime === undefined) return;
    const take = (): void => {
      if (runtime !== this.#runtime) return;
      const kind = kindOf(bytes);
      if (kind !== undefined) this.touched.arrived.push(kind);
      runtime.receive(bytes, channel, source);
    };
    if (!this.#isPaused) {
      this.#ports.step(this, take);
      return;
    }
    if (this.#waiting.packetBytes + bytes.length > SOCKET_BYTES) return;
    this.#waiting.packetBytes += bytes.length;
    this.#waiting.packets.push(take);
  }

  /** Runs what was asked for `soon`, as microtasks run: before any other input. */
  drainSoon(): void {
    while (this.#soon.length > 0) for (const run of this.#soon.splice(0)) run();
  }

  #wake(run: () => void): void {
    if (this.#isPaused) this.#waiting.timers.push(run);
    else this.#ports.step(this, run);
  }
}
