// AnomalySD in the browser: the package's front door. Importing it does nothing yet, also on a server.

import { places, resolve, type Places } from './assets.js';
import { SMALL_BYTES } from './bundle/prepare.js';
import { bundleSource, readManifest } from './bundle/source.js';
import { chooseDevice, needs, probeGpu } from './capabilities.js';
import { Client, startWorker, type Watch } from './client.js';
import { Engine } from './engine.js';
import { abortError } from './errors.js';
import type { Device } from './generated.js';
import { Pace } from './progress.js';
import type { Prepared, PrepareBody, Report } from './protocol.js';
import { Session } from './session.js';
import type { Capabilities, CapabilitiesOptions, LoadOptions } from './types.js';

export { AnomalySDError, type ErrorCode } from './errors.js';
export { Engine } from './engine.js';
export { Profile, Result } from './result.js';
export type * from './types.js';

/** Says what this browser can do with a bundle. Of the bundle, only its table of contents is fetched. */
async function capabilities(options: CapabilitiesOptions = {}): Promise<Capabilities> {
  const { bundle = 'mini', baseUrl, assets, device = 'auto' } = options;
  const source = bundleSource(bundle, places(assets), baseUrl);
  const { manifest } = await readManifest(source);
  const gpu = await probeGpu();
  const needed = needs(manifest, gpu);
  const choice = chooseDevice(needed, gpu, device);
  const { quota, usage } = await estimate();
  return {
    ...gpu,
    ...choice,
    downloadBytes: 'picked' in source ? 0 : manifest.shards.reduce((sum, { bytes }) => sum + bytes, 0),
    memoryBytes: needed.memoryBytes[choice.device],
    ...(quota === undefined || usage === undefined ? {} : { quota: { quota, usage } }),
  };
}

/** Loads an engine: fetches what is not stored, checks every hash, starts a worker and opens the device. */
async function load(options: LoadOptions = {}): Promise<Engine> {
  const { bundle = 'mini', baseUrl, features, device = 'auto', signal } = options;
  const at = places(options.assets);
  const report = new Pace('load', options.onProgress).report;
  const body: PrepareBody = {
    bundle: bundleSource(bundle, at, baseUrl),
    features: features instanceof Blob ? features : resolve(features ?? at.features).href,
    device,
  };
  const fetcher = new Client(startWorker(at.worker), () => {});
  try {
    const prepared = await fetcher.request('prepare', body, { report: askForStorage(report), signal });
    return await open(prepared, device, at, { report, signal });
  } finally {
    // Kept until the files are read: they are its Blobs.
    fetcher.close(abortError());
  }
}

/** Opens the engine on the device that was chosen; with `auto` on the processor where WebGPU turns out not to work. */
async function open(prepared: Prepared, wanted: 'auto' | Device, at: Places, watch: Watch): Promise<Engine> {
  const { device, files, features, note } = prepared;
  const devices: Device[] = device === 'webgpu' && wanted === 'auto' ? ['webgpu', 'cpu'] : [device];
  const setups = devices.map((device) => ({ device, files, features, module: at.modules[device] }));
  const session = new Session(() => startWorker(at.worker), setups);
  return new Engine(session, (await session.open(watch)).info, note);
}

/** Passes reports on and, once a large download shows, asks that what is stored be kept: only a page may ask. */
function askForStorage(report: (report: Report) => void): (report: Report) => void {
  let asked = false;
  return (progress) => {
    if (!asked && progress.stage === 'download' && progress.total > SMALL_BYTES) {
      asked = true;
      // A refusal changes nothing for this visit.
      globalThis.navigator?.storage?.persist?.().catch(() => {});
    }
    report(progress);
  };
}

/** What may be stored here; nothing on a server, in a sandboxed frame and without TLS. */
async function estimate(): Promise<StorageEstimate> {
  try {
    return await navigator.storage.estimate();
  } catch {
    return {};
  }
}

/** The entry: `const engine = await AnomalySD.load()`. */
export const AnomalySD = { capabilities, load };
