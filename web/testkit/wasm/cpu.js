// Stands in for the engine's WebAssembly module; `globalThis.fakeEngine` may replace any step.

const fake = () => globalThis.fakeEngine;
const size = { width: 3, height: 2 };
let heap = 1;
const identity = { name: 'mini', sha256: 'a'.repeat(64) };

export default async function init(input) {
  await fake().init?.(input);
}

export class Engine {
  static device = 'cpu';

  static async open(files, features, _options, hooks) {
    fake().opened = { files, features };
    await fake().open?.(this.device, hooks);
    heap = 1;
    const engine = new this();
    engine.device = this.device;
    return engine;
  }

  info() {
    return { device: this.device, model: identity, features: identity, size: 256, heapBytes: heap };
  }

  async fit(good, request, hooks) {
    heap += 1;
    fake().fitted = { good, request };
    hooks.progress({ stage: 'encode', photo: 0, photos: 1, done: 1, total: 2 });
    await fake().fit?.(hooks);
    return new Profile(Uint8Array.of(good.length));
  }

  openProfile(bytes) {
    fake().openedProfiles = (fake().openedProfiles ?? 0) + 1;
    if (bytes.length === 0) throw { code: 'bad-profile', message: 'It is empty.' };
    return new Profile(bytes);
  }

  async detect(profile, image, request, hooks) {
    heap += 1;
    fake().detected = { profile, image, request };
    hooks.progress({ stage: 'fuse', photo: 0, photos: 1, done: 2, total: 2 });
    await fake().detect?.(hooks, request);
    return new Detection(profile, request);
  }
}

class Profile {
  constructor(bytes) {
    this.held = bytes;
  }

  bytes() {
    return this.held.slice();
  }

  info() {
    return { sha256: `profile-${this.held.join('-')}`, model: identity, features: identity, classes: [] };
  }

  free() {
    (fake().freed ??= []).push(this.info().sha256);
  }
}

class Detection {
  constructor(profile, request) {
    this.json = {
      schema: 'anomalysd.result.v1',
      image: request.image,
      class: 'part',
      score: 1.5,
      p_value: null,
      p_approximate: false,
      threshold: request.threshold ?? 1,
      verdict: 'anomalous',
      calibration: { kind: 'views', n: 3, false_alarm_rate_supported: null, stale: false, peak: 2 },
      regions: [],
      map: { ...size, max: 3, file: null },
      repaired: null,
      model: identity,
      features: identity,
      profile: { sha256: profile.info().sha256 },
      device: 'cpu',
      mode: request.mode ?? 'fast',
      seed: request.seed ?? 0,
      timings_ms: { total: 1 },
    };
  }

  result() {
    return this.json;
  }

  map() {
    return Float32Array.of(0, 1, 2, 3, 2, 1);
  }

  photo() {
    return new Uint8ClampedArray(24).fill(1);
  }

  repaired() {
    return new Uint8ClampedArray(24).fill(2);
  }

  smallest() {
    return 7;
  }

  free() {}
}

/** One rectangle, whose width tells how long the mask was. */
export function places(mask) {
  return [{ x: 0, y: 0, width: mask.length / 10, height: 1 }];
}

/** Grows by a byte with each job. */
export function heapBytes() {
  return heap;
}

export function heatMap(map, width, height, threshold) {
  return new Uint8ClampedArray(width * height * 4).fill(threshold * 10);
}

export function contour(map, width, height) {
  return new Uint8ClampedArray(width * height * 4);
}

export function legend(width) {
  return { width, height: 5, data: new Uint8ClampedArray(width * 5 * 4) };
}

export function judge(map, width, height, score, threshold, peak, smallest) {
  return {
    verdict: score > threshold ? 'suspect' : 'ok',
    regions: [{ x: 0, y: 0, width, height, area: smallest, peak, mean: 0 }],
  };
}
