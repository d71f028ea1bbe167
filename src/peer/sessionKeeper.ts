/**
 * The token of a client that is at this peer, and whether the peer serves it (protocol.md, section 7).
 *
 * Owns the token while the client is here, what it has read and written meanwhile, and the waiting until this peer has what the client has seen elsewhere.
 * What a peer can serve is serveSession.ts's to judge; which operations there are is the embedded API's (session.ts) or the Redis protocol's. Invariant: a loss
 * is told once, and then the session goes on without what was lost.
 */
import { ToposphereError } from '../core/errors.ts';
import { followSession, forgive, judgeSession, noteRead } from '../core/serveSession.ts';
import type { SessionParts, SessionVerdict } from '../core/serveSession.ts';
import { EMPTY_SESSION, mergeSessions, type SessionToken } from '../core/session.ts';
import type { Now } from '../core/clock.ts';
import { countedCells } from '../core/counted.ts';
import { decodeCellKey } from '../core/counterCells.ts';
import type { Entry, Key } from '../core/types.ts';
import { decodeSession, encodeSession } from '../wire/sessionCodec.ts';
import type { ClientSession, KeyAccess } from './backend.ts';
import type { Runtime } from './runtime.ts';

/** Changes that arrive are looked at as they come; what changes no visible key is looked for so often, milliseconds. */
const ASK_AGAIN_MS = 50;

interface SessionPorts {
  readonly runtime: Runtime;
  readonly readEntry: (key: Key) => Entry | undefined;
  readonly now: () => Now;
  /** The peer's keys, as whoever has no session reads and writes them. */
  readonly keys: KeyAccess;
}

export class SessionKeeper implements ClientSession {
  readonly #ports: SessionPorts;
  #token = EMPTY_SESSION;
  /** Checkpoints that the peer had joined when it served the token; undefined when it does not. */
  #servedAtJoin: number | undefined;

  constructor(ports: SessionPorts) {
    this.#ports = ports;
  }

  readonly keys: KeyAccess = {
    read: (key) => {
      this.noteKey(key);
      return this.#ports.keys.read(key);
    },
    expiryOf: (key) => {
      this.noteKey(key);
      return this.#ports.keys.expiryOf(key);
    },
    write: (key, value, expiresAtMs) => {
      this.follow();
      this.#ports.keys.write(key, value, expiresAtMs);
      this.noteKey(key);
    },
    remove: (key) => {
      this.follow();
      const wasThere = this.#ports.keys.remove(key);
      this.noteKey(key);
      return wasThere;
    },
    increment: (key, by, form) => {
      this.follow();
      const total = this.#ports.keys.increment(key, by, form);
      this.noteKey(key);
      return total;
    },
  };

  token(): string {
    return encodeSession(this.#token);
  }

  isServed(): boolean {
    const { phase, counters } = this.#ports.runtime.state;
    return phase === 'member' && this.#servedAtJoin === counters.checkpointsJoined;
  }

  merge(text: string): void {
    this.#token = mergeSessions(this.#token, parseSession(text));
    this.#servedAtJoin = undefined;
  }

  /** The session has seen, or written, what the key holds now. */
  noteKey(key: Key): void {
    this.noteEntry(key, this.#ports.readEntry(key));
  }

  noteEntry(key: Key, entry: Entry | undefined): void {
    const { runtime, now } = this.#ports;
    this.#token = noteRead(runtime.state, this.#token, key, entry);
    for (const { hidden, entry: cell } of countedCells(runtime.state, now(), key, entry))
      this.#token = noteRead(runtime.state, this.#token, hidden, cell);
  }

  /** What is written next is stamped above all that the session has seen. */
  follow(): void {
    followSession(this.#ports.runtime.state, this.#token);
  }

  async served(waitMs: number, assertOpen?: () => void): Promise<void> {
    const { runtime, now } = this.#ports;
    const untilMs = now().monotonicMs + waitMs;
    for (;;) {
      const verdict = this.#judge();
      if (verdict.kind === 'serves') {
        this.#servedAtJoin = runtime.state.counters.checkpointsJoined;
        return;
      }
      if (verdict.kind === 'lost') throw this.#lost(verdict.why, verdict.parts);
      const leftMs = untilMs - now().monotonicMs;
      if (leftMs <= 0) throw describeDelay(runtime.state.self.id, verdict, waitMs);
      await this.#changed(Math.min(leftMs, ASK_AGAIN_MS));
      assertOpen?.();
    }
  }

  #judge(): SessionVerdict {
    const { runtime, now } = this.#ports;
    const verdict = judgeSession(runtime.state, now(), this.#token);
    if (verdict.kind !== 'serves') runtime.acknowledge('fast', () => undefined); // what was asked of the others goes with a turn
    return verdict;
  }

  /** Resolves at the next change of a visible key, and after so long at the latest. */
  #changed(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        stop();
        resolve();
      };
      const stop = this.#ports.runtime.watchers.add('' as Key, end);
      const timer = setTimeout(end, withinMs);
    });
  }

  #lost(why: 'void' | 'forgotten', parts: SessionParts): ToposphereError {
    const names = new Set(Array.from(parts.keys, (key) => decodeCellKey(key)?.key ?? key));
    const keys = Array.from(names, (key) => JSON.stringify(Buffer.from(key, 'latin1').toString('utf8')));
    this.#token = forgive(this.#token, parts);
    const what =
      keys.length > 0
        ? `what this session wrote or read of ${keys.join(', ')}`
        : 'something that this session wrote or read a while ago';
    const fate =
      why === 'void'
        ? 'was lost with the process or the disk that had it'
        : 'is not here any more: deleted since by others, or lost with a process that has ended; nobody remembers which';
    return new ToposphereError(
      'LOST_WRITE',
      `${what} ${fate}. The session goes on without it: read it again, and write it again if it must be there`,
    );
  }
}

/** The token of a text. Throws BAD_ARGUMENT for what is none. */
function parseSession(text: string): SessionToken {
  const decoded = decodeSession(text);
  if (decoded.ok) return decoded.token;
  throw new ToposphereError(
    'BAD_ARGUMENT',
    `this is no session token (${decoded.reason}): hand back what a peer gave, whole and unchanged, or begin a session without one`,
  );
}

const BEHIND_BECAUSE = {
  joining: 'it has to catch up first; ask another peer',
  disk: 'its disk is older than the one it had when the session began; it joins the others first; ask another peer',
  clock:
    'the session has seen timestamps that are ahead of the clocks here; set the clocks of the machines (NTP)',
  lacking: 'it is on its way; try again, wait longer, ask another peer, or read without the session',
} as const;

function describeDelay(
  id: string,
  verdict: Exclude<SessionVerdict, { kind: 'serves' | 'lost' }>,
  waitMs: number,
): ToposphereError {
  if (verdict.kind === 'undecided')
    return new ToposphereError(
      'UNDECIDED',
      `${id} lacks something that this session has seen, and only ${verdict.absent.join(', ')} may have it, which ${id} does not hear: start ` +
        `${verdict.absent.length === 1 ? 'it' : 'them'}, forget whoever will not come back, or begin a new session`,
    );
  return new ToposphereError(
    'BEHIND',
    `${id} does not have all that this session has seen, nor got it in ${waitMs} ms: ${BEHIND_BECAUSE[verdict.why]}`,
  );
}
