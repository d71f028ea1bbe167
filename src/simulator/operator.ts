/**
 * What an operator does to a simulated cluster, and what happens to machines beside their clocks: clean stops, second processes, disks that are
 * wiped or rolled back, members admitted and forgotten, and the mending of everything at the end.
 *
 * Owns what servers.txt lists and who was forgotten. Leaves processes, clients and links to the world.
 */
import { createHaveSet, hasSequence } from '../core/haveSet.ts';
import type { PeerId } from '../core/types.ts';
import type { VersionRange } from '../wire/versions.ts';
import type { Machines } from './machines.ts';
import { TWIN_SUFFIX } from './machines.ts';
import { openStream } from './random.ts';
import { GOOD_LINK } from './schedule.ts';
import type { VirtualDisk } from './virtualDisk.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

/** What the operator needs of the world beside its public face. */
interface OperatorPorts {
  readonly seed: number;
  readonly machines: Machines;
  readonly step: (peer: VirtualPeer, run: () => void) => void;
  readonly end: (peer: VirtualPeer, kind: 'process' | 'power') => void;
  readonly createPeer: (id: string, address: string, disk: VirtualDisk) => VirtualPeer;
  readonly replaceDisk: (id: string, disk: VirtualDisk) => void;
  readonly onDiskCopied: (from: VirtualDisk, to: VirtualDisk) => void;
}

export class Operator {
  /** What servers.txt lists, the same everywhere. */
  readonly listed: string[];
  readonly #world: World;
  readonly #ports: OperatorPorts;
  readonly #forgotten = new Set<string>();
  /** Whose processes somebody watches over: one that ends by itself is started again. */
  readonly #supervised = new Set<string>();
  readonly #backups = new Map<string, VirtualDisk>();

  constructor(world: World, listed: readonly string[], ports: OperatorPorts) {
    this.#world = world;
    this.#ports = ports;
    this.listed = [...listed];
  }

  /** The members: listed and not forgotten. */
  get ids(): readonly string[] {
    return this.listed.filter((id) => !this.#forgotten.has(id));
  }

  /** A clean stop: the process ends when it has said that it leaves. */
  stop(id: string): void {
    const peer = this.#world.peer(id);
    if (!peer.isReachable) return;
    this.#world.note(id, 'stop');
    peer.stop(() => {
      this.#ports.end(peer, 'process');
    });
  }

  /** Another release is installed: the process reads these versions of the protocol when it is next started. */
  install(id: string, versions: VersionRange): void {
    this.#world.note(id, `reads versions ${versions.lowest} to ${versions.highest} from its next start on`);
    this.#world.peer(id).versions = versions;
  }

  /** A second process with the same id, on a copy of the disk. It hears multicast; unicast reaches it while the first is down. */
  startTwin(id: string): void {
    if (this.#ports.machines.twins.has(id)) return;
    this.#world.note(id, 'twin starts');
    const address = id + TWIN_SUFFIX;
    const disk = this.#copyDisk(id, address);
    const twin = this.#ports.createPeer(id, address, disk);
    this.#ports.machines.twins.set(id, twin);
    this.#noteUncopied(id, disk);
    twin.start();
  }

  /** The newer of two processes is the one that counts (R10): what it does not know of, the other has written outside (seed 517917). */
  #noteUncopied(id: string, disk: VirtualDisk): void {
    for (const written of this.#world.truth.all()) {
      if (written.entry.id !== id) continue;
      const [, , contiguous = 0, gaps = []] = (disk.store.readState(`vector/${written.origin}`) ?? []) as [
        string?,
        number?,
        number?,
        number[]?,
      ];
      if (!hasSequence(createHaveSet(contiguous, gaps), written.sequence)) written.isOutside = true;
    }
  }

  endTwin(id: string): void {
    const twin = this.#ports.machines.twins.get(id);
    if (twin === undefined) return;
    this.#world.note(id, 'twin ends');
    this.#ports.machines.twins.delete(id);
    for (const incarnation of twin.incarnations) this.#world.truth.loseDisk(id, incarnation);
    twin.crash('process');
  }

  /** A dead machine is given an empty disk. */
  wipe(id: string): void {
    this.#world.note(id, 'disk wiped');
    const { disk } = this.#world.peer(id);
    this.#ports.replaceDisk(id, disk.fresh(openStream(this.#ports.seed, `disk ${id} ${this.#world.nowMs}`)));
  }

  /** Copies what is durable away, for `rollBack`. */
  backUp(id: string): void {
    this.#world.note(id, 'disk copied');
    this.#backups.set(id, this.#copyDisk(id, id));
  }

  /** What the disk of a peer holds now, for the machine at an address. */
  #copyDisk(id: string, address: string): VirtualDisk {
    const { disk } = this.#world.peer(id);
    const copy = disk.copy(openStream(this.#ports.seed, `disk ${address} ${this.#world.nowMs}`));
    this.#ports.onDiskCopied(disk, copy);
    return copy;
  }

  /** A dead machine is given the disk that was copied away last, if there is one. */
  rollBack(id: string): void {
    const backup = this.#backups.get(id);
    if (backup === undefined) return;
    this.#world.note(id, 'disk rolled back');
    this.#backups.delete(id);
    this.#ports.replaceDisk(id, backup);
  }

  /** A new line in servers.txt: the newcomer starts, running peers read the file again, others when they start. */
  admit(id: string): void {
    if (this.listed.includes(id)) return;
    this.#world.note(id, 'admitted');
    this.listed.push(id);
    for (const peer of this.#ports.machines.all()) this.#reload(peer, [id]);
    this.#world.peer(id).start();
  }

  #reload(peer: VirtualPeer, ids: readonly string[]): void {
    if (!peer.isReachable) return;
    if (ids.every((id) => peer.state.admitted.has(id as PeerId))) return;
    this.#ports.step(peer, () => {
      peer.runtime.admit(ids as readonly PeerId[]);
    });
  }

