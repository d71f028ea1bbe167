/**
 * Second part of a plot page's script: what is drawn on the lanes, from the shading of cuts up to the labels.
 *
 * Plain JavaScript in a string, without backticks. Keeps: the cost of a frame is bounded by the pixels, not by the run; what
 * falls on the same pixel is drawn once.
 */
export const PLOT_LANES = String.raw`
/** Groups of peers that can still talk both ways, and the cut in words. Worked out once for each cut. */
function topologyOf(cut) {
  if (cut.topology) return cut.topology;
  const ids = data.lanes.map((_, at) => at).filter((at) => !data.lanes[at].isTwin);
  const isCut = new Set(cut[2].map(([from, to]) => from + ' ' + to));
  const group = new Map();
  const groups = [];
  for (const start of ids) {
    if (group.has(start)) continue;
    const members = [start];
    group.set(start, groups.length);
    for (const one of members)
      for (const other of ids)
        if (!group.has(other) && !isCut.has(one + ' ' + other) && !isCut.has(other + ' ' + one)) {
          group.set(other, groups.length);
          members.push(other);
        }
    groups.push(members);
  }
  const name = (at) => data.lanes[at].name;
  let across = 0;
  for (const members of groups) across += members.length * (ids.length - members.length);
  const isWhole = groups.length > 1 && across === isCut.size && cut[2].every(([from, to]) => group.get(from) !== group.get(to));
  const words = isWhole
    ? [groups.map((members) => members.map(name).join(' ')).join('  |  ')]
    : cut[2].filter(([from, to]) => from < to || !isCut.has(to + ' ' + from))
        .map(([from, to]) => name(from) + (isCut.has(to + ' ' + from) ? ' ✕ ' : ' ↛ ') + name(to));
  cut.topology = { group, groups, isCut, words };
  return cut.topology;
}

let hatch;
function hatchOf(colour) {
  const tile = document.createElement('canvas');
  tile.width = tile.height = 8;
  const context = tile.getContext('2d');
  context.strokeStyle = colour;
  context.lineWidth = 1.2;
  for (const shift of [-8, 0, 8]) {
    context.beginPath();
    context.moveTo(shift - 1, 9);
    context.lineTo(shift + 9, -1);
    context.stroke();
  }
  return context.createPattern(tile, 'repeat');
}
function readPatterns() {
  hatch = { cut: hatchOf(theme.cut), down: hatchOf(theme.down) };
}

function clipPlot(surface) {
  const { context, width, height } = surface;
  context.save();
  context.beginPath();
  context.rect(LEFT, 0, width - LEFT - RIGHT, height);
  context.clip();
}

function* gridTimes(step) {
  const first = Math.ceil(Math.max(0, view.from) / step);
  for (let at = first; at * step <= view.to; at += 1) yield at * step;
}
function drawGrid(surface, top) {
  const { context, height } = surface;
  context.fillStyle = theme.grid;
  for (const at of gridTimes(stepFor(view.to - view.from, plotWidth())))
    context.fillRect(Math.round(xOf(at)), top, 1, height - top);
}
function drawTimes() {
  const { context } = lanes;
  const step = stepFor(view.to - view.from, plotWidth());
  context.font = '11px ' + FONT;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillStyle = theme.soft;
  for (const at of gridTimes(step))
    if (xOf(at) < lanes.width - RIGHT - 8) context.fillText(timeText(at, step), xOf(at), AXIS / 2);
}

function drawLaneBoxes() {
  const { context } = lanes;
  const left = clampX(xOf(0)), wide = clampX(xOf(data.endMs)) - left;
  context.fillStyle = theme.lane;
  for (let lane = 0; lane < count; lane += 1) context.fillRect(left, topOf(lane), wide, highs[lane]);
}

function drawCuts() {
  const { context } = lanes;
  for (const cut of data.cuts) {
    if (cut[1] < view.from || cut[0] > view.to) continue;
    const { group, groups, isCut } = topologyOf(cut);
    const left = clampX(xOf(cut[0])), wide = Math.max(1, clampX(xOf(cut[1])) - left);
    let before = -1;
    for (let lane = 0; lane < count; lane += 1) {
      const side = data.lanes[lane].isTwin ? group.get(lane - 1) : group.get(lane);
      if (groups.length > 1) {
        context.fillStyle = theme['tint' + (side % 4)];
        context.fillRect(left, topOf(lane), wide, highs[lane]);
      }
      if (data.lanes[lane].isTwin) continue;
      // A wall between neighbours that cannot talk, over the whole gap between their lanes.
      if (before >= 0 && (isCut.has(before + ' ' + lane) || isCut.has(lane + ' ' + before))) {
        const top = topOf(lane) - GAP, high = GAP;
        context.fillStyle = theme.cutFill;
        context.fillRect(left, top, wide, high);
        context.fillStyle = hatch.cut;
        context.fillRect(left, top, wide, high);
      }
      before = lane;
      if (count > 12) continue;
      const high = count <= 6 ? 3 : 2;
      let row = 0;
      for (let other = 0; other < count; other += 1) {
        if (!isCut.has(other + ' ' + lane)) continue;
        context.fillStyle = colourOf(other);
        context.fillRect(left, topOf(lane) + 1 + row * (high + 1), wide, high);
        row += 1;
      }
    }
  }
}

/** In the cluster's row: who can still talk to whom, where there is room to say it. */
function drawCutBars() {
  const { context } = lanes;
  const top = AXIS + 4, high = CLUSTER - 8;
  context.font = '11px ' + FONT;
  context.textAlign = 'left';
  context.textBaseline = 'middle';
  for (const cut of data.cuts) {
    if (cut[1] < view.from || cut[0] > view.to) continue;
    const left = clampX(xOf(cut[0])), wide = Math.max(1, clampX(xOf(cut[1])) - left);
    for (const fill of [theme.cutFill, hatch.cut]) {
      context.fillStyle = fill;
      context.fillRect(left, top, wide, high);
    }
    const { words } = topologyOf(cut);
    const text = words.slice(0, 5).join(',  ') + (words.length > 5 ? ' …' : '');
    const room = wide - 26, textWide = context.measureText(text).width;
    if (room < Math.min(textWide, 120)) continue;
    context.save();
    context.beginPath();
    context.rect(left + 10, top, Math.min(room, textWide) + 8, high);
    context.clip();
    context.fillStyle = theme.panel;
    context.fillRect(left + 10, top, textWide + 8, high);
    context.fillStyle = theme.bad;
    context.fillText(text, left + 14, top + high / 2 + 0.5);
    context.restore();
  }
}

const STRIPS = { disk: 0, clock: 1, stray: 2 };
function drawSpans() {
  const { context } = lanes;
  context.font = '11px ' + FONT;
  context.textAlign = 'left';
  context.textBaseline = 'middle';
  for (const [lane, kind, from, to, text] of data.spans) {
    if (to < view.from || from > view.to || lane < 0) continue;
    const left = clampX(xOf(from)), wide = Math.max(1, clampX(xOf(to)) - left);
    const top = topOf(lane), high = highs[lane];
    if (kind in STRIPS) {
      context.fillStyle = theme[kind];
      context.fillRect(left, top + high - 4 - STRIPS[kind] * 4, Math.max(1, wide - 0.5), 3);
      continue;
    }
    if (kind === 'absent') {
      context.fillStyle = theme.panel;
      context.fillRect(left, top, wide, high);
      context.fillStyle = theme.line;
      context.fillRect(left, midOf(lane), wide, 1);
      continue;
    }
    context.fillStyle = kind === 'down' ? theme.downFill : theme.pausedFill;
    context.fillRect(left, top, wide, high);
    if (kind === 'down') {
      context.globalAlpha = 0.45;
      context.fillStyle = hatch.down;
      context.fillRect(left, top, wide, high);
      context.globalAlpha = 1;
    }
    const textWide = context.measureText(text).width;
    if (wide < textWide + 14 || high < 40) continue;
    context.fillStyle = theme.panel;
    context.fillRect(left + 4, top + high - 19, textWide + 6, 14);
    context.fillStyle = kind === 'down' ? theme.soft : theme.paused;
    context.fillText(text, left + 7, top + high - 12);
  }
}

function drawBaselines() {
  const { context } = lanes;
  const left = clampX(xOf(0)), wide = clampX(xOf(data.endMs)) - left;
  context.fillStyle = theme.axis;
  for (let lane = 0; lane < count; lane += 1) context.fillRect(left, midOf(lane), wide, 1);
}

/** Messages in sight that are not switched off; when they are many, one for each pixel or few, pair, kind and fate. */
const FEW_MESSAGES = 500, MANY_MESSAGES = 1200, MANY_COLUMN = 3;
let drawn = { rows: [], inSight: 0 };
const longestMs = data.messages.reduce((longest, row) => Math.max(longest, row[1]), 0);
function pickMessages() {
  pickOncePer(0);
  if (drawn.rows.length > FEW_MESSAGES) pickOncePer(1);
  if (drawn.rows.length > MANY_MESSAGES) pickOncePer(MANY_COLUMN);
}
function pickOncePer(pixels) {
  const rows = [];
  const seen = new Set();
  let inSight = 0;
  for (let at = firstAt(data.messages, view.from - longestMs); at < data.messages.length; at += 1) {
    const row = data.messages[at];
    if (row[0] > view.to) break;
    if (row[0] + row[1] < view.from || !shown.kinds[row[4]] || (row[5] > 0 && !shown.lost)) continue;
    if (row[2] < 0 || row[3] < 0) continue;
    inSight += 1;
    if (pixels === 0) {
      rows.push(row);
      continue;
    }
    const spot = (Math.round(xOf(row[0]) / pixels) * 8 + row[4] * 2 + (row[5] > 0 ? 1 : 0)) * 65536 + row[2] * 256 + row[3];
    if (seen.has(spot)) continue;
    seen.add(spot);
    rows.push(row);
  }
  drawn = { rows, inSight };
}
/** Few arrows lean a little even when time would not show it, so that those of one multicast are told apart. */
const LEAN = 2;
function arrowOf(row) {
  const from = midOf(row[2]), to = midOf(row[3]);
  const part = row[5] > 0 ? 0.72 : 1; // a lost one does not get there
  const left = xOf(row[0]), lean = drawn.rows.length < FEW_MESSAGES ? LEAN * Math.abs(row[3] - row[2]) : 0;
  const right = Math.max(left + lean, xOf(row[0] + row[1]));
  return { x1: left, y1: from, x2: left + (right - left) * part, y2: from + (to - from) * part };
}
function drawMessages() {
  pickMessages();
  const { context } = lanes;
  const isSparse = drawn.rows.length < FEW_MESSAGES;
  context.lineWidth = isSparse ? 1.4 : 1;
  for (let kind = 0; kind < KINDS.length; kind += 1) {
    for (const isLost of [false, true]) {
      const rows = drawn.rows.filter((row) => row[4] === kind && row[5] > 0 === isLost);
      if (rows.length === 0) continue;
      context.strokeStyle = context.fillStyle = theme[KIND_COLOURS[kind]];
      context.globalAlpha = isSparse ? 0.85 : Math.max(0.28, 0.7 - drawn.rows.length / 2500);
      context.setLineDash(isLost ? [4, 4] : []);
      context.beginPath();
      for (const row of rows) {
        const { x1, y1, x2, y2 } = arrowOf(row);
        context.moveTo(x1, y1);
        context.lineTo(x2, y2);
      }
      context.stroke();
      context.setLineDash([]);
      if (!isSparse) continue;
      for (const row of rows) drawHead(row, isLost);
    }
  }
  context.globalAlpha = 1;
  if (drawn.rows.length <= 36) labelMessages();
  if (data.leftOut.messages > 0) drawFirstMessage();
}
/** Before the first message that is kept there were others. */
function drawFirstMessage() {
  const { context } = lanes;
  const x = xOf(data.messages[0][0]), text = data.leftOut.messages + ' earlier messages left out';
  context.fillStyle = theme.faint;
  for (let y = AXIS + CLUSTER; y < HEIGHT; y += 6) context.fillRect(Math.round(x) - 1, y, 1, 3);
  context.font = '11px ' + FONT;
  context.textAlign = 'right';
  context.textBaseline = 'middle';
  context.fillStyle = theme.soft;
  context.fillText(text, x - 7, AXIS + CLUSTER + 4);
}
function drawHead(row, isLost) {
  const { context } = lanes;
  const { x1, y1, x2, y2 } = arrowOf(row);
  if (isLost) {
    const colour = context.strokeStyle;
    context.strokeStyle = theme.lost;
    context.beginPath();
    context.moveTo(x2 - 3, y2 - 3); context.lineTo(x2 + 3, y2 + 3);
    context.moveTo(x2 + 3, y2 - 3); context.lineTo(x2 - 3, y2 + 3);
    context.stroke();
    context.strokeStyle = colour;
    return;
  }
  const turn = Math.atan2(y2 - y1, x2 - x1);
  context.beginPath();
  context.moveTo(x2, y2);
  context.lineTo(x2 - 7 * Math.cos(turn - 0.38), y2 - 7 * Math.sin(turn - 0.38));
  context.lineTo(x2 - 7 * Math.cos(turn + 0.38), y2 - 7 * Math.sin(turn + 0.38));
  context.fill();
}
function labelMessages() {
  const { context } = lanes;
  context.font = '600 10px ' + FONT;
  context.textAlign = 'left';
  context.textBaseline = 'middle';
  const taken = [];
  for (const row of drawn.rows) {
    const { x1, y1, x2, y2 } = arrowOf(row);
    const text = KINDS[row[4]] + (row[5] > 0 ? (row[5] === 1 ? ' lost' : ' cut') : '');
    const x = x1 + (x2 - x1) * 0.5 + 5, y = y1 + (y2 - y1) * 0.5, wide = context.measureText(text).width;
    if (x < LEFT || taken.some(([left, top, far]) => x < far && x + wide > left && Math.abs(top - y) < 12)) continue;
    taken.push([x, y, x + wide]);
    context.lineWidth = 3;
    context.strokeStyle = theme.panel;
    context.strokeText(text, x, y);
    context.fillStyle = row[5] > 0 ? theme.lost : theme[KIND_COLOURS[row[4]]];
    context.fillText(text, x, y);
  }
}

function drawNames() {
  const { context } = lanes;
  context.fillStyle = theme.panel;
  context.fillRect(0, 0, LEFT, HEIGHT);
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  context.font = '11px ' + FONT;
  context.fillStyle = theme.faint;
  context.fillText('cluster', 14, AXIS + CLUSTER / 2);
  for (let lane = 0; lane < count; lane += 1) {
    const { name, isTwin } = data.lanes[lane];
    const y = midOf(lane);
    context.fillStyle = colourOf(isTwin ? lane - 1 : lane);
    context.globalAlpha = isTwin ? 0.5 : 1;
    context.fillRect(0, topOf(lane), 4, highs[lane]);
    context.globalAlpha = 1;
    context.font = (isTwin ? '' : '600 ') + '13px ' + FONT;
    context.fillStyle = isTwin ? theme.soft : theme.ink;
    const text = isTwin ? name.slice(0, -1) + ' twin' : name;
    context.fillText(text, 14, y, LEFT - 20);
  }
}

function drawLanes() {
  const { context, width } = lanes;
  context.clearRect(0, 0, width, HEIGHT);
  clipPlot(lanes);
  drawLaneBoxes();
  drawGrid(lanes, AXIS - 4);
  drawCuts();
  drawCutBars();
  drawSpans();
  drawBaselines();
  drawMessages();
  drawWrites();
  drawMarks();
  drawMoments(lanes, true);
  context.restore();
  drawNames();
  drawTimes();
}
`;
