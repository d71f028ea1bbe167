/**
 * Takes what this peer lacks from one of those that offer it: the others' offers wait until that one has given all, or nothing more comes from it.
 *
 * Records are taken in as those of any SYNC are (R5, onSync.ts); this is about whom they are asked of, and how far they have come. What a catch-up is about to bring is not asked for
 * by NAK as well.
 */
import type { Now } from './clock.ts';
import type { CatchUpPart, PullMessage } from './messages.ts';
import { isHeard } from './liveness.ts';
import { sendHeartbeat } from './onHeartbeat.ts';
import type { OriginState } from './originState.ts';
import type { PeerView } from './peerView.ts';
import { sendStream } from './send.ts';
import { buildHave, type PeerState } from './state.ts';
import type { Origin, OriginKey, PeerId } from './types.ts';

export interface Taking {
  /** The process that was pulled from; undefined: none. */
  from: Origin | undefined;
  /** Its number there, 0 before the first part, and the part that comes next. */
  number: number;
  part: number;
  /** Last sequence of each origin that it is about to bring. */
  through: ReadonlyMap<OriginKey, number>;
  /** Dots recorded of it, and records refused. */
  recorded: number;
  refused: number;
  /** Until when the next part is waited for, monotonic milliseconds. */
  untilMs: number;
  /** Who stopped, or offered what this peer then refused, all of it; and when it is asked again. */
  readonly notBeforeMs: Map<PeerId, number>;
}

export function createTaking(): Taking {
  return {
    from: undefined,
    number: 0,
    part: 0,
    through: new Map(),
    recorded: 0,
    refused: 0,
    untilMs: -Infinity,
    notBeforeMs: new Map(),
  };
}

/** Whether a catch-up is under way: the giver hears this peer, by all it has said, and is heard. */
function isTaking(state: PeerState, now: Now): boolean {
  const { from, untilMs } = state.taking;
  if (from === undefined || now.monotonicMs >= untilMs) return false;
  const view = state.peers.get(from.id);
  return view?.incarnation === from.incarnation && view.hearsUs && isHeard(state, view, now);
}

/** A giver that has stopped is waited for no longer, and another one's offer is as good for a while. */
export function endStalledTaking(state: PeerState, now: Now): void {
  const { taking, settings } = state;
  if (taking.from === undefined || isTaking(state, now)) return;
  taking.notBeforeMs.set(taking.from.id, now.monotonicMs + settings.deadAfterMs);
  taking.from = undefined;
}

/** The giver has left: somebody else's offer is as good from now on, and so is that of its next process. */
export function endTakingFrom({ taking }: PeerState, giver: Origin): void {
  if (isFrom(taking, giver)) taking.from = undefined;
}

function isFrom({ from }: Taking, { id, incarnation }: Origin): boolean {
  return from?.id === id && from.incarnation === incarnation;
}

/** A peer has more for this one than goes into a few datagrams. Right after a cut that is the first word that it hears this one again: it answers. */
export function onOffer(state: PeerState, now: Now, view: PeerView): void {
  const { taking } = state;
  if (view.hasLeft) return; // nobody is there to pull it from
  view.hearsUs = true;
  endStalledTaking(state, now);
  if (taking.from !== undefined || now.monotonicMs < (taking.notBeforeMs.get(view.id) ?? -Infinity)) return;
  const have = buildHave(state); // the offer may be of what has come since
  taking.from = { id: view.id, incarnation: view.incarnation };
  taking.number = 0;
  taking.part = 0;
  taking.recorded = 0;
  taking.refused = 0;
  taking.through = expectedOf(state, view);
  pull(state, now, view.id, { have });
}

/** What the giver has said to have, and what each origin has said to have issued. */
function expectedOf({ origins }: PeerState, { claims }: PeerView): ReadonlyMap<OriginKey, number> {
  const through = new Map<OriginKey, number>();
  for (const { key, announced } of origins.values()) through.set(key, announced);
  for (const [key, claim] of claims) {
    const last = claim.gaps.at(-1)?.[1] ?? claim.contiguous;
    through.set(key, Math.max(last, through.get(key) ?? 0));
  }
  return through;
}

/** Asks for what follows; or, behind the last part, lets the giver know that all of it has come. */
function pull(state: PeerState, now: Now, to: PeerId, report: Pick<PullMessage, 'have'> = {}): void {
  const { taking, settings } = state;
  const { deadAfterMs, limits } = settings;
  taking.untilMs = now.monotonicMs + (taking.number === 0 ? limits.joinRetryMs : deadAfterMs); // the first one has to be gathered
  sendStream(state, to, { kind: 'pull', number: taking.number, part: taking.part, ...report });
}

/** The records of a part have been taken in, so many dots recorded, and so many of the records refused. */
export function onPart(
  state: PeerState,
  now: Now,
  giver: Origin,
  { number, part }: CatchUpPart,
  more: boolean,
  { recorded, refused }: Pick<Taking, 'recorded' | 'refused'>,
): void {
  const { taking, settings, counters } = state;
  const isGiver = isFrom(taking, giver);
  if (isGiver && number === 0 && taking.number === 0) {
    taking.from = undefined; // it gives to as many as it may: somebody else's offer is as good
    return;
  }
  const isNext = part === taking.part && (number === taking.number || (taking.number === 0 && part === 0));
  if (!isGiver || !isNext) {
    counters.droppedMisdirected += 1;
    return;
  }
  taking.number = number;
  taking.part += 1;
  taking.recorded += recorded;
  taking.refused += refused;
  pull(state, now, giver.id);
  if (more) return;
  taking.from = undefined;
  // What it left over is offered at once; what was had all of it, for a claim has room for so many gaps, within a HEARTBEAT period. But a giver of what we
  // refuse would be asked for it for ever.
  if (taking.recorded > 0) sendHeartbeat(state, giver.id);
  else if (taking.refused > 0) taking.notBeforeMs.set(giver.id, now.monotonicMs + settings.deadAfterMs);
}

/** Up to here an origin's dots are not asked for by NAK. */
export function leftToCatchUp(state: PeerState, now: Now, { key }: OriginState): number {
  return isTaking(state, now) ? (state.taking.through.get(key) ?? 0) : 0;
}
