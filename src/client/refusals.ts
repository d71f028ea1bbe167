/**
 * What a peer's error reply means to a client: which error it is, and whether another peer may be asked.
 *
 * Owns the reading of error replies. The words are src/server/dispatch.ts's (`wordError`): a code without its underscores, and a message. Invariant: another peer
 * is asked only after a refusal that says that nothing was changed.
 */
import { ERROR_CODES, ToposphereError, type ErrorCode } from '../core/errors.ts';

const CODES: ReadonlyMap<string, ErrorCode> = new Map(
  ERROR_CODES.map((code) => [code.replaceAll('_', ''), code]),
);

/** The peer as it is takes nothing of the kind, and has changed nothing: another one may. */
const ELSEWHERE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'LOADING',
  'FORGOTTEN',
  'FENCED',
  'BEHIND',
  'UNDECIDED',
  'DISK_FULL',
  'CLOSED',
]);

/** Nobody can say whether these were carried out. */
const DOUBTFUL: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['STORAGE_FAILED', 'MAYBE_APPLIED']);

interface Refusal {
  readonly error: ToposphereError;
  /** Another peer may take it: nothing was changed by this one. */
  readonly isElsewhere: boolean;
}

/** An error reply, as the peer's words. */
export function readRefusal(text: string): Refusal {
  const word = /^[A-Z]+(?= |$)/.exec(text)?.[0] ?? '';
  const code = CODES.get(word);
  if (code === undefined) {
    // A peer that is full, or asks for a password, has not run the command.
    const isElsewhere = word === 'NOAUTH' || text.startsWith('ERR max number of clients');
    return { error: new ToposphereError('BAD_ARGUMENT', text), isElsewhere };
  }
  const message = text.slice(word.length + 1);
  // UNKNOWN: it stands at this peer; what is not known is who else has it.
  const changed = DOUBTFUL.has(code) ? 'unknown' : code === 'UNKNOWN';
  const error = new ToposphereError(code, message, { changed });
  return { error, isElsewhere: ELSEWHERE.has(code) };
}
