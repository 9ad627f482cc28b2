// Places that do not count: what the engine gets, and what of it a person sees. A mask is white where a place is ignored.
// Here it is only drawn, white on nothing; what comes of it is the engine's.

import { AnomalySDError, type Ignore, type Place } from './api.js';
import { surface } from './dom.js';
import { blobOf, fetchFile } from './photos.js';

/** A mask or rectangles, or the address of a mask. */
export type IgnoreSource = Ignore | ImageData | string;

/** Longer side of a mask that is drawn: as fine as the largest model looks at a photo. */
const MASK_SIDE = 512;

export class Ignored {
  readonly source: IgnoreSource;
  /** Of the photo that they were drawn on; what a page gives is meant for every photo. */
  readonly ratio: number | undefined;
  /** White on nothing, once it is loaded. */
  shown: HTMLCanvasElement | null = null;
  readonly #base: string;
  #loading: Promise<Ignore> | null = null;

  /** `base`: what an address is relative to. */
  constructor(source: IgnoreSource, base: string, ratio?: number) {
    this.source = source;
    this.#base = base;
    this.ratio = ratio;
  }

  /** What was drawn on a photo of this shape; `null` where nothing is left of it. */
  static async drawn(mask: HTMLCanvasElement, ratio: number): Promise<Ignored | null> {
    const pixels = mask.getContext('2d')?.getImageData(0, 0, mask.width, mask.height).data;
    if (!pixels?.some(Boolean)) return null;
    const ignored = new Ignored(await maskOf(mask), '', ratio);
    ignored.shown = mask;
    return ignored;
  }

  /** What the engine gets; a mask is fetched and looked at once. */
  load(): Promise<Ignore> {
    return (this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = null;
      throw error;
    }));
  }

  async #load(): Promise<Ignore> {
    const { source } = this;
    if (Array.isArray(source)) {
      const pen = surface(MASK_SIDE, MASK_SIDE);
      pen.fillStyle = '#fff';
      pen.scale(MASK_SIDE, MASK_SIDE);
      for (const { x, y, width, height } of source as readonly Place[]) pen.fillRect(x, y, width, height);
      this.shown = pen.canvas;
      return source;
    }
    const given = typeof source === 'string' ? await fetchFile(new URL(source, this.#base)) : (source as Blob | ImageData);
    const image = await createImageBitmap(given).catch((cause: unknown) => {
      throw new AnomalySDError('bad-image', 'The mask of places to ignore cannot be read.', { cause });
    });
    const pen = surface(image.width, image.height, image);
    const pixels = pen.getImageData(0, 0, image.width, image.height);
    // The engine takes what is brighter than 127 of 255.
    for (let at = 0; at < pixels.data.length; at += 4) pixels.data[at + 3] = (pixels.data[at] ?? 0) > 127 ? 255 : 0;
    pen.putImageData(pixels, 0, 0);
    this.shown = pen.canvas;
    return given instanceof Blob ? given : maskOf(pen.canvas);
  }
}

/** A canvas to draw a mask on, with what is ignored so far. */
export function maskFor(ratio: number, ignored: Ignored | null): HTMLCanvasElement {
  return surface(MASK_SIDE * Math.min(1, ratio), MASK_SIDE / Math.max(1, ratio), ignored?.shown).canvas;
}

/** A PNG: white where a canvas is, black elsewhere. */
function maskOf(canvas: HTMLCanvasElement): Promise<Blob> {
  const pen = surface(canvas.width, canvas.height);
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(canvas, 0, 0);
  return blobOf(pen.canvas);
}

/** A mask as a person sees it over a photo: dimmed and hatched, on any ground. `unit`: a pixel of the screen. */
export function paintHatch(pen: CanvasRenderingContext2D, mask: HTMLCanvasElement, unit: number): void {
  const { width, height } = pen.canvas;
  pen.drawImage(mask, 0, 0, width, height);
  pen.globalCompositeOperation = 'source-in';
  pen.fillStyle = 'rgb(14 16 20 / 0.6)';
  pen.fillRect(0, 0, width, height);
  pen.globalCompositeOperation = 'source-atop';
  pen.strokeStyle = 'rgb(255 255 255 / 0.7)';
  pen.lineWidth = 1.5 * unit;
  pen.beginPath();
  for (let x = -height; x < width; x += 9 * unit) {
    pen.moveTo(x, height);
    pen.lineTo(x + height, 0);
  }
  pen.stroke();
}
