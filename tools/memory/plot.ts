/**
 * A run as a picture: table rows and tombstones over the updates, the phases marked. One SVG, alone or in a page of its own.
 *
 * Owns the drawing; nothing is fetched by whoever opens it. A band goes from the lowest to the highest that was seen between two samples,
 * a line along its upper edge, one a peer. Invariant: both charts have the same updates below each other, and begin at zero.
 */
import { PHASES } from './plan.ts';
import { formatCount, formatVerdict, QUANTITY_NAMES } from './report.ts';
import { QUANTITIES, samplesOf, type Quantity, type Sample, type Span } from './samples.ts';
import type { Verdict } from './verdicts.ts';

export interface PlotFacts {
  readonly title: string;
  /** Sentences below the title. */
  readonly notes: readonly string[];
  readonly verdicts: readonly Verdict[];
}

const WIDTH = 1120;
const LEFT = 92;
const RIGHT = 24;
const TOP = 74;
const CHART = 250;
const GAP = 64;
const HEIGHT = TOP + QUANTITIES.length * (CHART + GAP) + 12;
/** Hues of the peers, degrees. */
const HUES = [215, 30, 155, 280];
const TICKS = 5;

const STYLE = `
svg { background: #ffffff; font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
text { fill: #1d242d; } .soft { fill: #5d6875; font-size: 12px; } .title { font-size: 16px; font-weight: 650; }
.grid { stroke: #eceff3; } .axis { stroke: #b4bcc6; } .odd { fill: #f4f6f9; } .away { fill: #f3ece6; }
.phase { font-size: 12px; font-weight: 600; fill: #5d6875; }`;

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** The next of 1, 2, 5 times a power of ten, so that at most TICKS steps reach `high`. */
function stepFor(high: number): number {
  const least = Math.max(high, 1) / TICKS;
  const power = 10 ** Math.floor(Math.log10(least));
  return Math.max(1, ([1, 2, 5, 10].find((factor) => factor * power >= least) ?? 10) * power);
}

/** The scale of the updates, for both charts. */
function createX(samples: readonly Sample[]): {
  readonly end: number;
  readonly at: (updates: number) => number;
} {
  const end = Math.max(1, samples.at(-1)?.updates ?? 1);
  return { end, at: (updates) => LEFT + (updates / end) * (WIDTH - LEFT - RIGHT) };
}

function drawPhases(samples: readonly Sample[], top: number, isNamed: boolean): string {
  const x = createX(samples);
  return PHASES.map((phase, index) => {
    const part = samplesOf(samples, phase);
    const last = part.at(-1);
    if (last === undefined) return '';
    const before = index === 0 ? undefined : samplesOf(samples, PHASES[index - 1] ?? phase).at(-1);
    const [from, to] = [x.at(before?.updates ?? 0), x.at(last.updates)];
    const fill = phase.startsWith('gamma down') ? 'away' : index % 2 === 0 ? 'odd' : '';
    const box = `<rect class="${fill}" ${fill === '' ? 'fill="none" ' : ''}x="${from.toFixed(1)}" y="${top}" width="${(to - from).toFixed(1)}" height="${CHART}"/>`;
    const edge = `<line class="axis" stroke-dasharray="3 3" x1="${to.toFixed(1)}" x2="${to.toFixed(1)}" y1="${top}" y2="${top + CHART}"/>`;
    // Narrow phases have their number alone; the legend has the names.
    const isWide = to - from > phase.length * 7 + 12;
    const name = isWide ? `${index + 1} ${phase}` : String(index + 1);
    const label = isNamed
      ? `<text class="phase" text-anchor="middle" x="${((from + to) / 2).toFixed(1)}" y="${top - 6}">${name}</text>`
      : '';
    return box + edge + label;
  }).join('\n');
}

function drawAxes(samples: readonly Sample[], top: number, high: number, name: string): string {
  const x = createX(samples);
  const parts: string[] = [];
  const step = stepFor(high);
  for (let value = 0; value <= high; value += step) {
    const y = top + CHART - (value / high) * CHART;
    parts.push(
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y.toFixed(1)}" y2="${y.toFixed(1)}"/>`,
    );
    parts.push(
      `<text class="soft" text-anchor="end" x="${LEFT - 8}" y="${(y + 4).toFixed(1)}">${formatCount(value)}</text>`,
    );
  }
  const across = stepFor(x.end);
  for (let value = 0; value <= x.end; value += across)
    parts.push(
      `<text class="soft" text-anchor="middle" x="${x.at(value).toFixed(1)}" y="${top + CHART + 17}">${formatCount(value)}</text>`,
    );
  parts.push(
    `<line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${top + CHART}" y2="${top + CHART}"/>`,
  );
  parts.push(`<text class="soft" x="${LEFT}" y="${top + CHART + 35}">${escape(name)}</text>`);
  return parts.join('\n');
}

