/**
 * The simulated cluster: virtual machines, the network between them, clients, and whoever looks on.
 *
 * Owns virtual time and the order of everything: one step is one piece of one process's code, and after each the checkers
 * look at what it touched. Knows nothing of schedules: faults and operations are its methods, for schedules, scenarios
 * and programs alike. The same calls from the same seed give the same trace.
 */
import { readCounted } from '../core/counted.ts';
import { defaultLimits, defaultSettings } from '../core/settings.ts';
import type { CoreSettings } from '../core/settings.ts';
import { ToposphereError } from '../core/errors.ts';
import type { MessageKind } from '../core/messages.ts';
import type { Key, PeerId } from '../core/types.ts';
import { describeNotice } from '../peer/notices.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { Checker, Observer } from './checker.ts';
import { bytesOf, describeWrite } from './clientWrite.ts';
import type { HowWritten, WriteOutcome } from './clientWrite.ts';
import { createEventQueue } from './eventQueue.ts';
import { createStreams } from './random.ts';
import type { RandomStream } from './random.ts';
import { GOOD_LINK } from './schedule.ts';
import type { Level, LinkQuality, ValueSpec } from './schedule.ts';
import { Machines } from './machines.ts';
import { Operator } from './operator.ts';
import { createTrace } from './trace.ts';
import type { Trace } from './trace.ts';
import { clearTouched } from './touched.ts';
import { createTruth } from './truth.ts';
import type { Truth, Written } from './truth.ts';
import { VirtualNetwork } from './virtualNetwork.ts';
import { VirtualPeer } from './virtualPeer.ts';
import type { VirtualPeerPorts } from './virtualPeer.ts';
import type { WorldFigures, WorldOptions } from './worldOptions.ts';
import type { DiskState, VirtualDisk } from './virtualDisk.ts';

