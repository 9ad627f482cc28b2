// The good photos: a tray of thumbnails that can be removed, or the profile that stands in for them.

import { button, filePicker, hasCamera } from './controls.js';
import { h, icon, keepFocus, setText, show } from './dom.js';
import { layoutOf, type Actions, type Model, type Part } from './model.js';
import type { Photo } from './photos.js';
import type { Locale, Texts } from './texts.js';

export class Tray implements Part {
  readonly root: HTMLElement;
  readonly #texts: Texts;
  readonly #actions: Actions;
  readonly #count = h('span', { class: 'count' });
  readonly #list = h('ul', { class: 'thumbs', part: 'tray' });
  readonly #problems = h('ul', { class: 'problems' });
  readonly #prompt: HTMLElement;
  readonly #add: HTMLElement;
  readonly #profile: HTMLElement;
  readonly #profileName = h('span', { class: 'profile-name' });
  readonly #items = new Map<Photo, Thumb>();

  constructor({ texts }: Locale, actions: Actions) {
    this.#texts = texts;
    this.#actions = actions;
    const picker = filePicker({ multiple: true, label: texts.choosePhotos }, (files) => actions.addGood(files));
    const choose = (): void => picker.click();
    const shoot = (): void => actions.camera('good');
    this.#prompt = h('div', { class: 'prompt' },
      h('span', { class: 'prompt-icon' }, icon('stack')),
      h('p', { class: 'prompt-text' }, texts.goodHint),
      h('div', { class: 'row' },
        button({ label: texts.choosePhotos, click: choose }),
        hasCamera() && button({ label: texts.camera, icon: 'camera', click: shoot })),
      h('p', { class: 'prompt-note' }, texts.dropHint));
    this.#add = h('li', { class: 'tray-add' },
      button({ label: texts.addPhotos, icon: 'plus', look: 'quiet', iconOnly: true, click: choose }),
      hasCamera() && button({ label: texts.cameraTitle.good, icon: 'camera', look: 'quiet', iconOnly: true, click: shoot }));
    this.#list.append(this.#add);
    this.#profile = h('div', { class: 'chip' },
      icon('stack'), this.#profileName,
      button({ label: texts.removeProfile, icon: 'close', look: 'quiet', iconOnly: true, click: () => actions.removeProfile() }));
    this.root = h('div', { class: 'good', part: 'good', role: 'group', 'data-target': 'good', 'aria-label': texts.good },
      h('header', { class: 'head' }, h('h2', { class: 'title' }, texts.good), this.#count, this.#profile, this.#list),
      this.#prompt, this.#problems, picker,
      h('p', { class: 'drop-label', 'aria-hidden': 'true' }, icon('plus'), texts.dropGood));
  }

  update(model: Model): void {
    const { good, given } = model;
    show(this.root, model.controls);
    this.#sync(good);
    const prompting = good.length === 0 && !given && layoutOf(model) === 'setup';
    show(this.#prompt, prompting);
    // A profile stands in for photos: those that are there as well decide nothing.
    show(this.#list, !given && !prompting);
    show(this.#profile, given !== null);
    const classes = model.profile?.info.classes.length;
    setText(this.#profileName, [given?.name || this.#texts.profile, classes && this.#texts.profileClasses(classes)].filter(Boolean).join(' · '));
    setText(this.#count, good.length > 0 && !given ? String(good.length) : '');
    keepFocus(this.root, () => [this.#add, this.#prompt, this.#profile].map((place) => place.querySelector('button')));
  }

  /** Keeps the nodes of photos that stay, so that focus and pictures do too. */
  #sync(good: readonly Photo[]): void {
    for (const [photo, item] of this.#items) {
      if (good.includes(photo)) continue;
      this.#passFocusOn(item);
      item.root.remove();
      this.#items.delete(photo);
    }
    for (const photo of good) {
      const item = this.#items.get(photo) ?? this.#make(photo);
      item.update();
      if (item.root.parentElement !== this.#list) this.#add.before(item.root);
    }
    const broken = good.filter(({ problem }) => problem);
    show(this.#problems, broken.length > 0);
    this.#problems.replaceChildren(...broken.map((photo) => h('li', { class: 'problem' }, icon('suspect'),
      h('span', {}, h('b', {}, photo.name || this.#texts.unnamed), ': ', photo.problem && this.#texts.problem[photo.problem]))));
  }

  #make(photo: Photo): Thumb {
    const item = new Thumb(photo, this.#texts, () => this.#actions.removeGood(photo));
    this.#items.set(photo, item);
    return item;
  }

  /** The keyboard stays where it was when the focused photo goes. */
  #passFocusOn(item: Thumb): void {
    if (!item.root.contains((this.root.getRootNode() as ShadowRoot).activeElement)) return;
    const next = item.root.nextElementSibling?.querySelector('button');
    // After the last one, the list gives way to the prompt once this update is done.
    queueMicrotask(() => (this.#list.hidden ? this.#prompt.querySelector('button') : next)?.focus());
  }
}

class Thumb {
  readonly root: HTMLLIElement;
  readonly #photo: Photo;
  readonly #image: HTMLImageElement;
  readonly #broken = h('span', { class: 'thumb-broken' }, icon('broken'));

  constructor(photo: Photo, texts: Texts, remove: () => void) {
    const name = photo.name || texts.unnamed;
    this.#photo = photo;
    this.#image = h('img', { class: 'thumb-image', alt: name, draggable: 'false' });
    this.root = h('li', { class: 'thumb', part: 'thumbnail', title: name },
      this.#image, this.#broken,
      h('button', { type: 'button', class: 'thumb-remove', 'aria-label': texts.remove(name), click: remove }, icon('close')));
  }

  update(): void {
    const { state, preview } = this.#photo;
    this.root.dataset['state'] = state;
    show(this.#image, preview !== null);
    show(this.#broken, state === 'broken');
    if (preview && this.#image.src !== preview) this.#image.src = preview;
  }
}
