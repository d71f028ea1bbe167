/**
 * Increments of a running peer: written by the core, and refused in redis's own words, which clients know.
 */
import type { Now } from '../core/clock.ts';
import { decimalBytes } from '../core/counted.ts';
import type { Decimal } from '../core/decimal.ts';
import { ToposphereError } from '../core/errors.ts';
import {
  countUpon,
  onIncrement,
  planIncrement,
  type CounterForm,
  type CountingFault,
} from '../core/increment.ts';
import type { Key } from '../core/types.ts';
import type { KeyWrite } from '../core/write.ts';
import type { RequestedIncrement } from './backend.ts';
import type { Runtime } from './runtime.ts';
import { refusalError } from './runtimeErrors.ts';

const FAULTS: Readonly<Record<CountingFault, string>> = {
  notAnInteger: 'value is not an integer or out of range',
  notANumber: 'value is not a valid float',
  overflow: 'increment or decrement would overflow',
  infinite: 'increment would produce NaN or Infinity',
};

function throwFault(fault: CountingFault): never {
  throw new ToposphereError('BAD_ARGUMENT', FAULTS[fault]);
}

/** As a program counts: by a whole number. Throws BAD_ARGUMENT for what is none. */
export function countOn(
  counters: { readonly increment: (key: Key, by: Decimal, form: CounterForm, isFast: boolean) => Uint8Array },
  key: Key,
  by: number,
  isFast: boolean,
): number {
  if (!Number.isSafeInteger(by))
    throw new ToposphereError('BAD_ARGUMENT', `an increment is a whole number; this is ${String(by)}`);
  const total = counters.increment(key, { mantissa: BigInt(by), scale: 0 }, 'integer', isFast);
  return Number(String.fromCharCode(...total));
}

/** What a value, or none, would be when so much is added. Throws BAD_ARGUMENT. */
export function countedBytes(value: Uint8Array | undefined, by: Decimal, form: CounterForm): Uint8Array {
  const total = countUpon(value, by, form);
  if (typeof total === 'string') throwFault(total);
  return decimalBytes(total);
}

/** Throws a ToposphereError when it is refused; nothing was changed then. */
export function increment(
  runtime: Runtime,
  key: Key,
  by: Decimal,
  form: CounterForm,
  isFast: boolean,
): Uint8Array {
  let total: Decimal | undefined;
  runtime.attempt((state, now) => {
    const outcome = onIncrement(state, now, key, by, form, isFast);
    if (outcome.kind === 'fault') throwFault(outcome.fault);
    if (outcome.kind === 'refused') return outcome.refusal;
    total = outcome.total;
    return undefined;
  });
  if (total === undefined) throw new Error('an increment was neither made nor refused');
  return decimalBytes(total);
}

/** What an increment writes as one of a request's changes. Throws likewise. */
export function plannedWrite({ state }: Runtime, now: Now, { key, by, form }: RequestedIncrement): KeyWrite {
  const plan = planIncrement(state, now, key, by, form);
  if (plan.kind === 'planned') return plan.write;
  if (plan.kind === 'fault') throwFault(plan.fault);
  throw refusalError(plan.refusal);
}
