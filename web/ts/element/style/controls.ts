// Buttons, sliders, choices: one height, one radius, one accent.

export const controls = `
.button { display: inline-flex; align-items: center; justify-content: center; gap: calc(var(--_u) * 1.5); min-block-size: calc(var(--_u) * 9); padding: 0 calc(var(--_u) * 3.5); border: 1px solid var(--_control); border-radius: var(--_small); background: var(--_raised); color: inherit; font: inherit; font-weight: 500; line-height: 1.2; white-space: nowrap; cursor: pointer; transition: background-color 120ms, border-color 120ms; }
.button:hover { background: var(--_hover); }
.button.primary { border-color: transparent; background: var(--_fill); color: var(--_on-fill); }
.button.primary:hover { background: color-mix(in oklab, var(--_fill) 88%, #000); }
.button.quiet { border-color: transparent; background: none; color: var(--_muted); padding-inline: calc(var(--_u) * 2); }
.button.quiet:hover { background: var(--_hover); color: var(--_text); }
.button.icon-only { inline-size: calc(var(--_u) * 9); padding: 0; }
.button:disabled { border-color: transparent; background: var(--_hover); color: var(--_muted); cursor: default; }

.select { min-block-size: calc(var(--_u) * 9); padding: 0 calc(var(--_u) * 2); border: 1px solid var(--_control); border-radius: var(--_small); background: var(--_raised); color: inherit; font: inherit; }
.field { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: calc(var(--_u) * 2); }

input[type="range"] { margin: 0; background: none; cursor: pointer; appearance: none; }
.range { inline-size: 100%; block-size: calc(var(--_u) * 6); border-radius: 6px; }
.range::-webkit-slider-runnable-track { block-size: 4px; border-radius: 2px; background: var(--_control); }
.range::-moz-range-track { block-size: 4px; border-radius: 2px; background: var(--_control); }
.range::-webkit-slider-thumb { appearance: none; inline-size: 1rem; block-size: 1rem; margin-block-start: calc((4px - 1rem) / 2); border: 1px solid var(--_dash); border-radius: 50%; background: light-dark(#fff, #e6e8ec); }
.range::-moz-range-thumb { box-sizing: border-box; inline-size: 1rem; block-size: 1rem; border: 1px solid var(--_dash); border-radius: 50%; background: light-dark(#fff, #e6e8ec); }

.segments { display: flex; flex-wrap: wrap; padding: 3px; border-radius: var(--_small); background: var(--_hover); }
.segment { position: relative; flex: 1 1 auto; cursor: pointer; }
.segment input { position: absolute; inset: 0; margin: 0; opacity: 0; cursor: inherit; }
.segment span { display: block; padding: calc(var(--_u) * 1.25) calc(var(--_u) * 1); border-radius: calc(var(--_small) - 2px); color: var(--_muted); font-size: 0.8571em; font-weight: 500; text-align: center; white-space: nowrap; }
.segment:hover span { color: var(--_text); }
.segment input:checked + span { background: light-dark(#fff, #3b3f48); color: var(--_text); box-shadow: 0 0 0 1px var(--_line), 0 1px 2px rgb(0 0 0 / 0.08); }
.segment input:focus-visible + span { outline: 2px solid var(--_accent); outline-offset: 1px; }
@container anomaly-sd (max-width: 20rem) {
  .segment span { padding-inline: 0; font-size: 0.8125em; letter-spacing: -0.01em; }
}
@media (forced-colors: active) {
  .range::-webkit-slider-runnable-track { background: CanvasText; forced-color-adjust: none; }
  .range::-moz-range-track { background: CanvasText; forced-color-adjust: none; }
  .segment input:checked + span { outline: 2px solid Highlight; }
}

.details summary { display: flex; align-items: center; gap: calc(var(--_u) * 2); font-size: 0.9286em; font-weight: 600; cursor: pointer; border-radius: 4px; list-style: none; }
.details summary::-webkit-details-marker { display: none; }
.details summary::before { content: ""; inline-size: 0.4em; block-size: 0.4em; border: solid var(--_muted); border-width: 0 1.5px 1.5px 0; transform: rotate(-45deg); transition: transform 120ms; }
.details[open] summary::before { transform: rotate(45deg); }
.details > :not(summary) { margin-block-start: calc(var(--_u) * 2); }

.camera { inline-size: min(44rem, calc(100vw - 2rem)); padding: 0; border: 1px solid var(--_line); border-radius: var(--_radius); background: var(--_bg); color: inherit; }
.camera::backdrop { background: rgb(0 0 0 / 0.5); }
.camera .head { justify-content: space-between; padding-inline-end: calc(var(--_u) * 2); }
.camera-video { display: block; inline-size: 100%; aspect-ratio: 4 / 3; max-block-size: 65vh; background: #000; object-fit: contain; }
.camera-problem { padding: calc(var(--_u) * 10) calc(var(--_u) * 8); background: var(--_sunken); color: var(--_muted); text-align: center; text-wrap: balance; }
.camera-actions { justify-content: flex-end; padding: calc(var(--_u) * 3) calc(var(--_u) * 4); }
.camera-actions .small { margin-inline-end: auto; }
`;
