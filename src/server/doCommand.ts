/**
 * TOPOSPHERE DO: what one command is to be worth, on any connection, in a pipeline or not.
 *
 *     TOPOSPHERE DO [ACK fast|committed|durable|REPLICATED n|MAJORITY|ALL] [READ LOCAL|SESSION|MAJORITY|LINEARIZABLE|STALE ms] [WITHIN ms] [ID request-id [AGAIN [SINCE ticket]]] RUN command [arg ...]
 *
 * The reply is the command's own. What is not said is as the connection has it: the level of TOPOSPHERE ACK, and its session if it has one. READ LOCAL reads what
 * is here, whatever the session has seen, and is for commands that only read; MAJORITY, LINEARIZABLE and STALE are byMajority.ts's. Owns these words; what they mean is done where the command runs (dispatch.ts) and where its
 * reply waits (connection.ts); ID is requestOnce.ts's. Invariant: a word that is not understood runs nothing.
 */
import { ToposphereError } from '../core/errors.ts';
import { LONGEST_WITHIN_MS, MAX_REQUEST_ID_BYTES, parseTicket } from '../peer/backend.ts';
import type { Attempt, RequestId } from '../peer/backend.ts';
import type { Command, CommandChoices } from './command.ts';
import { argumentText, NO_KEYS, readInteger } from './command.ts';
import { readCopies, readLevel } from './replicationCommands.ts';
import type { Request } from './requestParser.ts';

const GRAMMAR =
  'TOPOSPHERE DO [ACK fast|committed|durable|REPLICATED n|MAJORITY|ALL] [READ LOCAL|SESSION|MAJORITY|LINEARIZABLE|STALE ms] [WITHIN ms] [ID request-id [AGAIN [SINCE ticket]]] RUN command [arg ...]';
/** The first word of the choices: behind TOPOSPHERE and DO. */
const FIRST_CHOICE = 2;

type Choices = { -readonly [Name in keyof CommandChoices]: CommandChoices[Name] };

/** Words of the request, read one by one. */
interface Words {
  readonly request: Request;
  position: number;
}

/** Each choice by its word: reads what follows it. */
const CHOICES: Readonly<Record<string, (words: Words, choices: Choices) => void>> = {
  ack: (words, choices) => {
    const word = nextWord(words);
    const replicated = word === 'replicated' ? readCopies(nextWord(words)) : undefined;
    const level = readLevel(word);
    if (replicated !== undefined) choices.replicated = { replicated };
    else if (level !== undefined) choices.acknowledge = level;
    else throw wrongWords(`ACK ${word.toUpperCase()}`);
  },
  read: (words, choices) => {
    choices.read = readReading(words);
  },
  within: (words, choices) => {
    choices.withinMs = readMs('WITHIN', words);
  },
  id: (words, choices) => {
    choices.request = { id: readRequestId(nextArgument(words)), attempt: readAttempt(words) };
  },
};

export const doSubcommand: Command = {
  name: 'toposphere|do',
  arity: -4,
  flags: ['noscript', 'loading', 'stale'],
  group: 'server',
  keys: NO_KEYS,
  syntax: '[ACK level] [READ level] [WITHIN ms] [ID request-id] [AGAIN] [SINCE ticket] RUN command [arg ...]',
  summary: `Run one command with a level of its own: ${GRAMMAR}`,
  partition: 'What the command promises, and what was chosen for it.',
  unwrap: (request) => {
    const words: Words = { request, position: FIRST_CHOICE };
    const choices: Choices = {};
    const said = new Set<string>();
    for (;;) {
      const word = nextWord(words);
      if (word === 'run') break;
      const readChoice = Object.hasOwn(CHOICES, word) ? CHOICES[word] : undefined;
      if (readChoice === undefined) throw wrongWords(word.toUpperCase());
      if (said.has(word)) throw wrongWords(`a second ${word.toUpperCase()}`); // the one would be overruled in silence
      said.add(word);
      readChoice(words, choices);
    }
    return { choices, request: restOf(words) };
  },
};

function readReading(words: Words): NonNullable<CommandChoices['read']> {
  const word = nextWord(words);
  switch (word) {
    case 'local':
    case 'session':
    case 'majority':
    case 'linearizable':
      return word;
    case 'stale':
      return { staleMs: readMs('READ STALE', words) };
    default:
      throw wrongWords(`READ ${word.toUpperCase()}`);
  }
}

function readMs(what: string, words: Words): number {
  const ms = readInteger(nextArgument(words));
  if (ms !== undefined && ms >= 1 && ms <= LONGEST_WITHIN_MS) return ms;
  throw new ToposphereError('BAD_ARGUMENT', `${what} takes 1 to ${LONGEST_WITHIN_MS} milliseconds`);
}

/** A binary string, as keys are. */
function readRequestId(text: string): RequestId {
  if (text.length >= 1 && text.length <= MAX_REQUEST_ID_BYTES) return text as RequestId;
  throw new ToposphereError('BAD_ARGUMENT', `a request id has 1 to ${MAX_REQUEST_ID_BYTES} bytes`);
}

/** What may follow an id. */
function readAttempt(words: Words): Attempt {
  if (!takeWord(words, 'again')) return 'first';
  return takeWord(words, 'since') ? parseTicket(nextArgument(words)) : 'again';
}

/** Takes the next word if it is this one. */
function takeWord(words: Words, word: string): boolean {
  const isIt =
    words.position < words.request.count &&
    argumentText(words.request, words.position).toLowerCase() === word;
  if (isIt) words.position += 1;
  return isIt;
}

/** The next word in small letters. */
function nextWord(words: Words): string {
  return nextArgument(words).toLowerCase();
}

function nextArgument(words: Words): string {
  if (words.position >= words.request.count) throw wrongWords('its end, before RUN');
  const text = argumentText(words.request, words.position);
  words.position += 1;
  return text;
}

/** The command behind RUN, as if it had come by itself. */
function restOf({ request, position }: Words): Request {
  const { bytes, offsets, count, isInline } = request;
  if (position >= count) throw wrongWords('its end, after RUN');
  return { bytes, offsets: offsets.slice(2 * position, 2 * count), count: count - position, isInline };
}

function wrongWords(seen: string): ToposphereError {
  return new ToposphereError('BAD_ARGUMENT', `TOPOSPHERE DO did not expect ${seen}: say ${GRAMMAR}`);
}
