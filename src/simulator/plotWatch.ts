/**
 * Watches a simulated cluster for a plot: who is down, stopped or out of order since when, who is cut from whom, who lags.
 *
 * Looks at the world rather than at what is said about it, a few times a virtual second and whenever it is told that something
 * happened. Changes nothing that a peer could notice: it reads, and adds events of its own to the queue of virtual time.
 */
import { createNewestList } from './newestList.ts';
import { PLOT_CAPS } from './plotData.ts';
import type { SpanKind } from './plotData.ts';
import { countLag, findLacking, heldBy, thinLag } from './plotLag.ts';
import type { LagPoint } from './plotLag.ts';
import type { VirtualPeer } from './virtualPeer.ts';
import type { World } from './world.ts';

/** Virtual milliseconds between two looks in a small cluster, and in one of many peers. */
const LOOK_EVERY_MS = 100;
const LOOK_AT_MANY_EVERY_MS = 250;
const MANY_PEERS = 12;

export interface Span {
  readonly lane: string;
  readonly kind: SpanKind;
  readonly fromMs: number;
  readonly toMs: number;
  readonly text: string;
}

interface CutSpan {
  readonly fromMs: number;
  readonly toMs: number;
  readonly pairs: readonly (readonly [from: string, to: string])[];
}

export interface Watched {
  readonly spans: readonly Span[];
  readonly cuts: readonly CutSpan[];
  readonly lag: ReadonlyMap<string, readonly LagPoint[]>;
  /** A dot that not all have at the end. */
  readonly lacking: { readonly origin: string; readonly sequence: number } | undefined;
}

export interface PlotWatch {
  /** Something has just been said: looks again once it has been done. */
  lookSoon(mayConcernLinks: boolean): void;
  /** The last look; ends what is open. */
  finish(): Watched;
}

export function watchWorld(world: World): PlotWatch {
  const spans = createNewestList<Span>(PLOT_CAPS.spans);
  const cuts = createNewestList<CutSpan>(PLOT_CAPS.spans);
  const lag = new Map<string, LagPoint[]>(world.ids.map((id) => [id, []]));
  /** By lane and kind. */
  const open = new Map<string, Omit<Span, 'toMs'>>();
  let cut: Omit<CutSpan, 'toMs'> = { fromMs: 0, pairs: [] };
  let isDue = false;
  let areLinksDue = true;

  const everyMs = world.ids.length > MANY_PEERS ? LOOK_AT_MANY_EVERY_MS : LOOK_EVERY_MS;
  const lookOn = (): void => {
    look();
    world.at(world.nowMs + everyMs, lookOn);
  };
  world.at(world.nowMs, lookOn);

  return {
    lookSoon(mayConcernLinks) {
      areLinksDue ||= mayConcernLinks;
      if (isDue) return;
      isDue = true;
      // Words come before deeds, and some deeds are put off to the end of the instant: two steps later all is done.
      world.at(world.nowMs, () => {
        world.at(world.nowMs, look);
      });
    },

    finish() {
      look();
      for (const span of open.values()) spans.add({ ...span, toMs: world.nowMs });
      endCut();
      return {
        spans: spans.take().items,
        cuts: cuts.take().items,
        lag: new Map(Array.from(lag, ([id, points]) => [id, thinLag(points, PLOT_CAPS.lagPoints)])),
        lacking: findLacking(world.peers.map(heldBy)),
      };
    },
  };

  function look(): void {
    isDue = false;
    for (const peer of world.peers) lookAt(peer);
    if (areLinksDue) lookAtLinks();
    areLinksDue = false;
    const counts = countLag(world.peers.map(heldBy));
    for (const [at, { id }] of world.peers.entries()) {
      const points = lag.get(id);
      const lagUpdates = counts[at] ?? 0;
      if (points?.at(-1)?.lagUpdates !== lagUpdates) points?.push({ atMs: world.nowMs, lagUpdates });
    }
  }

  function lookAt({ id, isRunning, isPaused, disk, clockOffsetMs, strayShare }: VirtualPeer): void {
    note(id, 'down', isRunning ? '' : 'down');
    note(id, 'paused', isPaused ? 'paused' : '');
    note(id, 'disk', disk.state === 'ok' ? '' : `disk ${disk.state}`);
    note(id, 'clock', clockOffsetMs === 0 ? '' : `clock ${clockOffsetMs > 0 ? '+' : ''}${clockOffsetMs} ms`);
    note(
      id,
      'stray',
      strayShare === 0 ? '' : `${Math.round(strayShare * 100)} % of its datagrams from a wrong address`,
    );
  }

  /** An empty text ends a span. */
  function note(lane: string, kind: SpanKind, text: string): void {
    const name = `${kind} ${lane}`;
    const known = open.get(name);
    if ((known?.text ?? '') === text) return;
    if (known !== undefined) spans.add({ ...known, toMs: world.nowMs });
    if (text === '') open.delete(name);
    else open.set(name, { lane, kind, fromMs: world.nowMs, text });
  }

  function lookAtLinks(): void {
    const pairs: [string, string][] = [];
    for (const from of world.ids)
      for (const to of world.ids)
        if (from !== to && world.network.link(from, to).isCut) pairs.push([from, to]);
    const isSame =
      pairs.length === cut.pairs.length &&
      pairs.every(([from, to], at) => cut.pairs[at]?.[0] === from && cut.pairs[at][1] === to);
    if (isSame) return;
    endCut();
    cut = { fromMs: world.nowMs, pairs };
  }

  function endCut(): void {
    if (cut.pairs.length > 0) cuts.add({ ...cut, toMs: world.nowMs });
  }
}
