// The worker: one build of the engine, and the files that it is opened with. Requests may overlap, and are answered as
// they end; of those that take long, the page sends one at a time.

import { prepare } from './bundle/prepare.js';
import { AnomalySDError, toError } from './errors.js';
import type { Body, FromWorker, Kind, Report, ToWorker, Value } from './protocol.js';
import { Throttle } from './progress.js';
import type { Place } from './generated.js';
import type { Ignore, ImageInput } from './types.js';
import type { Hooks, Painted, PixelSource, WasmEngine, WasmModule, WasmProfile } from './wasm.js';

/** What a worker's global scope has; DOM's types are those of a window. */
interface WorkerScope {
  postMessage(message: FromWorker, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  onunhandledrejection: ((event: PromiseRejectionEvent) => void) | null;
}

/** How a handler reports and learns of an abort. */
interface Job {
  report(report: Report): void;
  keep(key: string, painted: Painted): void;
  signal: AbortSignal;
}

interface Answer<K extends Kind> {
  value: Value<K>;
  transfer?: Transferable[];
}

/** Larger files are no photos. */
const MAX_PHOTO_BYTES = 256 * 2 ** 20;

const scope = globalThis as unknown as WorkerScope;
const aborts = new Map<number, AbortController>();
/** By SHA-256; the page says which to let go. */
const profiles = new Map<string, WasmProfile>();
let wasm: WasmModule | undefined;
let engine: WasmEngine | undefined;
let onGpu = false;

const handlers: { [K in Kind]: (body: Body<K>, job: Job) => Promise<Answer<K>> } = {
  async prepare(body, { report, signal }) {
    return { value: await prepare(body, report, signal) };
  },

  async open({ device, files, features, module }, job) {
    job.report({ stage: 'start', photo: 0, photos: 1, done: 0, total: 1 });
    wasm = await load(module);
    onGpu = device === 'webgpu';
    // Only a graphics processor is checked before it is trusted, and that is what takes the time.
    if (device === 'webgpu') job.report({ stage: 'check', photo: 0, photos: 1, done: 0, total: 1 });
    engine = await wasm.Engine.open(files, features, {}, { ...hooks(job), lost: deviceLost });
    return { value: engine.info() };
  },

  async fit({ good, request, ignore }, job) {
    const pixels = await Promise.all(good.map(pixelsOf));
    const { bytes, info } = keep(await opened(engine).fit(pixels, { ...request, ignore: await placesOf(ignore) }, hooks(job)));
    return { value: { bytes, info, heapBytes: opened(wasm).heapBytes() }, transfer: [bytes.buffer] };
  },

  async openProfile({ bytes }) {
    return { value: keep(opened(engine).openProfile(bytes)).info };
  },

  async detect({ image, request, ignore, profile, bytes, forget, painted }, job) {
    for (const name of forget) {
      profiles.get(name)?.free();
      profiles.delete(name);
    }
    if (bytes !== null) keep(opened(engine).openProfile(bytes));
    const pixels = await pixelsOf(image);
    // The processor is never lost.
    const kept = onGpu ? { recall: (key: string) => painted.get(key), keep: job.keep } : {};
    const asked = { ...request, ignore: await placesOf(ignore) };
    const detection = await opened(engine).detect(opened(profiles.get(profile)), pixels, asked, { ...hooks(job), ...kept });
    try {
      const result = detection.result();
      const map = detection.map();
      const photo = await bitmap(detection.photo(), result.map);
      const repaired = await bitmap(detection.repaired(), result.map);
      const [heapBytes, smallest] = [opened(wasm).heapBytes(), detection.smallest()];
      return { value: { result, map, photo, repaired, smallest, heapBytes }, transfer: [map.buffer, photo, repaired] };
    } finally {
      detection.free();
    }
  },

  async judge({ map, width, height, score, threshold, peak, smallest }) {
    return { value: opened(wasm).judge(map, width, height, score, threshold, peak, smallest) };
  },

  async render({ map, width, height, threshold, view }) {
    const paint = view === 'heat' ? opened(wasm).heatMap : opened(wasm).contour;
    return picture(await bitmap(paint(map, width, height, threshold), { width, height }));
  },

  async legend({ width, threshold }) {
    const { data, ...size } = opened(wasm).legend(width, threshold);
    return picture(await bitmap(data, size));
  },
};

/** Loads one build. Its address comes from the page, so no bundler looks for it here. */
async function load({ script, wasm }: { script: string; wasm: string }): Promise<WasmModule> {
  try {
    const module = (await import(script)) as WasmModule;
    await module.default({ module_or_path: wasm });
    return module;
  } catch (thrown) {
    const { message } = toError(thrown);
    if (thrown instanceof WebAssembly.CompileError || thrown instanceof WebAssembly.LinkError) {
      throw new AnomalySDError('unsupported', `This browser cannot run the engine's WebAssembly: ${message}`);
    }
    throw new AnomalySDError('network', `The engine cannot be loaded from ${script}: ${message}`);
  }
}

/** Holds a profile for the next detection. */
function keep(profile: WasmProfile): { bytes: Uint8Array<ArrayBuffer>; info: ReturnType<WasmProfile['info']> } {
  const info = profile.info();
  const bytes = profile.bytes();
  // One that is held already may be in use by a job.
  if (profiles.has(info.sha256)) profile.free();
  else profiles.set(info.sha256, profile);
  return { bytes, info };
}

/** Rectangles as they are; those of a mask from the engine, which decodes it. */
async function placesOf(ignore: Ignore): Promise<Place[]> {
  if (!(ignore instanceof Blob)) return [...ignore];
  if (ignore.size > MAX_PHOTO_BYTES) throw new AnomalySDError('bad-image', `A mask of ${ignore.size} bytes is not read.`);
  return opened(wasm).places(new Uint8Array(await ignore.arrayBuffer()));
}

async function pixelsOf(image: ImageInput): Promise<PixelSource> {
  if (image instanceof ImageData) return image;
  if (image instanceof Blob) {
    if (image.size <= MAX_PHOTO_BYTES) return new Uint8Array(await image.arrayBuffer());
    throw new AnomalySDError('bad-image', `A photo of ${image.size} bytes is not read.`);
  }
  if (!(image instanceof ImageBitmap)) {
    throw new AnomalySDError('bad-image', 'A photo is a Blob, ImageBitmap or ImageData.');
  }
  const { width, height } = image;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  context?.drawImage(image, 0, 0);
  image.close();
  return opened(context).getImageData(0, 0, width, height);
}

function bitmap(
  rgba: Uint8ClampedArray<ArrayBuffer>,
  { width, height }: { width: number; height: number },
): Promise<ImageBitmap> {
  return createImageBitmap(new ImageData(rgba, width, height));
}

function picture(value: ImageBitmap): { value: ImageBitmap; transfer: Transferable[] } {
  return { value, transfer: [value] };
}

function hooks({ report, signal }: Job): Hooks {
  return { progress: report, aborted: () => signal.aborted };
}

/** A lost device may leave a job waiting for ever: everything ends here, at once. */
function deviceLost(reason: string, error: string | null): void {
  const said = error === null ? '' : ` after an error, so that its numbers are not trusted: ${error}`;
  // With wrong numbers nothing goes on.
  const code = error === null ? 'device-lost' : 'unsupported';
  scope.postMessage({ lost: { code, message: `The graphics processor went away: ${reason}${said}` } });
}

/** What the order of requests promises to be there. */
function opened<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new AnomalySDError('internal', 'The engine is not open.');
  return value;
}

