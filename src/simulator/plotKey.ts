/**
 * Which key a plot follows when nobody said: the one a failure is about, else the most written one.
 */

interface KeyEvidence {
  /** What a failure says. */
  readonly detail: string | undefined;
  /** The key of a dot that some peers have and others lack at the end. */
  readonly lackingKey: string | undefined;
  /** Writes of each key. */
  readonly counts: ReadonlyMap<string, number>;
  /** By `origin/sequence`. */
  readonly keyOfDot: ReadonlyMap<string, string>;
  readonly peers: readonly string[];
}

/** `id/incarnation/sequence`, as checkers name dots. */
const DOT = /[A-Za-z0-9_.-]+\/\d+\/\d+/g;

/** Empty when nothing was written. */
export function chooseKey(evidence: KeyEvidence): string {
  const { detail, lackingKey, counts } = evidence;
  if (detail !== undefined) return keyNamedIn(detail, evidence) ?? lackingKey ?? mostWritten(counts);
  return mostWritten(counts);
}

function keyNamedIn(detail: string, { keyOfDot, counts, peers }: KeyEvidence): string | undefined {
  for (const dot of detail.match(DOT) ?? []) {
    const key = keyOfDot.get(dot);
    if (key !== undefined) return key;
  }
  // The longest: `user 1` is meant where `user` stands too.
  return [...counts.keys()]
    .filter((key) => !peers.includes(key) && isWordIn(detail, key))
    .sort((a, b) => b.length - a.length)[0];
}

function isWordIn(text: string, word: string): boolean {
  if (word === '') return false;
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    const isStart = at === 0 || /[\s(]/.test(text.charAt(at - 1));
    const after = text.charAt(at + word.length);
    if (isStart && (after === '' || /[\s,;:.)]/.test(after))) return true;
  }
  return false;
}

function mostWritten(counts: ReadonlyMap<string, number>): string {
  let best = '';
  let most = 0;
  for (const [key, count] of counts) {
    if (count <= most) continue;
    best = key;
    most = count;
  }
  return best;
}
