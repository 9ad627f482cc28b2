// Below the picture: which view, how strong the heat map is, and what its colours mean.

import { h, paint, setText, show } from './dom.js';
import { editing, VIEWS, type Actions, type Model, type Part, type View } from './model.js';
import type { Format, Locale, Texts } from './texts.js';

/** The engine draws the colours in the upper rows of its legend and figures below; figures are text here. */
const COLOUR_ROWS = 8;

export class Toolbar implements Part {
  readonly root: HTMLElement;
  readonly #texts: Texts;
  readonly #format: Format;
  readonly #views = new Map<View, HTMLInputElement>();
  readonly #opacity: HTMLInputElement;
  readonly #opacityRow: HTMLElement;
  readonly #scale = h('canvas', { class: 'legend-scale' });
  readonly #legend: HTMLElement;
  readonly #threshold = h('span', { class: 'legend-threshold' });
  readonly #twice = h('span');
  readonly #note = h('p', { class: 'view-note' });
  #drawn: ImageBitmap | null = null;

  constructor({ texts, format }: Locale, actions: Actions) {
    this.#texts = texts;
    this.#format = format;
    const choices = VIEWS.map((view) => {
      const input = h('input', { type: 'radio', name: 'view', value: view, change: () => actions.setView(view) });
      this.#views.set(view, input);
      return h('label', { class: 'segment', part: 'view-button' }, input, h('span', {}, texts.views[view]));
    });
    this.#opacity = h('input', {
      type: 'range', class: 'range', min: 0, max: 1, step: 0.05,
      input: () => actions.setOpacity(Number(this.#opacity.value)),
    });
    this.#opacityRow = h('label', { class: 'opacity' }, h('span', {}, texts.opacity), this.#opacity);
    this.#legend = h('div', { class: 'legend', part: 'legend', role: 'img' }, this.#scale,
      h('div', { class: 'legend-figures', 'aria-hidden': 'true' }, h('span', {}, '0'), this.#threshold, this.#twice));
    this.root = h('div', { class: 'toolbar', part: 'toolbar' },
      h('fieldset', { class: 'segments' }, h('legend', { class: 'sr' }, texts.view), ...choices),
      h('div', { class: 'toolbar-row' }, this.#legend, this.#note, this.#opacityRow));
  }

  update(model: Model): void {
    const { controls, detected, layers, judged, view } = model;
    show(this.root, controls && detected !== null && !editing(model));
    const current = this.#views.get(view);
    if (current) current.checked = true;
    show(this.#opacityRow, view === 'overlay');
    show(this.#legend, view === 'overlay');
    show(this.#note, view !== 'overlay');
    setText(this.#note, view === 'overlay' ? '' : this.#texts.viewNotes[view]);
    if (this.#opacity.value !== String(model.opacity)) this.#opacity.value = String(model.opacity);
    if (judged) {
      this.#legend.ariaLabel = this.#texts.legend(judged.threshold, this.#format);
      setText(this.#threshold, `${this.#texts.threshold} ${this.#format.score(judged.threshold)}`);
      setText(this.#twice, this.#format.score(2 * judged.threshold));
    }
    this.#drawScale(layers?.legend ?? null);
  }

  #drawScale(legend: ImageBitmap | null): void {
    if (legend === this.#drawn || !legend) return;
    this.#drawn = legend;
    paint(this.#scale, legend);
    const rows = Math.min(COLOUR_ROWS, legend.height);
    this.#scale.height = rows;
    this.#scale.getContext('2d')?.drawImage(legend, 0, 0, legend.width, rows, 0, 0, legend.width, rows);
  }
}
