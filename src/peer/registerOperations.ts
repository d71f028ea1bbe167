/**
 * What a register is made of (protocol.md, section 7): reads and writes of one key that a majority of the members answers for.
 *
 * A linearizable write asks a majority for its newest tag, is stamped above it, and is done when a majority has it on its disks; a linearizable read is done when a majority
 * has on its disks what it answers (Attiya, Bar-Noy and Dolev: "Sharing memory robustly in message-passing systems", 1995). Owns the steps and the errors in words; by callback, for a
 * simulator has no promises. Invariant: NO_MAJORITY has changed nothing; UNKNOWN says that the write stands here, and may or may not take effect for all.
 */
import { ToposphereError } from '../core/errors.ts';
import type { Answer } from '../core/quorum.ts';
import type { Entry, Key } from '../core/types.ts';
import type { Runtime } from './runtime.ts';

type Done = (failure: Error | undefined, entry?: Entry) => void;

/** How a read asks a majority: for what is newest there, or for that and that it stays. */
type MajorityRead = 'majority' | 'linearizable';

/** Calls back with the newest entry of a majority, undefined for none; or with NO_MAJORITY. Throws that at once where too many wait. */
export function readByMajority(
  runtime: Runtime,
  read: MajorityRead,
  key: Key,
  withinMs: number,
  done: Done,
): void {
  runtime.questions.ask(read === 'majority' ? 'newest' : 'read', key, withinMs, (failure, answer) => {
    if (answer === undefined) done(failure);
    else if (answer.kind === 'short') done(describeShort(runtime, answer, withinMs, 'read'));
    else if (read === 'linearizable' && isExpiring(answer.entry)) done(describeExpiring(key));
    else done(undefined, answer.entry);
  });
}

/**
 * `write` writes the key on this peer; it is called when what it writes is stamped above all that a majority has, or not at all. Calls back when a majority has it
 * on its disks; or with NO_MAJORITY, with what `write` threw (nothing changed then), or with UNKNOWN. Throws like `readByMajority`. `newest`: what a majority has is here as well when `write` is called.
 */
export function writeByMajority(
  runtime: Runtime,
  key: Key,
  write: () => void,
  withinMs: number,
  done: Done,
  asks: 'stamp' | 'newest' = 'stamp',
): void {
  const { questions } = runtime;
  const untilMs = questions.nowMs() + withinMs;
  questions.ask(asks, key, withinMs, (failure, answer) => {
    if (answer === undefined) done(failure);
    else if (answer.kind === 'short') done(describeShort(runtime, answer, withinMs, 'write'));
    else {
      try {
        write();
      } catch (error) {
        if (!(error instanceof ToposphereError)) throw error;
        done(error);
        return;
      }
      const leftMs = Math.max(0, untilMs - questions.nowMs());
      questions.ask('hold', key, leftMs, (refused, held) => {
        if (held?.kind === 'short') done(describeUnknown(runtime, held, withinMs));
        else done(refused, answer.entry);
      });
    }
  });
}

/** Of a key that ends by time alone nobody can say in which order that came: the clocks of the peers differ. */
function isExpiring(entry: Entry | undefined): boolean {
  return entry !== undefined && entry.expiresAt !== 0;
}

function describeExpiring(key: Key): ToposphereError {
  const name = JSON.stringify(Buffer.from(key, 'latin1').toString('utf8'));
  return new ToposphereError(
    'BAD_ARGUMENT',
    `${name} was set to expire: peers let it go within their clocks' difference of each other, so no read of it is linearizable. ` +
      'Set it without an expiry, or read it with READ MAJORITY',
  );
}

type Short = Extract<Answer, { kind: 'short' }>;

function describeShort(
  runtime: Runtime,
  short: Short,
  withinMs: number,
  what: 'read' | 'write',
): ToposphereError {
  return new ToposphereError(
    'NO_MAJORITY',
    `${what} given up after ${withinMs} ms, nothing changed: ${describeCount(runtime, short)}. ` +
      'Try again, wait longer, or ask this peer alone (READ LOCAL; a plain write)',
  );
}

function describeUnknown(runtime: Runtime, short: Short, withinMs: number): ToposphereError {
  return new ToposphereError(
    'UNKNOWN',
    `the write stands on ${runtime.state.self.id}, and whether it takes effect for all is not known after ${withinMs} ms: ${describeCount(runtime, short)}. ` +
      'It may still take effect, or be overtaken: a linearizable read tells',
    { changed: 'unknown' },
  );
}

function describeCount({ state }: Runtime, { counted, needed, silent, strangers, unsure }: Short): string {
  const reasons = [
    [silent, 'did not answer'],
    [strangers, 'knows other members'],
    [unsure, 'has lost its disk, and counts again after a round with all members'],
  ] as const;
  const why = reasons.flatMap(([ids, reason]) => (ids.length === 0 ? [] : [`${ids.join(', ')} ${reason}`]));
  const members = state.peers.size + 1;
  return `${counted} of the ${needed} answered that are a majority of ${members} members${why.length === 0 ? '' : ` (${why.join('; ')})`}`;
}
