/**
 * Finds the keys that peers hold differently, by hashes of ranges: only parts that differ are looked into.
 *
 * Owns the descent, its bounds, and telling what differs from what is still on its way: a key counts as differing when the peers have the same
 * updates and not the same entry, or when one has recorded the very update that won elsewhere (I2). Leaves the hashing to the peers
 * (src/peer/rangeDigests.ts) and the words to findKeys.ts.
 */
import { timestampOf } from '../../core/clock.ts';
import type { Address, Reply } from '../connection.ts';
import { replyText, withConnection } from '../connection.ts';
import { CommandFailure } from '../failure.ts';
import { askStatus } from '../status.ts';
import { parseStatus } from '../statusReport.ts';
import type { StatusReport } from '../statusReport.ts';
import type { Comparison, DifferingKey, Mark } from './picture.ts';

export interface Compared {
  readonly name: string;
  readonly address: Address;
}

interface CompareOptions {
  /** A Timestamp, the largest horizon: what may be gone somewhere is not compared. */
  readonly above: number;
  /** Keys that are named, at most. */
  readonly maxKeys: number;
  /** How long the peers are given to have the same updates, milliseconds. */
  readonly settleMs: number;
}

/** Parts a range is divided into. A million keys are reached in two steps. */
const PARTS = 64;
/** A part of so many keys is listed, not divided. */
const LISTED_KEYS = 256;
/** Entries of one answer: a part may have grown since it was counted. */
const MARKS_ASKED = 1000;
/** Ranges that are divided, and parts that are listed, in one descent, at most. */
const MAX_DIVIDED = 40;
const MAX_LISTED = 40;
/** Descents: the second finds what the first had no room for, if that turned out to be on its way. */
const MAX_DESCENTS = 3;
const POLL_MS = 200;

interface Part {
  readonly from: string;
  /** Empty: to the end. */
  readonly before: string;
  /** Of the peer that has most keys in it. */
  readonly keys: number;
  readonly richest: Compared;
}

interface Descent {
  readonly candidates: readonly DifferingKey[];
  readonly unseenKeys: number;
}

/** Never rejects for what peers answer or do not: then it says how far it came. */
export async function compareKeys(peers: readonly Compared[], options: CompareOptions): Promise<Comparison> {
  const compared = peers.map(({ name }) => name);
  const nothing = { compared, differing: [], unsettled: [], unseenKeys: 0, fault: undefined };
  if (peers.length < 2) return nothing;
  const endMs = performance.now() + options.settleMs;
  let latest: Comparison = nothing;
  try {
    for (let descents = 0; descents < MAX_DESCENTS; descents += 1) {
      const { candidates, unseenKeys } = await descend(peers, options);
      if (candidates.length === 0) return { ...nothing, unseenKeys };
      const judged = await judge(peers, options, candidates, Math.max(endMs, performance.now() + POLL_MS));
      latest = { ...nothing, ...judged, unseenKeys };
      const areAllReal = judged.differing.length === candidates.length;
      if (unseenKeys === 0 || areAllReal) return latest;
    }
    return latest;
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    return { ...latest, fault: error.message };
  }
}

async function descend(peers: readonly Compared[], options: CompareOptions): Promise<Descent> {
  const candidates: DifferingKey[] = [];
  const [first] = await byKeys(peers);
  const open: Part[] = first === undefined ? [] : [{ from: '', before: '', keys: Infinity, richest: first }];
  let divided = 0;
  let listed = 0;
  // Depth first: what lies lowest is named first, and little is remembered.
  for (let part = open.pop(); part !== undefined; part = open.pop()) {
    const isListed = part.keys <= LISTED_KEYS;
    const isEnough =
      candidates.length >= options.maxKeys || (isListed ? listed >= MAX_LISTED : divided >= MAX_DIVIDED);
    if (isEnough) {
      open.push(part);
      break;
    }
    if (isListed) {
      listed += 1;
      candidates.push(...(await listDiffering(peers, options.above, part)));
    } else {
      divided += 1;
      open.push(...(await divide(peers, options.above, part)).slice().reverse());
    }
  }
  const unseenKeys =
    open.reduce((sum, { keys }) => sum + keys, 0) + Math.max(0, candidates.length - options.maxKeys);
  return { candidates: candidates.slice(0, options.maxKeys), unseenKeys };
}