/** A trap leaves the module's memory in no known state; what it held cannot be used any more. */
function isFatal(thrown: unknown): boolean {
  return thrown instanceof WebAssembly.RuntimeError || toError(thrown).code === 'device-lost';
}

async function serve(message: Exclude<ToWorker, { kind: 'abort' }>): Promise<void> {
  const { id, kind, body } = message;
  const progress = new Throttle((report) => scope.postMessage({ id, progress: report }));
  const abort = new AbortController();
  aborts.set(id, abort);
  try {
    // The kind decides on the body's type; TypeScript does not follow the two through one variable.
    const handler = handlers[kind] as (body: unknown, job: Job) => Promise<Answer<Kind>>;
    const keep = (key: string, painted: Painted) => scope.postMessage({ id, key, painted }, [painted.data.buffer]);
    const { value, transfer = [] } = await handler(body, { report: progress.push, keep, signal: abort.signal });
    progress.flush();
    scope.postMessage({ id, value }, transfer);
  } catch (thrown) {
    progress.flush();
    const { code, message } = toError(thrown);
    scope.postMessage({ id, error: { code, message }, lost: isFatal(thrown) });
  } finally {
    aborts.delete(id);
  }
}

scope.onmessage = ({ data }) => {
  if (data.kind === 'abort') aborts.get(data.id)?.abort();
  else void serve(data);
};

// A trap inside an asynchronous call of the module surfaces here and nowhere else; the call itself never ends.
scope.onunhandledrejection = ({ reason }) => {
  const { code, message } = toError(reason);
  scope.postMessage({ lost: { code, message } });
};

scope.postMessage({ ready: true });
