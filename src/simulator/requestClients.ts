/**
 * Simulated clients that give their requests ids, lose replies, and ask again at the same peer or another; and the check of I13: at most one effect per id.
 *
 * Appends, conditional and plain sets, deletions, each executed by the shipped rules (core/requests.ts) in the step of a peer. A request travels on a connection: it may be read
 * late, after its own retry, but only by the process that it was sent to. Judged by what was really executed, never by records. Each client has a stream of chance of its own, and
 * draws nothing that the schedule draws.
 */
import { recordKey, type RequestId } from '../core/requestRecord.ts';
import { giveTicket, judgeRequest, onRequest, type Attempt, type Ticket } from '../core/requests.ts';
import { ToposphereError } from '../core/errors.ts';
import type { Dot } from '../core/types.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { Checker } from './checker.ts';
import { noteCounted } from './countedRequests.ts';
import type { CounterGhost } from './counterGhost.ts';
import { between, chance, openStream, pick, untilNextMs } from './random.ts';
import type { RandomStream } from './random.ts';
import { drawCommand, runAsked, type AskedCommand } from './requestCommands.ts';
import { assertEffects, assertTokensOnce, assertWhole, type Executed } from './requestChecks.ts';
import type { Level, Schedule } from './schedule.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

/** How late a request may be read that was sent, milliseconds; and how long its client waits for the reply before it asks again. */
const LONGEST_FLIGHT_MS = 1_500;
const PATIENCE_MS = 150;
/** A paused process reads what it was sent when it goes on: looked at so often, milliseconds. */
const LOOK_AGAIN_MS = 50;
/** Some clients ask again only when records may have ended, milliseconds. */
const LONGEST_SLEEP_MS = 40_000;
const ATTEMPTS = 4;
const LEVELS: readonly Level[] = ['fast', 'committed', 'committed', 'durable'];

export interface RequestFigures {
  executed: number;
  /** Answered from the record. */
  recorded: number;
  /** First attempts that were read after a later one had been executed. */
  late: number;
  /** Executed at a retry, by a ticket. */
  proved: number;
  unsure: number;
  lost: number;
  refused: number;
  /** Increments among those executed. */
  counted: number;
}

interface RequestClients {
  readonly figures: RequestFigures;
  /** To be called before time starts. */
  readonly begin: (world: World) => void;
  readonly checker: Checker;
}

interface Client {
  readonly name: string;
  readonly random: RandomStream;
  /** Of its increments; undefined where nobody counts. */
  readonly counting: RandomStream | undefined;
  readonly perSecond: number;
  readonly hopShare: number;
  /** Share of replies that it never gets, and of requests that are read late. */
  readonly lossShare: number;
  peer: string;
  serial: number;
  /** Of the peer that it is at. */
  ticket: Ticket | undefined;
}

/** One request of a client, through all its attempts. */
interface Asked extends AskedCommand {
  readonly client: Client;
  readonly id: RequestId;
  readonly level: Level;
  /** Of the process that all attempts so far were sent to; undefined once they were not. */
  ticket: Ticket | undefined;
  attempts: number;
  isOver: boolean;
}

