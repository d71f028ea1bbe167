/**
 * Makes the members write, no faster than the slowest of them follows, and looks at them all the while.
 *
 * Owns the pace and the samples. Each member is asked every few milliseconds: the answer says how far it has the others' updates, and the
 * question how far it may write: so many updates above what the slowest of those that run has of its own. Nothing grows because a peer
 * lags. Invariant: a load ends, after its updates or with an error when none were acknowledged for STALLED_MS.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Member } from './member.ts';
import type { ProgressMessage } from './messages.ts';
import type { PhaseName } from './plan.ts';
import type { PeerSample, Sample, Span } from './samples.ts';

/** Updates of one origin that the slowest peer may lack. */
const WINDOW_UPDATES = 2_000;
const LOOK_EVERY_MS = 5;
const STALLED_MS = 60_000;
/** While nothing is written a sample is taken so often, milliseconds. */
const WAITING_SAMPLE_MS = 500;

interface Seen {
  last: ProgressMessage;
  tableRows: Span;
  tombstones: Span;
  longestTableRows: Span;
}

/** What was waited for has not come. */
export class Late extends Error {}

export class Drive {
  readonly samples: Sample[] = [];
  readonly #members: readonly Member[];
  /** A sample at every so manieth update. */
  readonly #sampleEvery: number;
  readonly #startedMs = performance.now();
  /** Since the last sample, by id. */
  readonly #seen = new Map<string, Seen>();
  /** By origin, so that what a process wrote is kept when it ends. */
  readonly #written = new Map<string, { written: number; deleted: number }>();
  #phase: PhaseName = 'all up';

  constructor(members: readonly Member[], sampleEvery: number) {
    this.#members = members;
    this.#sampleEvery = sampleEvery;
  }

  get up(): readonly Member[] {
    return this.#members.filter(({ isUp }) => isUp);
  }

  /** Acknowledged so far. */
  get updates(): number {
    return this.#sum('written');
  }

  get deletions(): number {
    return this.#sum('deleted');
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedMs;
  }

  /** What is seen from now on belongs to this phase. */
  begin(phase: PhaseName): void {
    this.#phase = phase;
    this.#seen.clear();
  }

  /** So many updates, spread evenly over those that run; resolves when all are acknowledged and all that run have them. */
  async load(count: number): Promise<void> {
    const up = this.up;
    const targets = new Map(
      up.map((member, index) => {
        const share = Math.floor(count / up.length) + (index < count % up.length ? 1 : 0);
        return [member, (member.last?.written ?? 0) + share];
      }),
    );
    const isDone = (): boolean =>
      up.every((member) => {
        const target = targets.get(member) ?? 0;
        return (member.last?.written ?? 0) >= target && this.#slowest(member) >= target;
      });
    let nextSample = this.updates + this.#sampleEvery;
    let best = this.#reached();
    let bestAtMs = performance.now();
    while (!isDone()) {
      await this.look((member) => Math.min(targets.get(member) ?? 0, this.#slowest(member) + WINDOW_UPDATES));
      if (this.updates >= nextSample) {
        this.sample();
        nextSample += this.#sampleEvery;
      }
      const reached = this.#reached();
      if (reached > best) [best, bestAtMs] = [reached, performance.now()];
      if (performance.now() - bestAtMs > STALLED_MS)
        throw new Error(`nothing was written or received for ${STALLED_MS} ms: ${this.#describe()}`);
      await delay(LOOK_EVERY_MS);
    }
    this.sample();
  }

  /** Looks on, without writing, until `isMet`; answers the milliseconds it took. Throws a Late after `timeoutMs`. */
  async watchUntil(what: string, isMet: () => boolean, timeoutMs: number): Promise<number> {
    const startedMs = performance.now();
    let sampledMs = startedMs;
    for (;;) {
      await this.look(() => 0);
      if (isMet()) break;
      const nowMs = performance.now();
      if (nowMs - startedMs > timeoutMs)
        throw new Late(`not within ${Math.round(timeoutMs)} ms: ${what}; ${this.#describe()}`);
      if (nowMs - sampledMs >= WAITING_SAMPLE_MS) {
        this.sample();
        sampledMs = nowMs;
      }
      await delay(LOOK_EVERY_MS);
    }
    return performance.now() - startedMs;
  }

  /** Looks on for so long, without writing. */
  async watchFor(lengthMs: number): Promise<void> {
    const endMs = performance.now() + lengthMs;
    await this.watchUntil('time has passed', () => performance.now() >= endMs, 2 * lengthMs);
  }

  /** Asks all that run, each with what it may write. */
  async look(grantOf: (member: Member) => number): Promise<void> {
    await Promise.all(
      this.up.map(async (member) => {
        const last = await member.grant(grantOf(member));
        this.#written.set(member.origin, { written: last.written, deleted: last.deleted });
        this.#note(member.id, last);
      }),
    );
  }

  /** Whether all that run have the same vector. */
  areLevel(): boolean {
    const vectors = this.up.map(({ last }) =>
      JSON.stringify(Object.entries(last?.vector ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))),
    );
    return new Set(vectors).size === 1;
  }

  /** Takes what was seen since the last sample as one. */
  sample(): void {
    const peers = new Map<string, PeerSample>();
    for (const [id, { last, ...spans }] of this.#seen)
      peers.set(id, { ...spans, figures: last.figures, roundsLearned: last.roundsLearned });
    if (peers.size === 0) return;
    this.samples.push({ phase: this.#phase, updates: this.updates, elapsedMs: this.elapsedMs, peers });
    this.#seen.clear();
  }

  #note(id: string, last: ProgressMessage): void {
    const { tableRows, tombstones, longestTableRows } = last.figures;
    const before = this.#seen.get(id);
    this.#seen.set(id, {
      last,
      tableRows: widen(before?.tableRows, tableRows.count),
      tombstones: widen(before?.tombstones, tombstones.count),
      longestTableRows: widen(before?.longestTableRows, longestTableRows),
    });
  }

  /** How far the slowest of those that run has this member's updates. */
  #slowest({ origin }: Member): number {
    return Math.min(...this.up.map(({ last }) => last?.vector[origin] ?? 0));
  }

  #reached(): number {
    return this.up.reduce((sum, member) => sum + (member.last?.written ?? 0) + this.#slowest(member), 0);
  }

  #sum(name: 'written' | 'deleted'): number {
    let sum = 0;
    for (const counts of this.#written.values()) sum += counts[name];
    return sum;
  }

  #describe(): string {
    return this.up
      .map(({ id, last }) => {
        const vector = Object.entries(last?.vector ?? {}).map(
          ([origin, sequence]) => `${origin}:${sequence}`,
        );
        return `${id} takes part: ${String(last?.isMember)}, in touch with [${last?.alive.join(' ') ?? ''}], has ${vector.join(' ')}`;
      })
      .join('; ');
  }
}

function widen(span: Span | undefined, value: number): Span {
  if (span === undefined) return { low: value, high: value };
  return { low: Math.min(span.low, value), high: Math.max(span.high, value) };
}
