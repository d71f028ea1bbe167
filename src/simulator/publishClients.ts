/**
 * Simulated clients that publish, and a listener at every process: who was told what, judged from outside by what was published.
 *
 * Each client has a stream of chance of its own, and draws nothing that the schedule draws. Judged in every run: a listener is told what somebody published, of each publisher
 * in order and none twice, and nothing of before it began to listen; nothing is waited for in vain for longer than messages are kept. Where nothing but a twentieth lost, repetition and disorder of packets is wrong, 999 of 1,000 come.
 */
import { ToposphereError } from '../core/errors.ts';
import type { Feed } from '../core/onPublish.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { Checker } from './checker.ts';
import { between, chance, openStream, pick, untilNextMs, wholeBetween } from './random.ts';
import type { RandomStream } from './random.ts';
import { isOperation, type LinkQuality, type Schedule } from './schedule.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

export interface PublishFigures {
  published: number;
  /** Told at other processes than the publisher's. */
  told: number;
  /** How many were to be told there, where nobody was ever away; else 0. */
  due: number;
}

/** A message's own text says which it is. */
interface Said {
  readonly publisher: string;
  readonly incarnation: number;
  readonly number: number;
}

/** What one process was told. */
interface Listener {
  readonly peer: VirtualPeer;
  readonly incarnation: number;
  readonly beganMs: number;
  /** The last of each publisher. */
  readonly last: Map<string, Said>;
}

const CHANNEL = 'feed';
/** What is on its way when a process begins to listen may still come to it; no packet is under way for longer, milliseconds. */
const UNDER_WAY_MS = 1_000;
const LEAST_SHARE = 0.999;
const MOST_LOSS = 0.05;
/** Listeners have begun by then: who begins while a feed does may miss its first messages, milliseconds. */
const BEGIN_MS = 1_000;
/** Time at the end of a run in which nothing new is published: what is repaired has come by then, milliseconds. */
const QUIET_MS = 2_500;

interface PublishClients {
  readonly checker: Checker;
  readonly figures: PublishFigures;
  /** To be called before time starts. */
  readonly begin: (world: World) => void;
}

