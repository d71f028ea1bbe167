/**
 * The proof that an announcement was written by somebody who has the cluster key.
 *
 * Owns the subkey and what is proved: every field of the announcement, so that none of it can be changed, and the time at which it was written, so
 * that an old one cannot be played back for long. Keeps: a proof is good for announcements alone (a label of its own for the subkey), and gives
 * away nothing about the key.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { Announced, Announcement } from './announcement.ts';

/**
 * right: with our key, and of now. stale: with our key, but written long ago, or by a clock that is far off. wrong, missing: not with our key.
 * unchecked: this side has no key.
 */
export type Proof = 'right' | 'stale' | 'wrong' | 'missing' | 'unchecked';

/** How far the time at which an announcement was written may be from now, seconds. More, and a recorded one can be played back for longer. */
export const PROOF_WINDOW_SECONDS = 120;
const LABEL = 'toposphere announcement 1';
const SUBKEY_BYTES = 32;

/** One for each cluster key: the first proves, every one is believed. */
export function deriveProofKeys(secrets: readonly Uint8Array[]): readonly Uint8Array[] {
  return secrets.map((secret) => new Uint8Array(hkdfSync('sha256', secret, '', LABEL, SUBKEY_BYTES)));
}

/** Base64 for URLs; empty without a key. */
export function prove(keys: readonly Uint8Array[], announcement: Announcement): string {
  const [key] = keys;
  return key === undefined ? '' : sign(key, announcement).toString('base64url');
}

export function checkProof(keys: readonly Uint8Array[], announced: Announced, nowSeconds: number): Proof {
  if (keys.length === 0) return 'unchecked';
  if (announced.proof === '') return 'missing';
  const given = Buffer.from(announced.proof, 'base64url');
  const isRight = keys.some((key) => {
    const expected = sign(key, announced);
    return expected.length === given.length && timingSafeEqual(expected, given);
  });
  if (!isRight) return 'wrong';
  return Math.abs(nowSeconds - announced.writtenAtSeconds) <= PROOF_WINDOW_SECONDS ? 'right' : 'stale';
}

/** No field holds a line end, so that two announcements never have one text. */
function sign(key: Uint8Array, announcement: Announcement): Buffer {
  const { id, clusterId, host, port, incarnation, version, state } = announcement;
  const { membershipHash, memberCount, writtenAtSeconds } = announcement;
  const fields = [
    ...[clusterId, id, host, port, incarnation, version, state],
    ...[membershipHash, memberCount, writtenAtSeconds],
  ];
  return createHmac('sha256', key).update(fields.join('\n')).digest();
}
