/**
 * Damaged frames from a seed: the same seed damages the same way, so that a failing round can be run again.
 */

/** Whole numbers below `limit`; the same seed gives the same numbers (mulberry32). */
export function createRandom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * limit);
  };
}

const TELLING = Buffer.from('*$\r\n0129-"\'\\ \0x');

/** `seed` with one to four bytes replaced, put in, taken out or repeated. */
export function mutate(seed: Buffer, random: (limit: number) => number): Buffer {
  const bytes = [...seed];
  for (let change = 1 + random(4); change > 0; change -= 1) {
    const at = random(bytes.length + 1);
    const byte = random(3) === 0 ? random(256) : (TELLING[random(TELLING.length)] ?? 0);
    switch (random(4)) {
      case 0:
        bytes.splice(at, 1, byte);
        break;
      case 1:
        bytes.splice(at, 0, byte);
        break;
      case 2:
        bytes.splice(at, 1 + random(3));
        break;
      default:
        bytes.splice(at, 0, ...bytes.slice(random(bytes.length + 1)));
    }
  }
  return Buffer.from(bytes);
}
