// The other build: the same names.

import { Engine as Cpu } from './cpu.js';

export { default, contour, heapBytes, heatMap, judge, legend, places } from './cpu.js';

export class Engine extends Cpu {
  static device = 'webgpu';
}
