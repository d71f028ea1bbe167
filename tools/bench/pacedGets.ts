/**
 * One client that reads from a server at a steady pace, in a process of its own: what others' work costs those who are served meanwhile.
 *
 * Owns that process and the pace. Leaves clock readings to getProbe.ts. Invariant: what was measured at rest and under load was
 * measured by the same process, with the same keys.
 */
import type { Bench } from './budget.ts';
import type { Filling } from './fillStore.ts';
import type { BeginGetsMessage, EndGetsMessage, LatenciesMessage, StandsByMessage } from './joinMessages.ts';

export const GETS_PER_SECOND = 500;
const START_TIMEOUT_MS = 20_000;
/** Milliseconds that the last answers are waited for: a server may stand still for long. */
const END_TIMEOUT_MS = 120_000;

export interface PacedGets {
  readonly begin: (port: number, { prefix, keys }: Filling) => void;
  /** Milliseconds that each GET took, those counted that were due while one waited. */
  readonly end: () => Promise<readonly number[]>;
}

export async function startPacedGets(bench: Bench): Promise<PacedGets> {
  const probe = bench.children.fork('get probe', new URL('getProbe.ts', import.meta.url), []);
  await probe.next<StandsByMessage>('standsBy', START_TIMEOUT_MS);
  return {
    begin(port, { prefix, keys }) {
      const message = { kind: 'beginGets', port, prefix, keys, perSecond: GETS_PER_SECOND } as const;
      probe.send(message satisfies BeginGetsMessage);
    },
    async end() {
      probe.send({ kind: 'endGets' } satisfies EndGetsMessage);
      return (await probe.next<LatenciesMessage>('latencies', END_TIMEOUT_MS)).latenciesMs;
    },
  };
}
