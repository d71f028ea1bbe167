/**
 * Which known name somebody may have meant.
 *
 * Owns what counts as near; the distance itself is fastest-levenshtein's. Case and punctuation do not count, so that
 * the form of a flag, a variable and a key find each other. Invariant: a name far from all suggests none.
 */
import { distance } from 'fastest-levenshtein';

/** Letters that may be wrong, as a share of the longer name: more, and the two have little in common. */
const NEAR_SHARE = 0.34;
/** Letters that a name cut short must have kept. */
const STEM_LETTERS = 3;

function lettersOf(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

function isCutShort(stem: string, whole: string): boolean {
  return stem.length >= STEM_LETTERS && whole.startsWith(stem);
}

/** The nearest of `known`, one that is longer or shorter only at its end first; undefined when none is near. */
export function findNearest(name: string, known: readonly string[]): string | undefined {
  const letters = lettersOf(name);
  const near = known.flatMap((candidate) => {
    const others = lettersOf(candidate);
    const wrong = distance(letters, others);
    const isStem = isCutShort(letters, others) || isCutShort(others, letters);
    const isNear = isStem || wrong <= NEAR_SHARE * Math.max(letters.length, others.length);
    return isNear ? [{ candidate, wrong, isStem }] : [];
  });
  near.sort((a, b) => Number(b.isStem) - Number(a.isStem) || a.wrong - b.wrong);
  return near[0]?.candidate;
}
