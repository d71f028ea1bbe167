/**
 * From what was recorded of a run to what a page shows: rows, the key they follow, the facts above them.
 *
 * Pure. Names of lanes become indices, a twin's lane stands under that of its peer, what is unknown to the lanes belongs to the
 * whole cluster (-1).
 */
import type { Newest } from './newestList.ts';
import { MESSAGE_KINDS, roundMs, shorten } from './plotData.ts';
import type { MarkKind, MomentKind, PlotData, PlotHeader } from './plotData.ts';
import { chooseKey } from './plotKey.ts';
import type { PacketLook } from './plotPackets.ts';
import type { Span, Watched } from './plotWatch.ts';
import type { RunResult } from './run.ts';
import { TWIN_SUFFIX } from './machines.ts';
import type { Written } from './truth.ts';
import type { Fate } from './virtualNetwork.ts';

/** Something said, by a peer or (where '') about the cluster. */
export interface LineNote {
  readonly atMs: number;
  readonly where: string;
  readonly text: string;
}

export interface MarkNote extends LineNote {
  readonly kind: MarkKind;
}

export interface MomentNote {
  readonly atMs: number;
  readonly kind: MomentKind;
  readonly text: string;
}

export interface WriteNote {
  readonly atMs: number;
  readonly lane: string;
  /** Undefined of a write that was refused. */
  readonly written: Written | undefined;
  readonly text: string;
}

export interface SentNote {
  readonly atMs: number;
  /** The link's mean: when a packet arrives is not told. */
  readonly takesMs: number;
  readonly from: string;
  readonly to: string;
  readonly fate: Fate;
  readonly look: PacketLook;
}

/** While a twin was there. */
export interface TwinLife {
  readonly id: string;
  readonly fromMs: number;
  readonly toMs: number;
}

interface Recording {
  readonly peers: readonly string[];
  /** Wanted by the caller. */
  readonly key: string | undefined;
  readonly writes: Newest<WriteNote>;
  readonly marks: Newest<MarkNote>;
  readonly log: Newest<LineNote>;
  readonly moments: readonly MomentNote[];
  readonly twinLives: readonly TwinLife[];
  readonly countByKey: ReadonlyMap<string, number>;
  readonly keyOfDot: ReadonlyMap<string, string>;
  readonly sentOf: (key: string) => Newest<SentNote>;
  /** Undefined without a world to look at. */
  readonly watched: Watched | undefined;
}

export interface PlotAbout {
  readonly title: string;
  /** The command that runs this again. */
  readonly replay: string;
  readonly seed?: number;
}

const LEVELS = ['fast', 'committed', 'durable'] as const;
const FATES: readonly Fate[] = ['sent', 'lost', 'cut'];

export function buildPlotData(recording: Recording, { failure, virtualMs: endMs }: RunResult): PlotData {
  const { peers, writes, marks, log, twinLives, watched } = recording;
  const key = recording.key ?? keyOf(recording, failure?.detail);
  const sent = recording.sentOf(key);
  const twins = new Set(twinLives.map(({ id }) => id + TWIN_SUFFIX));
  const lanes = peers.flatMap((id) => (twins.has(id + TWIN_SUFFIX) ? [id, id + TWIN_SUFFIX] : [id]));
  const lane = indexer(lanes);
  const texts: string[] = [];
  const textAt = internIn(texts);
  const moments =
    failure === undefined
      ? recording.moments
      : [...recording.moments, { atMs: failure.atMs, kind: 'failed' as const, text: failure.detail }];
  return {
    endMs: roundMs(endMs),
    lanes: lanes.map((name) => ({ name, isTwin: twins.has(name) })),
    key,
    writes: writes.items.map((note) => [
      roundMs(note.atMs),
      lane(note.lane),
      note.written === undefined ? -1 : LEVELS.indexOf(note.written.level),
      note.written === undefined ? 2 : note.written.isAcknowledged ? 0 : 1,
      isOfKey(note, key) ? 1 : 0,
      shorten(note.text),
    ]),
    messages: sent.items.map(({ atMs, takesMs, from, to, fate, look }) => [
      roundMs(atMs),
      roundMs(takesMs),
      lane(from),
      lane(to),
      MESSAGE_KINDS.indexOf(look.kind),
      FATES.indexOf(fate),
      textAt(look.text),
    ]),
    texts,
    spans: [...(watched?.spans ?? []), ...absencesOf(twinLives, endMs)].map((span) => [
      lane(span.lane),
      span.kind,
      roundMs(span.fromMs),
      roundMs(span.toMs),
      shorten(span.text),
    ]),
    cuts: (watched?.cuts ?? []).map(({ fromMs, toMs, pairs }) => [
      roundMs(fromMs),
      roundMs(toMs),
      pairs.map(([from, to]) => [lane(from), lane(to)]),
    ]),
    marks: marks.items.map(({ atMs, where, kind, text }) => [
      roundMs(atMs),
      lane(where),
      kind,
      shorten(text),
    ]),
    moments: moments.map(({ atMs, kind, text }) => [roundMs(atMs), kind, shorten(text)]),
    lag: lanes.map((name) =>
      (watched?.lag.get(name) ?? []).flatMap(({ atMs, lagUpdates }) => [roundMs(atMs), lagUpdates]),
    ),
    log: log.items.map(({ atMs, where, text }) => [roundMs(atMs), where, shorten(text)]),
    leftOut: { messages: sent.leftOut, writes: writes.leftOut, marks: marks.leftOut },
  };
}

