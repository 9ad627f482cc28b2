// Boxes over the picture where it differs; the one that is pointed at in the list stands out.

import { h, show } from './dom.js';
import type { Actions, Model, Part } from './model.js';

export class Marks implements Part {
  readonly root = h('div', { class: 'marks', 'aria-hidden': 'true' });
  readonly #actions: Actions;
  #drawn: Model['judged'] = null;

  constructor(actions: Actions) {
    this.#actions = actions;
  }

  update(model: Model): void {
    const { judged, detected, marked, view } = model;
    if (judged !== this.#drawn) this.#draw(model);
    show(this.root, detected !== null && (view === 'overlay' || marked !== null));
    this.root.toggleAttribute('data-marked', marked !== null);
    [...this.root.children].forEach((box, index) => {
      box.toggleAttribute('data-on', index === marked);
    });
  }

  #draw({ judged, detected }: Model): void {
    this.#drawn = judged;
    const { width, height } = detected?.result ?? { width: 1, height: 1 };
    this.root.replaceChildren(...(judged?.regions ?? []).map((region, index) => {
      const box = h('div', {
        class: 'mark', part: 'region-box',
        pointerenter: () => this.#actions.mark(index), pointerleave: () => this.#actions.mark(null),
      }, h('span', { class: 'mark-number' }, String(index + 1)));
      const percent = (value: number, of: number): string => `${(value / of) * 100}%`;
      box.style.left = percent(region.x, width);
      box.style.top = percent(region.y, height);
      box.style.width = percent(region.width, width);
      box.style.height = percent(region.height, height);
      return box;
    }));
  }
}