interface Point {
  readonly x: number;
  readonly span: Span;
}

function drawPeer(
  samples: readonly Sample[],
  id: string,
  hue: number,
  quantity: Quantity,
  yOf: (value: number) => number,
): string {
  const x = createX(samples);
  // A peer that was down has no points then: its line is broken there.
  const runs: Point[][] = [[]];
  for (const { updates, peers } of samples) {
    const span = peers.get(id)?.[quantity];
    if (span === undefined) runs.push([]);
    else runs.at(-1)?.push({ x: x.at(updates), span });
  }
  return runs
    .filter((points) => points.length > 0)
    .map((points) => {
      const point = (at: number, value: number): string => `${at.toFixed(1)},${yOf(value).toFixed(1)}`;
      const highs = points.map(({ x: at, span }) => point(at, span.high));
      const lows = points.map(({ x: at, span }) => point(at, span.low)).reverse();
      return (
        `<polygon fill="hsl(${hue} 62% 50%)" fill-opacity="0.12" points="${[...highs, ...lows].join(' ')}"/>` +
        `<polyline fill="none" stroke="hsl(${hue} 62% 42%)" stroke-width="1.4" points="${highs.join(' ')}"/>`
      );
    })
    .join('\n');
}

function listPeers(samples: readonly Sample[]): readonly string[] {
  return [...new Set(samples.flatMap(({ peers }) => [...peers.keys()]))].sort();
}

function drawChart(samples: readonly Sample[], quantity: Quantity, top: number, isFirst: boolean): string {
  const highest = Math.max(
    1,
    ...samples.flatMap(({ peers }) => Array.from(peers.values(), (peer) => peer[quantity].high)),
  );
  const high = highest * 1.05;
  const yOf = (value: number): number => top + CHART - (value / high) * CHART;
  const lines = listPeers(samples).map((id, index) =>
    drawPeer(samples, id, HUES[index % HUES.length] ?? 0, quantity, yOf),
  );
  return [
    drawPhases(samples, top, isFirst),
    drawAxes(samples, top, high, `${QUANTITY_NAMES[quantity]} of a peer, over acknowledged updates of all`),
    ...lines,
  ].join('\n');
}

function drawLegend(samples: readonly Sample[]): string {
  return listPeers(samples)
    .map((id, index) => {
      const at = WIDTH - RIGHT - 90 * (listPeers(samples).length - index);
      return (
        `<rect x="${at}" y="14" width="14" height="4" fill="hsl(${HUES[index % HUES.length] ?? 0} 62% 42%)"/>` +
        `<text x="${at + 20}" y="21">${escape(id)}</text>`
      );
    })
    .join('\n');
}

export function drawSvg(samples: readonly Sample[], { title, notes }: PlotFacts): string {
  const charts = QUANTITIES.map((quantity, index) =>
    drawChart(samples, quantity, TOP + index * (CHART + GAP), index === 0),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">`,
    `<title>${escape(title)}</title>`,
    `<style>${STYLE}</style>`,
    `<text class="title" x="${LEFT}" y="22">${escape(title)}</text>`,
    `<text class="soft" x="${LEFT}" y="42">${escape(notes[0] ?? '')}</text>`,
    `<text class="soft" x="${LEFT}" y="${HEIGHT - 6}">${PHASES.map((phase, index) => `${index + 1} ${phase}`).join(', ')}; a line: the highest seen since the sample before, a band: from the lowest</text>`,
    drawLegend(samples),
    ...charts,
    '</svg>',
    '',
  ].join('\n');
}

/** The same in a page, with what was found below. */
export function drawPage(samples: readonly Sample[], facts: PlotFacts): string {
  const lines = [...facts.notes, ...facts.verdicts.map(formatVerdict)].map(escape).join('\n');
  return [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><title>${escape(facts.title)}</title>`,
    '<style>body { margin: 24px; background: #ffffff; color: #1d242d; } svg { max-width: 100%; height: auto; }',
    'pre { font: 12.5px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre-wrap; }</style>',
    '</head><body>',
    drawSvg(samples, facts),
    `<pre>${lines}</pre>`,
    '</body></html>',
    '',
  ].join('\n');
}
