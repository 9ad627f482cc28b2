// Boxes over the picture where it differs; the one that is pointed at in the list stands out.

import { h, place, show } from './dom.js';
import { editing, type Actions, type Model, type Part } from './model.js';

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
    show(this.root, detected !== null && !editing(model) && (view === 'overlay' || marked !== null));
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
      place(box, region.x / width, region.y / height, region.width / width, region.height / height);
      return box;
    }));
  }
}
