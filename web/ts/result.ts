// What a detection and a fit give.

import type { CalibrationSummary, DetectionResult, Identity, Mode, ProfileInfo, Region, Verdict } from './generated.js';
import type { DetectionData, ProfileData } from './protocol.js';

/** What a fit made of good photos: the bytes of the file that the command reads and writes, and what is in it. */
export class Profile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly info: ProfileInfo;

  /** @internal */
  constructor({ bytes, info }: ProfileData) {
    this.bytes = bytes;
    this.info = info;
  }

  /** The profile as a file to save. */
  toBlob(): Blob {
    return new Blob([this.bytes], { type: 'application/octet-stream' });
  }
}

/** One judged photo. */
export class Result {
  /** S, row by row: 1 is about the top of normal. */
  readonly map: Float32Array<ArrayBuffer>;
  /** The photo as it was judged: turned upright and resized. */
  readonly photo: ImageBitmap;
  /** The photo as it should look. */
  readonly repaired: ImageBitmap;
  /** @internal Pixels of the smallest place that counts. */
  readonly smallest: number;
  readonly #result: DetectionResult;

  /** @internal */
  constructor({ result, map, photo, repaired, smallest }: DetectionData) {
    this.#result = result;
    this.smallest = smallest;
    this.map = map;
    this.photo = photo;
    this.repaired = repaired;
  }

  /** Width of the map and of both photos. */
  get width(): number {
    return this.#result.map.width;
  }

  /** Height of the map and of both photos. */
  get height(): number {
    return this.#result.map.height;
  }

  /** Highest value of the map. */
  get max(): number {
    return this.#result.map.max;
  }

  /** Name of the photo. */
  get image(): string {
    return this.#result.image;
  }

  /** Name of the class. */
  get className(): string {
    return this.#result.class;
  }

  get score(): number {
    return this.#result.score;
  }

  /** Probability that a good photo scores at least this; `null` where the calibration supports none. */
  get pValue(): number | null {
    return this.#result.p_value;
  }

  get pApproximate(): boolean {
    return this.#result.p_approximate;
  }

  /** The score above which a photo is suspect. */
  get threshold(): number {
    return this.#result.threshold;
  }

  get verdict(): Verdict {
    return this.#result.verdict;
  }

  /** On what the threshold rests. */
  get calibration(): CalibrationSummary {
    return this.#result.calibration;
  }

  /** Where the photo differs, by falling peak. */
  get regions(): Region[] {
    return this.#result.regions;
  }

  get model(): Identity | null {
    return this.#result.model;
  }

  get features(): Identity {
    return this.#result.features;
  }

  get profile(): { sha256: string } | null {
    return this.#result.profile;
  }

  get device(): string {
    return this.#result.device;
  }

  get mode(): Mode {
    return this.#result.mode;
  }

  get seed(): number {
    return this.#result.seed;
  }

  /** Milliseconds by stage. */
  get timingsMs(): Record<string, number> {
    return this.#result.timings_ms;
  }

  /** The result as the command writes it. */
  toJSON(): DetectionResult {
    return this.#result;
  }

  /** The map as NumPy's `.npy`, which keeps every value: `numpy.load(file)` gives `[height, width]`. */
  toMapBlob(): Blob {
    const table = `{'descr': '<f4', 'fortran_order': False, 'shape': (${this.height}, ${this.width}), }`;
    // Magic, version and length are ten bytes; a line break ends the header at a multiple of 64.
    const length = Math.ceil((10 + table.length + 1) / 64) * 64 - 10;
    const magic = new Uint8Array([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, length & 0xff, length >> 8]);
    return new Blob([magic, `${table.padEnd(length - 1)}\n`, this.map], { type: 'application/octet-stream' });
  }
}
