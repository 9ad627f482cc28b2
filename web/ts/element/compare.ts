// The divider between photo and repaired photo: a range input as large as the picture, so that mouse, touch, keyboard
// and screen reader work as with every other one.

import { h, icon, show } from './dom.js';
import { editing, type Actions, type Model, type Part } from './model.js';
import type { Format, Locale, Texts } from './texts.js';

export class Compare implements Part {
  readonly root: HTMLElement;
  readonly #texts: Texts;
  readonly #format: Format;
  readonly #input: HTMLInputElement;

  constructor({ texts, format }: Locale, actions: Actions) {
    this.#texts = texts;
    this.#format = format;
    this.#input = h('input', {
      type: 'range', class: 'compare-input', min: 0, max: 100, step: 1, 'aria-label': texts.compare,
      input: () => actions.setCompare(Number(this.#input.value) / 100),
    });
    this.root = h('div', { class: 'compare', part: 'slider' },
      this.#input,
      h('div', { class: 'compare-line', 'aria-hidden': 'true' }, h('span', { class: 'compare-handle' }, icon('compare'))),
      h('span', { class: 'compare-label before', 'aria-hidden': 'true' }, texts.before),
      h('span', { class: 'compare-label after', 'aria-hidden': 'true' }, texts.after));
  }

  update(model: Model): void {
    const { view, detected, compare } = model;
    show(this.root, view === 'slider' && detected !== null && !editing(model));
    this.#input.value = String(Math.round(compare * 100));
    this.#input.ariaValueText = this.#texts.compareValue(compare, this.#format);
    this.root.style.setProperty('--at', `${compare * 100}%`);
  }
}
