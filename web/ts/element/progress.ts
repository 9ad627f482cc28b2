// How far the work is: three steps in words, a bar, what is being done, the time that is left, and a way out.

import { button } from './controls.js';
import { h, icon, setAttribute, setText, show } from './dom.js';
import type { Actions, Job, Model, Part } from './model.js';
import type { Format, Locale, Texts } from './texts.js';

const STEPS: readonly Job[] = ['load', 'fit', 'detect'];

export class ProgressPanel implements Part {
  readonly root: HTMLElement;
  readonly #texts: Texts;
  readonly #format: Format;
  readonly #steps: HTMLElement[];
  readonly #bar: HTMLElement;
  readonly #fill = h('div', { class: 'bar-fill', part: 'progress-fill' });
  readonly #stage = h('span', { class: 'stage-text' });
  readonly #share = h('span', { class: 'share' });
  readonly #remaining = h('span');
  readonly #cancel: HTMLButtonElement;

  constructor({ texts, format }: Locale, actions: Actions) {
    this.#texts = texts;
    this.#format = format;
    this.#steps = STEPS.map((step) => h('li', { class: 'step' },
      h('span', { class: 'step-mark' }, icon('check')), h('span', {}, texts.steps[step])));
    this.#cancel = button({ label: texts.cancel, part: 'cancel', click: () => actions.abort() });
    this.#bar = h('div', { class: 'bar', part: 'progress', role: 'progressbar', 'aria-valuemin': 0, 'aria-valuemax': 100 }, this.#fill);
    this.root = h('div', { class: 'progress' },
      h('ol', { class: 'steps' }, ...this.#steps),
      this.#bar,
      h('p', { class: 'progress-line' }, this.#stage, this.#share),
      h('p', { class: 'progress-line' }, this.#remaining, this.#cancel));
  }

  update({ job, progress, suspect, controls }: Model): void {
    const current = job ? STEPS.indexOf(job) : 0;
    this.#steps.forEach((step, index) => {
      step.dataset['state'] = index < current ? 'done' : index === current ? 'now' : 'later';
      setAttribute(step, 'aria-current', index === current && 'step');
    });
    // Learning without a photo to check ends after the second step.
    const last = this.#steps[2];
    if (last) show(last, suspect !== null);
    show(this.#cancel, controls);
    if (job) this.#bar.ariaLabel = this.#texts.steps[job];

    const share = progress ? Math.min(1, Math.max(0, progress.fraction)) : null;
    this.#bar.toggleAttribute('data-busy', share === null);
    setAttribute(this.#bar, 'aria-valuenow', share === null ? null : Math.round(share * 100));
    this.#fill.style.inlineSize = share === null ? '' : `${share * 100}%`;
    setText(this.#share, share === null ? '' : this.#format.percent(Math.round(share * 100) / 100));
    const stage = progress ? this.#texts.stage(progress, this.#format) : '';
    setText(this.#stage, stage);
    setAttribute(this.#bar, 'aria-valuetext', stage || null);
    const left = progress?.remainingMs ?? null;
    setText(this.#remaining, left === null ? '' : this.#texts.remaining(left / 1000));
  }
}
