/**
 * Keys as registers, by promise: what a server or an embedding program asks for (registerOperations.ts has the steps).
 *
 * Owns what is refused before anybody is asked, and the read that may be stale. Keeps: what a register is told of is visible, or nothing.
 */
import { ToposphereError } from '../core/errors.ts';
import type { Now } from '../core/clock.ts';
import { judgeStaleness, type Staleness } from '../core/staleness.ts';
import type { Entry, Key } from '../core/types.ts';
import type { ReadLevel, RegisterAccess } from './backend.ts';
import type { PeerBackend } from './peerBackend.ts';
import { readByMajority, writeByMajority } from './registerOperations.ts';
import type { Runtime } from './runtime.ts';

/** The longest that a stale read may allow, and anybody may wait for a majority, milliseconds. */
const LONGEST_MS = 600_000;

export class Registers implements RegisterAccess {
  readonly #runtime: Runtime;
  readonly #backend: PeerBackend;
  readonly #now: () => Now;

  constructor(runtime: Runtime, backend: PeerBackend, now: () => Now) {
    this.#runtime = runtime;
    this.#backend = backend;
    this.#now = now;
  }

  async read(key: Key, level: ReadLevel, withinMs: number): Promise<Uint8Array | undefined> {
    if (typeof level === 'object') {
      this.#assertFresh(level.staleMs);
      return this.#backend.read(key);
    }
    assertMilliseconds('the time to wait for a majority', withinMs);
    this.#assertMember();
    this.#assertNoCounter(key);
    const entry = await new Promise<Entry | undefined>((resolve, reject) => {
      readByMajority(this.#runtime, level, key, withinMs, (failure, found) => {
        if (failure === undefined) resolve(found);
        else reject(failure);
      });
    });
    return entry !== undefined && this.#backend.isVisible(entry) ? entry.value : undefined;
  }

  async write(key: Key, value: Uint8Array | undefined, withinMs: number): Promise<boolean> {
    assertMilliseconds('the time to wait for a majority', withinMs);
    this.#assertMember();
    this.#assertNoCounter(key);
    this.#backend.assertWritable(key, value?.length ?? 0);
    let wasThere = false;
    await new Promise<void>((resolve, reject) => {
      const write = (): void => {
        wasThere = this.#backend.read(key) !== undefined;
        this.#runtime.write(key, value, false);
      };
      const done = (failure: Error | undefined): void => {
        if (failure === undefined) resolve();
        else reject(failure);
      };
      // Whether there was a value only a majority's newest tells.
      writeByMajority(this.#runtime, key, write, withinMs, done, value === undefined ? 'newest' : 'stamp');
    });
    return wasThere;
  }

  #assertMember(): void {
    const loading = this.#backend.findLoading();
    if (loading !== undefined) throw new ToposphereError('LOADING', loading);
  }

  /** A majority judges one entry; a counter is one and the cells of all who counted. */
  #assertNoCounter(key: Key): void {
    const counter = this.#runtime.state.cells.byKey.get(key);
    if (counter?.standings.some((standing) => standing !== 'dead') !== true) return;
    const name = JSON.stringify(Buffer.from(key, 'latin1').toString('utf8'));
    throw new ToposphereError(
      'BAD_ARGUMENT',
      `${name} is a counter: each peer counts by itself, and no majority can say what it stands at. Read it here, or in a session; to make a register of it, SET it first`,
    );
  }

  #assertFresh(staleMs: number): void {
    assertMilliseconds('how stale a read may be', staleMs);
    const { state } = this.#runtime;
    const staleness = judgeStaleness(state, this.#now());
    if (staleness.lagMs <= staleMs) return;
    throw new ToposphereError(
      'BEHIND',
      `${state.self.id} ${describeStaleness(staleness)}, so what it has may be older than ${staleMs} ms: allow more (members are heard every ${state.settings.keepaliveMs} ms at best), ask another peer, or read what is here (READ LOCAL)`,
    );
  }
}

function describeStaleness({ lagMs, of, why }: Staleness): string {
  const since = lagMs === Infinity ? '' : ` for ${Math.round(lagMs)} ms`;
  switch (why) {
    case 'joining':
      return 'takes no part yet';
    case 'standstill':
      return 'stood still a moment ago';
    case 'apart':
      return `was started apart from ${of ?? ''}`;
    case 'lacking':
      return `has not had all that ${of ?? ''} has${since}`;
    case 'unheard':
      return `has not heard ${of ?? ''}${since}`;
  }
}

function assertMilliseconds(what: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= LONGEST_MS) return;
  throw new ToposphereError(
    'BAD_ARGUMENT',
    `${what} is ${String(value)}: a whole number of milliseconds from 1 to ${LONGEST_MS} is wanted`,
  );
}
