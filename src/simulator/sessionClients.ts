/**
 * Simulated clients that carry a session from peer to peer, and the check of what they are promised (protocol.md, section 7).
 *
 * Read your writes, monotonic reads, monotonic writes, writes follow reads: judged by what each client itself has seen and been told, never by
 * its token. Each client has a stream of chance of its own, and draws nothing that the schedule draws.
 */
import { forgive, followSession, judgeSession, noteRead, type SessionParts } from '../core/serveSession.ts';
import { EMPTY_SESSION, type SessionToken } from '../core/session.ts';
import { isVisible } from '../core/expiry.ts';
import { compareTags, originKey, SYNTHETIC_ID } from '../core/types.ts';
import { hasSequence, type HaveSet } from '../core/haveSet.ts';
import type { Entry, Key, Origin, Tag } from '../core/types.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { Checker } from './checker.ts';
import { between, chance, openStream, pick, untilNextMs, wholeBetween } from './random.ts';
import type { RandomStream } from './random.ts';
import type { Level, Schedule } from './schedule.ts';
import type { PeerState } from '../core/state.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

/** How long a client keeps asking a peer that is behind before it turns to another one, milliseconds. */
const PATIENCE_MS = 400;
const ASK_AGAIN_MS = 20;
/** How often a client does nothing for a while: rounds end meanwhile, and what became of its writes may be forgotten. */
const IDLE_SHARE = 0.02;
const LONGEST_IDLE_MS = 15_000;
const LEVELS: readonly Level[] = ['fast', 'committed', 'committed', 'durable'];

export interface SessionFigures {
  reads: number;
  writes: number;
  behind: number;
  undecided: number;
  lost: number;
  /** Values older than what a client had seen where every disk on which a round had found that was lost since: nobody can tell. */
  lostEverywhere: number;
  hops: number;
}

interface SessionClients {
  readonly figures: SessionFigures;
  /** To be called before time starts. */
  readonly begin: (world: World) => void;
  readonly checker: Checker;
}

interface Known extends Tag {
  readonly expiresAt: number;
  readonly isValue: boolean;
  readonly atMs: number;
  /** Members of the round that it was on the disks of, once the token demands it no more; empty when it was let go of for another reason. */
  members: readonly string[] | undefined;
}

/** What a client knows of its own session. */
interface Client {
  readonly name: string;
  readonly random: RandomStream;
  readonly perSecond: number;
  readonly hopShare: number;
  readonly ownKeys: number;
  peer: string;
  token: SessionToken;
  /** The newest tag it read, or wrote and had acknowledged, of each key. */
  readonly known: Map<Key, Known>;
  newest: number;
}

