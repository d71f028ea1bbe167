/**
 * Chance from a seed: one independent stream for each concern, so that a change in one (a packet more, an operation
 * less) leaves the draws of all others as they were.
 *
 * Owns the generator (sfc32) and how a seed and a concern's name become its state. Equal seeds and names, equal streams, on
 * every machine.
 */
import { fnv1a } from '../core/vectorHash.ts';

/** Uniform in [0, 1). */
export type RandomStream = () => number;

/** Draws thrown away so that similar seeds part. */
const WARM_UP = 12;

/** The stream of `concern` under `seed`, for instance `link alpha>beta`. Source: PractRand's sfc32. */
export function openStream(seed: number, concern: string): RandomStream {
  let a = seed >>> 0;
  let b = Math.floor(seed / 2 ** 32) >>> 0;
  let c = fnv1a(concern);
  let counter = 1;
  const draw = (): number => {
    const mixed = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + mixed) | 0;
    return (mixed >>> 0) / 2 ** 32;
  };
  for (let at = 0; at < WARM_UP; at += 1) draw();
  return draw;
}

/** The streams of one run, each begun once: whoever asks for a concern again goes on where it was left. */
export function createStreams(seed: number): (concern: string) => RandomStream {
  const streams = new Map<string, RandomStream>();
  return (concern) => {
    let stream = streams.get(concern);
    if (stream === undefined) {
      stream = openStream(seed, concern);
      streams.set(concern, stream);
    }
    return stream;
  };
}

/** Uniform in [low, high). */
export function between(random: RandomStream, low: number, high: number): number {
  return low + (high - low) * random();
}

/** Whole number, low to high, both inclusive. */
export function wholeBetween(random: RandomStream, low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1));
}

/** True with the given probability. */
export function chance(random: RandomStream, probability: number): boolean {
  return random() < probability;
}

export function pick<T>(random: RandomStream, items: readonly T[]): T {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}

/** Time until the next of events that come `perSecond` on average, milliseconds (Poisson). */
export function untilNextMs(random: RandomStream, perSecond: number): number {
  return perSecond <= 0 ? Infinity : (-Math.log(1 - random()) / perSecond) * 1000;
}

/** A part of `items`, at least one and, when there are two or more, not all; in their order. */
export function part<T>(random: RandomStream, items: readonly T[]): T[] {
  if (items.length < 2) return [...items];
  for (;;) {
    const chosen = items.filter(() => random() < 0.5);
    if (chosen.length > 0 && chosen.length < items.length) return chosen;
  }
}
