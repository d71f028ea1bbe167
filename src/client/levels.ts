/**
 * What an operation asks for beyond its command: how safe a write is to be, how new what is read.
 *
 * Owns the levels, and how they are said (TOPOSPHERE DO). What a level promises is the peer's to keep. Invariant: what the connection does anyway is not said.
 */
import { ToposphereError } from '../core/errors.ts';

/** Levels that a connection can be given once, for all its writes. */
export type OwnLevel = 'fast' | 'committed' | 'durable';

/**
 * `fast`: nothing is waited for. `committed`: survives the death of the peer's process. `durable`: survives a power cut there. `replicated`: on so many peers'
 * disks, that one included; when `withinMs` (1000) has passed, UNKNOWN. `linearizable`: for keys of which all reads and writes ask for that.
 */
export type WriteLevel =
  | OwnLevel
  | 'linearizable'
  | { readonly replicated: number | 'majority' | 'all'; readonly withinMs?: number };

/**
 * `session`: never less than this client has seen. `local`: whatever the peer has, and nothing is noted of it. `majority`: the newest that a majority of members has.
 * `linearizable`: as if there were one copy. `staleMs`: what lags behind by at most so much.
 */
export type ReadLevel =
  | 'session'
  | 'local'
  | 'majority'
  | 'linearizable'
  | { readonly staleMs: number; readonly withinMs?: number };

/** How long a peer waits for others where nothing is said, milliseconds. */
const OTHERS_WAIT_MS = 1_000;
/** How much longer than for an answer from memory a sync to disk may take, milliseconds. */
const DISK_WAIT_MS = 2_000;

const OWN_LEVELS: readonly unknown[] = ['fast', 'committed', 'durable'];

export function isOwnLevel(level: WriteLevel): level is OwnLevel {
  return OWN_LEVELS.includes(level);
}

/** What is said of a command in front of it, and how much longer than an answer from memory it may take. */
interface Choices {
  readonly words: readonly string[];
  readonly allowanceMs: number;
}

/** `standing`: the level that the connection was given. */
export function chooseWrite(level: WriteLevel, standing: OwnLevel): Choices {
  if (isOwnLevel(level)) {
    const words = level === standing ? [] : ['ACK', level];
    return { words, allowanceMs: level === 'durable' ? DISK_WAIT_MS : 0 };
  }
  if (level === 'linearizable') return chooseRead(level, false);
  const { replicated, withinMs = OTHERS_WAIT_MS } = level;
  const words = ['ACK', 'REPLICATED', `${replicated}`.toUpperCase(), 'WITHIN', `${withinMs}`];
  return { words, allowanceMs: withinMs };
}

/** A connection with a session reads within it, and one without locally, unless told otherwise. */
export function chooseRead(level: ReadLevel, hasSession: boolean): Choices {
  if (level === (hasSession ? 'session' : 'local')) return { words: [], allowanceMs: 0 };
  if (level === 'session' || level === 'local') return { words: ['READ', level], allowanceMs: 0 };
  const isBounded = typeof level === 'object';
  const said = isBounded ? ['STALE', `${level.staleMs}`] : [level];
  const withinMs = isBounded && level.withinMs !== undefined ? level.withinMs : OTHERS_WAIT_MS;
  return { words: ['READ', ...said, 'WITHIN', `${withinMs}`], allowanceMs: withinMs };
}

/** The command with what was chosen for it; by itself where nothing was. */
export function sayChoices<Word>(
  choices: readonly string[],
  words: readonly Word[],
): readonly (Word | string)[] {
  return choices.length === 0 ? words : ['TOPOSPHERE', 'DO', ...choices, 'RUN', ...words];
}

/** Throws BAD_ARGUMENT for what is no level. */
export function assertWriteLevel(level: WriteLevel): void {
  if (isOwnLevel(level) || level === 'linearizable') return;
  const { replicated, withinMs = OTHERS_WAIT_MS } = level as Partial<Extract<WriteLevel, object>>;
  const isCount = typeof replicated === 'number' && Number.isSafeInteger(replicated) && replicated >= 1;
  if ((isCount || replicated === 'majority' || replicated === 'all') && isTime(withinMs)) return;
  throw new ToposphereError(
    'BAD_ARGUMENT',
    'write is "fast", "committed", "durable", "linearizable" or { replicated: n | "majority" | "all", withinMs }',
  );
}

/** Throws BAD_ARGUMENT for what is no level. */
export function assertReadLevel(level: ReadLevel): void {
  const named: readonly unknown[] = ['session', 'local', 'majority', 'linearizable'];
  if (named.includes(level)) return;
  const { staleMs, withinMs = OTHERS_WAIT_MS } = level as { readonly staleMs?: number; withinMs?: number };
  if (staleMs !== undefined && isTime(staleMs) && isTime(withinMs)) return;
  throw new ToposphereError(
    'BAD_ARGUMENT',
    'read is "session", "local", "majority", "linearizable" or { staleMs, withinMs }',
  );
}

function isTime(valueMs: number): boolean {
  return Number.isSafeInteger(valueMs) && valueMs >= 0;
}