/** `ghost`: of counters, on which requests count too then. */
export function createRequestClients(
  { seed, durationMs, events, requests = 0 }: Pick<Schedule, 'seed' | 'durationMs' | 'events' | 'requests'>,
  ghost: CounterGhost | undefined,
): RequestClients {
  const figures: RequestFigures = {
    executed: 0,
    recorded: 0,
    late: 0,
    proved: 0,
    unsure: 0,
    lost: 0,
    refused: 0,
    counted: 0,
  };
  const executed = new Map<RequestId, Executed>();
  /** Machines whose disk is not the one that they began with: what it had of their own may come back from others, bit by bit. */
  const otherDisks = new Set<string>();
  /** Records end by clocks: which are wrong, nobody can say how early. */
  const areClocksGood = !events.some((event) => event.do === 'clock');

  function next(world: World, client: Client): void {
    const { random } = client;
    const atMs = world.nowMs + untilNextMs(random, client.perSecond);
    if (atMs >= durationMs) return;
    world.at(atMs, () => {
      if (chance(random, client.hopShare)) hop(world, client);
      client.ticket ??= askTicket(world, client);
      if (chance(random, 0.1)) client.ticket = askTicket(world, client) ?? client.ticket;
      attempt(world, draw(client));
    });
  }

  /** Sends it, or finds that it cannot: then nothing was sent, and it is as new as before. */
  function attempt(world: World, asked: Asked): void {
    const { client } = asked;
    const { random, peer: id } = client;
    if (asked.isOver || world.nowMs >= durationMs) return;
    if (asked.attempts >= ATTEMPTS) {
      end(world, asked);
      return;
    }
    const incarnation = incarnationAt(world, id);
    if (incarnation === undefined) {
      hop(world, client);
      client.ticket = askTicket(world, client);
      world.at(world.nowMs + PATIENCE_MS, () => {
        attempt(world, asked);
      });
      return;
    }
    if (asked.attempts === 0) asked.ticket = client.ticket;
    else if (asked.ticket?.id !== id) asked.ticket = undefined; // of another process of that peer it proves nothing: for the peer to say
    const how: Attempt = asked.attempts === 0 ? 'first' : (asked.ticket ?? 'again');
    asked.attempts += 1;
    const [flightMs, losesReply] = [
      chance(random, client.lossShare) ? between(random, 0, LONGEST_FLIGHT_MS) : 0,
      chance(random, client.lossShare),
    ];
    const untilMs = world.nowMs + LONGEST_FLIGHT_MS;
    const waitMs = chance(random, 0.02) ? between(random, PATIENCE_MS, LONGEST_SLEEP_MS) : PATIENCE_MS;
    deliver(world, asked, how, { id, incarnation, flightMs, untilMs, losesReply });
    world.at(world.nowMs + waitMs, () => {
      if (asked.isOver) return;
      if (chance(random, client.hopShare)) hop(world, client);
      attempt(world, asked);
    });
  }

  /** Only the process that it was sent to reads it, if it lives; a paused one when it goes on. */
  function deliver(
    world: World,
    asked: Asked,
    how: Attempt,
    way: {
      readonly id: string;
      readonly incarnation: number;
      readonly flightMs: number;
      readonly untilMs: number;
      readonly losesReply: boolean;
    },
  ): void {
    world.at(world.nowMs + way.flightMs, () => {
      if (world.nowMs >= durationMs) return; // what is lost with the clients' time is lost
      const isRead = world.visit(way.id, (peer) => {
        if (peer.state.self.incarnation === way.incarnation) read(world, peer, asked, how, way.losesReply);
        return true;
      });
      if (!isRead && world.nowMs + LOOK_AGAIN_MS < way.untilMs)
        deliver(world, asked, how, { ...way, flightMs: LOOK_AGAIN_MS });
    });
  }

  /** A peer has read a request: what the server in front of it does (server/requestOnce.ts). */
  function read(world: World, peer: VirtualPeer, asked: Asked, how: Attempt, losesReply: boolean): void {
    const { state } = peer;
    const verdict = judgeRequest(state, asked.id, how);
    const known = executed.get(asked.id);
    const answer = (): void => {
      if (!losesReply) end(world, asked);
    };
    switch (verdict.kind) {
      case 'new':
        execute(world, peer, asked, how, answer);
        return;
      case 'executed':
        assertRecorded(peer, asked, verdict.reply, known);
        if (how === 'first') figures.late += 1;
        figures.recorded += 1;
        answer();
        return;
      case 'lost':
        if (known === undefined) throw broken(peer, asked, 'is said to be lost, and was never executed');
        figures.lost += 1;
        answer();
        return;
      case 'unsure':
        assertForgotten(world, peer, asked, verdict.why, known);
        figures.unsure += 1;
    }
  }

  function execute(world: World, peer: VirtualPeer, asked: Asked, how: Attempt, answer: () => void): void {
    const { state, runtime, touched } = peer;
    const ran = runAsked(peer, asked);
    if (ran.kind !== 'done') {
      if (ran.kind === 'error') answer();
      else figures.refused += 1;
      return;
    }
    const { reply, changes } = ran;
    const first = touched.entries.length;
    const record: Dot = { ...state.self, sequence: state.own.have.contiguous + 1 };
    try {
      runtime.attempt((core, now) =>
        onRequest(core, now, asked.id, Buffer.from(reply), changes, asked.level === 'fast'),
      );
    } catch (error) {
      if (!(error instanceof ToposphereError)) throw error;
      figures.refused += 1;
      return;
    }
    if (executed.has(asked.id)) throw broken(peer, asked, 'was executed twice');
    executed.set(asked.id, { record, last: record.sequence + changes.length, reply, atMs: world.nowMs });
    figures.executed += 1;
    if (asked.counted !== undefined && ghost !== undefined) {
      noteCounted(world, peer, ghost, asked.counted, asked.level, first);
      figures.counted += 1;
    }
    if (how !== 'first') figures.proved += 1;
    const kept = peer.disk.store.readEntry(recordKey(asked.id));
    if (kept?.sequence !== record.sequence || state.own.have.contiguous !== record.sequence + changes.length)
      throw broken(peer, asked, 'was executed without its record in the same turn, below what it changed');
    world.note(peer.address, `${asked.client.name} executes ${asked.id}: ${asked.verb} ${asked.key}`);
    runtime.acknowledge(asked.level, (failure) => {
      if (failure === undefined) answer();
    });
    runtime.endTurnSoon();
  }

  /** What it answers must be what was answered when it was executed. */
  function assertRecorded(
    peer: VirtualPeer,
    asked: Asked,
    bytes: Uint8Array,
    known: Executed | undefined,
  ): void {
    if (known === undefined) throw broken(peer, asked, 'is answered from a record, and was never executed');
    assertEffects(peer, asked.id, known);
    if (Buffer.from(bytes).toString() !== known.reply)
      throw broken(
        peer,
        asked,
        `was answered ${known.reply}, and is answered ${Buffer.from(bytes).toString()}`,
      );
  }

  /** The process that executed it knows it for as long as records are kept. */
  function assertForgotten(
    world: World,
    peer: VirtualPeer,
    asked: Asked,
    why: string,
    known: Executed | undefined,
  ): void {
    const { self, settings } = peer.state;
    if (known === undefined || !areClocksGood || why === 'arriving') return;
    const isBy = known.record.id === self.id && known.record.incarnation === self.incarnation;
    if (isBy && world.nowMs - known.atMs < settings.limits.requestsKeptMs - settings.maxDriftMs)
      throw broken(
        peer,
        asked,
        `was executed here ${world.nowMs - known.atMs} ms ago, and is unsure (${why})`,
      );
  }

  function end(world: World, asked: Asked): void {
    if (asked.isOver) return;
    asked.isOver = true;
    next(world, asked.client);
  }

  return {
    figures,
    begin: (world) => {
      for (let at = 0; at < requests; at += 1) {
        const random = openStream(seed, `requests ${at}`);
        next(world, {
          name: `asker${at}`,
          random,
          counting: ghost === undefined ? undefined : openStream(seed, `requests ${at} that count`),
          perSecond: between(random, 2, 15),
          hopShare: pick(random, [0, 0.1, 0.5]),
          lossShare: pick(random, [0, 0.1, 0.5]),
          peer: pick(random, world.ids),
          serial: 0,
          ticket: undefined,
        });
      }
    },
    checker: {
      afterNewDisk: (_world, peer) => void otherDisks.add(peer.address),
      afterStart: (_world, peer) => {
        if (peer.address !== peer.id || otherDisks.has(peer.address)) return;
        for (const [id, one] of executed) assertWhole(peer, id, one);
      },
      atRest: assertTokensOnce,
    },
  };
}

