/**
 * A simulated client's increment, in a step of the peer that it asks, and what came of it.
 *
 * Owns how it is noted as an update like any other, and acknowledged. What it had to come to, whoever asked judges. Invariant: one increment is one update, of a cell.
 */
import type { Decimal } from '../core/decimal.ts';
import { ToposphereError } from '../core/errors.ts';
import { onIncrement, type CounterForm, type CountingFault } from '../core/increment.ts';
import type { Entry, Key } from '../core/types.ts';
import { BrokenInvariant } from './brokenInvariant.ts';
import type { Level } from './schedule.ts';
import type { Written } from './truth.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

interface Increment {
  readonly key: Key;
  readonly amount: Decimal;
  readonly form: CounterForm;
  readonly level: Level;
  /** Number of the group that it is in, if it is. */
  readonly group?: number | undefined;
}

export type IncrementOutcome =
  | {
      readonly kind: 'taken';
      readonly total: Decimal;
      /** Its update, and what that replaced. */
      readonly written: Written;
      readonly replaced: Entry | undefined;
    }
  | { readonly kind: 'fault'; readonly fault: CountingFault }
  | { readonly kind: 'refused'; readonly error: ToposphereError };

/** To be called in a step of the peer. */
export function increment(
  world: World,
  peer: VirtualPeer,
  { key, amount, form, level, group }: Increment,
): IncrementOutcome {
  const { runtime, touched } = peer;
  const first = touched.entries.length;
  let outcome: ReturnType<typeof onIncrement> | undefined;
  try {
    runtime.attempt((core, now) => {
      outcome = onIncrement(core, now, key, amount, form, level === 'fast');
      return outcome.kind === 'refused' ? outcome.refusal : undefined;
    });
  } catch (error) {
    if (!(error instanceof ToposphereError)) throw error;
    return { kind: 'refused', error };
  }
  if (outcome?.kind === 'fault') return outcome;
  if (outcome?.kind !== 'done') throw new Error(`an increment of ${key} was neither made nor refused`);
  const written = noteCell(world, peer, key, first, group);
  world.acknowledge(peer, written.note, level);
  runtime.endTurnSoon();
  return { kind: 'taken', total: outcome.total, written: written.note, replaced: written.replaced };
}

/** The one update of a cell among what this step has written since. */
function noteCell(
  world: World,
  { address, touched }: VirtualPeer,
  key: Key,
  first: number,
  group: number | undefined,
): { readonly note: Written; readonly replaced: Entry | undefined } {
  const [cell, ...others] = touched.entries
    .slice(first)
    .filter(({ key: at, entry }) => at !== key && entry.kind === 'value');
  if (cell === undefined || others.length > 0)
    throw new BrokenInvariant(
      'counters',
      `${key} at ${address} is incremented by ${cell === undefined ? 0 : 1 + others.length} updates`,
    );
  return { note: world.truth.note(cell.key, cell.entry, world.nowMs, group), replaced: cell.before };
}
