// Ignored places over the picture, in every view, as fine as the screen shows them.

import { h, show } from './dom.js';
import { paintHatch } from './ignored.js';
import { editing, ignoredIn, type Model, type Part } from './model.js';

export class Hatch implements Part {
  readonly root = h('canvas', { class: 'layer', part: 'ignored', 'aria-hidden': 'true' });
  #mask: HTMLCanvasElement | null = null;

  constructor() {
    new ResizeObserver(() => this.#paint()).observe(this.root);
  }

  update(model: Model): void {
    const mask = editing(model)?.mask ?? ignoredIn(model)?.shown ?? null;
    show(this.root, mask !== null);
    if (mask === this.#mask) return;
    this.#mask = mask;
    this.#paint();
  }

  #paint(): void {
    const { root } = this;
    // A new size also empties it.
    root.width = root.clientWidth * devicePixelRatio;
    root.height = root.clientHeight * devicePixelRatio;
    const pen = root.getContext('2d');
    if (pen && this.#mask && root.width && root.height) paintHatch(pen, this.#mask, devicePixelRatio);
  }
}
