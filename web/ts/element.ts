// `import 'anomalysd/element'` defines <anomaly-sd>. On a server it defines nothing and does no harm.

import { AnomalySDElement } from './element/anomaly-sd.js';

export { AnomalySDElement } from './element/anomaly-sd.js';
export type { AnomalySDEvents } from './element/events.js';
export { english, german, registerTexts } from './element/texts.js';
export type { Texts } from './element/texts.js';

declare global {
  interface HTMLElementTagNameMap {
    'anomaly-sd': AnomalySDElement;
  }
}

// A page that loads the module twice, or has a tag of its own, keeps the first.
if (globalThis.customElements?.get('anomaly-sd') === undefined) globalThis.customElements?.define('anomaly-sd', AnomalySDElement);
