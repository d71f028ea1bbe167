/**
 * A client's increment on this peer (protocol.md, section 10): the own cell of the key's base, written anew with a larger sum. Nothing is read to be written back, so increments on
 * two sides of a cut add up.
 *
 * Owns what an increment writes and when it is refused, as redis refuses it; the write is one like any other (write.ts). Invariant: what is refused has changed nothing.
 */
import { isSameBase, type Counter, type HeldCell } from './cells.ts';
import type { Now } from './clock.ts';
import { totalOf } from './counted.ts';
import { cellKey, encodeCell, type CounterBase } from './counterCells.ts';
import { baseFor } from './counting.ts';
import {
  addDecimals,
  isFloatSized,
  isInteger64,
  parseFloating,
  parseInteger,
  ZERO,
  type Decimal,
} from './decimal.ts';
import { hasExpired, isVisible } from './expiry.ts';
import { expireEntry } from './onExpiryTimer.ts';
import type { PeerState } from './state.ts';
import type { Incarnation, Key } from './types.ts';
import { onWrite, type KeyWrite, type WriteRefusal } from './write.ts';

/** Whether the counter stays a 64-bit integer, or may have places. */
export type CounterForm = 'integer' | 'float';

/** Why a value cannot be counted upon, or so far. */
export type CountingFault = 'notAnInteger' | 'notANumber' | 'overflow' | 'infinite';

type IncrementPlan =
  | { readonly kind: 'planned'; readonly total: Decimal; readonly write: KeyWrite }
  | { readonly kind: 'refused'; readonly refusal: WriteRefusal }
  | { readonly kind: 'fault'; readonly fault: CountingFault };

type IncrementOutcome =
  { readonly kind: 'done'; readonly total: Decimal } | Exclude<IncrementPlan, { kind: 'planned' }>;

export function onIncrement(
  state: PeerState,
  now: Now,
  key: Key,
  by: Decimal,
  form: CounterForm,
  isFast: boolean,
): IncrementOutcome {
  const plan = planIncrement(state, now, key, by, form);
  if (plan.kind !== 'planned') return plan;
  const { write, total } = plan;
  const refusal = onWrite(state, now, write.key, write.value, isFast, write.expiresAt);
  if (refusal !== undefined) return { kind: 'refused', refusal };
  noteExpired(state, now, key);
  return { kind: 'done', total };
}

/** What was found to be over is noticed now: whoever is told of changes hears what has come in its place. */
function noteExpired(state: PeerState, now: Now, key: Key): void {
  const base = state.cells.byKey.get(key)?.entry;
  if (base?.kind !== 'value' || base.expiresAt === 0) return;
  const entry = state.store.readEntry(key);
  if (entry === undefined) return;
  if (hasExpired(state, now, entry.expiresAt)) expireEntry(state, key, entry); // readers may take it for past before that is sure
}

/** What an increment would write here and now, for whoever writes it together with other things. */
export function planIncrement(
  state: PeerState,
  now: Now,
  key: Key,
  by: Decimal,
  form: CounterForm,
): IncrementPlan {
  const counter = state.cells.byKey.get(key);
  const entry = counter === undefined ? state.store.readEntry(key) : counter.entry;
  const seen = entry !== undefined && isVisible(state, now, entry) ? entry : undefined;
  const counted = counter === undefined ? undefined : totalOf(counter, seen);
  const total = counted === undefined ? countUpon(seen?.value, by, form) : add(counted, by, form);
  if (typeof total === 'string') return { kind: 'fault', fault: total };
  const base = baseFor(entry, seen !== undefined, counter?.cells ?? [], state.self, state.horizon);
  const own = findOwn(state, counter, base);
  const hidden = own?.hidden ?? cellKey({ ...state.self, key, base });
  const refusal = own === undefined ? findRefusal(state, hidden) : undefined;
  if (refusal !== undefined) return { kind: 'refused', refusal };
  const value = encodeCell({
    sum: addDecimals(own?.sum ?? ZERO, by),
    absorbed: own?.absorbed ?? (0 as Incarnation),
  });
  return { kind: 'planned', total, write: { key: hidden, value, expiresAt: seen?.expiresAt ?? 0 } };
}

/** What a value, or none, stands at when so much is added; or why nothing can be. */
export function countUpon(
  value: Uint8Array | undefined,
  by: Decimal,
  form: CounterForm,
): Decimal | CountingFault {
  if (value === undefined) return add(ZERO, by, form);
  const before =
    form === 'integer' ? (parseInteger(value) ?? 'notAnInteger') : (parseFloating(value) ?? 'notANumber');
  return typeof before === 'string' ? before : add(before, by, form);
}

function add(before: Decimal, by: Decimal, form: CounterForm): Decimal | CountingFault {
  if (form === 'integer' && !isInteger64(before)) return 'notAnInteger';
  const total = addDecimals(before, by);
  if (form === 'integer') return isInteger64(total) ? total : 'overflow';
  return isFloatSized(total) ? total : 'infinite';
}

/** The cell of this process that has this base. */
export function findOwn(
  { self }: PeerState,
  counter: Counter | undefined,
  base: CounterBase,
): HeldCell | undefined {
  return counter?.cells.find(
    (cell) => cell.id === self.id && cell.incarnation === self.incarnation && isSameBase(cell.base, base),
  );
}

/** A first increment makes a cell. */
function findRefusal({ cells, settings, self }: PeerState, hidden: Key): WriteRefusal | undefined {
  const { maxCounterCells, maxKeyBytes } = settings.limits;
  if (hidden.length > maxKeyBytes)
    return {
      code: 'KEY_TOO_LONG',
      message: `nothing was counted: a counter's key is shorter than others' by what a peer adds to it, and this one is too long by ${hidden.length - maxKeyBytes} bytes: shorten it, or hash it`,
    };
  if (cells.count < maxCounterCells) return undefined;
  return {
    code: 'NO_ROOM',
    message:
      `nothing was counted: ${self.id} holds ${cells.count} cells of counters, as many as it may (maxCounterCells), one for each counter and peer that counts it; ` +
      'delete counters that are not needed, or raise it',
  };
}