/** Whoever has most keys divides first: of what it lacks itself it would make one part. */
async function byKeys(peers: readonly Compared[]): Promise<readonly Compared[]> {
  const keys = new Map<Compared, number>();
  for (const [at, { keys: count }] of (await askAll(peers)).entries()) {
    const peer = peers[at];
    if (peer !== undefined) keys.set(peer, count ?? 0);
  }
  return peers.slice().sort((a, b) => (keys.get(b) ?? 0) - (keys.get(a) ?? 0));
}

function askAll(peers: readonly Compared[]): Promise<StatusReport[]> {
  return Promise.all(peers.map(async ({ address }) => parseStatus(await askStatus(address))));
}

/** The parts of a range that differ, in order. */
async function divide(peers: readonly Compared[], above: number, part: Part): Promise<readonly Part[]> {
  const range = rangeWords(part, above);
  const chosen = readParts(await ask(part.richest, ['DIGESTS', ...range, String(PARTS)]));
  // Without a key of its own the richest has no bounds: others may hold some by now.
  const bounds = chosen.length === 0 ? [part.from] : chosen.map(({ from }) => from);
  const answers = await Promise.all(
    peers.map(async (peer) => readParts(await ask(peer, ['DIGESTS', ...range, 'AT', ...bounds]))),
  );
  return bounds.flatMap((from, at): readonly Part[] => {
    const digests = answers.map((answer) => answer[at]?.digest);
    if (new Set(digests).size === 1) return [];
    let [keys, richest] = [-1, part.richest];
    for (const [index, peer] of peers.entries()) {
      const count = answers[index]?.[at]?.count ?? 0;
      if (count > keys) [keys, richest] = [count, peer];
    }
    return [{ from, before: bounds[at + 1] ?? part.before, keys, richest }];
  });
}

async function listDiffering(
  peers: readonly Compared[],
  above: number,
  part: Pick<Part, 'from' | 'before'>,
): Promise<readonly DifferingKey[]> {
  const words = ['MARKS', ...rangeWords(part, above), String(MARKS_ASKED)];
  const answers = await Promise.all(peers.map(async (peer) => readMarks(await ask(peer, words))));
  // Beyond the last key of an answer that was cut short nothing is known.
  const ends = answers.flatMap((marks) => (marks.size < MARKS_ASKED ? [] : [[...marks.keys()].pop() ?? '']));
  const end = ends.sort()[0];
  const keys = [...new Set(answers.flatMap((marks) => [...marks.keys()]))].sort();
  return keys
    .filter((key) => end === undefined || key <= end)
    .filter((key) => new Set(answers.map((marks) => marks.get(key)?.digest)).size > 1)
    .map((key) => ({
      key,
      held: new Map(peers.map(({ name }, at) => [name, answers[at]?.get(key)])),
    }));
}

