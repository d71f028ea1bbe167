/**
 * From the picture to all findings, the gravest first: a pure function, so that each finding can be tried on a picture that was built by hand.
 *
 * Owns the order alone; each kind of finding is in a file of its own. Invariant: the same picture gives the same findings.
 */
import type { Finding, Severity } from './finding.ts';
import { findMachine } from './findMachine.ts';
import { findMulticast } from './findMulticast.ts';
import { findReach } from './findReach.ts';
import { findSameness } from './findSameness.ts';
import { findState } from './findState.ts';
import { findTrust } from './findTrust.ts';
import type { Picture } from './picture.ts';

export const SEVERITIES: readonly Severity[] = ['fault', 'risk', 'note'];

export function listFindings(picture: Picture): readonly Finding[] {
  const trust = findTrust(picture);
  const all = [
    ...findReach(picture, trust.isExplained),
    ...trust.findings,
    ...findSameness(picture),
    ...findMulticast(picture),
    ...findMachine(picture),
    ...findState(picture),
  ];
  return SEVERITIES.flatMap((severity) => all.filter((finding) => finding.severity === severity));
}

/** A note needs nothing done. */
export function matters({ severity }: Finding): boolean {
  return severity !== 'note';
}
