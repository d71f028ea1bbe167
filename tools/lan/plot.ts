/**
 * Times to converge as a picture: how many healings were over after how long, and each of them by what was taken back.
 *
 * Owns the drawing: one page, nothing fetched by whoever opens it. Invariant: every healing is a dot; one that did not come to an end stands at the right
 * edge, marked, and the curve does not reach the top then.
 */
import { formatGate, type Gate } from '../bench/report.ts';
import { percentile } from '../bench/statistics.ts';
import type { Healing } from './perform.ts';

const WIDTH = 960;
const LEFT = 170;
const RIGHT = 30;
const CURVE = 220;
const ROW = 26;
const TOP = 30;
const STYLE = `
body { margin: 24px; background: #ffffff; color: #1d242d; font: 14px system-ui, sans-serif; }
svg { max-width: 100%; height: auto; } text { fill: #1d242d; font: 12px system-ui, sans-serif; } .soft { fill: #5d6875; }
.grid { stroke: #eceff3; } .axis { stroke: #b4bcc6; } .curve { fill: none; stroke: hsl(215 62% 42%); stroke-width: 1.6; }
.dot { fill: hsl(215 62% 42%); fill-opacity: 0.55; } .never { fill: #b3261e; }
pre { font: 12.5px ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap; }`;

export interface PlotSeries {
  readonly title: string;
  readonly healings: readonly Healing[];
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Seconds to pixels, the same for curve and dots. */
function scaleOf(healings: readonly Healing[]): {
  readonly end: number;
  readonly at: (seconds: number) => number;
} {
  const finite = healings.map(({ tookMs }) => tookMs / 1000).filter(Number.isFinite);
  const end = Math.max(1, Math.ceil(Math.max(0, ...finite) * 1.05 * 2) / 2);
  return { end, at: (seconds) => LEFT + (Math.min(seconds, end) / end) * (WIDTH - LEFT - RIGHT) };
}

function drawCurve(healings: readonly Healing[]): string {
  const { at } = scaleOf(healings);
  const sorted = healings
    .map(({ tookMs }) => tookMs / 1000)
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  const yOf = (count: number): number => TOP + CURVE - (count / healings.length) * CURVE;
  const steps = sorted.map((seconds, index) => `H${at(seconds).toFixed(1)} V${yOf(index + 1).toFixed(1)}`);
  const labels = [0, 0.5, 0.9, 1].map((share) => {
    const y = yOf(share * healings.length);
    return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/><text class="soft" text-anchor="end" x="${LEFT - 8}" y="${y + 4}">${share * 100}%</text>`;
  });
  return `${labels.join('')}<path class="curve" d="M${LEFT} ${TOP + CURVE} ${steps.join(' ')}"/>`;
}

function drawRows(healings: readonly Healing[], kinds: readonly string[]): string {
  const { at } = scaleOf(healings);
  return kinds
    .map((kind, index) => {
      const y = TOP + CURVE + 46 + index * ROW;
      const own = healings.filter(({ after }) => after.split(' + ').includes(kind));
      const dots = own.map(
        ({ tookMs, after }) =>
          `<circle class="${Number.isFinite(tookMs) ? 'dot' : 'never'}" r="4" cx="${at(tookMs / 1000).toFixed(1)}" cy="${y}"><title>${escape(after)}: ${(tookMs / 1000).toFixed(2)} s</title></circle>`,
      );
      const middle = percentile(
        own.map((one) => one.tookMs / 1000),
        0.5,
      );
      return (
        `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/>` +
        `<text text-anchor="end" x="${LEFT - 8}" y="${y + 4}">${escape(kind)} (${own.length}, p50 ${middle.toFixed(2)} s)</text>${dots.join('')}`
      );
    })
    .join('\n');
}

function drawAxis(healings: readonly Healing[], height: number): string {
  const { end, at } = scaleOf(healings);
  const ticks = Array.from({ length: 6 }, (_, index) => (end * index) / 5);
  const labels = ticks.map(
    (seconds) =>
      `<line class="grid" x1="${at(seconds)}" x2="${at(seconds)}" y1="${TOP}" y2="${height - 30}"/><text class="soft" text-anchor="middle" x="${at(seconds)}" y="${TOP + CURVE + 17}">${seconds.toFixed(1)} s</text>`,
  );
  return `${labels.join('')}<line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${TOP + CURVE}" y2="${TOP + CURVE}"/>`;
}

export function drawSeries({ title, healings }: PlotSeries): string {
  if (healings.length === 0) return `<h2>${escape(title)}</h2><p>No fault was taken back.</p>`;
  const kinds = [...new Set(healings.flatMap(({ after }) => after.split(' + ')))].sort();
  const height = TOP + CURVE + 60 + kinds.length * ROW;
  return [
    `<h2>${escape(title)}</h2>`,
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<text class="soft" x="${LEFT}" y="16">share of ${healings.length} healings after which all hosts held what any held, by seconds; below, each by what was taken back</text>`,
    drawAxis(healings, height),
    drawCurve(healings),
    drawRows(healings, kinds),
    '</svg>',
  ].join('\n');
}

export function drawPage(
  series: readonly PlotSeries[],
  gates: readonly Gate[],
  notes: readonly string[],
): string {
  return [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><title>Toposphere: times to converge</title><style>${STYLE}</style></head><body>`,
    ...series.map(drawSeries),
    `<pre>${escape([...notes, ...gates.map(formatGate)].join('\n'))}</pre>`,
    '</body></html>',
    '',
  ].join('\n');
}
