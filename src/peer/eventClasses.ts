/**
 * Which events on keys clients are told of: the letters of Redis's notify-keyspace-events, and what each stands for.
 *
 * Owns reading and writing these letters as Redis 7 does. Which event is of which class, and who is told, is the server's (keyspaceEvents.ts). Letters of what does not exist here, such as lists, are
 * read and written and name nothing: clients set `KEA` whatever they use. Invariant: what is written is read as the same classes.
 */

/** One letter each; a set of classes is their sum. */
export const EVENT_CLASSES = {
  keyspace: 1 << 0,
  keyevent: 1 << 1,
  generic: 1 << 2,
  string: 1 << 3,
  expired: 1 << 4,
  created: 1 << 5,
  missed: 1 << 6,
} as const;

/** Those of `A`; these and the others in the order in which Redis writes them. */
const OF_ALL = [
  ['g', EVENT_CLASSES.generic],
  ['$', EVENT_CLASSES.string],
  ['l', 1 << 7],
  ['s', 1 << 8],
  ['h', 1 << 9],
  ['z', 1 << 10],
  ['x', EVENT_CLASSES.expired],
  ['e', 1 << 11],
  ['t', 1 << 12],
  ['d', 1 << 13],
] as const;
const ALL = OF_ALL.reduce((sum, [, bit]) => sum | bit, 0);
const OTHERS = [
  ['n', EVENT_CLASSES.created],
  ['K', EVENT_CLASSES.keyspace],
  ['E', EVENT_CLASSES.keyevent],
  ['m', EVENT_CLASSES.missed],
] as const;
const BITS: ReadonlyMap<string, number> = new Map<string, number>([['A', ALL], ...OF_ALL, ...OTHERS]);

/** Every letter, as Redis names them to whoever gives another one. */
export const EVENT_LETTERS = 'Ag$lshzxeKEtmdn';

/** Undefined for a letter that is none. */
export function parseEventClasses(letters: string): number | undefined {
  let classes = 0;
  for (const letter of letters) {
    const bit = BITS.get(letter);
    if (bit === undefined) return undefined;
    classes |= bit;
  }
  return classes;
}

/** Redis 7.0 leaves out n beside A, though it is in force. */
export function formatEventClasses(classes: number): string {
  const written = (rows: readonly (readonly [string, number])[]): string =>
    rows.map(([letter, bit]) => ((classes & bit) === 0 ? '' : letter)).join('');
  return ((classes & ALL) === ALL ? 'A' : written(OF_ALL)) + written(OTHERS);
}
