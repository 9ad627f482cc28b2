// The suspect photo, large: a place to drop it, the photo itself, and after a check the pictures that lie over it.

import { button, filePicker, hasCamera } from './controls.js';
import { h, icon, keepFocus, setText, show } from './dom.js';
import { IgnoreBar } from './ignore.js';
import type { Actions, Model, Part } from './model.js';
import { Picture } from './picture.js';
import type { Locale, Texts } from './texts.js';
import { Toolbar } from './toolbar.js';

export class Stage implements Part {
  readonly root: HTMLElement;
  readonly #texts: Texts;
  readonly #name = h('span', { class: 'file-name' });
  readonly #head: HTMLElement;
  readonly #tools: HTMLElement;
  readonly #prompt: HTMLElement;
  readonly #empty: HTMLElement;
  readonly #broken: HTMLElement;
  readonly #problem = h('p', { class: 'prompt-text' });
  readonly #picture: Picture;
  readonly #toolbar: Toolbar;
  readonly #ignore: IgnoreBar;

  constructor(locale: Locale, actions: Actions) {
    const { texts } = locale;
    this.#texts = texts;
    this.#picture = new Picture(locale, actions);
    this.#toolbar = new Toolbar(locale, actions);
    this.#ignore = new IgnoreBar(locale, actions);
    const picker = filePicker({ multiple: false, label: texts.choosePhoto }, (files) => actions.addSuspect(files));
    const choose = (): void => picker.click();
    const shoot = (): void => actions.camera('suspect');
    const buttons = (): HTMLElement => h('div', { class: 'row' },
      button({ label: texts.choosePhoto, click: choose }),
      hasCamera() && button({ label: texts.camera, icon: 'camera', click: shoot }));
    this.#tools = h('div', { class: 'row tools' },
      button({ label: texts.replace, look: 'quiet', icon: 'image', click: choose }),
      hasCamera() && button({ label: texts.cameraTitle.suspect, look: 'quiet', icon: 'camera', iconOnly: true, click: shoot }),
      button({ label: texts.remove(texts.suspect), look: 'quiet', icon: 'close', iconOnly: true, click: () => actions.removeSuspect() }));
    this.#head = h('header', { class: 'head' }, h('h2', { class: 'title' }, texts.suspect), this.#name, this.#tools);
    this.#prompt = h('div', { class: 'prompt' },
      h('slot', { name: 'drop' },
        h('span', { class: 'prompt-icon' }, icon('image')),
        h('p', { class: 'prompt-text' }, texts.suspectHint)),
      buttons(),
      h('p', { class: 'prompt-note' }, texts.dropHint));
    this.#empty = h('div', { class: 'prompt' },
      h('slot', { name: 'empty' }, h('span', { class: 'prompt-icon' }, icon('image')), h('p', { class: 'prompt-text' }, texts.nothing)));
    this.#broken = h('div', { class: 'prompt', part: 'broken' },
      h('span', { class: 'prompt-icon warn' }, icon('broken')), this.#problem, buttons());
    this.root = h('div', { class: 'stage', part: 'stage', role: 'group', 'data-target': 'suspect', 'aria-label': texts.suspect },
      this.#head,
      h('div', { class: 'stage-body', part: 'drop' }, this.#prompt, this.#empty, this.#broken, this.#picture.root),
      this.#toolbar.root, this.#ignore.root, picker,
      h('p', { class: 'drop-label', 'aria-hidden': 'true' }, icon('image'), texts.dropSuspect));
  }

  update(model: Model): void {
    const { suspect, controls } = model;
    const broken = suspect?.state === 'broken';
    show(this.#head, controls);
    show(this.#tools, suspect !== null);
    show(this.#prompt, controls && !suspect);
    show(this.#empty, !controls && !suspect);
    show(this.#broken, broken);
    this.#broken.querySelector<HTMLElement>('.row')?.toggleAttribute('hidden', !controls);
    setText(this.#name, suspect?.name ?? '');
    setText(this.#problem, suspect?.problem ? this.#texts.problem[suspect.problem] : '');
    this.#picture.update(model);
    this.#toolbar.update(model);
    this.#ignore.update(model);
    keepFocus(this.root, () => [this.#tools, this.#prompt].map((place) => place.querySelector('button')));
  }
}
