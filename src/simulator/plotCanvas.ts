/**
 * First part of a plot page's script: the data, the three canvases, colours and scales.
 *
 * Plain JavaScript in a string, without backticks. plotLanes.ts, plotMarks.ts and plotCharts.ts draw with it, plotInput.ts
 * owns the view; all five run in one function of the page (plotPage.ts).
 */
export const PLOT_CANVAS = String.raw`
const data = JSON.parse(document.getElementById('data').textContent);
const KINDS = ['UPDATE', 'SYNC', 'HYBRID', 'NAK'];
const KIND_COLOURS = ['update', 'sync', 'hybrid', 'nak'];
const FONT = 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif';
const LEFT = 104, RIGHT = 16, AXIS = 26, CLUSTER = 24, LAG_HEIGHT = 150, OVERVIEW_HEIGHT = 58;
const count = data.lanes.length;
const LANE = count <= 5 ? 68 : count <= 8 ? 58 : Math.max(24, Math.round(560 / count));
const GAP = count <= 8 ? 10 : 6;
const UNIT = Math.min(1, LANE / 66);
const highs = data.lanes.map((lane) => lane.isTwin ? Math.round(LANE * 0.6) : LANE);
const tops = [AXIS + CLUSTER + GAP];
for (const [lane, high] of highs.entries()) tops.push(tops[lane] + high + GAP);
const HEIGHT = tops[count] + 2;
const view = { from: 0, to: Math.max(1, data.endMs) };
const shown = { kinds: [true, true, true, true], lost: true, others: true };
const HUES = [215, 30, 155, 280, 335, 190, 55, 10, 245, 110];

let theme = {};
function readTheme() {
  const style = getComputedStyle(document.documentElement);
  theme = {};
  for (const name of ['page', 'panel', 'lane', 'line', 'grid', 'axis', 'ink', 'soft', 'faint', 'good', 'bad', 'accent', 'warn', 'update',
    'sync', 'hybrid', 'nak', 'lost', 'write', 'writeKey', 'open', 'down', 'downFill', 'paused', 'pausedFill', 'disk', 'clock', 'stray',
    'cut', 'cutFill', 'tint0', 'tint1', 'tint2', 'tint3', 'window', 'peerLightness'])
    theme[name] = style.getPropertyValue('--' + name).trim();
}
function colourOf(lane) {
  const hue = count <= HUES.length ? HUES[lane] : (lane * 47) % 360;
  return 'hsl(' + hue + ' 62% ' + theme.peerLightness + ')';
}

/** Canvases in CSS pixels, sharp on every screen. */
function openCanvas(id, height) {
  const canvas = document.getElementById(id);
  const surface = { canvas, context: canvas.getContext('2d'), width: 0, height };
  surface.fit = () => {
    const scale = window.devicePixelRatio || 1;
    canvas.style.height = height + 'px';
    surface.width = Math.max(LEFT + RIGHT + 50, canvas.clientWidth);
    canvas.width = Math.round(surface.width * scale);
    canvas.height = Math.round(height * scale);
    surface.context.setTransform(scale, 0, 0, scale, 0, 0);
  };
  return surface;
}
const lanes = openCanvas('lanes', HEIGHT);
const lag = openCanvas('lag', LAG_HEIGHT);
const overview = openCanvas('overview', OVERVIEW_HEIGHT);

const plotWidth = () => lanes.width - LEFT - RIGHT;
const xOf = (ms) => LEFT + ((ms - view.from) / (view.to - view.from)) * plotWidth();
const msOf = (x) => view.from + ((x - LEFT) / plotWidth()) * (view.to - view.from);
const topOf = (lane) => tops[lane];
const midOf = (lane) => lane < 0 ? AXIS + CLUSTER / 2 : tops[lane] + Math.round(highs[lane] * 0.56);
const clampX = (x) => Math.max(LEFT - 2, Math.min(lanes.width - RIGHT + 2, x));

/** First index whose time is not below ms, rows being in order of time. */
function firstAt(rows, ms) {
  let low = 0, high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle][0] < ms) low = middle + 1; else high = middle;
  }
  return low;
}

function timeText(ms, stepMs) {
  const minutes = Math.floor(ms / 60000);
  const digits = stepMs >= 1000 ? 0 : stepMs >= 100 ? 1 : stepMs >= 10 ? 2 : stepMs >= 1 ? 3 : stepMs >= 0.1 ? 4 : 5;
  const seconds = (ms - minutes * 60000) / 1000;
  return minutes + ':' + seconds.toFixed(digits).padStart(digits === 0 ? 2 : digits + 3, '0');
}
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].map((seconds) => seconds * 1000);
function stepFor(spanMs, width) {
  const least = (spanMs / width) * 92;
  if (least > 500) return STEPS.find((step) => step >= least) || STEPS[STEPS.length - 1];
  const power = Math.pow(10, Math.floor(Math.log10(least)));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= least) || 10);
}
`;
