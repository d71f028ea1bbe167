/**
 * What is typed behind a command's name, as `key value [NX|XX]`, and as COMMAND DOCS carries it: redis-cli shows that while its user types.
 *
 * Owns taking the one line of a command's row apart. Leaves the lines to the rows, which word them as redis.io does.
 * Invariant: what COMMAND DOCS says fits the arity that requests are refused by.
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
  const repeated = /^(.+?)(?: \[\1)? \.\.\.\]?$/.exec(inner)?.[1]; // `key ...`, or `key [key ...]`
  return { name: repeated ?? inner, isOptional, isMultiple: repeated !== undefined };
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

/** None for a command that is only the first word of others. */
export function argumentsOf(command: Command): readonly SyntaxArgument[] {
  if (command.subcommands !== undefined && command.run === undefined) return [];
  return mergeRepeated(partsOf(command.syntax));
}