export class World {
  readonly trace: Trace;
  readonly truth: Truth = createTruth();
  readonly network: VirtualNetwork;
  readonly settings: CoreSettings;
  readonly figures: WorldFigures = { steps: 0, written: 0, refused: 0, unreachable: 0 };
  readonly #options: WorldOptions;
  readonly #queue = createEventQueue();
  readonly #machines = new Machines();
  readonly #stream: (concern: string) => RandomStream;
  readonly #checkers: readonly Checker[];
  readonly #observers: readonly Observer[];
  /** Second processes, disks, members, and the mending at the end. */
  readonly operator: Operator;
  #isStepping = false;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#stream = createStreams(options.seed);
    this.#checkers = options.checkers ?? [];
    this.#observers = options.observers ?? [];
    this.trace = createTrace(options.hashing);
    this.settings = {
      ...defaultSettings,
      ...options.settings,
      limits: { ...defaultLimits, ...options.settings?.limits },
    };
    this.network = new VirtualNetwork(
      {
        seed: options.seed,
        nowMs: () => this.#queue.nowMs,
        after: (delayMs, run) => {
          this.#queue.after(delayMs, run);
        },
        deliver: (from, to, bytes, channel) => {
          this.#machines.deliver(from, to, bytes, channel);
        },
        onFate: (fate, from, to, bytes, channel) => {
          this.trace.packet(this.#queue.nowMs, fate, from, to, bytes);
          for (const observer of this.#observers)
            observer.onPacket?.(this.#queue.nowMs, fate, from, to, bytes, channel);
        },
      },
      options.link ?? GOOD_LINK,
    );
    this.operator = new Operator(this, options.founders ?? options.peers, {
      seed: options.seed,
      machines: this.#machines,
      step: (peer, run) => {
        this.#step(peer, run);
      },
      end: (peer, kind) => {
        this.#end(peer, kind);
      },
      createPeer: (id, address, disk) =>
        new VirtualPeer(this.#peerOptions(id, address), this.#peerPorts(), disk),
      replaceDisk: (id, disk) => {
        this.#replaceDisk(id, disk);
      },
      onDiskCopied: (from, to) => {
        for (const checker of this.#checkers) checker.afterDiskCopy?.(this, from, to);
      },
    });
    for (const id of options.peers) {
      const peer = new VirtualPeer(this.#peerOptions(id, id), this.#peerPorts());
      this.#machines.peers.set(id, peer);
    }
    for (const id of this.operator.listed) this.peer(id).start();
  }

  get nowMs(): number {
    return this.#queue.nowMs;
  }

  /** The members: listed in servers.txt and not forgotten. */
  get ids(): readonly string[] {
    return this.operator.ids;
  }

  /** The peers that are members, running or not; no twins. */
  get peers(): readonly VirtualPeer[] {
    return this.ids.map((id) => this.peer(id));
  }

  /** Every machine, twins and the forgotten too. */
  get machines(): Iterable<VirtualPeer> {
    return this.#machines.all();
  }

  /** Throws BAD_ARGUMENT for an id that takes no part. */
  peer(id: string): VirtualPeer {
    const peer = this.#machines.peers.get(id);
    if (peer !== undefined) return peer;
    throw new ToposphereError('BAD_ARGUMENT', `no peer ${id}: there are ${this.ids.join(', ')}`);
  }

  /** Lets virtual time pass, milliseconds. */
  run(forMs: number): void {
    this.runUntil(this.nowMs + forMs);
  }

  runUntil(untilMs: number): void {
    for (let next = this.#queue.next(untilMs); next !== undefined; next = this.#queue.next(untilMs)) next();
  }

  /** Lets time pass until `isSo`, looked at every `everyMs`, for so long at most. Answers whether it came to be. */
  runUntilTrue(isSo: () => boolean, withinMs: number, everyMs = 20): boolean {
    const untilMs = this.nowMs + withinMs;
    while (!isSo()) {
      if (this.nowMs >= untilMs) return false;
      this.runUntil(Math.min(untilMs, this.nowMs + everyMs));
    }
    return true;
  }

  /** A client's set (or, without a value, its delete) on one peer, now. */
  write(
    id: string,
    key: string,
    value: ValueSpec | undefined,
    { level = 'committed', sharesTurn, expiresInMs }: HowWritten = {},
  ): WriteOutcome {
    const peer = this.#answering(id);
    const what = describeWrite(key, value, expiresInMs);
    if (!peer.isReachable) {
      this.figures.unreachable += 1;
      this.note(id, `${what}: not reachable`);
      return { kind: 'unreachable' };
    }
    let outcome: WriteOutcome | undefined;
    this.#step(peer, () => {
      const { runtime } = peer;
      try {
        runtime.write(key as Key, bytesOf(value), level === 'fast', peer.expiryIn(expiresInMs));
      } catch (error) {
        if (!(error instanceof ToposphereError)) throw error;
        this.figures.refused += 1;
        outcome = { kind: 'refused', error };
        return;
      }
      const entry = peer.disk.store.readEntry(key as Key);
      if (entry?.incarnation !== runtime.state.self.incarnation)
        throw new BrokenInvariant('R3', `a write of ${key} on ${id} was taken and is not the newest there`);
      const written = this.truth.note(key as Key, entry, this.nowMs);
      outcome = { kind: 'taken', written };
      this.acknowledge(peer, written, level);
      if (sharesTurn !== true) runtime.endTurnSoon();
      this.figures.written += 1;
      for (const observer of this.#observers) observer.onWritten?.(this.nowMs, id, written);
    });
    if (outcome === undefined) throw new Error(`the write of ${key} on ${id} came to nothing`);
    this.note(id, outcome.kind === 'refused' ? `${what}: ${outcome.error.code}` : what);
    return outcome;
  }

  /** The client of a write that was taken in this step is told OK when its level is reached. */
  acknowledge(peer: VirtualPeer, written: Written, level: Level): void {
    written.level = level;
    peer.runtime.acknowledge(level, (failure) => {
      if (failure !== undefined) return;
      written.isAcknowledged = true;
      for (const checker of this.#checkers) checker.onAcknowledged?.(this, peer, written);
    });
  }

  /** A client of a peer runs a piece of code in it, now; false when nobody answers, else what the code answers. */
  visit(id: string, run: (peer: VirtualPeer) => boolean): boolean {
    const peer = this.#answering(id);
    let answer = false;
    if (peer.isReachable)
      this.#step(peer, () => {
        answer = run(peer);
      });
    return answer;
  }

  /** What a client of a peer reads; undefined when there is no value or nobody to ask. */
  read(id: string, key: string): Uint8Array | undefined {
    const peer = this.#answering(id);
    if (!peer.isRunning) return undefined;
    const entry = peer.disk.store.readEntry(key as Key);
    return readCounted(peer.state, peer.now(), key as Key, entry)?.value;
  }

  readText(id: string, key: string): string | undefined {
    const value = this.read(id, key);
    return value === undefined ? undefined : Buffer.from(value).toString('utf8');
  }

  cut(from: readonly string[], to: readonly string[], isOneWay = false): void {
    this.note('', `cut ${from.join(',')} ${isOneWay ? 'to' : 'from'} ${to.join(',')}`);
    this.#machines.eachLink(from, to, isOneWay, (a, b) => {
      this.network.link(a, b).isCut = true;
    });
  }

  /** Ends all cuts, or those between two groups, both ways. */
  heal(from?: readonly string[], to?: readonly string[]): void {
    this.note('', from === undefined ? 'heal' : `heal ${from.join(',')} from ${(to ?? this.ids).join(',')}`);
    if (from === undefined) this.network.heal();
    else
      this.#machines.eachLink(from, to ?? this.ids, false, (a, b) => {
        this.network.link(a, b).isCut = false;
      });
  }

