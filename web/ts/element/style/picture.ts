// The picture and what lies over it.

export const picture = `
.picture { position: relative; inline-size: min(100cqw, 100cqh * var(--ratio, 1)); aspect-ratio: var(--ratio, 1); overflow: hidden; }
.layers, .layer, .marks, .compare { position: absolute; inset: 0; inline-size: 100%; block-size: 100%; }
.layer { object-fit: fill; user-select: none; }
.heat { transition: opacity 120ms; }

.marks { pointer-events: none; }
.mark { position: absolute; border-radius: 3px; outline: calc(var(--_u) * 0.375) solid #fff; box-shadow: 0 0 0 2.5px rgb(0 0 0 / 0.45), inset 0 0 0 1px rgb(0 0 0 / 0.35); pointer-events: auto; transition: opacity 120ms; }
.mark-number { position: absolute; inset: -1px auto auto -1px; min-inline-size: 1.5em; padding: 0 0.35em; border-radius: 3px 0 3px 0; background: #fff; color: #16181d; font-size: 0.7857em; font-weight: 600; line-height: 1.5; text-align: center; }
.marks[data-marked] .mark:not([data-on]) { opacity: 0.25; }
.mark[data-on] { outline: calc(var(--_u) * 0.625) solid #fff; box-shadow: 0 0 0 4px rgb(0 0 0 / 0.55), 0 0 0 200vmax rgb(0 0 0 / 0.42); }

.compare { overflow: hidden; }
.compare-input { position: absolute; inset: 0; z-index: 1; inline-size: 100%; block-size: 100%; opacity: 0; cursor: ew-resize !important; touch-action: pan-y; }
.compare-input::-webkit-slider-runnable-track { block-size: 100%; }
.compare-input::-webkit-slider-thumb { appearance: none; inline-size: 2px; block-size: 100%; }
.compare-input::-moz-range-thumb { inline-size: 2px; block-size: 100%; border: 0; }
.compare-line { position: absolute; inset-block: 0; left: var(--at); inline-size: 2px; margin-left: -1px; background: #fff; box-shadow: 0 0 0 1px rgb(0 0 0 / 0.3); pointer-events: none; }
.compare-handle { position: absolute; inset-block-start: 50%; left: 50%; display: grid; place-items: center; inline-size: 2.5rem; block-size: 2.5rem; border-radius: 50%; background: #fff; color: #16181d; box-shadow: 0 1px 4px rgb(0 0 0 / 0.4); transform: translate(-50%, -50%); }
.compare-input:focus-visible ~ .compare-line .compare-handle { outline: 3px solid var(--_accent); outline-offset: 2px; }
.compare-label { position: absolute; inset-block-end: calc(var(--_u) * 2); padding: 0.15em 0.6em; border-radius: 1em; background: rgb(12 13 15 / 0.72); color: #fff; font-size: 0.8571em; font-weight: 500; pointer-events: none; }
.compare-label.before { left: calc(var(--_u) * 2); }
.compare-label.after { right: calc(var(--_u) * 2); }

.toolbar { display: grid; gap: calc(var(--_u) * 3); padding: calc(var(--_u) * 3) calc(var(--_u) * 4) calc(var(--_u) * 4); border-block-start: 1px solid var(--_line); }
.toolbar-row { display: flex; flex-wrap: wrap; align-items: center; gap: calc(var(--_u) * 2) calc(var(--_u) * 6); min-block-size: calc(var(--_u) * 9); }
.opacity { flex: 1 1 9rem; display: flex; align-items: center; gap: calc(var(--_u) * 3); max-inline-size: 16rem; color: var(--_muted); font-size: 0.8571em; }
.legend { flex: 2 1 14rem; min-inline-size: 0; max-inline-size: 26rem; }
.legend-scale { display: block; inline-size: 100%; block-size: 8px; border-radius: 4px; }
.legend-figures { position: relative; display: flex; justify-content: space-between; padding-block-start: calc(var(--_u)); color: var(--_muted); font-size: 0.7857em; line-height: 1.4; font-variant-numeric: tabular-nums; }
.legend-threshold::before { content: ""; position: absolute; inset-block-start: -8px; left: 50%; inline-size: 2px; block-size: 11px; margin-left: -1px; background: var(--_text); box-shadow: 0 0 0 1px var(--_bg); }
.view-note { color: var(--_muted); font-size: 0.8571em; }
`;
