/**
 * What commands print: bytes as text that a terminal survives, and tables.
 *
 * Owns quoting and column widths; where the lines go is the commands'. Invariant: quoted text is one
 * line of printable characters from which the bytes can be told exactly.
 */

/** What a bare, unquoted rendering may hold: printable, no quote, no blank, so that columns can be split. */
const PLAIN = /^[^\p{C}\p{Z}"\\]+$/u;

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['"', '\\"'],
  ['\\', '\\\\'],
]);

/** UTF-8 text of `bytes`, undefined when they are none. */
function decodeText(bytes: Uint8Array): string | undefined {
  try {
    // ignoreBOM keeps a leading U+FEFF: without it the text would not be the bytes.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function escapeByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}

/** Plain words as they are; everything else in double quotes, as redis-cli shows it, unprintable bytes as \xhh. */
export function quoteBytes(bytes: Uint8Array): string {
  const text = decodeText(bytes);
  if (text !== undefined && PLAIN.test(text)) return text;
  const characters =
    text === undefined ? Array.from(bytes, (byte) => String.fromCharCode(byte)) : Array.from(text);
  const quoted = characters.map((character) => {
    const escape = ESCAPES.get(character);
    if (escape !== undefined) return escape;
    if (text === undefined) {
      return /[\x20-\x7e]/.test(character) ? character : escapeByte(character.charCodeAt(0));
    }
    return character === ' ' || !/[\p{C}\p{Z}]/u.test(character)
      ? character
      : Array.from(Buffer.from(character), escapeByte).join('');
  });
  return `"${quoted.join('')}"`;
}

/** Columns padded to their widest cell and two blanks apart; no trailing blanks, one line a row. */
export function renderTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  return lines.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function printWarning(line: string): void {
  process.stderr.write(`toposphere: ${line}\n`);
}
