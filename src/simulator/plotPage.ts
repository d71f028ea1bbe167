/**
 * The HTML page of a plot: one file that asks the network for nothing.
 *
 * Owns the frame and the escaping. Keeps: no text of a run is ever read as markup or code. What stands in the HTML is escaped; rows
 * are JSON without any `<`, and the script writes them with textContent or on a canvas.
 */
import type { PlotData, PlotHeader } from './plotData.ts';
import { PLOT_CANVAS } from './plotCanvas.ts';
import { PLOT_CHARTS } from './plotCharts.ts';
import { PLOT_INPUT } from './plotInput.ts';
import { PLOT_LANES } from './plotLanes.ts';
import { PLOT_MARKS } from './plotMarks.ts';
import { PLOT_STYLE } from './plotStyle.ts';

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

/** JSON that may stand in a script element: no tag can begin or end in it. */
export function jsonForScript(data: unknown): string {
  return JSON.stringify(data).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

export function renderPlotPage(header: PlotHeader, data: PlotData): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escapeHtml(`${header.title}: ${header.verdict}`)}</title>
<style>${PLOT_STYLE}</style>
</head>
<body>
<main>
${renderHeader(header)}
<section class="plot">
<div class="tools" id="tools"></div>
<canvas id="lanes" tabindex="0" aria-label="Peers, faults, writes and messages over virtual time"></canvas>
<canvas id="lag" aria-label="Lag of each peer over virtual time"></canvas>
<canvas id="overview" aria-label="The whole run"></canvas>
<div id="cursor"></div>
<div id="choice"></div>
<div class="legend" id="legend"></div>
</section>
<p class="hint"><kbd>wheel</kbd> zoom, <kbd>drag</kbd> pan, <kbd>shift</kbd> <kbd>drag</kbd> zoom to a stretch, <kbd>double click</kbd> closer; <kbd>←</kbd> <kbd>→</kbd> <kbd>+</kbd> <kbd>−</kbd> <kbd>0</kbd> on the keyboard. Arrows arrive after the mean delay of their link (when exactly is not recorded) and lean a little where they would hide each other.</p>
<details><summary>What was said last</summary><table id="log" class="mono"></table></details>
</main>
<div id="tip"></div>
<script type="application/json" id="data">${jsonForScript(data)}</script>
<script>
'use strict';
(() => {
${PLOT_CANVAS}
${PLOT_LANES}
${PLOT_MARKS}
${PLOT_CHARTS}
${PLOT_INPUT}
})();
</script>
</body>
</html>
`;
}

function renderHeader({ title, verdict, failure, replay, facts }: PlotHeader): string {
  const shown = facts.map(
    ([name, value]) =>
      `<div><dt>${escapeHtml(name)}</dt><dd${name === 'trace' ? ' class="mono"' : ''}>${escapeHtml(value)}</dd></div>`,
  );
  const stack =
    failure?.stack === undefined
      ? ''
      : `<details><summary>Stack</summary><pre>${escapeHtml(failure.stack)}</pre></details>`;
  const broken =
    failure === undefined
      ? ''
      : `<div class="failure"><p class="when">${escapeHtml(failure.when)}</p><p>${escapeHtml(failure.detail)}</p>${stack}</div>`;
  return `<header class="${failure === undefined ? 'passed' : 'failed'}">
<div class="top"><h1>${escapeHtml(title)}</h1><span class="verdict">${escapeHtml(verdict)}</span></div>
<dl class="facts">${shown.join('')}</dl>
${broken}
<div class="replay"><code id="replay">${escapeHtml(replay)}</code><button id="copy" type="button">Copy</button></div>
</header>`;
}
