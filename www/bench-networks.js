// `?bench`: each network alone, in a worker of its own.

/** Times of U-Net, encoder and decoder on one photo of `size` pixels: the first pass, in which shaders are compiled, and the median of `runs` others. */
export async function measureNetworks({ bundle, device, size, runs, say }) {
  const worker = new Worker(new URL('./bench-worker.js', import.meta.url), { type: 'module' });
  const ask = (message) =>
    new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message ?? 'the worker of the bench did not start'));
      worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data));
      worker.postMessage(message);
    });
  try {
    const address = new URL(bundle === 'mini' ? './anomalysd/models/mini/' : bundle.replace(/\/?$/, '/'), document.baseURI).href;
    const { value: model } = await ask({ kind: 'load', device, bundle: address });
    const networks = {};
    for (const [part, message] of Object.entries(inputs(model, size ?? model.image_size))) {
      say(`Network: ${part}.`);
      const first = await ask({ kind: 'pass', part, ...message });
      const times = [];
      for (let run = 0; run < runs; run += 1) times.push((await ask({ kind: 'pass', part, ...message })).ms);
      const { dispatches } = await ask({ kind: 'pass', part, ...message });
      networks[part] = { first_ms: tenths(first.ms), ms: tenths(median(times)), dispatches };
    }
    return networks;
  } finally {
    worker.terminate();
  }
}

/** What each network sees, of the shapes that the bundle's configurations say. */
function inputs({ components, pixel_unshuffle: unshuffle }, size) {
  const { unet, vae, text_encoder: text } = components;
  const factor = (unshuffle ?? 1) * 2 ** (vae.block_out_channels.length - 1);
  const multiple = factor * 2 ** (unet.block_out_channels.length - 1);
  const side = Math.ceil(size / multiple) * multiple;
  const cells = side / factor;
  const square = (channels, width) => new Float32Array(channels * width * width).fill(0.5);
  const rest = { timestep: 501, context: new Float32Array() };
  return {
    unet: { ...rest, input: square(unet.in_channels, cells), side: cells, context: square(text.max_position_embeddings * text.hidden_size, 1) },
    encode: { ...rest, input: square(3, side), side },
    decode: { ...rest, input: square(vae.latent_channels, cells), side: cells },
  };
}

function median(times) {
  return times.toSorted((a, b) => a - b)[times.length >> 1];
}

function tenths(value) {
  return Math.round(value * 10) / 10;
}