  /** How links treat what they carry: all of them, or one direction between two groups. */
  setLinks(quality: Partial<LinkQuality>, from?: readonly string[], to?: readonly string[]): void {
    this.note('', `links ${from?.join(',') ?? ''} ${to?.join(',') ?? ''} ${JSON.stringify(quality)}`);
    if (from === undefined && to === undefined) this.network.setQuality(quality);
    else
      this.#machines.eachLink(from ?? this.ids, to ?? this.ids, true, (a, b) => {
        const link = this.network.link(a, b);
        link.quality = { ...link.quality, ...quality };
      });
  }

  /** Loses every message of a kind, or none of it any more: on all links, or in one direction between two groups. */
  setLostKind(kind: MessageKind, isLost: boolean, from?: readonly string[], to?: readonly string[]): void {
    this.note(
      '',
      `${kind} ${from?.join(',') ?? ''} ${to?.join(',') ?? ''} is ${isLost ? 'lost' : 'not lost any more'}`,
    );
    if (from === undefined && to === undefined) this.network.setLostKind(kind, isLost);
    else
      this.#machines.eachLink(from ?? this.ids, to ?? this.ids, true, (a, b) => {
        const { lostKinds } = this.network.link(a, b);
        if (isLost) lostKinds.add(kind);
        else lostKinds.delete(kind);
      });
  }

  crash(id: string, hasPowerCut: boolean): void {
    const kind = hasPowerCut ? 'power' : 'process';
    this.note(id, `crash (${kind})`);
    this.#end(this.peer(id), kind);
  }

  start(id: string): void {
    this.note(id, 'start');
    this.peer(id).start();
  }

  pause(id: string): void {
    this.note(id, 'pause');
    this.peer(id).pause();
  }

  resume(id: string): void {
    this.note(id, 'resume');
    this.peer(id).resume();
  }

  setClock(id: string, offsetMs: number): void {
    this.note(id, `clock ${offsetMs >= 0 ? '+' : ''}${offsetMs} ms`);
    this.peer(id).clockOffsetMs = offsetMs;
  }

  setDisk(id: string, state: DiskState): void {
    this.note(id, `disk ${state}`);
    this.peer(id).disk.setState(state);
  }

  setStray(id: string, share: number): void {
    this.note(id, `stray ${share}`);
    this.peer(id).strayShare = share;
  }

  /** A line in transcript and trace. */
  note(where: string, text: string): void {
    this.trace.event(this.nowMs, where, text);
    for (const observer of this.#observers) observer.onEvent?.(this.nowMs, where, text);
  }

  /** Asks every checker. */
  checkAtRest(): void {
    for (const checker of this.#checkers) checker.atRest?.(this);
  }

  /** Runs the callback at a virtual time. */
  at(atMs: number, run: () => void): void {
    this.#queue.after(Math.max(0, atMs - this.nowMs), run);
  }

  #replaceDisk(id: string, disk: VirtualDisk): void {
    const peer = this.peer(id);
    this.#end(peer, 'power');
    peer.replaceDisk(disk);
    this.truth.loseDisk(id);
    for (const checker of this.#checkers) checker.afterNewDisk?.(this, peer);
  }

  #peerOptions(id: string, address: string) {
    const members = (): readonly PeerId[] => this.operator.listed as PeerId[];
    return { id: id as PeerId, address, members, settings: this.settings };
  }

  #peerPorts(): VirtualPeerPorts {
    return {
      stream: this.#stream,
      hashing: this.#options.hashing,
      nowMs: () => this.#queue.nowMs,
      after: (delayMs, run) => {
        this.#queue.after(delayMs, run);
      },
      step: (peer, run) => {
        this.#step(peer, run);
      },
      transportOf: (peer) => this.#machines.transportOf(peer, this.network),
      onNotice: (peer, notice) => {
        this.note(peer.address, describeNotice(notice, this.settings.maxDriftMs));
      },
      onFailure: (peer, failure) => {
        const isFenced = failure.code === 'FENCED';
        this.note(peer.address, `ends: ${failure.message.split(/[:;]/, 1)[0] ?? ''}`);
        // The process ends when the code that runs now is done; until then it is still on the stack.
        this.#queue.after(0, () => {
          const isIt = peer.isRunning;
          if (isIt) this.#end(peer, failure.code === 'STORAGE_FAILED' ? 'disk' : 'process');
          // It starts again by itself, as `toposphere serve` does; or by whoever watches over it, which before healing is an event of its own.
          if ((isFenced && isIt) || this.operator.isSupervised(peer.id)) peer.start();
        });
      },
    };
  }

  #end(peer: VirtualPeer, kind: 'process' | 'power' | 'disk'): void {
    if (!peer.isRunning) return;
    for (const checker of this.#checkers) checker.beforeCrash?.(this, peer, kind);
    peer.crash(kind === 'process' ? 'process' : 'power');
  }

  /** Runs a piece of a process's code, and what it asked for `soon`; then the checkers look at what it touched. */
  #step(peer: VirtualPeer, run: () => void): void {
    if (this.#isStepping) {
      run(); // a part of the step that is under way
      return;
    }
    const wasRunning = peer.isRunning;
    this.#isStepping = true;
    this.figures.steps += 1;
    try {
      run();
      peer.drainSoon();
    } finally {
      this.#isStepping = false;
    }
    if (!peer.isRunning) return;
    for (const checker of this.#checkers) {
      if (wasRunning) checker.afterStep?.(this, peer);
      else checker.afterStart?.(this, peer);
    }
    clearTouched(peer.touched);
  }

  #answering(id: string): VirtualPeer {
    return this.#machines.answering(id) ?? this.peer(id);
  }
}
