/**
 * Two sides' replies to the same steps, one after the other: the same, explained, or a fault.
 *
 * Owns following what a transaction has queued, so that what EXEC answers is judged command by command. Which differences are explained is kinds.ts's.
 */
import { findKind, isSameReply, type Kind } from './kinds.ts';
import { isError, printReply, type Reply } from './replies.ts';
import type { Command, Step } from './speaker.ts';

export interface Explained {
  readonly kind: Kind;
  readonly words: readonly string[];
}

export interface Comparison {
  readonly explained: readonly Explained[];
  /** The first step whose difference nothing explains. */
  readonly fault: { readonly at: number; readonly text: string } | undefined;
  /** Steps that were compared: all, or up to where both sides hold different things. */
  readonly compared: number;
}

type Replies = readonly (Reply | undefined)[];
type Words = Pick<Command, 'words'>;

export function compare(steps: readonly Step[], ours: Replies, redis: Replies): Comparison {
  const explained: Explained[] = [];
  const queues: [Words[], Words[]] = [[], []];
  for (const [at, step] of steps.entries()) {
    const [our, their] = [ours[at], redis[at]];
    if (step.kind !== 'command' || our === undefined || their === undefined) continue;
    const queue = queues[step.by];
    const found = judge(step, our, their, queue);
    followQueue(step, our, queue);
    if (found === 'fault')
      return { explained, fault: { at, text: describe(step, our, their) }, compared: at + 1 };
    explained.push(...found);
    if (found.some(({ kind }) => kind.partsWays)) return { explained, fault: undefined, compared: at + 1 };
  }
  return { explained, fault: undefined, compared: steps.length };
}

function judge(
  command: Words,
  ours: Reply,
  redis: Reply,
  queue: readonly Words[],
): readonly Explained[] | 'fault' {
  if (isSameReply(command, ours, redis)) return [];
  if (nameOf(command) === 'exec' && ours.items.length === queue.length && redis.items.length === queue.length)
    return judgeAll(queue, ours.items, redis.items);
  const kind = findKind(command, ours, redis);
  return kind === undefined ? 'fault' : [{ kind, words: command.words }];
}

function judgeAll(
  queue: readonly Words[],
  ours: readonly Reply[],
  redis: readonly Reply[],
): readonly Explained[] | 'fault' {
  const explained: Explained[] = [];
  for (const [index, command] of queue.entries()) {
    const [our, their] = [ours[index], redis[index]];
    if (our === undefined || their === undefined) return 'fault';
    const found = judge(command, our, their, []);
    if (found === 'fault') return 'fault';
    explained.push(...found);
    if (found.some(({ kind }) => kind.partsWays)) return explained; // what follows looks at different things
  }
  return explained;
}

function followQueue(command: Words, ours: Reply, queue: Words[]): void {
  if (ours.type === '+' && ours.text === 'QUEUED') queue.push(command);
  else if (['exec', 'discard', 'reset'].includes(nameOf(command)) && !isNested(ours)) queue.length = 0;
}

/** EXEC with a word too many changes nothing of what is queued. */
function isNested(ours: Reply): boolean {
  return isError(ours) && ours.text.startsWith('ERR wrong number of arguments');
}

function nameOf({ words }: Words): string {
  return words[0]?.toLowerCase() ?? '';
}

function describe(command: Words, ours: Reply, redis: Reply): string {
  return `${printWords(command)}\n    a peer answers ${printReply(ours)}\n    redis answers  ${printReply(redis)}`;
}

/** As redis-cli reads them. */
export function printWords({ words }: Words): string {
  return words
    .map((word) => (/^[\x21-\x7e]+$/.test(word) && !/["'\\]/.test(word) ? word : quote(word)))
    .join(' ');
}

function quote(word: string): string {
  const escaped = word.replaceAll(/["\\]/g, '\\$&').replaceAll(/[^\x20-\x7e]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return `"${escaped}"`;
}
