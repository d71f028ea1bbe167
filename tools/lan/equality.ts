/**
 * Whether hosts hold the same, and since when.
 *
 * Owns two answers. At rest: their digests are equal (every entry with its tag, tombstones too). Under load no two digests need ever be equal: there the
 * question is whether everybody holds whatever anybody held when it was asked, by the vectors. Invariant: a time that comes out ends when the answer
 * that shows it was here, so it is never too short.
 */
import { waitUntil } from '../bench/peers.ts';
import type { Host } from './host.ts';

/** Milliseconds between two looks. */
const LOOK_EVERY_MS = 20;

type Vector = Readonly<Record<string, number>>;

export interface Equality {
  readonly isEqual: boolean;
  readonly tookMs: number;
  /** What is lacking, or differs, where it is not. */
  readonly seen: string;
}

/** Waits until all digests are equal; only while nobody writes. */
export async function awaitEqualDigests(hosts: readonly Host[], withinMs: number): Promise<Equality> {
  const sinceMs = performance.now();
  let seen = '';
  const isEqual = await waitUntil(
    async () => {
      const answers = await Promise.all(hosts.map((host) => host.digest()));
      seen = answers
        .map(
          ({ digest, visible, tombstones }, at) =>
            `${hosts[at]?.id ?? ''} ${digest} (${visible} keys, ${tombstones} tombstones)`,
        )
        .join(', ');
      if (new Set(answers.map(({ digest }) => digest)).size > 1) return false;
      const { digest, visible = 0, tombstones = 0 } = answers[0] ?? {};
      seen = `${digest ?? ''} at all ${hosts.length}: ${visible} keys, ${tombstones} tombstones`;
      return true;
    },
    withinMs,
    LOOK_EVERY_MS,
  );
  return { isEqual, tookMs: performance.now() - sinceMs, seen };
}

/** The larger of both, origin by origin. */
export function uniteVectors(vectors: readonly Vector[]): ReadonlyMap<string, number> {
  const united = new Map<string, number>();
  for (const vector of vectors) {
    for (const [origin, sequence] of Object.entries(vector))
      united.set(origin, Math.max(sequence, united.get(origin) ?? 0));
  }
  return united;
}

/**
 * What one host was ever seen to hold, against what all are to hold. An origin of a dead process is folded once everybody has all of it, and then
 * shows in no vector: what nobody shows any more is held.
 */
export function listLacking(
  wanted: ReadonlyMap<string, number>,
  held: ReadonlyMap<string, number>,
  shown: ReadonlySet<string>,
): readonly string[] {
  return [...wanted]
    .filter(([origin, sequence]) => shown.has(origin) && (held.get(origin) ?? 0) < sequence)
    .map(([origin, sequence]) => `${origin} ${held.get(origin) ?? 0} of ${sequence}`);
}

/** Waits until each of `hosts` holds what any of them held when this was called. */
export async function awaitCaughtUp(hosts: readonly Host[], withinMs: number): Promise<Equality> {
  const sinceMs = performance.now();
  const ask = (): Promise<readonly Vector[]> =>
    Promise.all(hosts.map(async (host) => (await host.status()).vector));
  let vectors = await ask();
  const wanted = uniteVectors(vectors);
  const held = hosts.map(() => new Map<string, number>());
  let lacking: readonly string[] = [];
  const judge = (): boolean => {
    const shown = new Set(vectors.flatMap((vector) => Object.keys(vector)));
    for (const [at, vector] of vectors.entries()) {
      for (const [origin, sequence] of Object.entries(vector)) held[at]?.set(origin, sequence);
    }
    lacking = hosts.flatMap(({ id }, at) =>
      listLacking(wanted, held[at] ?? new Map<string, number>(), shown).map((what) => `${id} lacks ${what}`),
    );
    return lacking.length === 0;
  };
  const isEqual = await waitUntil(
    async () => {
      if (judge()) return true;
      vectors = await ask();
      return judge();
    },
    withinMs,
    LOOK_EVERY_MS,
  );
  return { isEqual, tookMs: performance.now() - sinceMs, seen: lacking.join('; ') };
}
