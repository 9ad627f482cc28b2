// Score and threshold on one line. The threshold can be moved: what is right of it is not OK, and the verdict follows.

import { button } from './controls.js';
import { h, setText, show } from './dom.js';
import type { Actions, Detected, Model, Part } from './model.js';
import type { Format, Locale, Texts } from './texts.js';

/** Steps of the slider from end to end. */
const STEPS = 400;

export class Scale implements Part {
  readonly root: HTMLElement;
  readonly #texts: Texts;
  readonly #format: Format;
  readonly #score = h('dd', { class: 'figure', part: 'score' });
  readonly #threshold = h('dd', { class: 'figure' });
  readonly #input: HTMLInputElement;
  readonly #track: HTMLElement;
  readonly #what: HTMLElement;
  readonly #whatText = h('span');
  #shown: Detected | null = null;

  constructor({ texts, format }: Locale, actions: Actions) {
    this.#texts = texts;
    this.#format = format;
    this.#input = h('input', {
      type: 'range', class: 'scale-input', part: 'threshold', 'aria-label': texts.thresholdSlider,
      input: () => actions.setThreshold(Number(this.#input.value)),
    });
    this.#track = h('div', { class: 'scale-track' }, h('i', { class: 'scale-tick' }), h('i', { class: 'scale-score' }));
    this.#what = h('p', { class: 'what-if small' }, this.#whatText,
      button({ label: texts.thresholdReset, look: 'quiet', click: () => this.#reset(actions) }));
    this.root = h('div', { class: 'scale', part: 'scale' },
      h('dl', { class: 'figures' },
        h('div', {}, h('dt', {}, texts.score), this.#score),
        h('div', {}, h('dt', {}, texts.threshold), this.#threshold)),
      h('div', { class: 'scale-line' }, this.#track, this.#input),
      this.#what);
  }

  #reset(actions: Actions): void {
    actions.setThreshold(null);
    // The button is gone then.
    this.#input.focus();
  }

  update({ detected, judged, controls, threshold }: Model): void {
    if (!detected || !judged) return;
    const { data, calibrated } = detected;
    const at = threshold ?? calibrated;
    if (detected !== this.#shown) {
      this.#shown = detected;
      const max = Math.max(2 * calibrated, 2 * at, 1.15 * data.score);
      const step = max / STEPS;
      // The threshold of the good photos has to be one of the steps, or the slider could not go back to it.
      Object.assign(this.#input, { min: String(calibrated % step || step), max: String(max), step: String(step) });
    }
    const max = Number(this.#input.max);
    this.#input.value = String(at);
    this.#input.ariaValueText = this.#texts.thresholdValue(at, judged.verdict, this.#format);
    show(this.#input, controls);
    this.#track.style.setProperty('--threshold', share(at, max));
    this.#track.style.setProperty('--score', share(data.score, max));
    setText(this.#score, this.#format.score(data.score));
    setText(this.#threshold, this.#format.score(at));
    const moved = Math.abs(at - calibrated) > 1e-6 * calibrated;
    show(this.#what, controls && moved);
    setText(this.#whatText, moved ? this.#texts.thresholdMoved(calibrated, this.#format) : '');
  }
}

function share(value: number, max: number): string {
  return String(Math.min(1, Math.max(0, value / max)));
}