/** Looks again at each key until it is known what it is, or the time is up. */
async function judge(
  peers: readonly Compared[],
  options: CompareOptions,
  candidates: readonly DifferingKey[],
  endMs: number,
): Promise<Pick<Comparison, 'differing' | 'unsettled'>> {
  const differing: DifferingKey[] = [];
  let open = candidates;
  for (;;) {
    const before = await askAll(peers);
    const above = Math.max(options.above, highestHorizon(before));
    const again: DifferingKey[] = [];
    for (const { key } of open)
      again.push(...(await listDiffering(peers, above, { from: key, before: `${key}\0` })));
    const after = await askAll(peers);
    const isSettled = areAtRest([...before, ...after]);
    const isReal = (one: DifferingKey): boolean =>
      !mayBeGone(one, highestHorizon(after)) && (isSettled || contradicts(one, peers, before));
    differing.push(...again.filter(isReal));
    open = again.filter((one) => !isReal(one));
    if (open.length === 0 || performance.now() >= endMs) break;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return { differing: differing.sort((a, b) => (a.key < b.key ? -1 : 1)), unsettled: open };
}

/** Horizons rise meanwhile. The millisecond that STATUS cuts off is added. */
function highestHorizon(statuses: readonly StatusReport[]): number {
  const horizonsMs = statuses.flatMap(({ horizonMs }) => (horizonMs === undefined ? [] : [horizonMs]));
  return horizonsMs.length === 0 ? 0 : timestampOf(Math.max(...horizonsMs) + 1);
}

/** Some have let it go already, as they may (R8). */
function mayBeGone({ held }: DifferingKey, horizon: number): boolean {
  return [...held.values()].every(
    (mark) =>
      mark === undefined ||
      ((mark.kind !== 'value' || mark.expiresAt !== 0) &&
        Math.max(mark.timestamp, mark.expiresAt) <= horizon),
  );
}

/** All have the same updates, and had before: what they hold is the same, or should be. */
function areAtRest(statuses: readonly StatusReport[]): boolean {
  const texts = statuses.map(({ vector }) =>
    JSON.stringify([...vector].sort(([a], [b]) => (a < b ? -1 : 1))),
  );
  return new Set(texts).size === 1 && statuses.every(({ lagUpdates }) => lagUpdates === 0);
}

/** I2: somebody has recorded the winner's update, and holds something smaller, or nothing, for its key. */
function contradicts(
  { held }: DifferingKey,
  peers: readonly Compared[],
  statuses: readonly StatusReport[],
): boolean {
  const marks = [...held.values()].filter((mark) => mark !== undefined);
  const [winner] = marks.sort(compareMarks).reverse();
  if (winner === undefined) return false;
  return peers.some(({ name }, at) => {
    const mark = held.get(name);
    const recorded = statuses[at]?.vector.get(`${winner.id}/${winner.incarnation}`) ?? 0;
    return mark?.digest !== winner.digest && recorded >= winner.sequence;
  });
}

/** The order of tags. */
function compareMarks(a: Mark, b: Mark): number {
  if (a.timestamp !== b.timestamp) return a.timestamp - b.timestamp;
  if (a.id !== b.id) return a.id < b.id ? -1 : 1;
  return a.incarnation - b.incarnation || a.sequence - b.sequence;
}

function rangeWords({ from, before }: Pick<Part, 'from' | 'before'>, above: number): readonly string[] {
  return [from, before, String(above)];
}

/** Words are binary strings. */
async function ask({ address }: Compared, words: readonly string[]): Promise<readonly Reply[]> {
  const bytes = words.map((word) => Buffer.from(word, 'latin1'));
  const reply = await withConnection(address, (connection) => connection.request(['TOPOSPHERE', ...bytes]));
  if (Array.isArray(reply)) return reply as readonly Reply[];
  throw new CommandFailure(
    `${words[0] ?? ''} was answered in an unexpected shape; are all peers of one version?`,
  );
}

interface PartAnswer {
  readonly from: string;
  readonly digest: string;
  readonly count: number;
}

function readParts(reply: readonly Reply[]): readonly PartAnswer[] {
  const parts: PartAnswer[] = [];
  for (let at = 0; at + 2 < reply.length; at += 3)
    parts.push({ from: latin1(reply[at]), digest: latin1(reply[at + 1]), count: Number(reply[at + 2]) });
  return parts;
}

function readMarks(reply: readonly Reply[]): ReadonlyMap<string, Mark> {
  const marks = new Map<string, Mark>();
  for (let at = 0; at + 3 < reply.length; at += 4) {
    const [timestamp, id = '', incarnation, sequence, expiresAt] = replyText(reply[at + 2] ?? null).split(
      ' ',
    );
    marks.set(latin1(reply[at]), {
      kind: latin1(reply[at + 1]),
      timestamp: Number(timestamp),
      id,
      incarnation: Number(incarnation),
      sequence: Number(sequence),
      expiresAt: Number(expiresAt),
      digest: latin1(reply[at + 3]),
    });
  }
  return marks;
}

function latin1(reply: Reply | undefined): string {
  return Buffer.isBuffer(reply) ? reply.toString('latin1') : '';
}
