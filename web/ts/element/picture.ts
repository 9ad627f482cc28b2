// The photo with its layers. Every layer is drawn by the engine; here they are only laid over each other.

import { Compare } from './compare.js';
import { h, paint, show } from './dom.js';
import { Editor } from './editor.js';
import { Hatch } from './hatch.js';
import { Marks } from './marks.js';
import { editing, ratioOf, sameShape, type Actions, type Model, type Part } from './model.js';
import type { Locale, Texts } from './texts.js';

export class Picture implements Part {
  readonly root: HTMLElement;
  readonly #texts: Texts;
  readonly #layers: HTMLElement;
  readonly #original = h('img', { class: 'layer', alt: '', draggable: 'false' });
  readonly #judged = canvas();
  readonly #repaired = canvas();
  readonly #heat = canvas('heat');
  readonly #contour = canvas('contour');
  readonly #hatch = new Hatch();
  readonly #marks: Marks;
  readonly #editor: Editor;
  readonly #compare: Compare;
  /** What each canvas shows, so that it is painted once. */
  readonly #painted = new WeakMap<HTMLCanvasElement, ImageBitmap | null>();

  constructor(locale: Locale, actions: Actions) {
    this.#texts = locale.texts;
    this.#marks = new Marks(actions);
    this.#editor = new Editor(locale, actions);
    this.#compare = new Compare(locale, actions);
    this.#layers = h('div', { class: 'layers', role: 'img' }, this.#original, this.#judged, this.#repaired, this.#heat, this.#contour, this.#hatch.root);
    this.root = h('div', { class: 'picture', part: 'picture' }, this.#layers, this.#marks.root, this.#compare.root, this.#editor.root);
  }

  update(model: Model): void {
    const { suspect, detected, layers, judged } = model;
    // The divider would be in the way of whoever draws.
    const view = model.view === 'slider' && editing(model) ? 'photo' : model.view;
    show(this.root, suspect !== null && suspect.state !== 'broken' && suspect.preview !== null);
    if (!suspect) return;
    if (suspect.preview && this.#original.src !== suspect.preview) this.#original.src = suspect.preview;
    const result = detected?.result ?? null;
    this.#paint(this.#judged, result?.photo ?? null);
    this.#paint(this.#repaired, result?.repaired ?? null);
    this.#paint(this.#heat, layers?.heat ?? null);
    this.#paint(this.#contour, layers?.contour ?? null);

    // The original is sharper than what was judged. Beside the repaired photo both have to be of one sharpness.
    const ratio = ratioOf(result?.photo ?? suspect);
    const asJudged = result !== null && (view === 'slider' || !sameShape(ratioOf(suspect), ratio));
    show(this.#original, !asJudged);
    show(this.#judged, asJudged);
    show(this.#repaired, result !== null && (view === 'repaired' || view === 'slider'));
    show(this.#heat, layers !== null && view === 'overlay');
    show(this.#contour, layers !== null && view === 'contour');

    this.root.style.setProperty('--ratio', String(ratio || 1));
    this.#heat.style.opacity = String(model.opacity);
    this.#repaired.style.clipPath = view === 'slider' ? `inset(0 0 0 ${model.compare * 100}%)` : '';
    this.#layers.ariaLabel = this.#texts.picture(suspect.name, result ? view : 'photo', judged?.verdict ?? null);
    this.#hatch.update(model);
    this.#editor.update(model);
    this.#marks.update(model);
    this.#compare.update(model);
  }

  #paint(target: HTMLCanvasElement, bitmap: ImageBitmap | null): void {
    if (this.#painted.get(target) === bitmap) return;
    this.#painted.set(target, bitmap);
    paint(target, bitmap);
  }
}

function canvas(name = ''): HTMLCanvasElement {
  return h('canvas', { class: `layer ${name}`, 'aria-hidden': 'true' });
}
