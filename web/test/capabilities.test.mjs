import assert from 'node:assert/strict';
import { test } from 'node:test';
import { globals, gpuWith } from '../testkit/browser.mjs';
import { source } from '../testkit/modules.mjs';
import { bundle, serve } from '../testkit/server.mjs';

const { chooseDevice, needs, probeGpu } = await source('capabilities');
const { AnomalySD } = await source('index');

const MIB = 2 ** 20;
/** Tensors of so many values. */
const tensors = (...sizes) => ({ tensors: sizes.map((size) => ({ size, half: true, table: false })) });
const small = needs(tensors(1000, 2000), { f16: false });
const none = { webgpu: false, adapter: null, limits: null, f16: false };

/** What a browser with that `navigator.gpu` says. */
async function probed(t, gpu) {
  globals(t, { navigator: { gpu } });
  return probeGpu();
}

test('memory is the weights and the activations; weights are halves where the graphics processor has them', () => {
  const full = 12_000 + 256 * MIB;
  assert.deepEqual(small, { memoryBytes: { cpu: full, webgpu: full }, largestTensorBytes: 8000 });
  const halves = needs(tensors(1000, 2000), { f16: true });
  assert.deepEqual(halves.memoryBytes, { cpu: full, webgpu: 6000 + 8000 + 256 * MIB });
});

test('a browser without WebGPU computes on the processor', () => {
  assert.deepEqual(chooseDevice(small, none, 'auto'), {
    device: 'cpu',
    fits: true,
    reason: 'This browser has no WebGPU.',
  });
  assert.deepEqual(chooseDevice(small, none, 'cpu'), { device: 'cpu', fits: true, reason: null });
  assert.deepEqual(chooseDevice(small, none, 'webgpu'), {
    device: 'webgpu',
    fits: false,
    reason: 'This browser has no WebGPU.',
  });
});

test('WebGPU without an adapter, or with one that fails to answer, is no WebGPU', async (t) => {
  for (const requestAdapter of [async () => null, async () => Promise.reject(new Error('blocked'))]) {
    const gpu = await probed(t, { requestAdapter });
    assert.deepEqual(gpu, { ...none, webgpu: true });
    assert.match(chooseDevice(small, gpu, 'auto').reason, /no graphics processor/);
  }
});

test('a real adapter is taken, an emulated one only where it is asked for', async (t) => {
  const real = await probed(t, gpuWith({ features: ['shader-f16'] }));
  assert.equal(real.f16, true);
  assert.deepEqual(chooseDevice(small, real, 'auto'), { device: 'webgpu', fits: true, reason: null });
  const emulated = await probed(t, gpuWith({ fallback: true }));
  assert.match(chooseDevice(small, emulated, 'auto').reason, /only emulated/);
  assert.deepEqual(chooseDevice(small, emulated, 'webgpu'), { device: 'webgpu', fits: true, reason: null });
});

test('a tensor beyond a binding is said with both numbers; auto takes the processor', async (t) => {
  const clip = needs(tensors(49_408 * 768), { f16: false });
  const gpu = await probed(t, gpuWith({ limit: 128 * MIB }));
  assert.deepEqual(chooseDevice(clip, gpu, 'webgpu'), {
    device: 'webgpu',
    fits: false,
    reason: 'The model has a tensor of 152 MB, the graphics processor takes 134 MB at most.',
  });
  assert.equal(chooseDevice(clip, gpu, 'auto').device, 'cpu');
});

test('a table of tokens beyond a binding is cut, and no reason', async (t) => {
  const table = needs({ tensors: [{ size: 49_408 * 768, half: true, table: true }] }, { f16: false });
  const gpu = await probed(t, gpuWith({ limit: 128 * MIB }));
  assert.deepEqual(chooseDevice(table, gpu, 'webgpu'), { device: 'webgpu', fits: true, reason: null });
});

test('a model that fits nowhere gets both reasons', async (t) => {
  const huge = needs(tensors(...Array(40).fill(2 ** 26)), { f16: false });
  const gpu = await probed(t, gpuWith());
  const { device, fits, reason } = chooseDevice(huge, gpu, 'auto');
  assert.deepEqual({ device, fits }, { device: 'cpu', fits: false });
  assert.match(reason, /about 11006 MB, more than the 8590 MB that are tried.* WebAssembly has 3758 MB/);
});

test('capabilities read a bundle without fetching a shard', async (t) => {
  const model = bundle({ count: 3, tensors: { 'vae.a': { shape: [10, 10] } } });
  const server = serve(t, model.files);
  globals(t, { navigator: { gpu: gpuWith(), storage: { estimate: async () => ({ quota: 5, usage: 2 }) } } });
  assert.deepEqual(await AnomalySD.capabilities({ bundle: model.at }), {
    webgpu: true,
    adapter: { vendor: 'acme', architecture: 'one', description: '', isFallback: false },
    limits: { maxBufferSize: 2 ** 30, maxStorageBufferBindingSize: 2 ** 30 },
    f16: false,
    device: 'webgpu',
    fits: true,
    reason: null,
    downloadBytes: 3000,
    memoryBytes: 400 + 256 * MIB,
    quota: { quota: 5, usage: 2 },
  });
  assert.deepEqual(server.log, [`${model.at}bundle.json`]);
});

test('capabilities are those of the device that is asked for', async (t) => {
  const model = bundle({ count: 1, tensors: { 'vae.a': { shape: [10, 10] } } });
  serve(t, model.files);
  globals(t, { navigator: {} });
  const asked = async (device) => {
    const { device: taken, fits, reason } = await AnomalySD.capabilities({ bundle: model.at, device });
    return { taken, fits, reason };
  };
  const none = 'This browser has no WebGPU.';
  assert.deepEqual(await asked('auto'), { taken: 'cpu', fits: true, reason: none });
  assert.deepEqual(await asked('webgpu'), { taken: 'webgpu', fits: false, reason: none });
  assert.deepEqual(await asked('cpu'), { taken: 'cpu', fits: true, reason: null });
});

test('capabilities of a bundle that is not there are an error of the network', async (t) => {
  serve(t, new Map());
  await assert.rejects(AnomalySD.capabilities({ bundle: 'https://models.test/none' }), { code: 'network' });
});
