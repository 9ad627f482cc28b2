// What came out: verdict, score against threshold, p-value in words, regions, what the photos support, files to save.

import { button } from './controls.js';
import { h, icon, setText, show } from './dom.js';
import type { Actions, Download, Model, Part } from './model.js';
import { RegionList } from './regions.js';
import { Scale } from './scale.js';
import type { Format, Locale, Texts } from './texts.js';

export class ResultPanel implements Part {
  readonly root: HTMLElement;
  readonly #texts: Texts;
  readonly #format: Format;
  readonly #verdict = h('p', { class: 'verdict', part: 'verdict', tabindex: -1 });
  readonly #line = h('p', { class: 'muted verdict-line' });
  readonly #pValue = h('p', { class: 'muted small' });
  readonly #support: HTMLElement;
  readonly #supportText = h('p', { class: 'muted small' });
  readonly #more: HTMLElement;
  readonly #scale: Part;
  readonly #regions: Part;
  #shown: Model['judged'] = null;

  constructor(locale: Locale, actions: Actions) {
    const { texts, format } = locale;
    this.#texts = texts;
    this.#format = format;
    this.#scale = new Scale(locale, actions);
    this.#regions = new RegionList(locale, actions);
    this.#support = h('details', { class: 'details', part: 'support' }, h('summary', {}, texts.support), this.#supportText);
    const save = (what: Download): HTMLElement =>
      h('li', {}, button({ label: texts.download[what], icon: 'download', part: 'download', click: () => actions.save(what) }));
    this.#more = h('div', { class: 'more' },
      this.#regions.root,
      this.#support,
      h('section', { class: 'group' }, h('h3', { class: 'subtitle' }, texts.downloads),
        h('ul', { class: 'downloads' }, save('heat'), save('repaired'), save('json'), save('profile'))));
    this.root = h('div', { class: 'outcome', part: 'result' },
      h('div', { class: 'verdict-block' }, this.#verdict, this.#line), this.#scale.root, this.#pValue, this.#more);
  }

  update(model: Model): void {
    const { judged, detected, profile, controls } = model;
    if (!judged || !detected) return;
    const { data } = detected;
    if (judged !== this.#shown) {
      this.#shown = judged;
      this.root.dataset['verdict'] = judged.verdict;
      this.#verdict.replaceChildren(icon(judged.verdict), h('span', {}, this.#texts.verdict[judged.verdict]));
      setText(this.#line, this.#texts.verdictLine[judged.verdict]);
    }
    setText(this.#pValue, this.#texts.pValue({ p: data.p_value, calibration: data.calibration }, this.#format));
    const fitted = profile?.info.classes.find(({ name }) => name === data.class);
    setText(this.#supportText, fitted ? this.#texts.supportOf(fitted) : '');
    show(this.#support, fitted !== undefined);
    show(this.#more, controls);
    show(this.#pValue, controls);
    this.#scale.update(model);
    this.#regions.update(model);
  }
}
