// The last line: what computes, what stays on the device, and what the page puts there.

import { h, icon, setText, show, type IconName } from './dom.js';
import type { Model, Part } from './model.js';
import type { Format, Locale, Texts } from './texts.js';

export class Foot implements Part {
  readonly root: HTMLElement;
  readonly #texts: Texts;
  readonly #format: Format;
  readonly #icon = h('span', { class: 'foot-icon' });
  readonly #device = h('span');
  readonly #note: HTMLElement;
  readonly #privacy: HTMLElement;
  readonly #slot = h('slot', { name: 'footer', slotchange: () => this.#showRoot() });
  #kind: IconName | null = null;

  constructor({ texts, format }: Locale) {
    this.#texts = texts;
    this.#format = format;
    this.#note = h('p', { class: 'foot-note', part: 'note' }, this.#icon, this.#device);
    this.#privacy = h('p', { class: 'foot-note' }, h('span', { class: 'foot-icon' }, icon('lock')), h('span', {}, texts.privacy));
    this.root = h('div', { class: 'foot' }, this.#note, this.#privacy, this.#slot);
  }

  update(model: Model): void {
    const { kind, text } = this.#line(model);
    show(this.#note, text !== '' && (model.controls || kind !== 'chip'));
    show(this.#privacy, model.controls);
    setText(this.#device, text);
    this.#showRoot();
    if (kind === this.#kind) return;
    this.#kind = kind;
    this.#icon.replaceChildren(icon(kind));
  }

  /** An empty line takes no room. */
  #showRoot(): void {
    show(this.root, !this.#note.hidden || !this.#privacy.hidden || this.#slot.assignedNodes().length > 0);
  }

  #line({ lost, note, capabilities }: Model): { kind: IconName; text: string } {
    const texts = this.#texts;
    if (lost) return { kind: 'suspect', text: texts.lost };
    if (note) return { kind: 'info', text: texts.note(note) };
    if (!capabilities) return { kind: 'chip', text: '' };
    const { device, downloadBytes, fits, reason } = capabilities;
    // What cannot run has its reason where the check would be started.
    if (!fits) return { kind: 'chip', text: '' };
    const size = downloadBytes > 0 ? `. ${texts.downloadSize(this.#format.megabytes(downloadBytes))}` : '';
    if (device === 'webgpu') return { kind: 'chip', text: texts.onGpu + size };
    return { kind: reason ? 'info' : 'chip', text: texts.onCpu(reason) + size };
  }
}
