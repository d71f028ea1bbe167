/**
 * How the page of a plot looks: colours for light and dark, and the little that is not drawn on a canvas.
 *
 * The script reads the colours of the canvases from here too (custom properties), so that both agree.
 */
export const PLOT_STYLE = String.raw`
:root {
  color-scheme: light dark;
  --page: #f4f5f7; --panel: #ffffff; --lane: #f7f8fa; --line: #dfe3e8; --grid: #eceff3; --axis: #b4bcc6;
  --ink: #1d242d; --soft: #5d6875; --faint: #97a1ad;
  --good: #17864b; --bad: #d1242f; --accent: #2457d6; --warn: #b35900;
  --update: #2f6fe0; --sync: #14894e; --hybrid: #0c8a96; --nak: #c96a00; --lost: #d1242f;
  --write: #3c4753; --writeKey: #6d28d9; --open: #97a1ad;
  --down: #8b95a1; --downFill: rgba(110, 120, 133, 0.20); --pausedFill: rgba(179, 137, 0, 0.16); --paused: #a27c00;
  --disk: #b4530a; --clock: #c02672; --stray: #0e7490;
  --cut: rgba(209, 36, 47, 0.55); --cutFill: rgba(209, 36, 47, 0.10);
  --tint0: rgba(217, 119, 6, 0.10); --tint1: rgba(79, 70, 229, 0.10); --tint2: rgba(13, 148, 136, 0.12);
  --tint3: rgba(190, 24, 93, 0.09);
  --tip: #1d242d; --tipInk: #f4f6f8; --window: rgba(36, 87, 214, 0.10);
  --peerLightness: 44%;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1217; --panel: #161b22; --lane: #1a2029; --line: #2b333e; --grid: #222a34; --axis: #4d5865;
    --ink: #e4e9ef; --soft: #9aa6b4; --faint: #6a7684;
    --good: #4cc38a; --bad: #ff6b6b; --accent: #7aa2ff; --warn: #f0a54a;
    --update: #74a4ff; --sync: #54cf8f; --hybrid: #45c9d6; --nak: #f5a442; --lost: #ff6b6b;
    --write: #b8c3cf; --writeKey: #c4a1ff; --open: #6a7684;
    --down: #7b8794; --downFill: rgba(140, 152, 166, 0.20); --pausedFill: rgba(230, 190, 70, 0.14); --paused: #d9b44a;
    --disk: #f08c4b; --clock: #f472b6; --stray: #4fc3dc;
    --cut: rgba(255, 107, 107, 0.60); --cutFill: rgba(255, 107, 107, 0.10);
    --tint0: rgba(245, 158, 11, 0.11); --tint1: rgba(129, 140, 248, 0.13); --tint2: rgba(45, 212, 191, 0.11);
    --tint3: rgba(244, 114, 182, 0.11);
    --tip: #e9edf2; --tipInk: #14181d; --window: rgba(122, 162, 255, 0.14);
    --peerLightness: 66%;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 20px 24px 32px; background: var(--page); color: var(--ink);
  font: 14px/1.45 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif;
}
main { max-width: 1800px; margin: 0 auto; }
h1 { margin: 0; font-size: 19px; font-weight: 650; letter-spacing: -0.01em; overflow-wrap: anywhere; }
code, pre, .mono { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 12.5px; }
.top { display: flex; flex-wrap: wrap; gap: 10px 14px; align-items: center; }
.verdict { padding: 2px 11px; border-radius: 999px; font-weight: 600; font-size: 13px; color: var(--panel); background: var(--good); }
.failed .verdict { background: var(--bad); }
.facts { display: flex; flex-wrap: wrap; gap: 4px 26px; margin: 12px 0 0; }
.facts div { display: flex; flex-direction: column; }
.facts dt { color: var(--soft); font-size: 11.5px; }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; font-size: 13px; }
.failure { margin: 14px 0 0; padding: 10px 14px; border: 1px solid var(--bad); border-left-width: 4px; border-radius: 6px; background: var(--panel); }
.failure p { margin: 0; overflow-wrap: anywhere; }
.failure .when { color: var(--bad); font-weight: 600; font-size: 12.5px; }
.failure pre { margin: 8px 0 0; overflow: auto; max-height: 260px; color: var(--soft); }
.replay { display: flex; gap: 8px; align-items: stretch; margin: 12px 0 0; }
.replay code { flex: 0 1 auto; padding: 6px 11px; border: 1px solid var(--line); border-radius: 6px; background: var(--panel); overflow-wrap: anywhere; user-select: all; }
button {
  font: inherit; font-size: 12.5px; color: var(--ink); background: var(--panel); border: 1px solid var(--line); border-radius: 6px;
  padding: 4px 11px; cursor: pointer;
}
button:hover { border-color: var(--axis); }
button:focus-visible, canvas:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.plot { position: relative; margin-top: 16px; border: 1px solid var(--line); border-radius: 10px; background: var(--panel); overflow: hidden; }
.tools { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; padding: 9px 12px; border-bottom: 1px solid var(--line); }
.tools .gap { flex: 1; margin: 0 8px; color: var(--soft); font-size: 12px; }
.tools .keyname { color: var(--soft); font-size: 12.5px; margin-right: 4px; max-width: 320px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.tools .keyname b { color: var(--writeKey); font-weight: 600; }
.toggle { display: inline-flex; align-items: center; gap: 7px; }
.toggle i { width: 14px; height: 0; border-top: 2.5px solid currentColor; }
.toggle.dashed i { border-top-style: dashed; }
.toggle[aria-pressed="false"] { opacity: 0.45; }
canvas { display: block; width: 100%; touch-action: none; outline-offset: -2px; }
#lanes, #lag { cursor: crosshair; }
#lanes.dragging, #lag.dragging { cursor: grabbing; }
#cursor, #choice { position: absolute; display: none; pointer-events: none; }
#cursor { width: 1px; background: var(--faint); }
#choice { background: var(--window); }
#overview { border-top: 1px solid var(--line); cursor: col-resize; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; padding: 9px 14px; border-top: 1px solid var(--line); color: var(--soft); font-size: 12px; }
.legend span { display: inline-flex; align-items: center; gap: 6px; }
.legend svg { display: block; }
.legend .left { color: var(--warn); }
.hint { margin: 10px 2px 0; color: var(--soft); font-size: 12px; }
kbd { padding: 0 5px; border: 1px solid var(--line); border-radius: 4px; background: var(--panel); font: inherit; font-size: 11.5px; }
#tip {
  position: fixed; z-index: 9; display: none; pointer-events: none; max-width: 460px; padding: 7px 10px; border-radius: 7px;
  background: var(--tip); color: var(--tipInk); font-size: 12px; line-height: 1.4; box-shadow: 0 4px 18px rgba(0, 0, 0, 0.25); overflow-wrap: anywhere;
}
#tip b { display: block; font-weight: 600; font-variant-numeric: tabular-nums; }
#tip div { display: flex; gap: 7px; }
#tip div::before { content: ""; flex: none; width: 8px; height: 8px; margin-top: 5px; border-radius: 2px; background: var(--swatch, transparent); }
details { margin-top: 14px; }
summary { cursor: pointer; color: var(--soft); font-size: 13px; }
#log { margin: 8px 0 0; max-height: 340px; overflow: auto; border: 1px solid var(--line); border-radius: 8px; background: var(--panel); border-collapse: collapse; display: block; }
#log td { padding: 2px 12px; vertical-align: top; white-space: nowrap; }
#log td:last-child { white-space: normal; overflow-wrap: anywhere; width: 100%; }
#log td:first-child { color: var(--soft); text-align: right; font-variant-numeric: tabular-nums; }
#log tr { cursor: pointer; }
#log tr:hover { background: var(--lane); }
#log tr.bad td { color: var(--bad); }
@media (max-width: 700px) { body { padding: 12px; } }
`;
