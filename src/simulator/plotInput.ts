/**
 * Last part of a plot page's script: the view, wheel and drag and keys, tips, switches; it starts the page.
 *
 * Plain JavaScript in a string, without backticks; see plotCanvas.ts. Keeps: at most one drawing a frame, and texts of the run go in
 * as text.
 */
export const PLOT_INPUT = String.raw`
const LEAST_MS = 0.5;
const thinned = document.createElement('span');
let isDrawing = false;
let cursor; // where the pointer is while over a canvas
let held; // a drag under way
function drawSoon() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    drawLanes();
    drawLag();
    drawOverview();
    const isThin = drawn.rows.length < drawn.inSight;
    thinned.textContent = isThin ? drawn.rows.length + ' of ' + drawn.inSight + ' messages drawn: zoom in for all' : '';
  });
}
/** The line under the pointer and the stretch that is being chosen lie over the canvases: to move them costs no drawing. */
const cursorLine = document.getElementById('cursor');
const choice = document.getElementById('choice');
function showCursor() {
  const isShown = cursor && cursor.x >= LEFT;
  cursorLine.style.display = isShown && !held ? 'block' : 'none';
  choice.style.display = isShown && held && held.isSelecting ? 'block' : 'none';
  if (!isShown) return;
  const from = held ? held.x : cursor.x;
  for (const element of [cursorLine, choice]) {
    element.style.top = lanes.canvas.offsetTop + AXIS + 'px';
    element.style.height = HEIGHT - AXIS + LAG_HEIGHT + 'px';
    element.style.left = Math.min(from, cursor.x) + 'px';
  }
  choice.style.width = Math.abs(cursor.x - from) + 'px';
}

function setView(from, to) {
  const wide = Math.max(LEAST_MS, Math.min(to - from, data.endMs * 1.04));
  const slack = data.endMs * 0.02;
  const start = Math.max(-slack, Math.min((from + to - wide) / 2, data.endMs + slack - wide));
  view.from = start;
  view.to = start + wide;
  drawSoon();
}
const showAll = () => setView(-data.endMs * 0.005, data.endMs * 1.015);
const showAround = (ms, spanMs) => setView(ms - spanMs * 0.7, ms + spanMs * 0.3);
function zoom(factor, x) {
  const ms = msOf(x);
  setView(ms - (ms - view.from) * factor, ms + (view.to - ms) * factor);
}
const pan = (ms) => setView(view.from + ms, view.to + ms);

function fit() {
  readTheme();
  for (const surface of [lanes, lag, overview]) surface.fit();
  readPatterns();
  drawBackdrop();
  drawSoon();
}

/** What lies under the pointer: at most a few lines of [colour, text]. */
function itemsAt(x, y) {
  const lines = [];
  const laneAt = data.lanes.findIndex((_, lane) => y >= topOf(lane) - GAP / 2 && y < topOf(lane) + highs[lane] + GAP / 2);
  const isNear = (ms) => Math.abs(xOf(ms) - x) <= 5;
  const from = msOf(x - 6), to = msOf(x + 6);
  for (const [ms, kind, text] of data.moments) if (isNear(ms)) lines.push([MOMENTS[kind][0], text]);
  for (let at = firstAt(data.marks, from); at < data.marks.length && data.marks[at][0] <= to; at += 1) {
    const mark = data.marks[at];
    const isThere = mark[1] < 0 ? y < AXIS + CLUSTER && y > AXIS : mark[1] === laneAt;
    if (isThere && Math.abs(markY(mark) - y) < 12) lines.push([MARK_COLOURS[mark[2]], mark[3]]);
  }
  for (let at = firstAt(data.writes, from); at < data.writes.length && data.writes[at][0] <= to; at += 1) {
    const [, lane, level, outcome, isOfKey, text] = data.writes[at];
    if (lane !== laneAt || y > midOf(lane) + 4 || (!isOfKey && !shown.others)) continue;
    const colour = outcome === 2 ? 'bad' : outcome === 1 ? 'open' : isOfKey ? 'writeKey' : 'write';
    const words = ['fast', 'committed', 'durable'][level] + (outcome === 1 ? ', not acknowledged' : ', acknowledged');
    lines.push([colour, outcome === 2 ? text : text + '  (' + words + ')']);
  }
  const near = [];
  for (const row of drawn.rows) {
    const distance = distanceTo(arrowOf(row), x, y);
    if (distance < 5) near.push([distance, row]);
  }
  near.sort((a, b) => a[0] - b[0]);
  for (const [, row] of near) {
    const fate = row[5] === 0 ? '' : row[5] === 1 ? ', LOST' : ', LOST in a cut';
    const route = data.lanes[row[2]].name + ' → ' + data.lanes[row[3]].name;
    lines.push([KIND_COLOURS[row[4]], timeText(row[0], 0.1) + '  ' + route + ': ' + data.texts[row[6]] + fate]);
  }
  const ms = msOf(x);
  for (const [lane, kind, start, end, text] of data.spans)
    if (lane === laneAt && kind !== 'absent' && start <= ms && end >= ms)
      lines.push([kind, text + '  ' + timeText(start, 100) + ' to ' + timeText(end, 100)]);
  for (const cut of data.cuts)
    if (cut[0] <= ms && cut[1] >= ms)
      for (const words of topologyOf(cut).words.slice(0, 8)) lines.push(['bad', 'cut: ' + words]);
  return lines;
}
function distanceTo({ x1, y1, x2, y2 }, x, y) {
  const dx = x2 - x1, dy = y2 - y1;
  const along = Math.max(0, Math.min(1, ((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(x - x1 - along * dx, y - y1 - along * dy);
}

const tip = document.getElementById('tip');
const TIP_LINES = 9;
function showTip(event, lines) {
  tip.replaceChildren();
  const head = document.createElement('b');
  head.textContent = timeText(msOf(cursor.x), (view.to - view.from) / plotWidth());
  tip.append(head);
  const more = lines.length - TIP_LINES;
  for (const [colour, text] of more > 0 ? [...lines.slice(0, TIP_LINES), ['', 'and ' + more + ' more: zoom in']] : lines) {
    const line = document.createElement('div');
    line.style.setProperty('--swatch', colour.startsWith('hsl') ? colour : theme[colour] || 'transparent');
    line.textContent = text;
    tip.append(line);
  }
  tip.style.display = 'block';
  const { width, height } = tip.getBoundingClientRect();
  const left = event.clientX + 16 + width > innerWidth ? event.clientX - width - 14 : event.clientX + 16;
  tip.style.left = Math.max(4, left) + 'px';
  tip.style.top = Math.max(4, Math.min(innerHeight - height - 6, event.clientY + 14)) + 'px';
}
function lagLines(ms) {
  return data.lanes.map((lane, at) => [lane, at]).filter(([lane, at]) => !lane.isTwin && lagAt(at, ms) !== undefined)
    .map(([{ name }, at]) => [colourOf(at), name + ': ' + lagAt(at, ms)]);
}

for (const surface of [lanes, lag]) {
  const { canvas } = surface;
  canvas.addEventListener('wheel', (event) => {
    event.preventDefault();
    const scale = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))
      pan(((event.deltaX || event.deltaY) * scale * (view.to - view.from)) / plotWidth());
    else zoom(Math.exp(event.deltaY * scale * 0.0016), Math.max(LEFT, event.offsetX));
  }, { passive: false });
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    held = { x: event.offsetX, from: view.from, to: view.to, isSelecting: event.shiftKey, ms: msOf(event.offsetX) };
    tip.style.display = 'none';
    if (!held.isSelecting) canvas.classList.add('dragging');
  });
  canvas.addEventListener('pointermove', (event) => {
    cursor = { x: event.offsetX, y: event.offsetY };
    if (held && !held.isSelecting) {
      const ms = ((held.x - event.offsetX) * (held.to - held.from)) / plotWidth();
      setView(held.from + ms, held.to + ms);
    } else if (!held && event.offsetX >= LEFT)
      showTip(event, surface === lanes ? itemsAt(event.offsetX, event.offsetY) : lagLines(msOf(event.offsetX)));
    showCursor();
  });
  const release = (event) => {
    canvas.classList.remove('dragging');
    if (held && held.isSelecting && Math.abs(event.offsetX - held.x) > 3) {
      const other = msOf(event.offsetX);
      setView(Math.min(held.ms, other), Math.max(held.ms, other));
    }
    held = undefined;
    showCursor();
  };
  canvas.addEventListener('pointerup', release);
  canvas.addEventListener('pointercancel', release);
  canvas.addEventListener('pointerleave', () => {
    cursor = undefined;
    tip.style.display = 'none';
    showCursor();
  });
  canvas.addEventListener('dblclick', (event) => zoom(0.25, event.offsetX));
}

let grip; // how the overview is held: where in the window
overview.canvas.addEventListener('pointerdown', (event) => {
  overview.canvas.setPointerCapture(event.pointerId);
  const ms = overviewMs(event.offsetX), wide = view.to - view.from;
  const isInside = ms > view.from && ms < view.to && wide < data.endMs * 0.98;
  grip = { start: ms, offset: isInside ? ms - view.from : undefined };
});
overview.canvas.addEventListener('pointermove', (event) => {
  if (!grip) return;
  const ms = overviewMs(event.offsetX), wide = view.to - view.from;
  if (grip.offset !== undefined) setView(ms - grip.offset, ms - grip.offset + wide);
  else if (Math.abs(ms - grip.start) > data.endMs / 400) setView(Math.min(ms, grip.start), Math.max(ms, grip.start));
});
overview.canvas.addEventListener('pointerup', (event) => {
  const ms = overviewMs(event.offsetX), wide = view.to - view.from;
  if (grip && grip.offset === undefined && Math.abs(ms - grip.start) <= data.endMs / 400)
    setView(ms - wide / 2, ms + wide / 2);
  grip = undefined;
});
overview.canvas.addEventListener('dblclick', showAll);

const STEP = 0.15;
const ON_KEY = {
  ArrowLeft: () => pan(-(view.to - view.from) * STEP),
  ArrowRight: () => pan((view.to - view.from) * STEP),
  '+': () => zoom(0.6, LEFT + plotWidth() / 2),
  '=': () => zoom(0.6, LEFT + plotWidth() / 2),
  '-': () => zoom(1 / 0.6, LEFT + plotWidth() / 2),
  0: showAll,
};
addEventListener('keydown', (event) => {
  const act = ON_KEY[event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  act();
});

function addButton(parent, text, act) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = text;
  button.addEventListener('click', () => act(button));
  parent.append(button);
  return button;
}
function addToggle(parent, text, colour, isDashed, flip) {
  const button = addButton(parent, text, () => {
    button.setAttribute('aria-pressed', String(flip()));
    drawSoon();
  });
  const swatch = document.createElement('i');
  button.prepend(swatch);
  swatch.style.color = 'var(--' + colour + ')';
  button.className = 'toggle' + (isDashed ? ' dashed' : '');
  button.setAttribute('aria-pressed', 'true');
}
function fillTools() {
  const tools = document.getElementById('tools');
  const label = document.createElement('span');
  label.className = 'keyname';
  const name = document.createElement('b');
  name.textContent = data.key || 'none';
  label.append('messages of key ', name);
  tools.append(label);
  KINDS.forEach((kind, at) => {
    const number = data.messages.filter((row) => row[4] === at).length;
    if (number > 0)
      addToggle(tools, kind + ' ' + number, KIND_COLOURS[at], false, () => (shown.kinds[at] = !shown.kinds[at]));
  });
  const lost = data.messages.filter((row) => row[5] > 0).length;
  if (lost > 0) addToggle(tools, 'lost ' + lost, 'lost', true, () => (shown.lost = !shown.lost));
  addToggle(tools, 'writes of other keys', 'write', false, () => (shown.others = !shown.others));
  thinned.className = 'gap';
  tools.append(thinned);
  const moment = (kind) => data.moments.find((one) => one[1] === kind);
  const failed = moment('failed'), healed = moment('healed');
  if (failed) addButton(tools, 'Failure', () => showAround(failed[0], 2000));
  if (healed) addButton(tools, 'Healing', () => setView(healed[0] - 500, healed[0] + 1500));
  addButton(tools, 'Whole run', showAll);
}

function svg(path, colour, attributes) {
  const picture = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  picture.setAttribute('width', '16');
  picture.setAttribute('height', '14');
  const shape = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  shape.setAttribute('d', path);
  for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
  shape.style.fill = attributes.stroke ? 'none' : 'var(--' + colour + ')';
  if (attributes.stroke) shape.style.stroke = 'var(--' + colour + ')';
  picture.append(shape);
  return picture;
}
function fillLegend() {
  const legend = document.getElementById('legend');
  const add = (picture, text) => {
    const line = document.createElement('span');
    line.append(picture, text);
    legend.append(line);
  };
  const LINE = { stroke: '1', 'stroke-width': '1.6' };
  add(svg('M3 13V8M8 13V5M13 13V1', 'write', LINE), 'write: fast, committed, durable');
  add(svg('M8 13V3', 'open', LINE), 'not acknowledged');
  add(svg('M5 4l6 6M11 4l-6 6', 'bad', LINE), 'refused or nobody there');
  add(svg('M8 2l5 5-5 5-5-5z', 'ink', {}), 'fault or repair of one');
  add(svg('M8 3l4 8H4z', 'warn', {}), 'notice');
  add(svg('M1 1h14v12H1z', 'downFill', {}), 'down');
  add(svg('M1 1h14v12H1z', 'pausedFill', {}), 'paused');
  add(svg('M1 5h14v4H1z', 'disk', {}), 'disk');
  add(svg('M1 5h14v4H1z', 'clock', {}), 'clock off');
  if (data.spans.some((span) => span[1] === 'stray')) add(svg('M1 5h14v4H1z', 'stray', {}), 'wrong source address');
  add(svg('M0 13L13 0M5 14L16 3', 'cut', LINE), 'cut between neighbours; lines on a lane: whom it does not hear');
  const { messages, writes, marks } = data.leftOut;
  const left = [[messages, 'messages'], [writes, 'writes'], [marks, 'marks']].filter(([number]) => number > 0);
  if (left.length === 0) return;
  const line = document.createElement('span');
  line.className = 'left';
  line.textContent = 'left out, the oldest: ' + left.map(([number, what]) => number + ' ' + what).join(', ');
  legend.append(line);
}
function fillLog() {
  const table = document.getElementById('log');
  table.parentElement.addEventListener('toggle', () => (table.scrollTop = table.scrollHeight));
  for (const [ms, where, text] of data.log) {
    const row = table.insertRow();
    for (const cell of [(ms / 1000).toFixed(3), where, text]) row.insertCell().textContent = cell;
    if (text.startsWith('FAILED')) row.className = 'bad';
    row.addEventListener('click', () => {
      showAround(ms, 1000);
      lanes.canvas.scrollIntoView({ block: 'nearest' });
    });
  }
}

document.getElementById('copy').addEventListener('click', (event) => {
  const code = document.getElementById('replay');
  const button = event.currentTarget;
  getSelection().selectAllChildren(code);
  Promise.resolve()
    .then(() => navigator.clipboard.writeText(code.textContent))
    .then(() => (button.textContent = 'Copied'), () => document.execCommand('copy') && (button.textContent = 'Copied'));
});

fillTools();
fillLegend();
fillLog();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', fit);
addEventListener('resize', fit);
readTheme();
fit();
// A link may name a stretch in seconds: #59.5-60.1
const stretch = /^#([\d.]+)-([\d.]+)$/.exec(location.hash);
if (stretch) setView(Number(stretch[1]) * 1000, Number(stretch[2]) * 1000);
else showAll();
`;
