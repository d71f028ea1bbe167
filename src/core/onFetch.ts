/**
 * FETCH, of a register (quorum.ts): what this peer holds of a key, said when that is durable here, and nothing before.
 *
 * With a record it takes that first, by the rules of any other (R2 to R5), so an answer whose tag is not below says that it is held. Who knows other members, or has lost
 * its disk and cannot be sure yet, says so instead. One answer a question, whoever asks; nothing is remembered.
 */
import type { Now } from './clock.ts';
import type { FetchMessage } from './messages.ts';
import { takeAlone } from './onSync.ts';
import { heldRecord, heldTag, isSure } from './quorum.ts';
import { sendControl } from './send.ts';
import type { PeerState } from './state.ts';
import { compareTags, type Incarnation, type PeerId } from './types.ts';

export function onFetch(
  state: PeerState,
  now: Now,
  from: { readonly id: PeerId; readonly incarnation: Incarnation },
  message: FetchMessage,
): void {
  const { number, key, record, wants } = message;
  const { membershipHash, quorum } = state;
  const about = { kind: 'fetched', asker: from.incarnation, number, membershipHash } as const;
  if (message.membershipHash !== membershipHash || !isSure(state)) {
    if (!isSure(state)) quorum.isRoundWanted = true;
    sendControl(state, from.id, about, 'committed');
    return;
  }
  if (record !== undefined && !takeAlone(state, now, from.id, record)) state.counters.fetchedRefused += 1;
  const tag = heldTag(state, key);
  const isNews = wants === 'record' && compareTags(tag, message.tag) > 0;
  const answer = isNews ? { ...about, tag, record: heldRecord(state, key) } : { ...about, tag };
  sendControl(state, from.id, answer, 'durable');
}
