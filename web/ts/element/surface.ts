// The shadow tree: good photos, the picture, what is said about it, and the last line.

import { Camera } from './camera.js';
import { h } from './dom.js';
import { Foot } from './foot.js';
import { layoutOf, phaseOf, type Actions, type Model, type Part } from './model.js';
import { Panel } from './panel.js';
import { Stage } from './stage.js';
import type { Locale } from './texts.js';
import { Tray } from './tray.js';

export class Surface implements Part {
  readonly root: HTMLElement;
  readonly camera: Camera;
  readonly #parts: readonly Part[];

  constructor(locale: Locale, actions: Actions) {
    this.camera = new Camera(locale, (target, photo) => (target === 'good' ? actions.addGood([photo]) : actions.addSuspect([photo])));
    this.#parts = [new Tray(locale, actions), new Stage(locale, actions), new Panel(locale, actions), new Foot(locale)];
    this.root = h('div', { class: 'frame', part: 'frame' }, ...this.#parts.map(({ root }) => root), this.camera.root);
  }

  update(model: Model): void {
    this.root.dataset['layout'] = layoutOf(model);
    this.root.dataset['phase'] = phaseOf(model);
    this.root.toggleAttribute('data-controls', model.controls);
    this.root.toggleAttribute('data-given', model.given !== null);
    for (const part of this.#parts) part.update(model);
  }

  close(): void {
    this.camera.close();
  }
}
