/**
 * A script by chance, from a seed: rounds of faults, each taken back, and how soon all are equal again.
 *
 * Owns the faults and their bounds (issue 6: loss to 30%, delay to 200 ms, kills, pauses, one full disk). What comes out is a scenario as text: print it, change it, run it
 * again. Invariant: every kind of fault comes once before any comes twice; whatever a round does it takes back, and what a kill or a pause needs
 * comes before the clock starts.
 */
import { between, openStream, wholeBetween, type RandomStream } from '../../src/simulator/random.ts';

export interface ChaosOptions {
  readonly ids: readonly string[];
  readonly seed: number;
  readonly durationMs: number;
  /** Nothing ends a process or switches multicast: for what has to go on without a restart. */
  readonly keepsProcesses?: boolean;
}

interface Fault {
  readonly begin: string;
  readonly end: string;
}

/** What a fault is done to: itself alone, for a host that is paused cannot be killed as well. */
type Kind = (random: RandomStream, victim: string, ids: readonly string[]) => Fault;

/** Milliseconds that a fault lasts, and that all is well between two rounds. */
const FAULT_MS = { least: 1_500, most: 6_000 } as const;
const REST_MS = { least: 300, most: 1_500 } as const;
/** What the end of a round takes at the least: a course lasts as long as was asked for, or a little longer. */
const HEALING_MS = 600;
const FAULTS_AT_ONCE = 3;
/** Milliseconds after which hosts that are not equal are given up. */
const GIVEN_UP = '30s';

const CALM: Readonly<Record<string, Kind>> = {
  halves: (random, _, ids) => {
    const mixed = shuffle(random, ids);
    const middle = wholeBetween(random, 1, ids.length - 1);
    return {
      begin: `cut ${mixed.slice(0, middle).join(',')} from ${mixed.slice(middle).join(',')}`,
      end: 'heal',
    };
  },
  alone: (_, victim, ids) => ({ begin: `cut ${victim} from ${others(ids, victim)}`, end: 'heal' }),
  oneWay: (random, victim, ids) => {
    const some = shuffle(
      random,
      ids.filter((id) => id !== victim),
    ).slice(0, wholeBetween(random, 1, ids.length - 1));
    return { begin: `cut ${victim} to ${some.join(',')}`, end: 'heal' };
  },
  loss: (random) => ({ begin: `lose ${wholeBetween(random, 5, 30)}%`, end: 'lose 0%' }),
  delay: (random) => {
    const high = wholeBetween(random, 5, 200);
    return { begin: `delay ${wholeBetween(random, 0, high)}..${high}ms`, end: 'delay 0ms' };
  },
  reorder: (random) => ({
    begin: `reorder ${wholeBetween(random, 5, 30)}%; duplicate ${wholeBetween(random, 1, 10)}%`,
    end: 'reorder 0%; duplicate 0%',
  }),
  rate: (random, victim) => ({
    begin: `rate ${victim} ${wholeBetween(random, 400, 4_000)}kbit`,
    end: `rate ${victim} off`,
  }),
};

const VIOLENT: Readonly<Record<string, Kind>> = {
  kill: (_, victim) => ({ begin: `crash ${victim}`, end: `start ${victim}` }),
  pause: (_, victim) => ({ begin: `pause ${victim}`, end: `resume ${victim}` }),
  multicast: () => ({ begin: 'lose 100% of multicast', end: 'lose 0% of multicast' }),
};

/** Lines of the course, and those that take its last faults back. */
export interface Chaos {
  readonly course: string;
  readonly finale: string;
}

export function generateChaos({ ids, seed, durationMs, keepsProcesses = false }: ChaosOptions): Chaos {
  const random = openStream(seed, 'chaos');
  const fullDisk: Kind = () => {
    const last = ids.at(-1) ?? '';
    return { begin: `disk ${last} full`, end: `disk ${last} ok` };
  };
  const kinds = Object.entries(keepsProcesses ? CALM : { ...CALM, ...VIOLENT, fullDisk });
  const lines: string[] = [];
  let deck: [string, Kind][] = [];
  let tookMs = 0;
  let ends: string[] = [];
  while (tookMs < durationMs) {
    lines.push(...ends);
    if (ends.length > 0) {
      const restMs = wholeBetween(random, REST_MS.least, REST_MS.most);
      lines.push(`expect equal within ${GIVEN_UP}`, `wait ${restMs}ms`);
      tookMs += restMs + HEALING_MS;
    }
    const count = wholeBetween(random, 1, FAULTS_AT_ONCE);
    const victims = shuffle(random, ids.slice(0, -1)); // the last host is the one whose disk runs full
    const faults: Fault[] = [];
    while (faults.length < count) {
      if (deck.length === 0 && faults.length > 0) break; // never twice the same in one round
      if (deck.length === 0) deck = shuffle(random, kinds);
      const [, kind] = deck.pop() ?? [];
      const victim = victims.pop();
      if (kind === undefined || victim === undefined) break;
      faults.push(kind(random, victim, ids));
    }
    for (const { begin } of faults) {
      const waitMs = Math.round(between(random, FAULT_MS.least, FAULT_MS.most) / faults.length);
      lines.push(begin, `wait ${waitMs}ms`);
      tookMs += waitMs;
    }
    ends = sortEnds(faults.map(({ end }) => end));
  }
  return { course: lines.join('\n'), finale: ends.join('\n') };
}

/** A process takes its time to start: the clock of the healing starts after that. */
function sortEnds(ends: readonly string[]): string[] {
  const isStart = (end: string): boolean => end.startsWith('start');
  return [...new Set([...ends.filter(isStart), ...ends.filter((end) => !isStart(end))])];
}

function others(ids: readonly string[], id: string): string {
  return ids.filter((one) => one !== id).join(',');
}

function shuffle<T>(random: RandomStream, list: readonly T[]): T[] {
  const mixed = [...list];
  for (let at = mixed.length - 1; at > 0; at -= 1) {
    const other = wholeBetween(random, 0, at);
    const [a, b] = [mixed[at], mixed[other]];
    if (a !== undefined && b !== undefined) [mixed[at], mixed[other]] = [b, a];
  }
  return mixed;
}
