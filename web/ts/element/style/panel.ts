// What is said beside the picture. Verdicts have an icon and a word; colour only repeats them. Forced colours would all become
// one: what shows something that is in nothing else keeps its own.

export const panel = `
.next { display: flex; flex-direction: column; gap: calc(var(--_u) * 4); }
.next[data-warning] .hint { color: var(--_anomalous); }
.next .support { display: grid; gap: calc(var(--_u) * 1.5); }
.next .actions { justify-content: flex-end; }
.next .primary, .next .actions > :only-child { flex: 1 1 auto; }
@container anomaly-sd (min-width: 40rem) {
  [data-layout="setup"] .next { flex-direction: row; align-items: center; justify-content: space-between; }
  [data-layout="setup"] .next .button { flex: none; min-inline-size: 10rem; }
}

.progress { display: grid; gap: calc(var(--_u) * 3); }
.steps { display: grid; gap: calc(var(--_u) * 2); margin-block-end: calc(var(--_u) * 2); }
.step { display: flex; align-items: center; gap: calc(var(--_u) * 2.5); color: var(--_muted); }
.step[data-state="now"] { color: var(--_text); font-weight: 600; }
.step-mark { display: grid; place-items: center; inline-size: 1.25rem; block-size: 1.25rem; border: 1.5px solid var(--_control); border-radius: 50%; }
.step-mark .icon { inline-size: 0.875rem; block-size: 0.875rem; stroke-width: 2.5; visibility: hidden; }
.step[data-state="done"] .step-mark { border-color: transparent; background: var(--_fill); color: var(--_on-fill); }
.step[data-state="done"] .icon { visibility: visible; }
.step[data-state="now"] .step-mark { border-color: var(--_accent); }
.step[data-state="now"] .step-mark::after { content: ""; grid-area: 1 / 1; inline-size: 0.5rem; block-size: 0.5rem; border-radius: 50%; background: var(--_accent); animation: pulse 1.6s ease-in-out infinite; }
.step-mark .icon { grid-area: 1 / 1; }
.bar { position: relative; overflow: hidden; block-size: 6px; border-radius: 3px; background: var(--_hover); box-shadow: inset 0 0 0 1px var(--_line); }
.bar-fill { block-size: 100%; border-radius: inherit; background: var(--_accent); transition: inline-size 200ms linear; }
.bar[data-busy] .bar-fill { inline-size: 30%; animation: busy 1.4s ease-in-out infinite; }
.progress-line { display: flex; align-items: center; justify-content: space-between; gap: calc(var(--_u) * 3); color: var(--_muted); font-size: 0.9286em; font-variant-numeric: tabular-nums; }
.progress-line:last-child { min-block-size: calc(var(--_u) * 9); }
.share { color: var(--_text); font-weight: 500; }
@keyframes pulse { 50% { opacity: 0.35; } }
@keyframes busy { from { transform: translateX(-100%); } to { transform: translateX(340%); } }

.problem-panel { display: grid; justify-items: start; gap: calc(var(--_u) * 2); }
.problem-icon { display: grid; place-items: center; inline-size: calc(var(--_u) * 10); block-size: calc(var(--_u) * 10); margin-block-end: calc(var(--_u)); border-radius: 50%; background: color-mix(in oklab, var(--_suspect) 14%, var(--_bg)); color: var(--_suspect); }
.problem-title { font-size: 1.1429em; font-weight: 600; line-height: 1.3; }
.problem-panel .details { margin-block: calc(var(--_u)); max-inline-size: 100%; }
.message { color: var(--_muted); font-size: 0.9286em; overflow-wrap: anywhere; }
.problem-panel .row { margin-block-start: calc(var(--_u) * 2); }

.outcome { --_verdict: var(--_ok); display: grid; gap: calc(var(--_u) * 4); }
.outcome[data-verdict="suspect"] { --_verdict: var(--_suspect); }
.outcome[data-verdict="anomalous"] { --_verdict: var(--_anomalous); }
.verdict { display: flex; align-items: center; gap: calc(var(--_u) * 2); color: var(--_verdict); font-size: 1.5714em; font-weight: 600; line-height: 1.25; letter-spacing: -0.015em; }
.verdict .icon { inline-size: 1.1em; block-size: 1.1em; stroke-width: 1.9; }
.verdict:focus-visible { outline: none; }
.verdict-line { margin-block-start: calc(var(--_u)); }

.figures { display: flex; justify-content: space-between; gap: calc(var(--_u) * 4); }
.figures > :last-child { text-align: end; }
.figures dt { color: var(--_muted); font-size: 0.8571em; }
.figure { font-size: 1.2857em; font-weight: 600; line-height: 1.3; letter-spacing: -0.01em; font-variant-numeric: tabular-nums; }
.scale-line { position: relative; block-size: calc(var(--_u) * 7); margin-block-start: calc(var(--_u)); }
.scale-track { position: absolute; inset: calc(50% - var(--_u)) 6px auto; block-size: calc(var(--_u) * 2); border-radius: 4px;
  --_at: calc(var(--threshold) * 100%);
  background: linear-gradient(to right, color-mix(in oklab, var(--_ok) 34%, var(--_bg)) var(--_at), color-mix(in oklab, var(--_anomalous) 34%, var(--_bg)) var(--_at)); }
.scale-score { position: absolute; left: calc(var(--score) * 100%); inset-block-start: 50%; inline-size: calc(var(--_u) * 3.5); block-size: calc(var(--_u) * 3.5); border: 2px solid var(--_bg); border-radius: 3px; background: var(--_verdict); transform: translate(-50%, -50%) rotate(45deg); }
.scale-tick { position: absolute; left: calc(var(--threshold) * 100%); inset-block: -5px; inline-size: 2px; margin-left: -1px; background: var(--_text); }
.scale-input { position: absolute; inset: 0; inline-size: 100%; block-size: 100%; }
.scale-input::-webkit-slider-runnable-track { block-size: 100%; }
.scale-input::-webkit-slider-thumb { appearance: none; inline-size: 12px; block-size: 100%; border: 3.5px solid transparent; border-radius: 6px; background: var(--_text) padding-box; }
.scale-input::-moz-range-thumb { box-sizing: border-box; inline-size: 12px; block-size: 100%; border: 3.5px solid transparent; border-radius: 6px; background: var(--_text) padding-box; }
.scale-input:focus-visible { outline-offset: 0; border-radius: 6px; }
.what-if { display: flex; gap: calc(var(--_u) * 2); margin-block-start: calc(var(--_u) * 1.5); align-items: center; justify-content: space-between; color: var(--_muted); }
.what-if .button { margin-inline-end: calc(var(--_u) * -2); min-block-size: calc(var(--_u) * 7); color: var(--_accent); }

.more { display: grid; gap: calc(var(--_u) * 5); padding-block-start: calc(var(--_u) * 4); border-block-start: 1px solid var(--_line); }
.group { display: grid; gap: calc(var(--_u) * 2); }
.regions { display: grid; gap: 2px; max-block-size: 15rem; overflow-y: auto; margin: 0 calc(var(--_u) * -2); padding: 2px; }
.region { display: grid; grid-template-columns: auto 1fr; align-items: center; gap: 0 calc(var(--_u) * 2.5); inline-size: 100%; padding: calc(var(--_u) * 1.5) calc(var(--_u) * 2); border: 0; border-radius: var(--_small); background: none; color: inherit; font: inherit; text-align: start; cursor: default; }
.region:hover, li[data-on] > .region { background: var(--_hover); }
.region:focus-visible { outline-offset: -2px; }
.region-number { grid-row: 1 / 3; display: grid; place-items: center; inline-size: 1.625em; block-size: 1.625em; border-radius: 4px; background: var(--_text); color: var(--_bg); font-size: 0.8571em; font-weight: 600; }
.region-place { font-weight: 500; line-height: 1.35; }
.region-figures { grid-column: 2; color: var(--_muted); font-size: 0.8571em; line-height: 1.35; font-variant-numeric: tabular-nums; }
.downloads { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: calc(var(--_u) * 2); }
.downloads .button { inline-size: 100%; justify-content: flex-start; padding-inline: calc(var(--_u) * 2.5); font-size: 0.9286em; font-weight: 450; }
.downloads .icon { color: var(--_muted); }

@media (forced-colors: active) {
  .scale-track, .bar, .step-mark, .mark { forced-color-adjust: none; }
  .bar { box-shadow: inset 0 0 0 1px CanvasText; }
  .scale-input::-webkit-slider-thumb { background: CanvasText padding-box; border-color: transparent; forced-color-adjust: none; }
}

.frame:not([data-controls]) .outcome { gap: calc(var(--_u) * 2); }
.frame:not([data-controls]) .steps { display: none; }
.frame:not([data-controls]) .progress { gap: calc(var(--_u) * 1.5); }
.frame:not([data-controls]) .progress-line { min-block-size: 0; }
`;
