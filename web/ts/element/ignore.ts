// Below the picture: what does not count. Places are drawn with the tools here, and small defects are left out by their area.

import { button } from './controls.js';
import { TOOLS, type Tool } from './draft.js';
import { h, setAttribute, setText, show } from './dom.js';
import { editing, ignoredIn, type Actions, type Model, type Part } from './model.js';
import type { Locale, Texts } from './texts.js';

export class IgnoreBar implements Part {
  readonly root: HTMLElement;
  readonly #texts: Texts;
  readonly #open: HTMLButtonElement;
  readonly #area: HTMLInputElement;
  readonly #unit = h('span');
  readonly #note = h('p', { class: 'view-note' });
  readonly #drawing: HTMLElement;
  readonly #tools = new Map<Tool, HTMLInputElement>();
  readonly #add: HTMLButtonElement;
  readonly #size: HTMLInputElement;
  readonly #width: HTMLElement;
  readonly #hint: HTMLElement;
  #shown: Model['minArea'] | undefined;

  constructor({ texts }: Locale, actions: Actions) {
    this.#texts = texts;
    const { draw } = actions;
    this.#open = button({ label: texts.ignore, icon: 'hatch', part: 'ignore', click: () => actions.ignore() });
    this.#area = h('input', {
      type: 'number', class: 'select number', part: 'min-area', min: 0, placeholder: 0,
      change: () => {
        const { max, valueAsNumber: area } = this.#area;
        actions.setMinArea(area > 0 ? (max ? `${Math.min(100, area)}%` : area) : null);
      },
    });
    const choices = TOOLS.map((tool) => {
      const input = h('input', { type: 'radio', name: 'tool', change: () => draw((draft) => { draft.tool = tool; }) });
      this.#tools.set(tool, input);
      return h('label', { class: 'segment', part: 'tool' }, input, h('span', {}, texts.tools[tool]));
    });
    this.#add = button({
      label: texts.addBox, icon: 'plus', look: 'quiet',
      click: () => draw((draft) => {
        draft.begin();
        draft.fill([0.35, 0.35, 0.65, 0.65]);
      }),
    });
    this.#size = h('input', {
      type: 'range', class: 'range', min: 0.01, max: 0.2, step: 0.01, input: () => draw((draft) => { draft.size = this.#size.valueAsNumber; }),
    });
    this.#width = h('label', { class: 'opacity' }, h('span', {}, texts.brushSize), this.#size);
    this.#hint = h('p', { class: 'view-note', id: 'hint' }, texts.ignoreHint);
    this.#drawing = h('div', { class: 'ignore-tools' },
      h('fieldset', { class: 'segments', 'aria-describedby': 'hint' }, h('legend', { class: 'sr' }, texts.ignore), ...choices),
      h('div', { class: 'row' }, this.#add, this.#width,
        h('div', { class: 'row' },
          button({ label: texts.undo, look: 'quiet', click: () => draw((draft) => draft.undo()) }),
          button({ label: texts.clear, look: 'quiet', click: () => draw((draft) => draft.clear()) }))),
      this.#hint);
    this.root = h('div', { class: 'toolbar ignore', part: 'ignore-bar' },
      this.#drawing,
      h('div', { class: 'row' }, this.#open, h('label', { class: 'row' }, texts.smallest, h('span', { class: 'row' }, this.#area, this.#unit))),
      this.#note);
  }

  update(model: Model): void {
    const { controls, suspect, ignored, minArea } = model;
    const draft = editing(model);
    show(this.root, controls && !!suspect?.preview);
    const opens = draft !== null && this.#drawing.hidden;
    show(this.#drawing, draft !== null);
    setText(this.#open.lastChild!, draft ? this.#texts.done : this.#texts.ignore);
    setAttribute(this.#open, 'aria-expanded', draft !== null);
    const aside = ignored !== null && !ignoredIn(model);
    show(this.#note, aside);
    setText(this.#note, aside ? this.#texts.otherShape : '');
    if (draft) {
      for (const [name, input] of this.#tools) input.checked = name === draft.tool;
      show(this.#add, draft.tool === 'rectangle');
      show(this.#width, draft.tool !== 'rectangle');
      show(this.#hint, draft.tool !== 'eraser');
      this.#size.value = String(draft.size);
      if (opens) this.#tools.get(draft.tool)?.focus();
    }
    // What is being typed stays as it is typed.
    if (minArea === this.#shown) return;
    this.#shown = minArea;
    const pixels = typeof minArea === 'number';
    Object.assign(this.#area, { max: pixels ? '' : 100, step: pixels ? 1 : 0.05, value: minArea ? Number.parseFloat(String(minArea)) : '' });
    setText(this.#unit, pixels ? 'px' : this.#texts.ofPhoto);
  }
}
