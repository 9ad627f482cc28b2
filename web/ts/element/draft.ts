// Places to ignore while a person draws them: a mask that is painted step by step. A step is painted anew whenever it
// changes, a line that grows or a rectangle that moves, upon what was there before it; so it can be undone as a whole.

import { surface } from './dom.js';

export const TOOLS = ['rectangle', 'brush', 'eraser'] as const;
export type Tool = (typeof TOOLS)[number];

export type Point = readonly [x: number, y: number];
/** A rectangle: two opposite corners, x and y of each, in shares of the photo's sides. */
export type Box = readonly [number, number, number, number];

export class Draft {
  tool: Tool = 'rectangle';
  /** Width of brush and eraser, in shares of the photo's longer side. */
  size = 0.05;
  mask: HTMLCanvasElement;
  /** The rectangle that was drawn last; it can still be moved. */
  box: Box | null = null;
  readonly #past: HTMLCanvasElement[] = [];

  constructor(mask: HTMLCanvasElement) {
    this.mask = mask;
  }

  /** How many steps can be undone. */
  get steps(): number {
    return this.#past.length;
  }

  /** Begins a step that can be undone. */
  begin(): void {
    this.#past.push(this.mask);
    this.box = null;
  }

  /** Paints the rectangle of this step. */
  fill(box: Box): void {
    this.box = box;
    const [left, top, width, height] = sidesOf(box);
    this.#paint((pen, { width: w, height: h }) => pen.fillRect(left * w, top * h, width * w, height * h));
  }

  /** Paints the line of this step, or wipes along it. */
  line(points: readonly Point[], wipe: boolean): void {
    this.#paint((pen, { width, height }) => {
      if (wipe) pen.globalCompositeOperation = 'destination-out';
      pen.lineCap = pen.lineJoin = 'round';
      pen.lineWidth = this.size * Math.max(width, height);
      // A line of no length is not drawn everywhere: this one begins a little aside.
      for (const [x, y] of [...points.slice(0, 1).map(([x, y]): Point => [x, y + 1e-4]), ...points]) pen.lineTo(x * width, y * height);
      pen.stroke();
    });
  }

  clear(): void {
    this.begin();
    this.mask = surface(this.mask.width, this.mask.height).canvas;
  }

  undo(): void {
    this.mask = this.#past.pop() ?? this.mask;
    this.box = null;
  }

  #paint(paint: (pen: CanvasRenderingContext2D, size: HTMLCanvasElement) => void): void {
    const before = this.#past.at(-1) ?? this.mask;
    const pen = surface(before.width, before.height, before);
    pen.fillStyle = pen.strokeStyle = '#fff';
    paint(pen, before);
    this.mask = pen.canvas;
  }
}

/** Left, top, width, height. */
export function sidesOf([x0, y0, x1, y1]: Box): Box {
  return [Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0)];
}
