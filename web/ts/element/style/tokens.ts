// Colours, sizes and type. What a page may set has a public name; the short names are the element's own. The underscore
// keeps them apart from variables of the page, which reach into the element as well.

export const tokens = `
:host {
  color-scheme: var(--anomaly-sd-color-scheme, light dark);
  --_bg: var(--anomaly-sd-background, light-dark(#fff, #131417));
  --_sunken: var(--anomaly-sd-stage, light-dark(#f6f7f8, #0c0d0f));
  --_raised: light-dark(#fff, #1d1f23);
  --_hover: light-dark(#f1f2f4, #24262b);
  --_text: var(--anomaly-sd-text, light-dark(#16181d, #eceef1));
  --_muted: var(--anomaly-sd-muted, light-dark(#5a606b, #a1a7b3));
  --_line: var(--anomaly-sd-border, light-dark(#e4e6ea, #2a2d33));
  --_control: light-dark(#c6cad1, #434853);
  --_dash: light-dark(#a9afba, #565c68);
  --_accent: var(--anomaly-sd-accent, light-dark(#2c54cf, #93abff));
  --_fill: var(--anomaly-sd-accent, light-dark(#2c54cf, #4366dd));
  --_on-fill: var(--anomaly-sd-accent-text, #fff);
  --_ok: var(--anomaly-sd-ok, light-dark(#12703f, #5bd093));
  --_suspect: var(--anomaly-sd-suspect, light-dark(#8a5300, #f2bb4e));
  --_anomalous: var(--anomaly-sd-anomalous, light-dark(#bf2530, #ff8b87));
  --_radius: var(--anomaly-sd-radius, 0.75rem);
  --_small: calc(var(--_radius) * 0.6);
  --_font: var(--anomaly-sd-font, "Inter", ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif);
  --_u: 0.25rem;
  --_size: 0.875rem;

  container: anomaly-sd / inline-size;
  display: block;
  min-inline-size: min(100%, 17.5rem);
  color: var(--_text);
  font: 400 var(--_size) / 1.5 var(--_font);
  text-align: start;
  -webkit-font-smoothing: antialiased;
}
:host([hidden]) { display: none; }
[hidden] { display: none !important; }
*, ::before, ::after { box-sizing: border-box; }
h2, h3, p, ul, ol, dl, dd, fieldset { margin: 0; padding: 0; }
ul, ol { list-style: none; }
fieldset { border: 0; min-inline-size: 0; }
:focus { outline: none; }
:focus-visible { outline: 2px solid var(--_accent); outline-offset: 2px; }

.icon { inline-size: 1.25em; block-size: 1.25em; flex: none; fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round; }
.title { font-size: 1em; font-weight: 600; letter-spacing: -0.006em; white-space: nowrap; }
.subtitle { display: flex; align-items: center; gap: calc(var(--_u) * 2); font-size: 0.9286em; font-weight: 600; }
.muted { color: var(--_muted); }
.small { font-size: 0.9286em; line-height: 1.45; }
.sr { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.row { display: flex; flex-wrap: wrap; align-items: center; gap: calc(var(--_u) * 2); }
.count { min-inline-size: 1.5em; padding: 0 0.45em; border-radius: 1em; background: var(--_hover); color: var(--_muted); font-size: 0.8571em; font-weight: 500; line-height: 1.5; text-align: center; font-variant-numeric: tabular-nums; }
.count:empty { display: none; }

@container anomaly-sd (min-width: 110rem) {
  .frame { --_u: 0.3125rem; --_size: 1.0625rem; font-size: var(--_size); }
}
@media (prefers-reduced-motion: reduce) {
  *, ::before, ::after { animation: none !important; transition: none !important; }
}
`;
