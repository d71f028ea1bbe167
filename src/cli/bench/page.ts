/**
 * The page of `toposphere bench --html`: one file that asks the network for nothing and runs nothing.
 *
 * Owns the frame, the colours for light and dark and the escaping; the charts are charts.ts's. Invariant: no text of a run is read as markup, and the page's own policy
 * forbids scripts and everything that is not in it.
 */
import { escapeHtml } from '../../simulator/plotPage.ts';
import { drawLatencies, drawPercentiles, drawThroughput } from './charts.ts';
import { cellsOf, COLUMNS, describeRun, describeTrust, formatCount, formatMs } from './report.ts';
import type { Report, ReportRow } from './report.ts';

const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f4f5f7; --panel: #ffffff; --line: #dfe3e8; --grid: #eceff3; --axis: #b4bcc6; --ink: #1d242d; --soft: #5d6875;
  --colour0: #2457d6; --colour1: #b35900; --colour2: #7a3fb0; --colour3: #d1242f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1217; --panel: #161b22; --line: #2b333e; --grid: #222a34; --axis: #4d5865; --ink: #e4e9ef; --soft: #9aa6b4;
    --colour0: #7aa2ff; --colour1: #f0a54a; --colour2: #c4a1ff; --colour3: #ff6b6b;
  }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 20px 24px 32px; background: var(--page); color: var(--ink); font: 14px/1.45 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1100px; margin: 0 auto; }
h1 { margin: 0 0 6px; font-size: 19px; font-weight: 650; letter-spacing: -0.01em; }
p { margin: 0; color: var(--soft); overflow-wrap: anywhere; }
.facts { display: flex; flex-wrap: wrap; gap: 4px 30px; margin: 12px 0 0; }
.facts div { display: flex; flex-direction: column; }
.facts dt { color: var(--soft); font-size: 11.5px; }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; font-size: 20px; }
section { margin-top: 16px; padding: 10px 14px; border: 1px solid var(--line); border-radius: 10px; background: var(--panel); overflow-x: auto; }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
svg text { fill: var(--ink); } svg .soft { fill: var(--soft); } svg .title { font-size: 14px; font-weight: 600; }
.grid { stroke: var(--grid); } .axis { stroke: var(--axis); } .line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.colour0 { stroke: var(--colour0); } .colour1 { stroke: var(--colour1); } .colour2 { stroke: var(--colour2); } .colour3 { stroke: var(--colour3); }
.hint { fill: transparent; } .hint:hover { fill: var(--axis); fill-opacity: 0.25; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 13px; }
th { color: var(--soft); font-weight: 500; font-size: 12px; } th, td { padding: 3px 8px; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } tbody tr + tr td { border-top: 1px solid var(--grid); }
ul { margin: 0; padding-left: 18px; }
`;

function renderTable(title: string, rows: readonly ReportRow[]): string {
  const head = [title, ...COLUMNS].map((cell) => `<th>${escapeHtml(cell)}</th>`).join('');
  const body = rows.map((row) => {
    const cells = [row.name, ...cellsOf(row)].map((cell) => `<td>${escapeHtml(cell)}</td>`);
    return `<tr>${cells.join('')}</tr>`;
  });
  return `<table><thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table>`;
}

function renderFacts({ all, generator }: Report): string {
  const facts = [
    ['operations a second', formatCount(all.perSecond)],
    ['p50', `${formatMs(all.latency.p50Ms)} ms`],
    ['p99', `${formatMs(all.latency.p99Ms)} ms`],
    ['longest', `${formatMs(all.latency.maxMs)} ms`],
    ['failed', formatCount(all.failed)],
    ['generator busy', `${Math.round(generator.busyShare * 100)}%`],
  ] as const;
  const shown = facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${escapeHtml(value)}</dd></div>`);
  return `<dl class="facts">${shown.join('')}</dl>`;
}

export function renderPage(report: Report): string {
  const { operations, byPeer, all, startedAt, peers } = report;
  const rows = [...operations, ...(operations.length > 1 ? [all] : [])];
  const charts =
    all.latency.count === 0
      ? []
      : [drawPercentiles(operations), drawThroughput(report), drawLatencies(report)];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(`Toposphere bench: ${peers.join(', ')}`)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(`Toposphere bench: ${peers.join(', ')}`)}</h1>
<p>${escapeHtml(`${startedAt}; ${describeRun(report)}`)}</p>
${renderFacts(report)}
${charts.map((chart) => `<section>${chart}</section>`).join('\n')}
<section>${renderTable('operation', rows)}</section>
<section>${renderTable('peer', byPeer)}</section>
<section><ul>${describeTrust(report)
    .map((line) => `<li>${escapeHtml(line)}</li>`)
    .join('')}</ul></section>
</main>
</body>
</html>
`;
}
