/**
 * Whether this peer can serve a client without showing it less than it has seen (protocol.md, section 7).
 *
 * It can when it holds, for each tag of the client's token, that or something newer, and has all of its parts of a vector. If not it asks for
 * what it lacks, and says whether that is on its way (behind), with somebody who is away (undecided), or lost. Never silence: what cannot be told any
 * more is said to be so.
 */
import { latestCredible } from './apply.ts';
import type { Now } from './clock.ts';
import { isSuperseded } from './cells.ts';
import { isFolded, isVoid, keptOf } from './closures.ts';
import { isEverywhere } from './everywhere.ts';
import { isPast, isVisible } from './expiry.ts';
import { askByHeartbeat } from './gaps.ts';
import { createHaveSet, hasSequence } from './haveSet.ts';
import { isThere, liveIds } from './liveness.ts';
import { hasKept } from './promisesMade.ts';
import { includesAll } from './ranges.ts';
import { wantRound } from './rounds.ts';
import { MAX_SESSION_PROMISES, noteAbsent, noteKnown, noteSeen, relying, replaceParts } from './session.ts';
import type { SeenRange, SeenTag, SessionCover, SessionToken } from './session.ts';
import { buildPromises, type PeerState } from './state.ts';
import { compareTags, originKey, SYNTHETIC_ID } from './types.ts';
import type { Dot, Entry, Key, OriginKey, PeerId } from './types.ts';

/** Parts of a token, by key and by origin. */
export interface SessionParts {
  readonly keys: ReadonlySet<Key>;
  readonly origins: ReadonlySet<OriginKey>;
}

export type SessionVerdict =
  | { readonly kind: 'serves' }
  /** It is on its way; or this peer takes no part yet, has an older disk than it had, or the clocks here have still to come to what the client saw. */
  | { readonly kind: 'behind'; readonly why: 'lacking' | 'joining' | 'clock' | 'disk' }
  /** Only who is away may have it. */
  | { readonly kind: 'undecided'; readonly absent: readonly PeerId[] }
  /** `void`: nobody has it, nor will have. `forgotten`: it is not here, and whether it was lost, or replaced and deleted since, nobody knows any more. */
  | { readonly kind: 'lost'; readonly why: 'void' | 'forgotten'; readonly parts: SessionParts };

type Judgement = 'held' | 'lacking' | 'void' | 'forgotten';

/** Judges, and asks the others for what is lacking. */
export function judgeSession(state: PeerState, now: Now, token: SessionToken): SessionVerdict {
  if (state.phase !== 'member') return { kind: 'behind', why: 'joining' };
  const promised = token.promises.get(state.self.id);
  if (promised !== undefined && !hasKept(state, promised)) {
    pull(state, now, []); // whoever remembers that promise says so, and it joins
    if (promised <= latestCredible(state, now)) wantRound(state.rounds, promised);
    return { kind: 'behind', why: 'disk' };
  }
  const lacking: Dot[] = [];
  const lost = { void: noParts(), forgotten: noParts() };
  for (const [key, seen] of token.tags) {
    const judgement = judgeTag(state, now, key, seen);
    if (judgement === 'lacking') lacking.push(seen);
    else if (judgement !== 'held') lost[judgement].keys.add(key);
  }
  for (const [key, range] of token.ranges) {
    const judgement = judgeRange(state, range);
    if (judgement === 'lacking') lacking.push({ ...range, sequence: range.through });
    else if (judgement !== 'held') lost[judgement].origins.add(key);
  }
  for (const why of ['void', 'forgotten'] as const) {
    const parts = lost[why];
    if (parts.keys.size + parts.origins.size > 0) return { kind: 'lost', why, parts };
  }
  if (token.newest > latestCredible(state, now)) return { kind: 'behind', why: 'clock' };
  if (lacking.length === 0 && token.horizon <= state.horizon) return { kind: 'serves' };
  pull(state, now, lacking);
  const absent = lacking.every((dot) => isComing(state, dot)) ? [] : absentIds(state);
  return absent.length > 0 ? { kind: 'undecided', absent } : { kind: 'behind', why: 'lacking' };
}

/** What the token demands without these parts: its client has been told that they are lost. */
export function forgive(token: SessionToken, { keys, origins }: SessionParts): SessionToken {
  return replaceParts(
    token,
    [...token.tags].filter(([key]) => !keys.has(key)),
    [...token.ranges].filter(([origin]) => !origins.has(origin)),
  );
}

/** The token of a client that this peer serves, with what it read here of a key, or wrote. */
export function noteRead(
  state: PeerState,
  token: SessionToken,
  key: Key,
  entry: Entry | undefined,
): SessionToken {
  const cover: SessionCover = {
    horizon: state.horizon,
    vector: () =>
      Array.from(state.origins.values(), ({ id, incarnation, have: { contiguous } }) => ({
        id,
        incarnation,
        contiguous,
      })),
  };
  const settled = settle(state, token);
  if (entry === undefined) return noteAbsent(settled, key, cover);
  return isReliedUpon(state, entry)
    ? noteKnown(relyOnRounds(state, settled), entry)
    : noteSeen(settled, key, entry, cover);
}

