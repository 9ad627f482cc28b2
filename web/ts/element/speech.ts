// What a screen reader hears of an element: where it has got to, and what came out.

import { announcer } from './announcer.js';
import type { Verdict } from './api.js';
import { phaseOf, type Model, type Phase } from './model.js';
import { errorText } from './problem.js';
import type { Locale } from './texts.js';

export class Speech {
  readonly #host: HTMLElement;
  #phase: Phase = 'empty';
  #verdict: Verdict | null = null;

  constructor(host: HTMLElement) {
    this.#host = host;
  }

  /** Says what is new in the model since the last time. */
  follow(model: Model, locale: Locale): void {
    const phase = phaseOf(model);
    const verdict = phase === 'result' ? (model.judged?.verdict ?? null) : null;
    const moved = verdict !== null && phase === this.#phase && verdict !== this.#verdict;
    if (moved && model.judged) this.say(locale.texts.thresholdValue(model.judged.threshold, verdict, locale.format));
    if (phase !== this.#phase) this.say(this.#about(phase, model, locale));
    this.#phase = phase;
    this.#verdict = verdict;
  }

  say(text: string): void {
    if (text === '') return;
    const label = this.#host.getAttribute('aria-label');
    announcer.say(label ? `${label}: ${text}` : text);
  }

  #about(phase: Phase, model: Model, { texts, format }: Locale): string {
    const { error, judged, detected, controls } = model;
    if (phase === 'error' && error) {
      const { title, hint } = errorText(texts, error);
      return `${title}. ${hint}`;
    }
    if (phase === 'result' && judged && detected) {
      return texts.announceResult(judged.verdict, detected.data.score, judged.threshold, judged.regions.length, format);
    }
    // Where nobody can press anything, only what comes out is worth an interruption.
    if (!controls) return '';
    if (model.job) return texts.steps[model.job];
    if (phase === 'aborted') return texts.stopped;
    return phase === 'fitted' ? texts.learned : '';
  }
}
