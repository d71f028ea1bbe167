/**
 * Words after `--`: keys and values that begin with a dash.
 *
 * yargs does not hand words after `--` to a command's positionals, and takes a positional that begins
 * with a dash for an option. So those words are marked before it parses and restored after. Invariant:
 * a restored word is the user's, exactly: the mark is NUL, which no word of a command line can contain.
 */
const MARK = '\0';

/** The words for yargs: without `--`, each word after it marked. */
export function markLiterals(words: readonly string[]): readonly string[] {
  const at = words.indexOf('--');
  if (at < 0) return words;
  return [...words.slice(0, at), ...words.slice(at + 1).map((word) => MARK + word)];
}

function restore(value: unknown): unknown {
  if (typeof value === 'string') return value.startsWith(MARK) ? value.slice(MARK.length) : value;
  return Array.isArray(value) ? value.map(restore) : value;
}

/** Takes the marks out of every argument of yargs's answer, in place, as a middleware does. */
export function restoreLiterals(argv: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(argv)) argv[name] = restore(value);
}
