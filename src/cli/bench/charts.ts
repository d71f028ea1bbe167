/**
 * The charts of a run's page, each one SVG: latency by percentile, throughput and latency over time.
 *
 * Owns scales and lines; colours are page.ts's, by class, so that they follow the reader's light or dark. Invariant: axes say their unit, throughput begins at zero, and
 * a stretch of time tells its figures to whoever points at it, without a script.
 */
import { formatCount, formatMs } from './report.ts';
import type { Report, ReportRow, SeriesPoint } from './report.ts';

const WIDTH = 960;
const HEIGHT = 300;
const LEFT = 78;
const RIGHT = 18;
const TOP = 34;
const BOTTOM = 44;
const TICKS = 6;

/** Where a value lies, in pixels, and the values that have a line. */
interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

interface Line {
  readonly name: string;
  /** Number of its colour. */
  readonly colour: number;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** The next of 1, 2, 5 times a power of ten, so that at most TICKS steps reach `span`. */
function stepFor(span: number): number {
  const least = span / TICKS;
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5, 10].find((factor) => factor * power >= least) ?? 10) * power;
}

function linear(high: number, from: number, to: number): Scale {
  const step = stepFor(high);
  const ticks = Array.from({ length: Math.floor(high / step) + 1 }, (_, index) => index * step);
  return { at: (value) => from + (value / high) * (to - from), ticks };
}

/** Whole decades around the values; what is not above zero lies at the lower edge. */
function logarithmic(values: readonly number[], from: number, to: number): Scale {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  const lowest = Math.floor(Math.log10(Math.min(1, ...positive)));
  const highest = Math.max(lowest + 1, Math.ceil(Math.log10(Math.max(...positive, 10 ** lowest))));
  const ticks = Array.from({ length: highest - lowest + 1 }, (_, index) => 10 ** (lowest + index));
  const at = (value: number): number =>
    from + ((Math.log10(Math.max(value, 10 ** lowest)) - lowest) / (highest - lowest)) * (to - from);
  return { at, ticks };
}

function drawAcross(scale: Scale, label: (value: number) => string): string {
  return scale.ticks
    .map((value) => {
      const y = scale.at(value).toFixed(1);
      return (
        `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y}" y2="${y}"/>` +
        `<text class="soft" text-anchor="end" x="${LEFT - 8}" y="${(Number(y) + 4).toFixed(1)}">${label(value)}</text>`
      );
    })
    .join('\n');
}

function drawBelow(scale: Scale, label: (value: number) => string, name: string): string {
  const floor = HEIGHT - BOTTOM;
  const ticks = scale.ticks.map((value) => {
    const x = scale.at(value).toFixed(1);
    return (
      `<line class="grid" x1="${x}" x2="${x}" y1="${TOP}" y2="${floor}"/>` +
      `<text class="soft" text-anchor="middle" x="${x}" y="${floor + 17}">${label(value)}</text>`
    );
  });
  const axis = `<line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${floor}" y2="${floor}"/>`;
  const caption = `<text class="soft" text-anchor="end" x="${WIDTH - RIGHT}" y="${HEIGHT - 8}">${name}</text>`;
  return [...ticks, axis, caption].join('\n');
}

function drawLines(lines: readonly Line[], x: Scale, y: Scale): string {
  return lines
    .map(({ points, colour }) => {
      const path = points
        .filter(([, value]) => Number.isFinite(value))
        .map(([across, value]) => `${x.at(across).toFixed(1)},${y.at(value).toFixed(1)}`);
      return `<polyline class="line colour${colour}" points="${path.join(' ')}"/>`;
    })
    .join('\n');
}

function drawLegend(lines: readonly Line[]): string {
  return lines
    .map(({ name, colour }, index) => {
      const x = WIDTH - RIGHT - 84 * (lines.length - index);
      return (
        `<line class="line colour${colour}" x1="${x}" x2="${x + 18}" y1="16" y2="16"/>` +
        `<text x="${x + 24}" y="20">${name}</text>`
      );
    })
    .join('\n');
}

function frame(title: string, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}">`,
    `<text class="title" x="${LEFT}" y="20">${title}</text>`,
    ...parts,
    '</svg>',
  ].join('\n');
}

/** 0.999 at 3: how many nines. The maximum, of which nothing lies above, stands where its count would have it. */
function ninesOf(share: number, count: number): number {
  return share === 1 ? Math.log10(Math.max(count, 2)) : -Math.log10(1 - share);
}

