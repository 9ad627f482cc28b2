// What is said beside the picture: what to do next, how far it is, what went wrong, or what came out.

import { button } from './controls.js';
import { h, keepFocus, setText, show } from './dom.js';
import { canDetect, canFit, layoutOf, phaseOf, type Actions, type Model, type Part } from './model.js';
import { ProgressPanel } from './progress.js';
import { ProblemPanel } from './problem.js';
import { ResultPanel } from './verdict.js';
import type { Locale, Texts } from './texts.js';

/** What takes the focus when the button that had it is gone: what came out, the way out, the way on. */
const PLACES = ['.verdict', '[part~="cancel"]', '.primary', 'button'];

export class Panel implements Part {
  readonly root: HTMLElement;
  readonly #next: Part;
  readonly #progress: Part;
  readonly #problem: Part;
  readonly #result: Part;

  constructor(locale: Locale, actions: Actions) {
    this.#next = new NextPanel(locale, actions);
    this.#progress = new ProgressPanel(locale, actions);
    this.#problem = new ProblemPanel(locale, actions);
    this.#result = new ResultPanel(locale, actions);
    this.root = h('div', { class: 'panel', part: 'panel' },
      this.#next.root, this.#progress.root, this.#problem.root, this.#result.root);
  }

  update(model: Model): void {
    const phase = phaseOf(model);
    const idle = model.job === null && phase !== 'error' && phase !== 'result';
    show(this.#next.root, idle && model.controls);
    show(this.#progress.root, model.job !== null);
    show(this.#problem.root, phase === 'error');
    show(this.#result.root, phase === 'result');
    show(this.root, model.controls || !idle);
    for (const part of [this.#next, this.#progress, this.#problem, this.#result]) if (!part.root.hidden) part.update(model);
    keepFocus(this.root, () => PLACES.flatMap((place) => [...this.root.querySelectorAll<HTMLElement>(place)]));
  }
}

/** Says what is missing, and offers what can be done. */
class NextPanel implements Part {
  readonly root: HTMLElement;
  readonly #texts: Texts;
  readonly #hint = h('p', { class: 'hint' });
  readonly #support: HTMLElement;
  readonly #supportText = h('p', { class: 'muted' });
  readonly #classes: HTMLElement;
  readonly #select: HTMLSelectElement;
  readonly #check: HTMLButtonElement;
  readonly #learn: HTMLButtonElement;
  readonly #save: HTMLButtonElement;

  constructor({ texts }: Locale, actions: Actions) {
    this.#texts = texts;
    this.#select = h('select', { class: 'select', change: () => actions.chooseClass(this.#select.value) });
    this.#classes = h('label', { class: 'field' }, h('span', {}, texts.chooseClass), this.#select);
    this.#support = h('div', { class: 'support' }, h('h3', { class: 'subtitle' }, texts.support), this.#supportText);
    this.#check = button({ label: texts.check, look: 'primary', part: 'check', click: () => actions.check() });
    this.#learn = button({ label: texts.learn, part: 'learn', click: () => actions.learn() });
    this.#save = button({ label: texts.saveProfile, icon: 'download', click: () => actions.save('profile') });
    this.root = h('div', { class: 'next' }, this.#hint, this.#support, this.#classes,
      h('div', { class: 'row actions' }, this.#learn, this.#save, this.#check));
  }

  update(model: Model): void {
    const { profile, suspect, capabilities } = model;
    const texts = this.#texts;
    const tooLarge = capabilities !== null && !capabilities.fits;
    setText(this.#hint, tooLarge ? `${texts.errors.unsupported.title}: ${capabilities.reason ?? ''}` : this.#whatNext(model));
    this.root.toggleAttribute('data-warning', tooLarge);
    const classes = profile?.info.classes ?? [];
    const current = classes.find(({ name }) => name === model.className) ?? classes[0];
    show(this.#support, current !== undefined);
    setText(this.#supportText, current ? texts.supportOf(current) : '');
    show(this.#classes, classes.length > 1);
    this.#fillClasses(classes.map(({ name }) => name), current?.name);
    this.#check.disabled = tooLarge || !canDetect(model);
    this.#learn.disabled = tooLarge;
    // Without a photo to check, the good ones can still be learned, for a profile.
    const learn = layoutOf(model) === 'setup' && canFit(model) && !suspect;
    show(this.#learn, learn);
    show(this.#check, !learn);
    // Who gave a profile has it.
    show(this.#save, profile !== null && !model.given);
  }

  #whatNext(model: Model): string {
    const { given, profile, stopped, suspect } = model;
    const texts = this.#texts;
    if (stopped) return texts.stopped;
    if (!canFit(model)) return texts.needGood;
    if (canDetect(model)) return texts.ready;
    if (suspect) return texts.needOther;
    return profile && !given ? texts.learned : texts.needSuspect;
  }

  #fillClasses(names: string[], current: string | undefined): void {
    const shown = [...this.#select.options].map(({ value }) => value);
    if (shown.join('\n') !== names.join('\n')) this.#select.replaceChildren(...names.map((name) => h('option', { value: name }, name)));
    if (current !== undefined) this.#select.value = current;
  }
}
