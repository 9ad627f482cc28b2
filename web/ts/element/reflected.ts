// The properties that are attributes and nothing else. What holds state of its own stands in the element.

import type { MinArea, Mode } from './api.js';
import { readDevice, readMinArea, readMode, readOpacity, readThreshold, readView, type DevicePreference } from './attributes.js';
import { setAttribute } from './dom.js';
import type { View } from './model.js';

/** On a server there is no HTMLElement; the class is then never used, only imported. */
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

export class Reflected extends Base {
  /** The attribute `class-name`: which product of the profile. (`className` is taken: it is the CSS class.) */
  get productClass(): string | null { return this.getAttribute('class-name'); }
  set productClass(value: string | null) { setAttribute(this, 'class-name', value); }

  get device(): DevicePreference { return readDevice(this.getAttribute('device')); }
  set device(value: DevicePreference) { setAttribute(this, 'device', value); }

  get mode(): Mode { return readMode(this.getAttribute('mode')); }
  set mode(value: Mode) { setAttribute(this, 'mode', value); }

  /** What the picture shows. */
  get view(): View { return readView(this.getAttribute('view')); }
  set view(value: View) { setAttribute(this, 'view', value); }

  /** Of the heat map, 0 to 1. */
  get opacity(): number { return readOpacity(this.getAttribute('opacity')); }
  set opacity(value: number) { setAttribute(this, 'opacity', value); }

  /** Instead of the threshold that the good photos set; `null` for that one. */
  get threshold(): number | null { return readThreshold(this.getAttribute('threshold')); }
  set threshold(value: number | null) { setAttribute(this, 'threshold', value); }

  /** The smallest defect that counts: pixels of the photo (`25`) or per cent of it (`'0.1%'`); `null` for any. */
  get minArea(): MinArea | null { return readMinArea(this.getAttribute('min-area')); }
  set minArea(value: MinArea | null) { setAttribute(this, 'min-area', value); }

  /** Whether a person can choose photos and look around; without, it shows what it is given. */
  get controls(): boolean { return this.hasAttribute('controls'); }
  set controls(value: boolean) { setAttribute(this, 'controls', value); }

  /** Whether it starts by itself as soon as there are photos. */
  get auto(): boolean { return this.hasAttribute('auto'); }
  set auto(value: boolean) { setAttribute(this, 'auto', value); }
}
