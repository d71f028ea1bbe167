/**
 * The invariants of protocol.md, section 11, that one peer can check on itself, numbered as there.
 *
 * I2 (SUP): a dot in have means an entry of its key with a tag at least as large, or the key was dropped.
 * I3: an entry's dot is in have (synthetic tombstones have none). I6: no tag above the clock.
 * Walks everything: for a simulator and tests, not for a running peer.
 */
import { hasSequence, lastSequenceOf } from './haveSet.ts';
import type { PeerState } from './state.ts';
import { originKey } from './types.ts';

/** What is broken, in words; empty when all holds. */
export function findBrokenInvariants(state: PeerState): string[] {
  return [...findUncoveredDots(state), ...findUnrecordedEntries(state)];
}

function* findUncoveredDots(state: PeerState): Generator<string> {
  for (const origin of state.origins.values()) {
    for (let sequence = 1; sequence <= lastSequenceOf(origin.have); sequence += 1) {
      if (!hasSequence(origin.have, sequence)) continue;
      const key = state.store.readRow(origin.key, sequence);
      if (key === undefined) {
        yield `I2: dot ${origin.key}/${sequence} has no update-table row`;
        continue;
      }
      const entry = state.store.readEntry(key);
      if (entry === undefined && state.horizon === 0) yield `I2: dot ${origin.key}/${sequence} has no entry`;
    }
  }
}

function* findUnrecordedEntries(state: PeerState): Generator<string> {
  for (const [key, entry] of state.store.entries({})) {
    if (entry.timestamp > state.clock) yield `I6: the tag of ${key} is above the clock`;
    if (entry.kind === 'synthetic') continue;
    const name = originKey(entry.id, entry.incarnation);
    const origin = state.origins.get(name);
    if (origin === undefined || !hasSequence(origin.have, entry.sequence)) {
      yield `I3: the entry of ${key} has dot ${name}/${entry.sequence}, which is not in have`;
      continue;
    }
    if (state.store.readRow(name, entry.sequence) !== key)
      yield `I3: the row of ${name}/${entry.sequence} names another key`;
  }
}
