/**
 * Of what a simulated cluster is made, and what it counts.
 */
import type { CoreLimits, CoreSettings } from '../core/settings.ts';
import type { Hashing } from '../wire/hash.ts';
import type { Checker, Observer } from './checker.ts';
import type { LinkQuality } from './schedule.ts';

export interface WorldOptions {
  readonly seed: number;
  readonly peers: readonly string[];
  /** Those of them that take part from the start; all when left out. */
  readonly founders?: readonly string[];
  readonly hashing: Hashing;
  readonly settings?: Partial<Omit<CoreSettings, 'limits'>> & { readonly limits?: Partial<CoreLimits> };
  readonly link?: LinkQuality;
  readonly checkers?: readonly Checker[];
  readonly observers?: readonly Observer[];
}

export interface WorldFigures {
  steps: number;
  written: number;
  refused: number;
  /** Operations on a peer that was down or stopped. */
  unreachable: number;
}
