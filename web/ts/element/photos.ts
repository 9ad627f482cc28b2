// Photos on their way to the engine: fetched, looked at, shown. The engine gets the original bytes, never what is shown.

import { AnomalySDError, type ImageInput } from './api.js';
import { surface } from './dom.js';
// Not from the table of English alone: then the German one would be bundled far away from it, see anomaly-sd.ts.
import { english } from './texts.js';

/** A file, a picture in memory, or an address. */
export type PhotoSource = ImageInput | string;

/** Why a photo cannot be used; the sentence for it stands in the table of texts. */
export type PhotoProblem = 'heic' | 'avif' | 'type' | 'damaged' | 'unreachable';

export class Photo {
  readonly source: PhotoSource;
  /** Of the file or the address; empty for pictures from memory. Shown as text only. */
  readonly name: string;
  state: 'waiting' | 'loading' | 'ready' | 'broken' = 'waiting';
  problem: PhotoProblem | null = null;
  /** What the engine gets. */
  input: ImageInput | null = null;
  /** An object URL of what is shown. */
  preview: string | null = null;
  /** Size as shown, turned upright. */
  width = 0;
  height = 0;
  readonly #base: string;
  #loading: Promise<void> | null = null;
  #shown: Blob | null = null;

  /** `base`: what an address is relative to. */
  constructor(source: PhotoSource, base: string) {
    this.source = source;
    this.name = nameOf(source);
    this.#base = base;
  }

  /** Fetches and decodes once; resolves for a broken photo, too. */
  load(): Promise<void> {
    // An address that could not be reached may be reachable the next time.
    if (this.state === 'broken' && this.problem === 'unreachable') this.#loading = null;
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.state = 'broken';
      this.problem = error instanceof Unusable ? error.problem : 'damaged';
    });
    if (this.#shown && !this.preview) this.preview = URL.createObjectURL(this.#shown);
    return this.#loading;
  }

  /** Lets the picture go that is shown; `load` brings it back. */
  release(): void {
    if (this.preview) URL.revokeObjectURL(this.preview);
    this.preview = null;
  }

  async #load(): Promise<void> {
    this.state = 'loading';
    this.problem = null;
    const input = typeof this.source === 'string' ? await fetchPhoto(this.source, this.#base, this.name) : this.source;
    if (input instanceof Blob) await checkType(input);
    const shown = input instanceof Blob ? input : await encode(input);
    const preview = URL.createObjectURL(shown);
    const image = new Image();
    image.src = preview;
    try {
      await image.decode();
    } catch {
      URL.revokeObjectURL(preview);
      throw new Unusable('damaged');
    }
    [this.width, this.height] = [image.naturalWidth, image.naturalHeight];
    [this.input, this.#shown, this.preview] = [input, shown, preview];
    this.state = 'ready';
  }
}

/** What the engine gets of a photo that was loaded; throws what is wrong with it. */
export function inputOf({ input, name, problem }: Photo): ImageInput {
  if (input) return input;
  throw new AnomalySDError('bad-image', `${name}: ${english.problem[problem ?? 'damaged']}`);
}

class Unusable extends Error {
  readonly problem: PhotoProblem;
  constructor(problem: PhotoProblem) {
    super(problem);
    this.problem = problem;
  }
}

function nameOf(source: PhotoSource): string {
  if (typeof source === 'string') {
    const last = source.replace(/[?#].*$/s, '').split('/').pop() ?? '';
    try {
      return decodeURIComponent(last);
    } catch {
      return last;
    }
  }
  return source instanceof File ? source.name : '';
}

/** A file with the name of the address, which the engine takes over into its result. */
async function fetchPhoto(address: string, base: string, name: string): Promise<File> {
  // No address, no network, or not allowed: a page cannot tell which.
  try {
    return new File([await fetchFile(new URL(address, base))], name);
  } catch {
    throw new Unusable('unreachable');
  }
}

/** A file that a page names by its address. */
export async function fetchFile(address: URL, signal?: AbortSignal): Promise<Blob> {
  try {
    const response = await fetch(address, signal ? { signal } : {});
    if (response.ok) return await response.blob();
    throw new Error(`status ${response.status}`);
  } catch (error) {
    signal?.throwIfAborted();
    throw new AnomalySDError('network', `${address.href} could not be fetched: ${String(error)}`, { cause: error });
  }
}

/** Looks at the first bytes: names and types given by the system lie often enough. */
async function checkType(blob: Blob): Promise<void> {
  const head = String.fromCharCode(...new Uint8Array(await blob.slice(0, 16).arrayBuffer()));
  const known = head.startsWith('\x89PNG') || head.startsWith('\xff\xd8\xff')
    || (head.startsWith('RIFF') && head.slice(8, 12) === 'WEBP');
  if (known) return;
  // HEIC and AVIF share a container; its brand tells them apart.
  if (head.slice(4, 8) === 'ftyp') throw new Unusable(head.slice(8, 11) === 'avi' ? 'avif' : 'heic');
  throw new Unusable('type');
}

/** A picture in memory as a PNG to show. */
function encode(image: ImageBitmap | ImageData): Promise<Blob> {
  const pen = surface(image.width, image.height, image instanceof ImageBitmap ? image : null);
  if (image instanceof ImageData) pen.putImageData(image, 0, 0);
  return blobOf(pen.canvas);
}

/** A canvas as PNG. */
export function blobOf(canvas: HTMLCanvasElement): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Unusable('damaged'))), 'image/png');
  });
}
