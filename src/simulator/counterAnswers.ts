/**
 * What a client that counts is to be answered: by the arithmetic of amounts alone, and in the faults that redis knows.
 *
 * Owns what redis would say of an increment upon what is shown. What is shown at a peer is what its readers see.
 */
import { readCounted } from '../core/counted.ts';
import { parseFloating, type Decimal } from '../core/decimal.ts';
import type { CounterForm, CountingFault } from '../core/increment.ts';
import type { Key } from '../core/types.ts';
import { formatAmount, ONE, parseAmount } from './counterGhost.ts';
import type { VirtualPeer } from './virtualPeer.ts';

const LARGEST = 2n ** 63n - 1n;

type Answer =
  | { readonly fault: undefined; readonly total: string }
  | { readonly fault: CountingFault; readonly total?: undefined };

/** What redis would say of it. */
export function answerTo(before: string | undefined, by: bigint, form: CounterForm): Answer {
  const amount = parseAmount(before ?? '0');
  const isWhole = amount !== undefined && amount % ONE === 0n && isIn64Bits(amount);
  if (form === 'integer' && !isWhole) return { fault: 'notAnInteger' };
  if (amount === undefined) return { fault: 'notANumber' };
  if (form === 'integer' && !isIn64Bits(amount + by)) return { fault: 'overflow' };
  return { fault: undefined, total: formatAmount(amount + by) };
}

/** As the core adds it. */
export function decimalOf(amount: bigint): Decimal {
  const decimal = parseFloating(Buffer.from(formatAmount(amount)));
  if (decimal === undefined || decimal === 'infinite') throw new Error(`${amount} is no amount`);
  return decimal;
}

export function readText(peer: VirtualPeer, key: Key): string | undefined {
  const shown = readCounted(peer.state, peer.now(), key, peer.disk.store.readEntry(key));
  return shown === undefined ? undefined : Buffer.from(shown.value).toString();
}

function isIn64Bits(amount: bigint): boolean {
  return amount <= LARGEST * ONE && amount >= (-LARGEST - 1n) * ONE;
}
