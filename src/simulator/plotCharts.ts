/**
 * Fourth part of a plot page's script: the lag of every peer over time, and the strip that shows the whole run.
 *
 * Plain JavaScript in a string, without backticks; see plotCanvas.ts.
 */
export const PLOT_CHARTS = String.raw`
const LAG_TOP = 12, LAG_BOTTOM = LAG_HEIGHT - 14;

/** The lag of a lane at a time: the last point at or before it. */
function lagAt(lane, ms) {
  const points = data.lag[lane];
  let low = 0, high = points.length / 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle * 2] <= ms) low = middle + 1; else high = middle;
  }
  return low === 0 ? undefined : points[low * 2 - 1];
}
function highestLag(from, to) {
  let highest = 0;
  for (let lane = 0; lane < count; lane += 1) {
    highest = Math.max(highest, lagAt(lane, from) || 0);
    const points = data.lag[lane];
    for (let at = 0; at < points.length; at += 2)
      if (points[at] >= from && points[at] <= to) highest = Math.max(highest, points[at + 1]);
  }
  return highest;
}
function roundUp(value) {
  const power = Math.pow(10, Math.floor(Math.log10(Math.max(1, value))));
  const factor = [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10].find((one) => one * power >= value) || 10;
  return Math.max(2, factor * power);
}

function traceLag(context, lane, yOf) {
  const points = data.lag[lane];
  context.beginPath();
  let y = yOf(lagAt(lane, view.from) || 0);
  context.moveTo(LEFT, y);
  for (let at = 0; at < points.length && points[at] <= view.to; at += 2) {
    if (points[at] < view.from) continue;
    const x = xOf(points[at]);
    context.lineTo(x, y);
    y = yOf(points[at + 1]);
    context.lineTo(x, y);
  }
  context.lineTo(Math.min(lanes.width - RIGHT, xOf(data.endMs)), y);
}

function drawLag() {
  const { context, width } = lag;
  context.clearRect(0, 0, width, LAG_HEIGHT);
  const top = roundUp(highestLag(view.from, view.to));
  const yOf = (value) => LAG_BOTTOM - (value / top) * (LAG_BOTTOM - LAG_TOP);
  clipPlot(lag);
  drawGrid(lag, 0);
  for (const part of [0, 0.5, 1]) {
    context.fillStyle = part === 0 ? theme.axis : theme.grid;
    context.fillRect(LEFT, Math.round(yOf(top * part)), width, 1);
  }
  for (let lane = 0; lane < count; lane += 1) {
    if (data.lanes[lane].isTwin || data.lag[lane].length === 0) continue;
    context.strokeStyle = context.fillStyle = colourOf(lane);
    context.lineWidth = 1.6;
    context.lineJoin = 'round';
    traceLag(context, lane, yOf);
    context.stroke();
    context.lineTo(Math.min(lanes.width - RIGHT, xOf(data.endMs)), LAG_BOTTOM);
    context.lineTo(LEFT, LAG_BOTTOM);
    context.globalAlpha = 0.07;
    context.fill();
    context.globalAlpha = 1;
  }
  drawMoments(lag, false);
  context.restore();
  context.font = '11px ' + FONT;
  context.textBaseline = 'middle';
  context.fillStyle = theme.soft;
  context.textAlign = 'right';
  for (const part of [0, 0.5, 1]) context.fillText(String(top * part), LEFT - 8, yOf(top * part));
  context.textAlign = 'left';
  context.font = '600 13px ' + FONT;
  context.fillStyle = theme.ink;
  context.fillText('lag', 14, LAG_TOP + 18);
  context.font = '11px ' + FONT;
  context.fillStyle = theme.soft;
  context.fillText('updates', 14, LAG_TOP + 35);
  context.fillText('not here', 14, LAG_TOP + 49);
}

const overviewX = (ms) => LEFT + (ms / Math.max(1, data.endMs)) * (overview.width - LEFT - RIGHT);
const overviewMs = (x) => ((x - LEFT) / (overview.width - LEFT - RIGHT)) * Math.max(1, data.endMs);

/** What does not move when the view does, drawn once for each size and theme. */
let backdrop;
function drawBackdrop() {
  const scale = window.devicePixelRatio || 1;
  backdrop = document.createElement('canvas');
  backdrop.width = Math.round(overview.width * scale);
  backdrop.height = Math.round(OVERVIEW_HEIGHT * scale);
  const context = backdrop.getContext('2d');
  context.scale(scale, scale);
  const wide = overview.width - LEFT - RIGHT, floor = OVERVIEW_HEIGHT - 6;
  context.fillStyle = theme.lane;
  context.fillRect(LEFT, 6, wide, OVERVIEW_HEIGHT - 12);
  for (const [from, to] of data.cuts) {
    const left = overviewX(from), span = Math.max(1, overviewX(to) - left);
    context.fillStyle = theme.cutFill;
    context.fillRect(left, 6, span, OVERVIEW_HEIGHT - 12);
    context.fillStyle = theme.cut;
    context.fillRect(left, 6, span, 2);
  }
  const writes = new Array(Math.ceil(wide) + 1).fill(0);
  for (const row of data.writes) writes[Math.floor(overviewX(row[0]) - LEFT)] += 1;
  context.fillStyle = theme.write;
  context.globalAlpha = 0.35;
  for (const [at, number] of writes.entries())
    if (number > 0) context.fillRect(LEFT + at, 10, 1, Math.min(9, 2 + 2 * Math.log2(number + 1)));
  context.globalAlpha = 1;
  const highest = Math.max(1, highestLag(0, data.endMs));
  const peaks = new Array(Math.ceil(wide) + 1).fill(0);
  for (let lane = 0; lane < count; lane += 1) {
    const points = data.lag[lane];
    for (let at = 0; at < points.length; at += 2) {
      const from = Math.floor(overviewX(points[at]) - LEFT);
      const next = at + 2 < points.length ? points[at + 2] : data.endMs;
      for (let x = from; x <= overviewX(next) - LEFT; x += 1) peaks[x] = Math.max(peaks[x], points[at + 1]);
    }
  }
  context.fillStyle = theme.accent;
  context.globalAlpha = 0.55;
  for (const [at, peak] of peaks.entries())
    if (peak > 0) context.fillRect(LEFT + at, floor, 1, -Math.max(1, Math.sqrt(peak / highest) * 26));
  context.globalAlpha = 1;
  for (const [lane, kind, from, to] of data.spans) {
    if ((kind !== 'down' && kind !== 'paused') || lane < 0) continue;
    context.fillStyle = theme[kind];
    const left = overviewX(from);
    context.fillRect(left, 20 + (lane / count) * 24, Math.max(1, overviewX(to) - left), Math.max(1, Math.min(2.5, 20 / count)));
  }
  for (const [ms, kind] of data.moments) {
    context.fillStyle = theme[MOMENTS[kind][0]];
    context.fillRect(overviewX(ms) - 0.75, 3, kind === 'failed' ? 2.5 : 1.5, OVERVIEW_HEIGHT - 6);
  }
  context.fillStyle = theme.ink;
  context.font = '600 13px ' + FONT;
  context.textBaseline = 'middle';
  context.fillText('all', 14, 22);
  context.fillStyle = theme.soft;
  context.font = '11px ' + FONT;
  context.fillText(timeText(data.endMs, 100), 14, 39);
}

function drawOverview() {
  const { context, width } = overview;
  context.clearRect(0, 0, width, OVERVIEW_HEIGHT);
  context.drawImage(backdrop, 0, 0, width, OVERVIEW_HEIGHT);
  const left = Math.max(LEFT, overviewX(view.from)), right = Math.min(width - RIGHT, overviewX(view.to));
  const wide = Math.max(3, right - left);
  context.fillStyle = theme.window;
  context.fillRect(left, 3, wide, OVERVIEW_HEIGHT - 6);
  context.strokeStyle = theme.accent;
  context.lineWidth = 1.5;
  context.strokeRect(left + 0.5, 3.5, wide - 1, OVERVIEW_HEIGHT - 7);
}
`;
