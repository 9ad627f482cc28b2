// Files that are dropped on the element or pasted into the page.

import type { Actions, Model, Target } from './model.js';

/** A profile travels the same way as photos do. */
const PROFILE = /\.safetensors$/i;

export class Intake {
  readonly #host: HTMLElement;
  readonly #model: Model;
  readonly #actions: Actions;
  readonly #stop = new AbortController();

  /** Listens until `close`; only while the element has controls. */
  constructor(host: HTMLElement, model: Model, actions: Actions) {
    this.#host = host;
    this.#model = model;
    this.#actions = actions;
    const { signal } = this.#stop;
    host.addEventListener('dragover', (event) => this.#over(event), { signal });
    host.addEventListener('dragleave', (event) => this.#leave(event), { signal });
    host.addEventListener('drop', (event) => this.#drop(event), { signal });
    host.addEventListener('pointerenter', () => claim(this), { signal });
    host.addEventListener('focusin', () => claim(this), { signal });
    document.addEventListener('paste', (event) => this.#paste(event), { signal });
    waiting.push(this);
  }

  /** Without controls it takes nothing. */
  get shown(): boolean {
    return this.#model.controls;
  }

  close(): void {
    this.#stop.abort();
    waiting.splice(waiting.indexOf(this), 1);
  }

  /** Sorts files: profiles apart, photos to where they were put. */
  take(files: readonly File[], target: Target | null): void {
    const profile = files.find(({ name }) => PROFILE.test(name));
    if (profile) this.#actions.openProfile(profile);
    const photos = files.filter(({ name }) => !PROFILE.test(name));
    if (photos.length === 0) return;
    // Put nowhere in particular: the good ones come first, and so do several at once.
    const first = this.#model.good.length === 0 && !this.#model.given;
    if ((target ?? (first ? 'good' : 'suspect')) === 'good') this.#actions.addGood(photos);
    else this.#actions.addSuspect(photos);
  }

  #over(event: DragEvent): void {
    if (!this.shown || !event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    this.#highlight(targetOf(event) ?? 'none');
  }

  #leave(event: DragEvent): void {
    if (!(event.relatedTarget instanceof Node && this.#host.contains(event.relatedTarget))) this.#highlight(null);
  }

  #drop(event: DragEvent): void {
    this.#highlight(null);
    if (!this.shown || !event.dataTransfer?.files.length) return;
    event.preventDefault();
    this.take([...event.dataTransfer.files], targetOf(event));
  }

  #paste(event: ClipboardEvent): void {
    if (!this.shown || waiting.filter(({ shown }) => shown).at(-1) !== this || isEditable(event.composedPath()[0])) return;
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    this.take(files, targetOf(event));
  }

  #highlight(target: Target | 'none' | null): void {
    const root = this.#host.shadowRoot;
    root?.querySelectorAll<HTMLElement>('[data-target]').forEach((section) => {
      section.toggleAttribute('data-dropping', target !== null);
      section.toggleAttribute('data-over', section.dataset['target'] === target);
    });
  }
}

/** All elements of the page; the one with controls that was used last takes what is pasted. */
const waiting: Intake[] = [];

function claim(intake: Intake): void {
  waiting.push(...waiting.splice(waiting.indexOf(intake), 1));
}

function targetOf(event: Event): Target | null {
  const section = event.composedPath().find((node) => node instanceof HTMLElement && node.dataset['target'] !== undefined);
  return section instanceof HTMLElement ? (section.dataset['target'] as Target) : null;
}

function isEditable(target: EventTarget | undefined): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(input|textarea)$/i.test(target.tagName) && target.getAttribute('type') !== 'range');
}
