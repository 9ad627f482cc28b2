// The model that comes with the package, on WebGPU: one whole detection at its own size. Two and a half minutes in software, on two cores.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { browser, difference, judged, open, root, run, scratch, serve } from '../support.mjs';

const samples = join(root, 'samples/metal_nut');
const suspect = join(samples, 'suspect/stain.jpg');

const folder = scratch();
const profile = join(folder, 'nut.profile.safetensors');

let server;
let chromium;

before(async () => {
  server = await serve('--profiles', folder);
  chromium = await browser();
});

after(async () => {
  await chromium?.close();
  server?.stop();
});

test('mini judges a photo on WebGPU as the command does', async () => {
  run('fit', join(samples, 'good'), '--class', 'metal nut', '--out', profile, '--device', 'cpu');
  const { result: expected, map } = judged(suspect, profile, folder);

  const context = await chromium.newContext();
  const { page, heard } = await open(context, `${server.url}embed/plain.html`);
  page.on('console', (message) => console.log(message.text()));
  const got = await page.evaluate(async () => {
    const { AnomalySD } = await import('/anomalysd/index.js');
    const image = await (await fetch('/samples/metal_nut/suspect/stain.jpg')).blob();
    const began = performance.now();
    const seconds = () => (performance.now() - began) / 1000;
    const engine = await AnomalySD.load({ device: 'webgpu' });
    const loaded = seconds();
    const profile = await engine.openProfile(await (await fetch('/profiles/nut.profile.safetensors')).blob());
    let last = 0;
    const onProgress = ({ stage, fraction }) => {
      if (fraction < last + 0.1) return;
      last = fraction;
      console.log(`${seconds().toFixed(0)} s: ${Math.round(100 * fraction)} %, ${stage}`);
    };
    const result = await engine.detect(image, { profile, onProgress });
    return { loaded, judged: seconds() - loaded, json: result.toJSON(), map: [...result.map] };
  });
  const worst = difference(got.map, map.values);
  console.log(`loaded and checked in ${got.loaded.toFixed(0)} s, judged in ${got.judged.toFixed(0)} s`);
  console.log(`ms: ${JSON.stringify(got.json.timings_ms)}`);
  console.log(`score ${got.json.score}, command ${expected.score}; map within ${worst}`);
  assert.equal(got.json.device, 'webgpu');
  assert.ok(Math.abs(got.json.score - expected.score) <= 1e-3 * expected.score);
  assert.ok(worst <= 1e-2);
  assert.deepEqual(heard, []);
  await context.close();
});