export function buildPlotHeader(
  servers: number,
  result: RunResult,
  { title, replay, seed }: PlotAbout,
): PlotHeader {
  const { failure, convergedMs } = result;
  const facts = [
    ...(seed === undefined ? [] : [['seed', String(seed)] as const]),
    ['servers', String(servers)],
    ['virtual time', seconds(result.virtualMs)],
    ['equal after healing', convergedMs === undefined ? 'never' : `${Math.round(convergedMs)} ms`],
    ['writes', `${result.written} taken, ${result.refused} refused, ${result.unreachable} unreachable`],
    ['packets', String(result.datagrams)],
    ['steps', String(result.steps)],
    ['trace', result.traceHash],
  ] as const;
  if (failure === undefined) return { title, replay, verdict: 'passed', facts };
  const when = `at ${seconds(failure.atMs)}, step ${failure.step}`;
  const { detail, stack } = failure;
  return {
    title,
    replay,
    verdict: `failed: ${failure.invariant}`,
    failure: stack === undefined ? { detail, when } : { detail, when, stack },
    facts,
  };
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}

function keyOf({ peers, countByKey, keyOfDot, watched }: Recording, detail: string | undefined): string {
  const dot = watched?.lacking;
  const lackingKey = dot === undefined ? undefined : keyOfDot.get(`${dot.origin}/${dot.sequence}`);
  return chooseKey({ detail, lackingKey, counts: countByKey, keyOfDot, peers });
}

function isOfKey({ written, text }: WriteNote, key: string): boolean {
  if (written !== undefined) return written.key === key;
  return text.startsWith(`set ${key}=`) || text.startsWith(`delete ${key}:`);
}

/** The index of a name, -1 for an unknown one. */
function indexer(names: readonly string[]): (name: string) => number {
  const indices = new Map(names.map((name, at) => [name, at]));
  return (name) => indices.get(name) ?? -1;
}

/** The index of a text in `texts`, which grows by every new one. */
function internIn(texts: string[]): (text: string) => number {
  const indices = new Map<string, number>();
  return (text) => {
    const known = indices.get(text);
    if (known !== undefined) return known;
    indices.set(text, texts.length);
    return texts.push(text) - 1;
  };
}

/** When twins were not there. */
function absencesOf(lives: readonly TwinLife[], endMs: number): readonly Span[] {
  const absent = { kind: 'absent', text: 'no twin' } as const;
  const spans: Span[] = [];
  const goneSinceMs = new Map(lives.map(({ id }) => [id + TWIN_SUFFIX, 0]));
  for (const { id, fromMs, toMs } of lives) {
    const lane = id + TWIN_SUFFIX;
    spans.push({ ...absent, lane, fromMs: goneSinceMs.get(lane) ?? 0, toMs: fromMs });
    goneSinceMs.set(lane, toMs);
  }
  for (const [lane, fromMs] of goneSinceMs) spans.push({ ...absent, lane, fromMs, toMs: endMs });
  return spans.filter(({ fromMs, toMs }) => toMs > fromMs);
}