/** R3: what the client writes next is stamped above all it has seen. To be called when the peer serves the token, right before the write. */
export function followSession(state: PeerState, token: SessionToken): void {
  if (token.newest > state.clock) state.clock = token.newest;
}

/**
 * What every member has on its disk is demanded of nobody any more, and no one disk can lose it. The horizon does not say that: who has adopted it has all, another
 * member may not yet have (seed 721122).
 */
function settle(state: PeerState, token: SessionToken): SessionToken {
  const tags = [...token.tags].filter(([key, seen]) => !isKept(state, key, seen));
  const ranges = [...token.ranges].filter(
    ([, { through, ...origin }]) => !isReliedUpon(state, { ...origin, sequence: through }),
  );
  if (tags.length === token.tags.size && ranges.length === token.ranges.size) return token;
  return relyOnRounds(state, replaceParts(token, tags, ranges));
}

function relyOnRounds(state: PeerState, token: SessionToken): SessionToken {
  return relying(
    token,
    buildPromises(state).map(({ id, promised }) => [id, promised]),
  );
}

/**
 * Whether what this peer holds in the place of what the client saw is with every member; or, where it holds nothing, what the client saw. It may hold something older: of a
 * token that came from elsewhere since this peer served it (seed 804913).
 */
function isKept(state: PeerState, key: Key, seen: SeenTag): boolean {
  const entry = state.store.readEntry(key);
  if (entry !== undefined) return compareTags(entry, seen) >= 0 && isReliedUpon(state, entry);
  return !isFolded(state.closures, seen.id, seen.incarnation) && isReliedUpon(state, seen);
}

/** Whether a finished round found it in what every member had on its disk, and a token can say since when. */
function isReliedUpon(state: PeerState, dot: Dot): boolean {
  return state.promises.size < MAX_SESSION_PROMISES && isEverywhere(state, dot);
}

function judgeTag(state: PeerState, now: Now, key: Key, seen: SeenTag): Judgement {
  const entry = state.store.readEntry(key);
  if (entry !== undefined && compareTags(entry, seen) >= 0) return 'held';
  const isNothing = entry === undefined || !isVisible(state, now, entry);
  // It saw nothing, or would see nothing by now whatever became of the update; and there is nothing.
  if (isNothing && (!seen.isValue || isPast(state, now, seen.expiresAt))) return 'held';
  const { id, incarnation, sequence, timestamp } = seen;
  if (id === SYNTHETIC_ID) return timestamp <= state.horizon ? 'held' : 'lacking';
  if (entry === undefined && isSuperseded(state, key)) return 'held';
  // Of a folded origin all that survived is here.
  if (isFolded(state.closures, id, incarnation)) return entry === undefined ? 'forgotten' : 'void';
  if (isVoid(state.closures, id, incarnation, sequence)) return 'void';
  // Known to all, and gone: deleted since, and the tombstone dropped (R8).
  return entry === undefined && timestamp <= state.horizon ? 'held' : 'lacking';
}

function judgeRange(state: PeerState, { id, incarnation, through, seen }: SeenRange): Judgement {
  if (isFolded(state.closures, id, incarnation)) return seen === undefined ? 'held' : 'forgotten';
  const kept = keptOf(state.closures, id, incarnation);
  if (kept !== undefined && seen !== undefined && !includesAll(kept, seen)) return 'void';
  const have = state.origins.get(originKey(id, incarnation))?.have;
  return (have?.contiguous ?? 0) >= through ? 'held' : 'lacking';
}

/** Whether its maker, or somebody who has it, lives and takes part. */
function isComing(state: PeerState, dot: Dot): boolean {
  return dot.id === SYNTHETIC_ID || isThere(state, dot) || holdersOf(state, dot).length > 0;
}

function holdersOf(state: PeerState, { id, incarnation, sequence }: Dot): PeerId[] {
  const key = originKey(id, incarnation);
  const holders: PeerId[] = [];
  for (const view of state.peers.values()) {
    const claim = view.isLive ? view.claims.get(key) : undefined;
    if (claim !== undefined && hasSequence(createHaveSet(claim.contiguous, claim.gaps.flat()), sequence))
      holders.push(view.id);
  }
  return holders;
}

function absentIds({ peers }: PeerState): PeerId[] {
  const absent = [...peers.values()].filter(({ isLive }) => !isLive);
  return absent.map(({ id }) => id);
}

/** A HEARTBEAT asks for everything that this peer lacks: of the maker where that lives, of a holder, or of anybody live. */
function pull(state: PeerState, now: Now, lacking: readonly Dot[]): void {
  const asked = new Set<PeerId>();
  for (const dot of lacking) {
    const [holder] = isThere(state, dot) ? [dot.id] : holdersOf(state, dot);
    if (holder !== undefined) asked.add(holder);
  }
  const [anybody] = liveIds(state);
  if (asked.size === 0 && anybody !== undefined) asked.add(anybody);
  for (const id of asked) askByHeartbeat(state, now, id);
}

function noParts(): { readonly keys: Set<Key>; readonly origins: Set<OriginKey> } {
  return { keys: new Set(), origins: new Set() };
}
