/**
 * Records one simulated run for a plot: peers as lanes, faults, writes, the messages of one key, lag below.
 *
 * Owns what is written down while the run goes on. plotWatch.ts looks at the state of peers and links, plotRows.ts boils it all
 * down, plotPage.ts makes the HTML. Keeps: recording never changes a run; its trace hash is that of the same run unwatched.
 */
import type { Channel } from '../core/messages.ts';
import type { Observer } from './checker.ts';
import { TWIN_SUFFIX } from './machines.ts';
import { createNewestList } from './newestList.ts';
import type { NewestList } from './newestList.ts';
import { PLOT_CAPS } from './plotData.ts';
import { lookInto } from './plotPackets.ts';
import type { PacketLook } from './plotPackets.ts';
import { renderPlotPage } from './plotPage.ts';
import { buildPlotData, buildPlotHeader } from './plotRows.ts';
import type { LineNote, MarkNote, MomentNote, PlotAbout, SentNote, TwinLife, WriteNote } from './plotRows.ts';
import { watchWorld } from './plotWatch.ts';
import type { PlotWatch } from './plotWatch.ts';
import type { RunResult } from './run.ts';
import type { Written } from './truth.ts';
import type { World } from './world.ts';

interface PlotRecorderOptions {
  readonly peers: readonly string[];
  /** Whose messages are drawn; the failure's key, or else the most written one, when left out. */
  readonly key?: string;
}

interface PlotRecorder {
  readonly observer: Observer;
  /** For the `workload` of a run. Without it there are messages, writes and words, but no spans, no cuts and no lag. */
  attach(world: World): void;
  /** The page, once the run is over. */
  finish(result: RunResult, about: PlotAbout): string;
}

const WRITE = /^(?:set|delete) /;
/** What was done to a machine; everything else that is said of one, it said itself. */
const FAULT = /^(?:crash|start|stop|pause|resume|clock|disk|stray|twin|ends)\b/;
const GOOD_NEWS = /is alive$|agrees with/;
const SHOWN_VALUE_BYTES = 60;
/** About what a stream of the virtual network carries. */
const STREAM_BYTES_PER_MS = 100_000;

export function createPlotRecorder({ peers, key: wanted }: PlotRecorderOptions): PlotRecorder {
  const writes = createNewestList<WriteNote>(PLOT_CAPS.writes);
  const marks = createNewestList<MarkNote>(PLOT_CAPS.marks);
  const log = createNewestList<LineNote>(PLOT_CAPS.log);
  const moments: MomentNote[] = [];
  const twinLives: TwinLife[] = [];
  const twinsSinceMs = new Map<string, number>();
  const sentByKey = new Map<string, NewestList<SentNote>>();
  const countByKey = new Map<string, number>();
  const keyOfDot = new Map<string, string>();
  /** Peers whose write was taken and has not been spoken of. */
  const taken = new Set<string>();
  let last: { readonly bytes: Uint8Array; readonly look: PacketLook | undefined } | undefined;
  let world: World | undefined;
  let watch: PlotWatch | undefined;

  return {
    observer: {
      onWritten(atMs, where, written) {
        keyOfDot.set(`${written.origin}/${written.sequence}`, written.key);
        countByKey.set(written.key, (countByKey.get(written.key) ?? 0) + 1);
        taken.add(where);
        // The twin answers for a peer that is down.
        const isTwin = twinsSinceMs.has(where) && world?.peer(where).isRunning === false;
        const lane = isTwin ? where + TWIN_SUFFIX : where;
        writes.add({ atMs, lane, written, text: describeWritten(written) });
      },

      onEvent(atMs, where, text) {
        log.add({ atMs, where, text });
        if (where !== '' && WRITE.test(text)) {
          if (!taken.delete(where)) writes.add({ atMs, lane: where, written: undefined, text });
          return;
        }
        watch?.lookSoon(where === '');
        noteMoment(atMs, where, text);
        const isFault = where === '' || FAULT.test(text);
        const kind = isFault ? 'fault' : GOOD_NEWS.test(text) ? 'notice' : 'warning';
        marks.add({ atMs, where, text, kind });
      },

      onPacket(atMs, fate, from, to, bytes, channel) {
        // A multicast comes once for each receiver, and is looked into once.
        if (bytes !== last?.bytes) last = { bytes, look: lookInto(bytes, channel, keyOfDot) };
        const { look } = last;
        if (look === undefined) return;
        const takesMs = meanDelayMs(from, to, channel, bytes.length);
        for (const key of look.keys)
          if (wanted === undefined || key === wanted)
            sentOf(key).add({ atMs, takesMs, from, to, fate, look });
      },
    },

    attach(attached) {
      world = attached;
      watch = watchWorld(attached);
    },

    finish(result, about) {
      const stillThere = Array.from(twinsSinceMs, ([id, fromMs]) => ({ id, fromMs, toMs: result.virtualMs }));
      const data = buildPlotData(
        {
          peers,
          key: wanted,
          writes: writes.take(),
          marks: marks.take(),
          log: log.take(),
          moments,
          twinLives: [...twinLives, ...stillThere],
          countByKey,
          keyOfDot,
          sentOf: (key) => sentOf(key).take(),
          watched: watch?.finish(),
        },
        result,
      );
      return renderPlotPage(buildPlotHeader(peers.length, result, about), data);
    },
  };

  function noteMoment(atMs: number, where: string, text: string): void {
    const sinceMs = twinsSinceMs.get(where);
    if (where !== '') {
      if (text === 'twin starts') twinsSinceMs.set(where, atMs);
      else if (text === 'twin ends' && sinceMs !== undefined) {
        twinLives.push({ id: where, fromMs: sinceMs, toMs: atMs });
        twinsSinceMs.delete(where);
      }
    } else if (text === 'everything is healed') moments.push({ atMs, kind: 'healed', text });
    else if (/^equal .* after healing$/.test(text)) moments.push({ atMs, kind: 'equal', text });
    else if (text.startsWith('healthy core:')) moments.push({ atMs, kind: 'core', text });
  }

  function sentOf(key: string): NewestList<SentNote> {
    const known = sentByKey.get(key);
    if (known !== undefined) return known;
    const sent = createNewestList<SentNote>(PLOT_CAPS.messages);
    sentByKey.set(key, sent);
    return sent;
  }

  function meanDelayMs(from: string, to: string, channel: Channel, sizeBytes: number): number {
    if (world === undefined) return 0;
    const { minDelayMs, maxDelayMs } = world.network.link(from, to).quality;
    const meanMs = (minDelayMs + maxDelayMs) / 2;
    return channel === 'stream' ? 2 * meanMs + sizeBytes / STREAM_BYTES_PER_MS : meanMs;
  }
}

function describeWritten({ key, entry: { kind, value } }: Written): string {
  if (kind === 'tombstone') return `${key} deleted`;
  const isShort = value.length <= SHOWN_VALUE_BYTES;
  return `${key}=${isShort ? Buffer.from(value).toString('utf8') : `<${value.length} bytes>`}`;
}
