// Where things stand, from 320 px to 4K: in one column, in two halves while photos are chosen, and with the picture large
// once there is something to see.
//
// Comments inside would be sent to every visitor, so they stand here. Without controls, what is not shown leaves no row
// behind. The lines between the parts are gaps that show the frame's own colour, which forced colours replace: there the
// parts have outlines. In one column a prompt needs a height of its own, since the width would make it too low.

export const layout = `
.frame {
  display: grid; grid-template-columns: minmax(0, 1fr); gap: 1px;
  overflow: clip; border: 1px solid var(--_line); border-radius: var(--_radius); background: var(--_line);
}
.good, .stage, .panel, .foot { position: relative; min-inline-size: 0; background: var(--_bg); }
.good { grid-area: good; display: flex; flex-direction: column; }
.stage { grid-area: stage; display: flex; flex-direction: column; }
.panel { grid-area: panel; padding: calc(var(--_u) * 4); }
.foot { grid-area: foot; }
.frame { grid-template-areas: "good" "stage" "panel" "foot"; }
.frame:not([data-controls]) { grid-template-areas: none; }
.frame:not([data-controls]) > * { grid-area: auto; }
.frame:not([data-controls]) > .foot { grid-column: 1 / -1; }

@media (forced-colors: active) { .good, .stage, .panel, .foot { outline: 1px solid; } }

.head { display: flex; align-items: center; gap: calc(var(--_u) * 2); min-block-size: calc(var(--_u) * 14); padding: calc(var(--_u) * 2) calc(var(--_u) * 4); }
.stage .head { padding-inline-end: calc(var(--_u) * 2); }
.tools { flex: none; flex-wrap: nowrap; gap: 0; margin-inline-start: auto; }
.file-name { min-inline-size: 0; overflow: hidden; color: var(--_muted); text-overflow: ellipsis; white-space: nowrap; }

.stage-body { position: relative; container-type: size; flex: 1 1 auto; display: grid; place-items: center; aspect-ratio: 4 / 3; min-block-size: 15rem; max-block-size: min(68vh, 62rem); inline-size: 100%; background: var(--_sunken); }
.frame:not([data-controls]) .stage-body { min-block-size: 10rem; }
.frame[data-layout="setup"] .stage-body { margin: 0 calc(var(--_u) * 4) calc(var(--_u) * 4); inline-size: auto; overflow: hidden; border-radius: var(--_small); }

.prompt { display: flex; flex-direction: column; align-items: center; justify-content: center; gap: calc(var(--_u) * 3); text-align: center; }
.good .prompt { flex: 1; margin: 0 calc(var(--_u) * 4) calc(var(--_u) * 4); padding: calc(var(--_u) * 6) calc(var(--_u) * 4); }
.stage-body .prompt { position: absolute; inset: calc(var(--_u) * 4); padding: calc(var(--_u) * 2) calc(var(--_u) * 4); }
.frame[data-layout="setup"] .stage-body .prompt { inset: 0; background: var(--_bg); }
.frame[data-controls] .prompt { border: 1px dashed var(--_dash); border-radius: var(--_small); }
.prompt-icon { flex: none; display: grid; place-items: center; inline-size: calc(var(--_u) * 10); block-size: calc(var(--_u) * 10); border-radius: 50%; background: color-mix(in oklab, var(--_text) 7%, transparent); color: var(--_muted); }
.prompt-icon.warn { background: color-mix(in oklab, var(--_suspect) 14%, var(--_bg)); color: var(--_suspect); }
.frame[data-controls] .stage-body:has(> .prompt:not([hidden])) { min-block-size: 18rem; }
.prompt-text { max-inline-size: 22em; color: var(--_muted); text-wrap: balance; }
.prompt-note { color: var(--_muted); font-size: 0.8571em; }
.prompt .row { justify-content: center; }

.drop-label { position: absolute; inset: calc(var(--_u) * 2); z-index: 3; display: none; align-items: center; justify-content: center; gap: calc(var(--_u) * 2); border: 1.5px dashed var(--_dash); border-radius: var(--_small); background: color-mix(in oklab, var(--_bg) 90%, transparent); font-weight: 500; pointer-events: none; }
[data-dropping] > .drop-label { display: flex; }
[data-over] > .drop-label { border-color: var(--_accent); background: color-mix(in oklab, var(--_accent) 10%, color-mix(in oklab, var(--_bg) 92%, transparent)); color: var(--_accent); }

.foot { display: flex; flex-wrap: wrap; gap: calc(var(--_u)) calc(var(--_u) * 5); padding: calc(var(--_u) * 2.5) calc(var(--_u) * 4); color: var(--_muted); font-size: 0.8571em; }
.foot-note { display: flex; gap: calc(var(--_u) * 1.5); }
.foot-icon { display: flex; padding-block-start: 0.1em; }
.foot ::slotted(*) { margin-inline-start: auto; }

@container anomaly-sd (max-width: 30rem) {
  .file-name { display: none; }
  .frame[data-layout="work"] .good .head { flex-wrap: wrap; }
  .frame[data-layout="work"] .good .thumbs { flex: 1 0 100%; margin-block-end: 0; margin-inline: calc(var(--_u) * -1); }
  .toolbar { padding-inline: calc(var(--_u) * 3); }
}
@container anomaly-sd (max-width: 22rem) {
  .tools .button { inline-size: calc(var(--_u) * 9); padding: 0; }
  .tools .button span { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); }
}
@container anomaly-sd (min-width: 40rem) {
  .frame[data-layout="setup"] { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); grid-template-areas: "good stage" "panel panel" "foot foot"; }
  .frame[data-layout="setup"] .stage-body { aspect-ratio: 3 / 2; max-block-size: min(60vh, 40rem); }
}
@container anomaly-sd (min-width: 46rem) {
  .frame[data-layout="work"] { grid-template-columns: minmax(0, 1fr) clamp(18rem, 30%, 24rem); }
  .frame[data-layout="work"][data-controls] { grid-template-areas: "good good" "stage panel" "foot foot"; }
  .frame[data-layout="work"] .panel { padding: calc(var(--_u) * 5); }
  .frame:has(> .panel[hidden]) .stage { grid-column: 1 / -1; }
}
@container anomaly-sd (min-width: 110rem) {
  .frame[data-layout="work"] { grid-template-columns: minmax(0, 1fr) 30rem; }
  .frame[data-layout="setup"] .stage-body { max-block-size: min(64vh, 56rem); }
}
`;
