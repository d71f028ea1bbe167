/**
 * What is typed behind a command's name, as `key value [NX|XX]`, and as COMMAND DOCS carries it: redis-cli shows that while its user types.
 *
 * Owns taking the one line of a command's row apart, and what stands in for it where the row has none: as many words as its arity and its keys tell of.
 * Leaves the lines to the rows. Invariant: what COMMAND DOCS says fits the arity that requests are refused by.
 */
import type { Command } from './command.ts';

/** One argument; `name` is shown, in brackets where it may be left out, and again with dots where it may be repeated. */
export interface SyntaxArgument {
  readonly name: string;
  readonly isOptional: boolean;
  readonly isMultiple: boolean;
}

/** Words, and what is in brackets as one: `a [B c] [d ...]` has three parts. */
function partsOf(syntax: string): readonly string[] {
  return syntax.match(/\[(?:[^[\]]|\[[^[\]]*\])*\]|[^ ]+/g) ?? [];
}

function readArgument(part: string): SyntaxArgument {
  const isOptional = part.startsWith('[');
  const inner = isOptional ? part.slice(1, -1) : part;
  const isMultiple = inner.endsWith(' ...');
  return { name: isMultiple ? inner.slice(0, -' ...'.length) : inner, isOptional, isMultiple };
}

/** `key value [key value ...]` is one argument, `key value`, that may be repeated. */
function mergeRepeated(parts: readonly string[]): readonly SyntaxArgument[] {
  const found: SyntaxArgument[] = [];
  for (const part of parts) {
    const next = readArgument(part);
    const before = found.slice(-next.name.split(' ').length);
    const isRepeated =
      next.isOptional && next.isMultiple && next.name === before.map(({ name }) => name).join(' ');
    if (isRepeated) found.splice(-before.length, before.length, { ...next, isOptional: false });
    else found.push(next);
  }
  return found;
}

/** From arity and keys: `key`, `argument` and, where there may be more, `[argument ...]`. */
function standIn({ name, arity, keys: [first, last, step] }: Command): string {
  const before = name.split('|').length;
  const words: string[] = [];
  for (let place = before; place < Math.abs(arity); place += 1) {
    const isKey = first > 0 && place >= first && (last < 0 || place <= last) && (place - first) % step === 0;
    words.push(isKey ? 'key' : 'argument');
  }
  if (arity < 0) words.push(last < 0 && step === 1 ? '[key ...]' : '[argument ...]');
  return words.join(' ');
}

export function syntaxOf(command: Command): string {
  return command.syntax ?? standIn(command);
}

/** None for a command that is only the first word of others. */
export function argumentsOf(command: Command): readonly SyntaxArgument[] {
  if (command.subcommands !== undefined && command.run === undefined) return [];
  return mergeRepeated(partsOf(syntaxOf(command)));
}
