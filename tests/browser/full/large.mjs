// A model of 300 MB: its weights go to the GPU shard by shard, and the module's memory does not grow with them.

import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { browser, open, run, scratch, serve } from '../support.mjs';

/** The small model's architecture at nearly the widths of Stable Diffusion's U-Net; its weights are all but random. */
const LARGE = {
  vae: { latent_channels: 4, channels: 64, groups: 4, batch: 1, crop: 64, pca_pictures: 8 },
  unet: { block_out_channels: [256, 512, 768], heads: 8, text_width: 512, batch: 1, size: 64 },
};
const HEAP_BYTES = 384e6;

const folder = scratch();
let server;
let chromium;

before(async () => {
  const inside = (...names) => join(folder, ...names);
  writeFileSync(inside('large.json'), JSON.stringify(LARGE));
  const steps = ['--vae-steps', '1', '--unet-steps', '1', '--workers', '1', '-q'];
  run('pretrain', inside('large.json'), '--out', inside('trained'), ...steps);
  // Its checkpoints take ten times the room of the weights.
  const weights = inside('trained/mini.safetensors');
  run('export', '--model', weights, '--out', inside('large'), '--f16');
  rmSync(inside('trained'), { recursive: true });
  server = await serve('--bundle', `large=${inside('large')}`);
  chromium = await browser();
});

after(async () => {
  await chromium?.close();
  server?.stop();
  rmSync(folder, { recursive: true });
});

test('a model of 300 MB leaves the heap of the WebGPU engine below 384 MB', async () => {
  const { shards } = JSON.parse(readFileSync(join(folder, 'large/bundle.json'), 'utf8'));
  const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
  assert.ok(bytes >= 300e6, `the bundle has ${bytes} bytes`);
  const context = await chromium.newContext();
  const { page, heard } = await open(context, `${server.url}embed/plain.html`);
  page.setDefaultTimeout(0);
  const got = await page.evaluate(async () => {
    const { AnomalySD } = await import('/anomalysd/index.js');
    const bundle = '/bundles/large/';
    const began = performance.now();
    const capabilities = await AnomalySD.capabilities({ bundle });
    const engine = await AnomalySD.load({ device: 'webgpu', bundle });
    const seconds = (performance.now() - began) / 1000;
    const { heapBytes } = engine.info;
    engine.dispose();
    return { capabilities, heapBytes, seconds };
  });
  console.log(`${bytes} bytes in ${shards.length} shards, heap ${got.heapBytes}, ${got.seconds.toFixed(0)} s`);
  assert.equal(got.capabilities.downloadBytes, bytes);
  assert.ok(got.heapBytes <= HEAP_BYTES, `the heap has ${got.heapBytes} bytes`);
  assert.deepEqual(heard, []);
  await context.close();
});
