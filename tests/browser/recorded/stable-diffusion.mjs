// A model of Stable Diffusion 1.5's size in the page, on WebGPU in software: downloaded, judged, loaded again from the cache.
//
// An hour on two cores, so nobody's test command runs it. By hand, after `cargo xtask web`:
//
//   target/release/examples/random_checkpoint sd15     (cargo build --release --workspace --examples)
//   target/release/anomalysd export --model sd15 --out sd15-bundle
//   ANOMALYSD_BUNDLE=sd15-bundle node --test tests/browser/recorded/stable-diffusion.mjs

import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { difference, judged, open, persistent, root, run, scratch, serve } from '../support.mjs';

const HEAP_BYTES = 384e6;
const samples = join(root, 'samples/metal_nut');
const suspect = join(samples, 'suspect/stain.jpg');

/** In the page: loads the bundle, and tells of its progress. */
async function load() {
  const { AnomalySD } = await import('/anomalysd/index.js');
  const began = performance.now();
  const seconds = () => Math.round((performance.now() - began) / 1000);
  const bytes = [];
  let last = -1;
  const onProgress = ({ stage, done, total, fraction }) => {
    if (stage === 'download') bytes.push(done);
    const part = Math.floor(20 * fraction);
    if (part === last) return;
    last = part;
    console.log(`${seconds()} s: ${stage} ${done} of ${total}`);
  };
  window.engine = await AnomalySD.load({ device: 'webgpu', bundle: '/bundles/sd/', onProgress });
  const { heapBytes, model } = window.engine.info;
  return { seconds: seconds(), heapBytes, model, note: window.engine.note, rising: bytes.every((n, i) => i === 0 || n >= bytes[i - 1]), told: bytes.length };
}

test('a checkpoint of the real size is judged in the page as by the command', { timeout: 4 * 3600e3 }, async () => {
  const bundle = resolve(process.env.ANOMALYSD_BUNDLE ?? assert.fail('ANOMALYSD_BUNDLE names no bundle'));
  const { shards } = JSON.parse(readFileSync(join(bundle, 'bundle.json'), 'utf8'));
  const size = shards.reduce((sum, shard) => sum + shard.bytes, 0);
  const folder = scratch();
  const profile = join(folder, 'nut.profile.safetensors');
  const model = ['--model', bundle];
  const small = ['--size', '64', '--scales', '1', '--inference-steps', '1', '--device', 'cpu', '-q'];
  run('fit', join(samples, 'good'), '--class', 'metal nut', ...model, ...small, '--out', profile);
  const { result: expected, map } = judged(suspect, profile, folder, ...model);
  console.log(`command: score ${expected.score}, ms ${JSON.stringify(expected.timings_ms)}`);

  const server = await serve('--bundle', `sd=${bundle}`);
  // A profile on disk: what a private window may keep is too little for such a model.
  const context = await persistent(join(folder, 'browser'));
  const asked = [];
  context.on('request', (request) => {
    if (/\/bundles\/.*\.safetensors/.test(request.url())) asked.push(request.url());
  });
  const { page, heard } = await open(context, `${server.url}embed/plain.html`);
  page.setDefaultTimeout(0);
  page.on('console', (message) => console.log(`page: ${message.text()}`));

  const first = await page.evaluate(load);
  console.log(`first: ${JSON.stringify(first)}, ${asked.length} requests for ${size} bytes`);
  assert.ok(first.rising && first.told > 10, 'the download tells how far it is');
  assert.ok(asked.length >= shards.length);
  assert.equal(first.model.name, 'sd15');

  const got = await page.evaluate(async (bytes) => {
    const profile = await window.engine.openProfile(new Uint8Array(bytes));
    const image = await (await fetch('/samples/metal_nut/suspect/stain.jpg')).blob();
    const began = performance.now();
    let last = '';
    const onProgress = ({ stage, fraction }) => {
      const now = `${stage} ${Math.round(100 * fraction)} %`;
      if (now !== last) console.log(`${Math.round((performance.now() - began) / 1000)} s: ${now}`);
      last = now;
    };
    const result = await window.engine.detect(image, { profile, onProgress });
    const seconds = Math.round((performance.now() - began) / 1000);
    return { seconds, json: result.toJSON(), map: [...result.map], heapBytes: window.engine.info.heapBytes };
  }, [...readFileSync(profile)]);
  const worst = difference(got.map, map.values);
  // The memory of a WebAssembly module never shrinks: what it has at the end is the most it ever had.
  const heap = Math.max(first.heapBytes, got.heapBytes);
  console.log(`page: ${got.seconds} s, score ${got.json.score} (command ${expected.score}), map within ${worst}, heap ${heap}`);
  console.log(`ms: ${JSON.stringify(got.json.timings_ms)}`);
  assert.equal(got.json.device, 'webgpu');
  assert.ok(Math.abs(got.json.score - expected.score) <= 1e-2 * expected.score);
  assert.ok(heap < HEAP_BYTES, `the heap has ${heap} bytes`);

  await page.reload();
  asked.length = 0;
  const second = await page.evaluate(load);
  console.log(`again: ${JSON.stringify(second)}, ${asked.length} requests`);
  assert.deepEqual(asked, [], 'the second load comes from the cache');
  assert.deepEqual(heard, []);
  await context.close();
  server.stop();
  rmSync(folder, { recursive: true });
});
