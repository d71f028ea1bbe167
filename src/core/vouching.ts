/**
 * What a process must know before its first promise: that nobody remembers more of its peer than its disk does (R10).
 *
 * A promise hides every smaller one, its own older one as well, and with that the fact that its disk was rolled back behind a round (seed 108). So the
 * round that wants the promise collects first what all remember: each member tells it with its answer, or with a refusal while it does not know
 * itself; when all have, the coordinator tells each that does not know. Nobody has to reach anybody but the coordinator (section 5). Who remembers
 * more says so by FENCED and HEARTBEAT; here it is only waited for.
 */
import type { PromiseReport } from './messages.ts';
import type { OpenRound } from './rounds.ts';
import type { PeerState } from './state.ts';
import type { PeerId, Timestamp } from './types.ts';

/** What a member remembers of all. Answers whether with it all members have told. */
export function noteRemembered(round: OpenRound, from: PeerId, promises: readonly PromiseReport[]): boolean {
  if (round.told.has(from)) return false;
  round.told.add(from);
  for (const { id, promised } of promises)
    round.remembered.set(id, Math.max(promised, round.remembered.get(id) ?? 0) as Timestamp);
  return haveAllTold(round);
}

/** The largest promise of a member that anybody remembers; undefined until all have told. */
export function rememberedOf(round: OpenRound, id: PeerId): Timestamp | undefined {
  return haveAllTold(round) ? (round.remembered.get(id) ?? (0 as Timestamp)) : undefined;
}

function haveAllTold({ incarnations, told }: OpenRound): boolean {
  for (const id of incarnations.keys()) if (!told.has(id)) return false;
  return true;
}

/** Takes in what all remember of this peer (undefined: not known yet). Answers whether it may promise. */
export function learnRemembered(state: PeerState, remembered: Timestamp | undefined): boolean {
  if (remembered !== undefined && remembered <= state.promised) state.isVouchedFor = true;
  return state.isVouchedFor;
}
