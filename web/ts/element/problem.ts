// What went wrong, what it means, and what to do about it.

import type { AnomalySDError, ErrorCode } from './api.js';
import { button } from './controls.js';
import { h, icon, setText, show, type IconName } from './dom.js';
import type { Actions, Model, Part } from './model.js';
import type { ErrorText, Locale, Texts } from './texts.js';

const ICONS: Partial<Record<ErrorCode, IconName>> = { network: 'offline', 'device-lost': 'chip', 'bad-image': 'broken', unsupported: 'chip' };

/** Another attempt would end the same way. */
const FINAL: readonly ErrorCode[] = ['unsupported', 'bad-profile'];

export class ProblemPanel implements Part {
  readonly root: HTMLElement;
  readonly #texts: Texts;
  readonly #icon = h('span', { class: 'problem-icon' });
  readonly #title = h('p', { class: 'problem-title' });
  readonly #hint = h('p', { class: 'muted' });
  readonly #message = h('p', { class: 'message' });
  readonly #details: HTMLElement;
  readonly #retry: HTMLElement;
  #shown: AnomalySDError | null = null;

  constructor({ texts }: Locale, actions: Actions) {
    this.#texts = texts;
    this.#retry = h('div', { class: 'row' },
      button({ label: texts.retry, icon: 'retry', look: 'primary', part: 'retry', click: () => actions.retry() }));
    this.#details = h('details', { class: 'details' }, h('summary', {}, texts.details), this.#message);
    this.root = h('div', { class: 'problem-panel', part: 'error' },
      this.#icon, this.#title, this.#hint, this.#details, this.#retry);
  }

  update({ error }: Model): void {
    if (!error || error === this.#shown) return;
    this.#shown = error;
    const { title, hint } = errorText(this.#texts, error);
    this.#icon.replaceChildren(icon(ICONS[error.code] ?? 'suspect'));
    setText(this.#title, title);
    setText(this.#hint, hint);
    setText(this.#message, error.message);
    show(this.#details, error.message !== '');
    // Numbers decide what is not supported; nobody should have to open anything to see them.
    this.#details.toggleAttribute('open', FINAL.includes(error.code));
    show(this.#retry, !FINAL.includes(error.code));
  }
}

/** Being offline explains a failed download better than the failed request does. */
export function errorText(texts: Texts, error: AnomalySDError): ErrorText {
  return error.code === 'network' && !navigator.onLine ? texts.offline : texts.errors[error.code];
}