function broken(peer: VirtualPeer, { id }: Asked, what: string): BrokenInvariant {
  return new BrokenInvariant('I13', `at ${peer.address} the request '${id}' ${what}`);
}

/** Ids of one client have parts in common, and so have those of two. */
function draw(client: Client): Asked {
  const { random, counting } = client;
  client.serial += 1;
  const command = drawCommand(random, counting);
  return {
    client,
    id: `of ${client.name}/${client.serial}` as RequestId,
    token: `${client.name}/${client.serial}`,
    ...command,
    level: pick(random, LEVELS),
    ticket: undefined,
    attempts: 0,
    isOver: false,
  };
}

function hop(world: World, client: Client): void {
  client.peer = pick(client.random, world.ids);
  client.ticket = undefined;
}

function askTicket(world: World, { peer: id }: Client): Ticket | undefined {
  let ticket: Ticket | undefined;
  if (world.ids.includes(id))
    world.visit(id, ({ state }) => {
      ticket = giveTicket(state);
      return true;
    });
  return ticket;
}

/** The process that a connection would reach; undefined where it is refused. A paused one takes it. */
function incarnationAt(world: World, id: string): number | undefined {
  if (!world.ids.includes(id)) return undefined;
  const peer = world.peer(id);
  return peer.isRunning ? peer.state.self.incarnation : undefined;
}