  /** An operator at one peer forgets a member for good. */
  forget(at: string, member: string): void {
    const peer = this.#world.peer(at);
    if (!peer.isReachable || this.#forgotten.has(member) || at === member) return;
    this.#world.note(at, `forgets ${member}`);
    this.#forgotten.add(member);
    this.#world.truth.loseDisk(member);
    this.#tellForgotten(peer, member);
  }

  #tellForgotten(peer: VirtualPeer, member: string): void {
    this.#ports.step(peer, () => {
      peer.runtime.forget(member as PeerId);
    });
  }

  /** An operator lets a peer take part with what its disk holds: nobody is left to join from. */
  bootstrap(id: string): void {
    const peer = this.#world.peer(id);
    if (!peer.isReachable) return;
    this.#world.note(id, 'is told to take part as it is');
    this.#ports.step(peer, () => {
      peer.runtime.bootstrap();
    });
  }

  /** Everything works again: links, clocks, disks, processes; and there is one of each. */
  healAll(): void {
    this.#world.note('', 'everything is healed');
    for (const id of [...this.#ports.machines.twins.keys()]) this.endTwin(id);
    this.#world.network.heal();
    this.#world.network.setQuality(GOOD_LINK);
    this.#world.network.loseNoKind();
    for (const id of this.ids) this.healPeer(id);
    for (const id of this.#forgotten) {
      this.#ports.end(this.#world.peer(id), 'power'); // somebody switches it off at last
      this.#world.truth.loseDisk(id); // with what it took before it was told
    }
    this.#world.run(2 * this.#world.settings.keepaliveMs);
    const operator = this.#world.peers.find((peer) => peer.isReachable);
    if (operator !== undefined) this.#sayAgain(operator);
    if (this.#world.peers.some((peer) => !peer.isRunning || peer.state.phase === 'member')) return;
    // All wait for somebody to join from: one that holds data is told to go on with that. (Those without any begin by themselves.)
    const waiting = this.#world.peers.find((peer) => peer.state.phase === 'joining');
    if (waiting !== undefined) this.bootstrap(waiting.id);
  }

  /** Who had read a new line may be forgotten by now, and a crash may have taken back a forgetting: the operator looks at one peer, and says both again. */
  #sayAgain(peer: VirtualPeer): void {
    this.#reload(peer, this.ids);
    for (const id of this.#forgotten) this.#tellForgotten(peer, id);
  }

  isSupervised(id: string): boolean {
    return this.#supervised.has(id);
  }

  /** One machine works again, and somebody sees to it that it goes on to; the links stay as they are. */
  healPeer(id: string): void {
    this.#supervised.add(id);
    const peer = this.#world.peer(id);
    peer.clockOffsetMs = 0;
    peer.strayShare = 0;
    peer.disk.setState('ok');
    peer.resume();
    peer.start();
  }
}