export function createPublishClients({
  seed,
  durationMs,
  events,
  link,
  settings,
  publishers = 0,
}: Pick<Schedule, 'seed' | 'durationMs' | 'events' | 'link' | 'settings' | 'publishers'>): PublishClients {
  const figures: PublishFigures = { published: 0, told: 0, due: 0 };
  /** When each was published, by publishing process; the n-th is its number n + 1. */
  const published = new Map<string, number[]>();
  let broken: BrokenInvariant | undefined;

  function judge(world: World, listener: Listener, text: string): void {
    const said = parse(text);
    const where = `${listener.peer.address} was told ${text.slice(0, 60)}`;
    const times = published.get(nameOf(said));
    const atMs = times?.[said.number - 1];
    const last = listener.last.get(said.publisher);
    listener.last.set(said.publisher, said);
    if (atMs === undefined) broken ??= new BrokenInvariant('pubsub', `${where}, which nobody published`);
    else if (last !== undefined && !isAfter(said, last))
      broken ??= new BrokenInvariant('pubsub', `${where} after ${nameOf(last)} ${last.number}`);
    else if (atMs < listener.beganMs - UNDER_WAY_MS)
      broken ??= new BrokenInvariant(
        'pubsub',
        `${where}, published ${Math.round(listener.beganMs - atMs)} ms before it began to listen`,
      );
    if (said.publisher !== listener.peer.id || said.incarnation !== listener.incarnation) figures.told += 1;
    world.note(listener.peer.address, `told ${nameOf(said)} ${said.number}`);
  }

  function publish(world: World, random: RandomStream, peer: VirtualPeer): boolean {
    const { id, incarnation } = peer.state.self;
    const about = { publisher: id, incarnation };
    const times = published.get(nameOf(about)) ?? [];
    published.set(nameOf(about), times);
    for (let left = wholeBetween(random, 1, 20); left > 0; left -= 1) {
      const number = times.length + 1;
      const padding = chance(random, 0.02) ? 'x'.repeat(wholeBetween(random, 1_000, 5_000)) : '';
      times.push(world.nowMs);
      try {
        peer.runtime.publications.publish(CHANNEL, Buffer.from(`${id} ${incarnation} ${number} ${padding}`));
      } catch (error) {
        if (!(error instanceof ToposphereError)) throw error;
        times.pop();
        return false;
      }
      figures.published += 1;
    }
    return true;
  }

  function next(
    world: World,
    client: { readonly random: RandomStream; peer: string; perSecond: number },
  ): void {
    const { random } = client;
    const atMs = Math.max(BEGIN_MS, world.nowMs) + untilNextMs(random, client.perSecond);
    if (atMs >= durationMs - QUIET_MS) return;
    world.at(atMs, () => {
      const { peer: id } = client;
      const isTaken = world.ids.includes(id) && world.visit(id, (peer) => publish(world, random, peer));
      if (!isTaken || chance(random, 0.02)) client.peer = pick(random, world.ids);
      next(world, client);
    });
  }

  return {
    figures,
    begin(world) {
      for (let at = 0; at < publishers; at += 1) {
        const random = openStream(seed, `publishers ${at}`);
        next(world, { random, peer: pick(random, world.ids), perSecond: between(random, 8, 14) });
      }
    },
    checker: {
      afterStart(world, peer) {
        if (publishers === 0) return;
        const { incarnation } = peer.state.self;
        const listener = { peer, incarnation, beganMs: world.nowMs, last: new Map<string, Said>() };
        peer.runtime.publications.subscriptions.add(CHANNEL, {
          onMessage: (_channel, message) => {
            judge(world, listener, Buffer.from(message).toString());
          },
        });
      },
      afterStep(_world, { address, state }) {
        if (publishers === 0) return;
        if (broken !== undefined) throw broken;
        const { publishKeptBytes, maxPublishKept } = state.settings.limits;
        for (const { waiting, waitingBytes } of state.publishing.feeds.values())
          if (waiting.size > maxPublishKept || waitingBytes > publishKeptBytes)
            throw new BrokenInvariant('I14', `more messages wait at ${address} than may`);
      },
      atRest(world) {
        if (publishers === 0) return;
        for (const { address, state } of world.peers)
          for (const feed of state.publishing.feeds.values())
            if (waitsSinceMs(feed) + state.settings.limits.publishKeptMs < world.nowMs)
              throw new BrokenInvariant('pubsub', `${address} still waits for messages of ${feed.id}`);
        if (!isGood(link) || settings.limits !== undefined || !events.every(isOperation)) return;
        figures.due = figures.published * (world.peers.length - 1);
        if (figures.told < LEAST_SHARE * figures.due)
          throw new BrokenInvariant(
            'pubsub',
            `nobody was ever away, and of ${figures.due} messages to be told ${figures.told} were`,
          );
      },
    },
  };
}

/** Whether it loses no more than is repaired in time. */
function isGood({ loss, updateLoss, multicastLoss }: LinkQuality): boolean {
  return Math.max(loss, updateLoss, multicastLoss) <= MOST_LOSS;
}

/** Since when a message is missing, monotonic milliseconds; Infinity while none is. */
function waitsSinceMs({ next, last, lastAtMs, waiting }: Feed): number {
  if (next > last) return Infinity;
  let sinceMs = lastAtMs;
  for (const { atMs } of waiting.values()) sinceMs = Math.min(sinceMs, atMs);
  return sinceMs;
}

function nameOf({ publisher, incarnation }: Pick<Said, 'publisher' | 'incarnation'>): string {
  return `${publisher}/${incarnation}`;
}

function parse(text: string): Said {
  const [publisher = '', incarnation = '', number = ''] = text.split(' ', 3);
  return { publisher, incarnation: Number(incarnation), number: Number(number) };
}

function isAfter(one: Said, other: Said): boolean {
  if (one.incarnation !== other.incarnation) return one.incarnation > other.incarnation;
  return one.number > other.number;
}