/** The clients that the schedule asks for, over all its peers, as long as its faults last. */
export function createSessionClients({
  seed,
  durationMs,
  sessions = 0,
}: Pick<Schedule, 'seed' | 'durationMs' | 'sessions'>): SessionClients {
  const figures: SessionFigures = {
    reads: 0,
    writes: 0,
    behind: 0,
    undecided: 0,
    lost: 0,
    lostEverywhere: 0,
    hops: 0,
  };
  const clients: Client[] = [];
  /** When each machine was given its present disk. */
  const newDiskAtMs = new Map<string, number>();

  function hop(world: World, client: Client): void {
    figures.hops += 1;
    client.peer = pick(client.random, world.ids);
  }

  /** Asks for the session at the client's peer, again and elsewhere, until one serves it; then `serve` runs in that peer's step. */
  function visit(
    world: World,
    client: Client,
    untilMs: number,
    serve: (peer: VirtualPeer) => void,
    done: () => void,
  ): void {
    const again = (): void => {
      if (world.nowMs >= untilMs) {
        hop(world, client);
        done();
        return;
      }
      world.at(world.nowMs + ASK_AGAIN_MS, () => {
        visit(world, client, untilMs, serve, done);
      });
    };
    const { peer: id } = client;
    const served = world.ids.includes(id) && world.visit(id, (peer) => ask(world, client, peer, serve));
    if (served) done();
    else again();
  }

  function ask(world: World, client: Client, peer: VirtualPeer, serve: (peer: VirtualPeer) => void): boolean {
    const { state } = peer;
    const verdict = judgeSession(state, peer.now(), client.token);
    peer.runtime.endTurnSoon();
    switch (verdict.kind) {
      case 'serves':
        serve(peer);
        return true;
      case 'lost':
        figures.lost += 1;
        world.note(client.name, `at ${peer.address}: lost (${verdict.why})`);
        takeLoss(client, verdict.parts);
        return false;
      default:
        figures[verdict.kind] += 1;
        return false;
    }
  }

  /** The client is told, and expects those no more. */
  function takeLoss(client: Client, parts: SessionParts): void {
    for (const [key, seen] of client.token.tags) {
      if (!parts.keys.has(key)) continue;
      const known = client.known.get(key);
      if (known !== undefined && compareTags(known, seen) <= 0) client.known.delete(key);
    }
    for (const origin of parts.origins) {
      const seen = client.token.ranges.get(origin)?.seen;
      for (const [key, { id, incarnation, sequence }] of client.known) {
        if (originKey(id, incarnation) !== origin || seen === undefined) continue;
        if (sequence >= seen[0] && sequence <= seen[1]) client.known.delete(key);
      }
    }
    client.token = forgive(client.token, parts);
  }

  function read(world: World, client: Client, key: Key, peer: VirtualPeer): void {
    const { state } = peer;
    const entry = peer.disk.store.readEntry(key);
    assertNotOlder(world, client, peer, key, entry);
    note(client, state, key, entry);
    if (entry !== undefined) remember(client, key, entry, world.nowMs);
    figures.reads += 1;
  }

  function write(world: World, client: Client, key: Key, peer: VirtualPeer): void {
    const { random } = client;
    const level = pick(random, LEVELS);
    const value = chance(random, 0.15) ? undefined : `${client.name} ${figures.writes}`;
    const expiresInMs =
      value !== undefined && chance(random, 0.1) ? wholeBetween(random, 1, 3_000) : undefined;
    followSession(peer.state, client.token);
    const outcome = world.write(client.peer, key, value, { level, expiresInMs });
    if (outcome.kind !== 'taken') return;
    figures.writes += 1;
    const { written } = outcome;
    if (written.entry.timestamp <= client.newest)
      throw new BrokenInvariant(
        'session writes',
        `${client.name} wrote ${key} at ${peer.address} under a timestamp that is not above what it had seen`,
      );
    const { state } = peer;
    peer.runtime.acknowledge(level, (failure) => {
      if (failure !== undefined) return;
      note(client, state, key, written.entry);
      remember(client, key, written.entry, world.nowMs);
    });
  }

  function remember(client: Client, key: Key, entry: Entry, atMs: number): void {
    const known = client.known.get(key);
    client.newest = Math.max(client.newest, entry.timestamp);
    if (known !== undefined && compareTags(known, entry) >= 0) return;
    const { timestamp, id, incarnation, sequence, expiresAt, kind } = entry;
    client.known.set(key, {
      timestamp,
      id,
      incarnation,
      sequence,
      expiresAt,
      isValue: kind === 'value',
      atMs,
      members: undefined,
    });
  }

  function assertNotOlder(
    world: World,
    client: Client,
    peer: VirtualPeer,
    key: Key,
    entry: Entry | undefined,
  ): void {
    const known = client.known.get(key);
    if (known === undefined) return;
    if (entry !== undefined && compareTags(entry, known) >= 0) return;
    const isGone = entry === undefined || !isVisible(peer.state, peer.now(), entry);
    if (isGone && !known.isValue) return; // it saw nothing, and sees nothing
    if (isGone && known.expiresAt !== 0) return;
    if (isGone && world.truth.hasDroppable(key, known, peer.state.horizon)) return;
    if (isLostEverywhere(world, known)) {
      figures.lostEverywhere += 1;
      client.known.delete(key);
      return;
    }
    throw new BrokenInvariant(
      'session reads',
      `${client.name} reads ${key} at ${peer.address} as of ${entry?.timestamp ?? 'nothing'}, and had seen it as of ${known.timestamp} of ${known.id}`,
    );
  }

  /** The token relies on a round for it, and every member of that round has another disk by now, or is no member any more. */
  function isLostEverywhere({ ids }: World, { members = [], atMs }: Known): boolean {
    const isReplaced = (id: string): boolean => (newDiskAtMs.get(id) ?? -1) >= atMs;
    return members.length > 0 && members.every((id) => !ids.includes(id) || isReplaced(id));
  }

  function note(client: Client, state: PeerState, key: Key, entry: Entry | undefined): void {
    const token = noteRead(state, client.token, key, entry);
    client.token = token;
    for (const [other, known] of client.known) {
      const { through = 0 } = token.ranges.get(originKey(known.id, known.incarnation)) ?? {};
      if (!token.tags.has(other) && through < known.sequence) known.members ??= [...token.promises.keys()];
    }
  }

  function next(world: World, client: Client): void {
    const { random } = client;
    const idleMs = chance(random, IDLE_SHARE) ? between(random, 1_000, LONGEST_IDLE_MS) : 0;
    const atMs = world.nowMs + untilNextMs(random, client.perSecond) + idleMs;
    if (atMs >= durationMs) return;
    world.at(atMs, () => {
      if (chance(random, client.hopShare)) hop(world, client);
      const key = drawKey(client);
      const isWrite = chance(random, 0.4);
      visit(
        world,
        client,
        world.nowMs + PATIENCE_MS,
        (peer) => {
          if (isWrite) write(world, client, key, peer);
          else read(world, client, key, peer);
        },
        () => {
          next(world, client);
        },
      );
    });
  }

  return {
    figures,
    begin: (world) => {
      for (let at = 0; at < sessions; at += 1) {
        const random = openStream(seed, `session ${at}`);
        const client: Client = {
          name: `client${at}`,
          random,
          perSecond: between(random, 2, 20),
          hopShare: pick(random, [0, 0.05, 0.5]),
          ownKeys: pick(random, [3, 10, 60]),
          peer: pick(random, world.ids),
          token: EMPTY_SESSION,
          known: new Map(),
          newest: 0,
        };
        clients.push(client);
        next(world, client);
      }
    },
    checker: {
      afterNewDisk: ({ nowMs }, { address }) => {
        newDiskAtMs.set(address, nowMs);
      },
      atRest: (world) => {
        for (const client of clients)
          for (const peer of world.peers) {
            if (demandsLost(world, client.token)) continue;
            const verdict = judgeSession(peer.state, peer.now(), client.token);
            if (verdict.kind === 'serves' || verdict.kind === 'lost') continue;
            if (verdict.kind === 'behind' && verdict.why === 'clock') continue; // of a write that was lost, and ahead of its time
            if (verdict.kind === 'behind' && verdict.why === 'disk') continue; // until the round that it wants now (seed 727342)
            throw new BrokenInvariant(
              'session liveness',
              `${client.name} is ${verdict.kind} at ${peer.address} when all is healed`,
            );
          }
      },
    },
  };
}

/** Keys that everybody writes, and keys of its own: more of them than a token has room for. */
function drawKey({ name, random, ownKeys }: Client): Key {
  return (
    chance(random, 0.4) ? `k${wholeBetween(random, 1, 3)}` : `${name}.${wholeBetween(random, 1, ownKeys)}`
  ) as Key;
}

/** Whether the token demands what no peer has any more: the next round tells. */
function demandsLost({ peers }: World, { tags, ranges }: SessionToken): boolean {
  const haves = (origin: Origin): readonly HaveSet[] =>
    peers.flatMap(({ state }) => state.origins.get(originKey(origin.id, origin.incarnation))?.have ?? []);
  for (const seen of tags.values())
    if (
      seen.id === SYNTHETIC_ID
        ? peers.every(({ state }) => state.horizon < seen.timestamp) // every disk was put back behind it (seed 803611)
        : !haves(seen).some((have) => hasSequence(have, seen.sequence))
    )
      return true;
  for (const range of ranges.values())
    if (!haves(range).some(({ contiguous }) => contiguous >= range.through)) return true;
  return false;
}
