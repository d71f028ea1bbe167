/**
 * Third part of a plot page's script: writes, faults and notices on the lanes, and the moments that cross them all.
 *
 * Plain JavaScript in a string, without backticks; see plotCanvas.ts.
 */
export const PLOT_MARKS = String.raw`
/** How tall a tick is: fast, committed, durable; refused ones are crosses. */
const TICKS = [8, 13, 19];
function drawWrites() {
  const { context } = lanes;
  const seen = new Set();
  const named = [];
  const first = firstAt(data.writes, view.from);
  const isDense = firstAt(data.writes, view.to) - first > plotWidth() / 6;
  for (let at = first; at < data.writes.length; at += 1) {
    const row = data.writes[at];
    const [ms, lane, level, outcome, isOfKey] = row;
    if (ms > view.to) break;
    if (lane < 0 || (!isOfKey && !shown.others)) continue;
    const x = Math.round(xOf(ms)) + 0.5, mid = midOf(lane);
    const spot = ((x * 256 + lane) * 4 + outcome) * 8 + (level + 1) * 2 + isOfKey;
    if (seen.has(spot)) continue;
    seen.add(spot);
    if (outcome === 2) {
      context.strokeStyle = theme.bad;
      context.lineWidth = 1.2;
      context.beginPath();
      context.moveTo(x - 2.5, mid - 8); context.lineTo(x + 2.5, mid - 3);
      context.moveTo(x + 2.5, mid - 8); context.lineTo(x - 2.5, mid - 3);
      context.stroke();
      continue;
    }
    const high = TICKS[level] * UNIT * (data.lanes[lane].isTwin ? 0.7 : 1);
    context.fillStyle = outcome === 1 ? theme.open : isOfKey ? theme.writeKey : theme.write;
    context.fillRect(x - (isOfKey ? 1 : 0.5), mid - high, isOfKey ? 2 : 1.2, high);
    if (isOfKey && !isDense) {
      context.beginPath();
      context.arc(x, mid - high, 2.6, 0, 7);
      context.fillStyle = outcome === 1 ? theme.panel : theme.writeKey;
      context.fill();
      context.lineWidth = 1.2;
      context.strokeStyle = outcome === 1 ? theme.open : theme.writeKey;
      context.stroke();
    }
    named.push([x, mid - high - 8, row]);
  }
  if (named.length > 60 || LANE < 50) return;
  context.font = '10.5px ' + FONT;
  context.textAlign = 'left';
  context.textBaseline = 'middle';
  const ends = new Map();
  for (const [x, y, row] of named) {
    const text = row[5].length > 26 ? row[5].slice(0, 25) + '…' : row[5];
    if (x - 3 < (ends.get(row[1]) || LEFT)) continue;
    context.fillStyle = row[4] ? theme.writeKey : theme.soft;
    context.fillText(text, x - 2, y);
    ends.set(row[1], x + context.measureText(text).width + 6);
  }
}

const MARK_COLOURS = { fault: 'ink', notice: 'good', warning: 'warn' };
const markY = (mark) => mark[1] < 0 ? midOf(-1) : midOf(mark[1]) + (mark[2] === 'fault' ? 14 : 7) * UNIT;
function drawMarks() {
  const { context } = lanes;
  const seen = new Set();
  for (let at = firstAt(data.marks, view.from); at < data.marks.length; at += 1) {
    const mark = data.marks[at];
    if (mark[0] > view.to) break;
    const x = Math.round(xOf(mark[0])), y = markY(mark), size = mark[2] === 'fault' ? 4 : 3.2;
    const spot = (Math.round(x / 2) * 256 + mark[1] + 1) * 3 + Object.keys(MARK_COLOURS).indexOf(mark[2]);
    if (seen.has(spot)) continue;
    seen.add(spot);
    context.fillStyle = theme[MARK_COLOURS[mark[2]]];
    context.beginPath();
    if (mark[2] === 'fault') {
      context.moveTo(x, y - size); context.lineTo(x + size, y); context.lineTo(x, y + size); context.lineTo(x - size, y);
    } else if (mark[2] === 'warning') {
      context.moveTo(x - size, y + size); context.lineTo(x + size, y + size); context.lineTo(x, y - size);
    } else context.arc(x, y, 2.4, 0, 7);
    context.fill();
  }
}

const MOMENTS = { core: ['accent', 'healthy core'], healed: ['good', 'healed'], equal: ['good', 'equal'], failed: ['bad', 'FAILED'] };
function drawMoments(surface, hasLabels) {
  const { context, height } = surface;
  context.font = '600 11px ' + FONT;
  context.textBaseline = 'middle';
  let last = -1e9, row = 0;
  for (const [ms, kind] of data.moments) {
    const x = xOf(ms);
    if (x < LEFT - 1 || x > lanes.width - RIGHT + 1) continue;
    const [colour, word] = MOMENTS[kind];
    context.strokeStyle = theme[colour];
    context.lineWidth = kind === 'failed' ? 2 : 1.3;
    context.setLineDash(kind === 'failed' ? [] : [5, 4]);
    context.beginPath();
    context.moveTo(x, hasLabels ? AXIS : 0);
    context.lineTo(x, height);
    context.stroke();
    context.setLineDash([]);
    if (!hasLabels) continue;
    row = x - last < 90 ? row + 1 : 0;
    last = x;
    const wide = context.measureText(word).width + 10;
    const isLeft = x + wide > lanes.width - RIGHT;
    const left = isLeft ? x - wide : x, top = AXIS - 6 + row * 16;
    context.fillStyle = theme[colour];
    context.fillRect(left, top, wide, 15);
    context.fillStyle = theme.panel;
    context.textAlign = 'left';
    context.fillText(word, left + 5, top + 8);
  }
}
`;
