/**
 * A client's session at this peer: reads its own writes and never goes back in time, also when it comes with a token from another peer (protocol.md, section 7).
 *
 * Owns the token while the client is here, and the waiting until this peer has what the client has seen. What a peer can serve is serveSession.ts's to
 * judge. Nothing is shown, and nothing written, before it can; a loss is told once, and then the session goes on without what was lost.
 */
import { ToposphereError } from '../core/errors.ts';
import { followSession, forgive, judgeSession, noteRead } from '../core/serveSession.ts';
import type { SessionParts, SessionVerdict } from '../core/serveSession.ts';
import { EMPTY_SESSION, mergeSessions, type SessionToken } from '../core/session.ts';
import type { Entry, Key } from '../core/types.ts';
import { decodeSession, encodeSession } from '../wire/sessionCodec.ts';
import { acknowledged } from './acknowledged.ts';
import type { AcknowledgementLevel } from './backend.ts';
import { parseKey, parseValue, type KeyInput, type ValueInput } from './keys.ts';
import type { PeerBackend } from './peerBackend.ts';
import type { Runtime } from './runtime.ts';
import { expiryOf, type SetOptions, type WriteOptions } from './writeOptions.ts';

/** How long an operation waits by default for what its session has seen elsewhere, milliseconds. */
const SESSION_WAIT_MS = 1_000;
/** Changes that arrive are looked at as they come; what changes no visible key is looked for so often, milliseconds. */
const ASK_AGAIN_MS = 50;

interface SessionPorts {
  readonly runtime: Runtime;
  readonly backend: PeerBackend;
  readonly readEntry: (key: Key) => Entry | undefined;
  /** Throws CLOSED. */
  readonly assertOpen: () => void;
}

export interface SessionOptions {
  /** How long to wait for what the session has seen elsewhere, milliseconds; 1000 when left out. */
  readonly waitMs?: number;
}

/**
 * Every operation first waits until this peer has what the session has seen. It rejects with BEHIND when that does not come in time, UNDECIDED when only who
 * is away may have it, LOST_WRITE (once) when it is gone; nothing has changed then.
 */
export class Session {
  readonly #ports: SessionPorts;
  #token: SessionToken;

  /** Use Peer.session. */
  constructor(ports: SessionPorts, token?: string) {
    this.#ports = ports;
    this.#token = token === undefined ? EMPTY_SESSION : parseSession(token);
  }

  /** To go on with at any peer: text of some 100 to 10,000 characters. What a write adds is in it once that has resolved. */
  get token(): string {
    return encodeSession(this.#token);
  }

  /** From now on the session has seen what another token of the same client has. Throws BAD_ARGUMENT for what is none. */
  merge(token: string): void {
    this.#token = mergeSessions(this.#token, parseSession(token));
  }

  /** The value of a key, or undefined. The buffer is the caller's own. */
  async get(key: KeyInput, options: SessionOptions = {}): Promise<Buffer | undefined> {
    const parsed = this.#parse(key);
    await this.#served(options);
    const { runtime, readEntry, backend } = this.#ports;
    const entry = readEntry(parsed);
    this.#token = noteRead(runtime.state, this.#token, parsed, entry);
    return entry !== undefined && backend.isVisible(entry) ? Buffer.from(entry.value) : undefined;
  }

  /** The value of a key as UTF-8 text, or undefined. */
  async getText(key: KeyInput, options: SessionOptions = {}): Promise<string | undefined> {
    return (await this.get(key, options))?.toString('utf8');
  }

  /** Sets a key; rejects as Peer.set does, too. */
  async set(key: KeyInput, value: ValueInput, options: SetOptions & SessionOptions = {}): Promise<void> {
    const { backend, runtime } = this.#ports;
    const parsed = this.#parse(key);
    const bytes = parseValue(value, runtime.state.settings.limits);
    await this.#served(options);
    const level = options.acknowledge ?? 'committed';
    followSession(runtime.state, this.#token);
    backend.write(parsed, bytes, expiryOf(options, backend.timeMs()), level === 'fast');
    await this.#written(parsed, level);
  }

  /** Deletes a key; resolves to whether it was there. */
  async delete(key: KeyInput, options: WriteOptions & SessionOptions = {}): Promise<boolean> {
    const { backend, runtime } = this.#ports;
    const parsed = this.#parse(key);
    await this.#served(options);
    const level = options.acknowledge ?? 'committed';
    followSession(runtime.state, this.#token);
    const wasThere = backend.remove(parsed, level === 'fast');
    if (wasThere) await this.#written(parsed, level);
    return wasThere;
  }

  #parse(key: KeyInput): Key {
    this.#ports.assertOpen();
    return parseKey(key, this.#ports.runtime.state.settings.limits);
  }

  /** Resolves when what was just written of a key has reached its level, and is in the token. */
  async #written(key: Key, level: AcknowledgementLevel): Promise<void> {
    const { runtime, readEntry } = this.#ports;
    const entry = readEntry(key);
    await acknowledged(runtime, level);
    this.#token = noteRead(runtime.state, this.#token, key, entry);
  }

  async #served({ waitMs = SESSION_WAIT_MS }: SessionOptions): Promise<void> {
    const { runtime, backend } = this.#ports;
    const untilMs = backend.now().monotonicMs + waitMs;
    for (;;) {
      const verdict = this.#judge();
      if (verdict.kind === 'serves') return;
      if (verdict.kind === 'lost') throw this.#lost(verdict.why, verdict.parts);
      const leftMs = untilMs - backend.now().monotonicMs;
      if (leftMs <= 0) throw describeDelay(runtime.state.self.id, verdict, waitMs);
      await this.#changed(Math.min(leftMs, ASK_AGAIN_MS));
      this.#ports.assertOpen();
    }
  }

  #judge(): SessionVerdict {
    const { runtime, backend } = this.#ports;
    const verdict = judgeSession(runtime.state, backend.now(), this.#token);
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
    const keys = Array.from(parts.keys, (key) => JSON.stringify(Buffer.from(key, 'latin1').toString('utf8')));
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
