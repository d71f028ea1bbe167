/**
 * Makes a failing schedule small: the same broken invariant from as little as possible.
 *
 * Truncates, drops events in ever smaller pieces (ddmin), peers, limits and link faults, and makes keys, values and levels
 * plain, as long as the run still breaks the same invariant. Each step is a run, so `maximumRuns` bounds it. The result is a
 * schedule like any other. Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002.
 */
import { isOperation, GOOD_LINK, peersOf } from './schedule.ts';
import type { Schedule, ScheduleEvent } from './schedule.ts';
import type { Failure, RunResult } from './run.ts';

interface ShrinkOptions {
  readonly run: (schedule: Schedule) => RunResult;
  /** Runs at most; 2,000 when left out. */
  readonly maximumRuns?: number;
  /** Called after each run that shrank it. */
  readonly onProgress?: (runs: number, schedule: Schedule) => void;
}

interface Shrunk {
  readonly schedule: Schedule;
  readonly failure: Failure;
  readonly runs: number;
}

/** Milliseconds kept behind the failure when the end is cut off. */
const TAIL_MS = 1;
const KEPT_PEERS = 2;

/** `failure` is what `schedule` came to. */
export function shrinkSchedule(schedule: Schedule, failure: Failure, options: ShrinkOptions): Shrunk {
  const maximumRuns = options.maximumRuns ?? 2000;
  let best = { schedule, failure };
  let runs = 0;

  /** Keeps the candidate if it breaks the same invariant. */
  function attempt(candidate: Schedule): boolean {
    if (runs >= maximumRuns) return false;
    runs += 1;
    const { failure: found } = options.run(candidate);
    if (found?.invariant !== failure.invariant) return false;
    best = { schedule: candidate, failure: found };
    options.onProgress?.(runs, candidate);
    return true;
  }

  function truncate(): void {
    const { schedule: now, failure: seen } = best;
    const endMs = Math.min(now.durationMs, seen.atMs + TAIL_MS);
    const events = now.events.filter(({ atMs }) => atMs <= endMs);
    if (events.length < now.events.length || endMs < now.durationMs)
      attempt({ ...now, events, durationMs: endMs });
  }

  /** Drops runs of events of half the length, then a quarter, down to one. */
  function dropEvents(): void {
    for (
      let size = Math.ceil(best.schedule.events.length / 2);
      size >= 1;
      size = size === 1 ? 0 : Math.ceil(size / 2)
    ) {
      for (let from = 0; from < best.schedule.events.length;) {
        const { events } = best.schedule;
        const isDropped = attempt({
          ...best.schedule,
          events: [...events.slice(0, from), ...events.slice(from + size)],
        });
        if (!isDropped) from += size;
        if (runs >= maximumRuns) return;
      }
    }
  }

  function dropPeers(): void {
    for (const peer of best.schedule.peers) {
      if (best.schedule.peers.length <= KEPT_PEERS) return;
      attempt(withoutPeer(best.schedule, peer));
    }
  }

  function makePlain(): void {
    if (best.schedule.healthyCore.length > 0) attempt({ ...best.schedule, healthyCore: [] });
    attempt({ ...best.schedule, link: GOOD_LINK });
    for (const name of Object.keys(best.schedule.settings.limits ?? {})) {
      const limits: Record<string, number> = { ...best.schedule.settings.limits };
      // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- one limit after the other
      delete limits[name];
      attempt({ ...best.schedule, settings: { ...best.schedule.settings, limits } });
    }
    for (const plain of [plainKeys, plainValues, plainLevels]) {
      const events = best.schedule.events.map(plain);
      if (JSON.stringify(events) !== JSON.stringify(best.schedule.events))
        attempt({ ...best.schedule, events });
    }
  }

  for (let size = Infinity; size > weight(best.schedule) && runs < maximumRuns;) {
    size = weight(best.schedule);
    truncate();
    dropEvents();
    dropPeers();
    makePlain();
  }
  return { ...best, runs };
}

function weight(schedule: Schedule): number {
  const { events, peers, settings, healthyCore } = schedule;
  return events.length + peers.length + Object.keys(settings.limits ?? {}).length + healthyCore.length;
}

function withoutPeer(schedule: Schedule, peer: string): Schedule {
  const without = (ids: readonly string[]): string[] => ids.filter((id) => id !== peer);
  const events: ScheduleEvent[] = [];
  for (const event of schedule.events) {
    if (event.do === 'cut') {
      const cut = { ...event, from: without(event.from), to: without(event.to) };
      if (cut.from.length > 0 && cut.to.length > 0) events.push(cut);
    } else if (event.do === 'heal' || event.do === 'link') {
      const groups = [event.from, event.to].map((group) =>
        group === undefined ? undefined : without(group),
      );
      if (groups.some((group) => group?.length === 0)) continue;
      const [from, to] = groups;
      events.push({ ...event, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) });
    } else if (!peersOf(event).includes(peer)) events.push(event);
  }
  const founders = schedule.founders === undefined ? {} : { founders: without(schedule.founders) };
  return {
    ...schedule,
    ...founders,
    peers: without(schedule.peers),
    healthyCore: without(schedule.healthyCore),
    events,
  };
}

function plainKeys(event: ScheduleEvent): ScheduleEvent {
  return isOperation(event) ? { ...event, key: 'k' } : event;
}

function plainValues(event: ScheduleEvent, at: number): ScheduleEvent {
  return event.do === 'set' ? { ...event, value: `v${at}` } : event;
}

function plainLevels(event: ScheduleEvent): ScheduleEvent {
  return isOperation(event) ? { ...event, level: 'committed' } : event;
}
