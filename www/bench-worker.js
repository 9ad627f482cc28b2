// A worker of the bench: the engine without the package around it, for passes of one network at a time. Kept out of the
// package, which has no use for it.

let engine;
let dispatches = 0;

// What the engine asks of WebGPU, whatever it is built on.
for (const name of ['dispatchWorkgroups', 'dispatchWorkgroupsIndirect']) {
  const prototype = globalThis.GPUComputePassEncoder?.prototype;
  if (!prototype) break;
  const dispatch = prototype[name];
  prototype[name] = function (...args) {
    dispatches += 1;
    return dispatch.apply(this, args);
  };
}

const handlers = {
  /** `bundle`: address of a folder with a bundle.json. Its description is the answer. */
  async load({ device, bundle }) {
    const wasm = await import(`./anomalysd/wasm/${device}.js`);
    await wasm.default({ module_or_path: new URL(`./anomalysd/wasm/${device}_bg.wasm`, import.meta.url).href });
    const described = await fetched(new URL('bundle.json', bundle));
    const description = JSON.parse(await described.text());
    const files = new Map([['bundle.json', described]]);
    for (const { path } of description.shards) files.set(path, await fetched(new URL(path, bundle)));
    engine = await wasm.Engine.open(files, undefined, { check: false }, {});
    return { image_size: description.image_size, components: description.components, pixel_unshuffle: description.pixel_unshuffle };
  },

  /** One pass of `part` (`unet`, `encode`, `decode`) over a square `input`. */
  async pass({ part, input, side, timestep, context }) {
    return engine.pass(part, input, side, timestep, context);
  },
};

async function fetched(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: status ${response.status}`);
  return response.blob();
}

onmessage = async ({ data }) => {
  const before = dispatches;
  const began = performance.now();
  try {
    const value = await handlers[data.kind](data);
    postMessage({ value, ms: performance.now() - began, dispatches: dispatches - before });
  } catch (error) {
    postMessage({ error: error?.message ?? String(error) });
  }
};