export function drawPercentiles(rows: readonly ReportRow[]): string {
  const lines = rows.map(({ name, curve, latency }, colour): Line => ({
    name,
    colour,
    points: curve.map(({ share, ms }) => [ninesOf(share, latency.count), ms]),
  }));
  const points = lines.flatMap((line) => line.points);
  const most = Math.max(1, ...points.map(([nines]) => nines));
  const shares = Array.from({ length: Math.floor(most) + 1 }, (_, nines) => nines);
  const x: Scale = {
    at: (nines) => LEFT + (nines / most) * (WIDTH - LEFT - RIGHT),
    ticks: [0, -Math.log10(0.5), ...shares.slice(1)],
  };
  const y = logarithmic(
    points.map(([, ms]) => ms),
    HEIGHT - BOTTOM,
    TOP,
  );
  const label = (nines: number): string =>
    `${Number((100 * (1 - 10 ** -nines)).toFixed(Math.max(0, Math.ceil(nines) - 2)))}%`;
  return frame('Latency by percentile', [
    drawAcross(y, (ms) => `${ms} ms`),
    drawBelow(x, label, 'share of the operations that took no longer'),
    drawLines(lines, x, y),
    drawLegend(lines),
  ]);
}

/** From the middle of a stretch to that of the next. The last one may have been cut so short that it says nothing. */
function overTime(
  series: readonly SeriesPoint[],
  value: (point: SeriesPoint) => number,
): readonly (readonly [number, number])[] {
  const [first] = series;
  const least = first === undefined ? 0 : (first.toMs - first.fromMs) / 2;
  return series
    .filter(({ fromMs, toMs }) => toMs - fromMs >= least)
    .map((point) => [(point.fromMs + point.toMs) / 2000, value(point)]);
}

/** Invisible, one a stretch: browsers show the title of what is pointed at. */
function drawHints(series: readonly SeriesPoint[], x: Scale): string {
  return series
    .map((point) => {
      const [from, to] = [x.at(point.fromMs / 1000), x.at(point.toMs / 1000)];
      const failed = point.failed > 0 ? `, ${formatCount(point.failed)} failed` : '';
      const text = `${(point.fromMs / 1000).toFixed(1)} s: ${formatCount(point.perSecond)} a second${failed}; p50 ${formatMs(point.p50Ms)}, p99 ${formatMs(point.p99Ms)}, max ${formatMs(point.maxMs)} ms`;
      return `<rect class="hint" x="${from.toFixed(1)}" y="${TOP}" width="${Math.max(0.5, to - from).toFixed(1)}" height="${HEIGHT - BOTTOM - TOP}"><title>${text}</title></rect>`;
    })
    .join('\n');
}

function timeScale(series: readonly SeriesPoint[]): Scale {
  return linear(Math.max(0.001, ...series.map(({ toMs }) => toMs / 1000)), LEFT, WIDTH - RIGHT);
}

export function drawThroughput({ series }: Report): string {
  const failedPerSecond = (point: SeriesPoint): number => (point.failed * 1000) / (point.toMs - point.fromMs);
  const answered: Line = {
    name: 'answered',
    colour: 0,
    points: overTime(series, ({ perSecond }) => perSecond),
  };
  const failed: Line = { name: 'failed', colour: 3, points: overTime(series, failedPerSecond) };
  const lines = series.some((point) => point.failed > 0) ? [answered, failed] : [answered];
  const most = Math.max(1, ...lines.flatMap(({ points }) => points.map(([, value]) => value)));
  const [x, y] = [timeScale(series), linear(most * 1.05, HEIGHT - BOTTOM, TOP)];
  return frame('Operations a second', [
    drawAcross(y, formatCount),
    drawBelow(x, (seconds) => String(Number(seconds.toFixed(3))), 'seconds'),
    drawLines(lines, x, y),
    drawLegend(lines),
    drawHints(series, x),
  ]);
}

export function drawLatencies({ series }: Report): string {
  const lines: readonly Line[] = [
    { name: 'p50', colour: 0, points: overTime(series, ({ p50Ms }) => p50Ms) },
    { name: 'p99', colour: 1, points: overTime(series, ({ p99Ms }) => p99Ms) },
    { name: 'max', colour: 2, points: overTime(series, ({ maxMs }) => maxMs) },
  ];
  const values = lines.flatMap(({ points }) => points.map(([, ms]) => ms));
  const [x, y] = [timeScale(series), logarithmic(values, HEIGHT - BOTTOM, TOP)];
  return frame('Latency over time', [
    drawAcross(y, (ms) => `${ms} ms`),
    drawBelow(x, (seconds) => String(Number(seconds.toFixed(3))), 'seconds'),
    drawLines(lines, x, y),
    drawLegend(lines),
    drawHints(series, x),
  ]);
}
