// The good photos: a grid while they are chosen, a strip above the picture afterwards.

export const tray = `
.thumbs { display: flex; gap: calc(var(--_u) * 2); min-inline-size: 0; }
.thumb { position: relative; flex: none; inline-size: var(--_thumb); aspect-ratio: 1; border-radius: var(--_small); background: var(--_sunken); box-shadow: inset 0 0 0 1px var(--_line); }
.thumb-image { display: block; inline-size: 100%; block-size: 100%; border-radius: inherit; object-fit: cover; }
.thumb-broken { position: absolute; inset: 0; display: grid; place-items: center; border-radius: inherit; background: color-mix(in oklab, var(--_suspect) 12%, var(--_bg)); color: var(--_suspect); }
.thumb-remove { position: absolute; display: grid; place-items: center; padding: 0; border: 0; background: rgb(12 13 15 / 0.72); color: #fff; font-size: 0.8571em; cursor: pointer; transition: opacity 120ms; }
.thumb-remove:focus-visible { outline-offset: 1px; }
.tray-add { display: flex; flex: none; align-items: center; justify-content: center; }

[data-layout="setup"] .good .head { flex-wrap: wrap; row-gap: 0; padding-block: 0; padding-inline-end: calc(var(--_u) * 4); }
[data-layout="setup"] .good .title { line-height: calc(var(--_u) * 14); }
[data-layout="setup"] .thumb-image { object-fit: contain; }
[data-layout="setup"] .thumbs { --_thumb: auto; order: 1; flex: 1 0 100%; display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: calc(var(--_u) * 3); padding-block-end: calc(var(--_u) * 4); }
[data-layout="setup"] .thumbs:has(> :nth-child(6)) { grid-template-columns: repeat(auto-fill, minmax(7rem, 1fr)); }
[data-layout="setup"] .thumb, [data-layout="setup"] .tray-add { aspect-ratio: 3 / 2; }
[data-layout="setup"] .tray-add { border: 1px dashed var(--_dash); border-radius: var(--_small); }
[data-layout="setup"] .thumb-remove { inset: calc(var(--_u) * 1.5) calc(var(--_u) * 1.5) auto auto; inline-size: calc(var(--_u) * 7); block-size: calc(var(--_u) * 7); border-radius: 50%; }

[data-layout="work"] .thumbs { --_thumb: calc(var(--_u) * 10); overflow-x: auto; margin-block: calc(var(--_u) * -1); padding: calc(var(--_u)); scrollbar-width: thin; }
[data-layout="work"] .thumb { border-radius: calc(var(--_small) - 2px); }
[data-layout="work"] .thumb-remove { inset: 0; border-radius: inherit; }
@media (hover: hover) {
  .thumb-remove { opacity: 0; }
  .thumb:hover .thumb-remove, .thumb-remove:focus-visible { opacity: 1; }
}
@media (hover: none) {
  [data-layout="work"] .thumb-remove { inset: -4px -4px auto auto; inline-size: 24px; block-size: 24px; border-radius: 50%; }
}

.chip { display: inline-flex; align-items: center; gap: calc(var(--_u) * 2); min-inline-size: 0; padding-inline-start: calc(var(--_u) * 2.5); border: 1px solid var(--_line); border-radius: var(--_small); color: var(--_muted); }
.profile-name { overflow: hidden; color: var(--_text); text-overflow: ellipsis; white-space: nowrap; }
.chip .button { min-block-size: calc(var(--_u) * 8); inline-size: calc(var(--_u) * 8); }

.problems { display: grid; gap: calc(var(--_u)); padding: 0 calc(var(--_u) * 4) calc(var(--_u) * 3); font-size: 0.9286em; }
.problem { display: flex; gap: calc(var(--_u) * 2); }
.problem .icon { color: var(--_suspect); margin-block-start: 0.1em; }
.problem span { overflow-wrap: anywhere; }
.problem b { font-weight: 600; }
`;
