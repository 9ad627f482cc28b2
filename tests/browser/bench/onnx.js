// A worker with onnxruntime-web: one thread, simd; the same U-Net as a graph.

let ort;
let session;

const handlers = {
  async load({ device }) {
    ort = await import(device === 'cpu' ? '/onnx/ort.wasm.min.mjs' : '/onnx/ort.webgpu.min.mjs');
    ort.env.wasm.wasmPaths = '/onnx/';
    ort.env.wasm.numThreads = 1;
    const graph = new Uint8Array(await (await fetch('/onnx/unet.onnx')).arrayBuffer());
    const options = { executionProviders: [device === 'cpu' ? 'wasm' : 'webgpu'], graphOptimizationLevel: 'all' };
    session = await ort.InferenceSession.create(graph, options);
  },
  async pass({ input, timestep, context, shapes }) {
    const feeds = {
      sample: new ort.Tensor('float32', input, shapes.sample),
      timestep: new ort.Tensor('float32', new Float32Array([timestep]), shapes.timestep),
      context: new ort.Tensor('float32', context, shapes.context),
    };
    const { prediction } = await session.run(feeds);
    return prediction.getData();
  },
};

onmessage = async ({ data }) => {
  const began = performance.now();
  try {
    const value = await handlers[data.kind](data);
    postMessage({ value, ms: performance.now() - began });
  } catch (error) {
    postMessage({ error: error?.message ?? String(error) });
  }
};
