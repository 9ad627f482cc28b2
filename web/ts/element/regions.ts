// The places that stand out, by falling peak. Each lights up in the picture while it has the pointer or the focus.

import { h, show } from './dom.js';
import type { Actions, Model, Part } from './model.js';
import type { Format, Locale, Place, Texts } from './texts.js';
import type { Region } from './api.js';

export class RegionList implements Part {
  readonly root: HTMLElement;
  readonly #texts: Texts;
  readonly #format: Format;
  readonly #actions: Actions;
  readonly #count = h('span', { class: 'count' });
  readonly #list = h('ol', { class: 'regions', part: 'regions' });
  readonly #none: HTMLElement;
  #drawn: Model['judged'] = null;

  constructor({ texts, format }: Locale, actions: Actions) {
    this.#texts = texts;
    this.#format = format;
    this.#actions = actions;
    this.#none = h('p', { class: 'muted small' }, texts.noRegions);
    this.root = h('section', { class: 'group' },
      h('h3', { class: 'subtitle' }, texts.regions, this.#count), this.#list, this.#none);
  }

  update(model: Model): void {
    const { judged, marked, detected } = model;
    if (judged && detected && judged !== this.#drawn) {
      this.#drawn = judged;
      const { width, height } = detected.result;
      this.#list.replaceChildren(...judged.regions.map((region, index) => this.#row(region, index, width, height)));
    }
    const count = judged?.regions.length ?? 0;
    show(this.#list, count > 0);
    show(this.#none, count === 0);
    this.#count.textContent = count > 0 ? String(count) : '';
    [...this.#list.children].forEach((row, index) => row.toggleAttribute('data-on', index === marked));
  }

  #row(region: Region, index: number, width: number, height: number): HTMLElement {
    const mark = (): void => this.#actions.mark(index);
    const unmark = (): void => this.#actions.mark(null);
    return h('li', {},
      h('button', { type: 'button', class: 'region', part: 'region', focus: mark, blur: unmark, pointerenter: mark, pointerleave: unmark },
        h('span', { class: 'region-number', 'aria-hidden': 'true' }, String(index + 1)),
        h('span', { class: 'region-place' }, this.#texts.place(placeOf(region, width, height))),
        h('span', { class: 'region-figures' }, this.#texts.region(region, region.area / (width * height), this.#format))));
  }
}

/** Where the middle of a region lies, on a grid of three by three. */
function placeOf(region: Region, width: number, height: number): Place {
  const third = (at: number, size: number): number => Math.min(2, Math.floor((3 * at) / size));
  const rows = ['top', 'middle', 'bottom'] as const;
  const columns = ['left', 'centre', 'right'] as const;
  return {
    row: rows[third(region.y + region.height / 2, height)] ?? 'middle',
    column: columns[third(region.x + region.width / 2, width)] ?? 'centre',
  };
}
