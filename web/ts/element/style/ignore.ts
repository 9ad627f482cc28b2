// Places to ignore: drawn on the picture, with tools below it.

export const ignore = `
.editor { position: absolute; inset: 0; overflow: hidden; cursor: crosshair; touch-action: pinch-zoom; user-select: none; }
.editor:focus-visible { outline-offset: -2px; }
.editor:not([data-tool="rectangle"]) { cursor: none; }
.editor:not([data-tool="rectangle"]) .box, .ring { pointer-events: none; }
.editor > *, .handle { position: absolute; }
.box { outline: 2px solid #fff; box-shadow: 0 0 0 4px rgb(0 0 0 / 0.45); cursor: move; }
.box:focus { box-shadow: 0 0 0 4px var(--_fill); }
.handle { inset: auto -0.5rem -0.5rem auto; inline-size: 1rem; block-size: 1rem; border: 2px solid var(--_fill); border-radius: 50%; background: #fff; cursor: nwse-resize; }
.handle::after { content: ""; position: absolute; inset: -1rem; }
.ring { border-radius: 50%; box-shadow: 0 0 0 1.5px #fff, 0 0 0 2.5px rgb(0 0 0 / 0.45); transform: translate(-50%, -50%); }
[data-tool="rectangle"] .ring { display: none; }
.ignore > .row { justify-content: space-between; }
.number { inline-size: 4.5rem; }
.ignore-tools { display: grid; gap: calc(var(--_u) * 3); }
.ignore-tools .opacity { flex-basis: 12rem; }
.ignore-tools .row > .row { margin-inline-start: auto; }
[data-layout="setup"] .ignore { padding-block-start: 0; border: 0; }
@media (pointer: coarse) {
  .ignore :is(.button, .number, .range, .segment span) { min-block-size: 2.75rem; align-content: center; }
}
@media (forced-colors: active) { .editor * { forced-color-adjust: none; } }
`;
