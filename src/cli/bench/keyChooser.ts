/**
 * Which key the next operation is about: all alike, or by Zipf's law.
 *
 * Owns the two distributions over key numbers 0 to n - 1. Zipf numbers are drawn by rejection-inversion (Hörmann and Derflinger, Rejection-inversion to generate
 * variates from monotone discrete distributions, 1996): exact for every exponent above 0, in constant time and no table, where YCSB's own generator is an
 * approximation for exponents below 1. Invariant: rank r is drawn with probability proportional to r to the power of -exponent, and the same rank is always the same key.
 */
import type { RandomStream } from '../../simulator/random.ts';

/** A number from 0 to n - 1. */
type KeyChooser = () => number;

export function chooseUniform(random: RandomStream, count: number): KeyChooser {
  return () => Math.floor(random() * count);
}

/** log(1 + x) / x, and (exp(x) - 1) / x: both are 1 at 0, where the plain quotient has no value. */
function log1pOver(x: number): number {
  return Math.abs(x) > 1e-8 ? Math.log1p(x) / x : 1 - x / 2;
}
function expm1Over(x: number): number {
  return Math.abs(x) > 1e-8 ? Math.expm1(x) / x : 1 + x / 2;
}

/** Ranks 1 to `count`. */
export function drawZipf(random: RandomStream, count: number, exponent: number): () => number {
  const density = (x: number): number => x ** -exponent;
  // The integral of the density, and its inverse; the logarithm for an exponent of 1 is among them.
  const integral = (x: number): number => {
    const log = Math.log(x);
    return expm1Over((1 - exponent) * log) * log;
  };
  const inverse = (y: number): number => {
    const bounded = Math.max(y * (1 - exponent), -1);
    return Math.exp(log1pOver(bounded) * y);
  };
  const first = integral(1.5) - 1;
  const last = integral(count + 0.5);
  // A draw that falls this near to its rank is taken without a look at the density.
  const near = 2 - inverse(integral(2.5) - density(2));
  return () => {
    for (;;) {
      const y = last + random() * (first - last);
      const x = inverse(y);
      const rank = Math.min(Math.max(Math.round(x), 1), count);
      if (rank - x <= near || y >= integral(rank + 0.5) - density(rank)) return rank;
    }
  };
}

function greatestCommonDivisor(left: number, right: number): number {
  return right === 0 ? left : greatestCommonDivisor(right, left % right);
}

/** Popular keys lie all over the key space, not side by side on one page of the store: a multiple that shares no divisor with n is a permutation. */
export function chooseZipf(random: RandomStream, count: number, exponent: number): KeyChooser {
  const draw = drawZipf(random, count, exponent);
  let stride = Math.max(1, Math.round(count * 0.618));
  while (greatestCommonDivisor(stride, count) !== 1) stride += 1;
  return () => ((draw() - 1) * stride) % count;
}
