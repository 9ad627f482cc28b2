// Where the package's own files are.

import type { BundleSource } from './bundle/source.js';
import type { Device } from './generated.js';
import type { ModuleUrls } from './protocol.js';
import type { Assets } from './types.js';

/** Addresses of everything that is loaded when it is needed. */
export interface Places {
  worker: URL;
  modules: Record<Device, ModuleUrls>;
  mini: BundleSource;
  features: URL;
}

/**
 * The addresses, with what the caller says in place of the folder of this module.
 *
 * Each default is spelt out as `new URL('file', import.meta.url)`: so bundlers find the files, copy them and put their
 * own addresses here.
 */
export function places({ worker, wasm, models }: Assets = {}): Places {
  return {
    worker: worker === undefined ? new URL('./worker.js', import.meta.url) : resolve(worker),
    modules:
      wasm === undefined
        ? {
            cpu: module(new URL('./wasm/cpu.js', import.meta.url), new URL('./wasm/cpu_bg.wasm', import.meta.url)),
            webgpu: module(
              new URL('./wasm/webgpu.js', import.meta.url),
              new URL('./wasm/webgpu_bg.wasm', import.meta.url),
            ),
          }
        : {
            cpu: module(inside(wasm, 'cpu.js'), inside(wasm, 'cpu_bg.wasm')),
            webgpu: module(inside(wasm, 'webgpu.js'), inside(wasm, 'webgpu_bg.wasm')),
          },
    mini:
      models === undefined
        ? {
            manifest: new URL('./models/mini/bundle.json', import.meta.url).href,
            shards: { '000.safetensors': new URL('./models/mini/000.safetensors', import.meta.url).href },
          }
        : { manifest: inside(models, 'mini/bundle.json').href, shards: {} },
    features:
      models === undefined
        ? new URL('./models/efficientnet-lite0.safetensors', import.meta.url)
        : inside(models, 'efficientnet-lite0.safetensors'),
  };
}

/** An address that may be relative to `base`, and that to the page. */
export function resolve(address: URL | string, base?: URL | string): URL {
  const page = globalThis.document?.baseURI;
  return new URL(address, base === undefined ? page : new URL(base, page));
}

/** A file of a folder, whose address may end with a slash or not. */
export function inside(folder: URL | string, file: string): URL {
  const url = resolve(folder);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return new URL(file, url);
}

function module(script: URL, wasm: URL): ModuleUrls {
  return { script: script.href, wasm: wasm.href };
}
