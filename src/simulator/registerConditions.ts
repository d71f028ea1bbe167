/**
 * What clients of registers are tried under, beside the faults of a seed: links and clocks that leave writes half way.
 *
 * Owns what is drawn for them; generate.ts puts it into a schedule in place of its own links.
 */
import { between, chance, part, pick } from './random.ts';
import type { RandomStream } from './random.ts';
import { GOOD_LINK } from './schedule.ts';
import type { Fault, LinkQuality, Schedule } from './schedule.ts';

interface RegisterConditions {
  readonly link: LinkQuality;
  readonly faults: readonly Fault[];
}

/** Undefined without clients of registers. */
export function drawRegisterConditions(
  stream: (concern: string) => RandomStream,
  { peers, durationMs }: Pick<Schedule, 'peers' | 'durationMs'>,
  registers = 0,
): RegisterConditions | undefined {
  if (registers === 0) return undefined;
  return {
    link: drawRegisterLink(stream('register link')),
    faults: [
      ...drawSkews(stream('register clocks'), peers),
      ...drawBlackouts(stream('register blackouts'), { peers, durationMs }),
    ],
  };
}

/** Where every UPDATE arrives at once, a write is hardly ever with some members and not with others. */
function drawRegisterLink(random: RandomStream): LinkQuality {
  return {
    ...GOOD_LINK,
    loss: pick(random, [0, 0.05, 0.25]),
    updateLoss: pick(random, [0, 0.5, 1]),
    reorder: pick(random, [0, 0.3]),
    duplicate: pick(random, [0, 0.1]),
    maxDelayMs: pick(random, [0.25, 5, 50]),
  };
}

/** Clocks that differ as much as is tolerated: where they agree, whoever writes later stamps higher by itself. */
function drawSkews(random: RandomStream, peers: readonly string[]): Fault[] {
  const rangeMs = pick(random, [0, 100, 220]);
  return peers.map((peer) => ({
    atMs: 0,
    do: 'clock',
    peer,
    offsetMs: Math.round(between(random, -rangeMs, rangeMs)),
  }));
}

/** Power fails where several disks have committed and not flushed: whatever was said there of what was not durable yet is undone at once. */
function drawBlackouts(
  random: RandomStream,
  { peers, durationMs }: Pick<Schedule, 'peers' | 'durationMs'>,
): Fault[] {
  const faults: Fault[] = [];
  if (chance(random, 0.5)) return faults;
  for (let atMs = between(random, 0, 5_000); atMs < durationMs; atMs += between(random, 2_000, 6_000)) {
    const failMs = atMs + between(random, 20, 500);
    const startMs = failMs + between(random, 10, 500);
    for (const peer of part(random, peers))
      faults.push(
        { atMs, do: 'disk', peer, state: 'unflushed' },
        { atMs: failMs, do: 'crash', peer, power: true },
        { atMs: failMs, do: 'disk', peer, state: 'ok' },
        { atMs: startMs, do: 'start', peer },
      );
  }
  return faults;
}
