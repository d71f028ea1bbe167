/**
 * Replies as they came over the wire, RESP2 and RESP3: cut apart, compared and printed without losing which type each was.
 *
 * Owns reading frames out of bytes that arrive in pieces. What a difference means is kinds.ts's. Invariant: two replies are equal here exactly when their bytes are.
 */

/** A type byte with its line, and what is inside: the bytes of a string, or further replies. */
export interface Reply {
  readonly type: string;
  /** Of simple strings, errors, numbers; the content of bulk strings, one character a byte; '' for what holds others. */
  readonly text: string;
  readonly isNull: boolean;
  readonly items: readonly Reply[];
}

const CR = 0x0d;
/** Map entries are two replies each. */
const ITEMS_PER_COUNT: ReadonlyMap<string, number> = new Map([
  ['*', 1],
  ['~', 1],
  ['>', 1],
  ['%', 2],
]);
const BULK_TYPES: ReadonlySet<string> = new Set(['$', '=', '!']);

interface Cut {
  readonly reply: Reply;
  readonly next: number;
}

/** The reply that begins at `at`; undefined while it is not all there. Throws for what is none. */
export function cutReply(bytes: Buffer, at: number): Cut | undefined {
  const end = bytes.indexOf(CR, at);
  if (end === -1 || end + 2 > bytes.length) return undefined;
  const type = String.fromCharCode(bytes[at] ?? 0);
  const line = bytes.toString('latin1', at + 1, end);
  const next = end + 2;
  if (BULK_TYPES.has(type)) return cutBulk(bytes, type, Number(line), next);
  const perCount = ITEMS_PER_COUNT.get(type);
  if (perCount === undefined) {
    if (!'+-:_#,('.includes(type)) throw new Error(`this is no reply: ${JSON.stringify(type + line)}`);
    return { reply: { type, text: line, isNull: type === '_', items: [] }, next };
  }
  return cutItems(bytes, type, Number(line) * perCount, next);
}

function cutBulk(bytes: Buffer, type: string, length: number, at: number): Cut | undefined {
  if (length < 0) return { reply: { type, text: '', isNull: true, items: [] }, next: at };
  if (at + length + 2 > bytes.length) return undefined;
  const text = bytes.toString('latin1', at, at + length);
  return { reply: { type, text, isNull: false, items: [] }, next: at + length + 2 };
}

function cutItems(bytes: Buffer, type: string, count: number, at: number): Cut | undefined {
  const items: Reply[] = [];
  let next = at;
  while (items.length < count) {
    const cut = cutReply(bytes, next);
    if (cut === undefined) return undefined;
    items.push(cut.reply);
    next = cut.next;
  }
  return { reply: { type, text: '', isNull: count < 0, items }, next };
}

export function isSame(left: Reply, right: Reply): boolean {
  return (
    left.type === right.type &&
    left.text === right.text &&
    left.isNull === right.isNull &&
    left.items.length === right.items.length &&
    left.items.every((item, index) => {
      const other = right.items[index];
      return other !== undefined && isSame(item, other);
    })
  );
}

/** The same with its items in the order of their text: a reply whose order says nothing. */
export function sorted(reply: Reply): Reply {
  const items = reply.items
    .map(sorted)
    .sort((left, right) => (printReply(left) < printReply(right) ? -1 : 1));
  return { ...reply, items };
}

export function isError({ type }: Reply): boolean {
  return type === '-' || type === '!';
}

/** On one line; strings as JavaScript writes them, long ones cut. */
export function printReply({ type, text, isNull, items }: Reply): string {
  if (isNull) return `${type}nil`;
  if (ITEMS_PER_COUNT.has(type)) return `${type}[${items.map(printReply).join(', ')}]`;
  if (!BULK_TYPES.has(type)) return type + text;
  const shown = text.length > 120 ? `${text.slice(0, 120)}…` : text;
  return `${JSON.stringify(shown)}${shown === text ? '' : ` (${text.length} bytes)`}`;
}
