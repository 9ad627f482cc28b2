// The model that comes with the package, on WebGPU: one whole fit and detection at its own size. Minutes in software.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { browser, difference, open, readMap, root, run, scratch, serve } from '../support.mjs';

const samples = join(root, 'samples/metal_nut');
const suspect = join(samples, 'suspect/stain.jpg');

let server;
let chromium;

before(async () => {
  server = await serve();
  chromium = await browser();
});

after(async () => {
  await chromium?.close();
  server?.stop();
});

test('mini fits and judges on WebGPU as the command does', async () => {
  const folder = scratch();
  const context = await chromium.newContext();
  const { page, heard } = await open(context, `${server.url}embed/plain.html`);
  page.setDefaultTimeout(0);
  const got = await page.evaluate(async () => {
    const { AnomalySD } = await import('/anomalysd/index.js');
    const photo = async (name) => (await fetch(`/samples/metal_nut/${name}.jpg`)).blob();
    const good = await Promise.all([0, 1].map((n) => photo(`good/${n}`)));
    const seconds = {};
    const timed = async (what, work) => {
      const began = performance.now();
      const value = await work();
      seconds[what] = (performance.now() - began) / 1000;
      return value;
    };
    const engine = await timed('load', () => AnomalySD.load({ device: 'webgpu' }));
    const profile = await timed('fit', () => engine.fit({ good, className: 'metal nut' }));
    const image = await photo('suspect/stain');
    const detect = () => engine.detect(image, { profile });
    await timed('first detection', detect);
    const result = await timed('second detection', detect);
    return { seconds, json: result.toJSON(), map: [...result.map], bytes: [...profile.bytes] };
  });
  const profile = join(folder, 'page.profile.safetensors');
  writeFileSync(profile, Uint8Array.from(got.bytes));
  run('detect', suspect, '--profile', profile, '--device', 'cpu', '--out', folder);
  const expected = JSON.parse(readFileSync(join(folder, 'stain/result.json'), 'utf8'));
  const worst = difference(got.map, readMap(join(folder, 'stain/map.png'), expected.map.max).values);
  console.log(`seconds: ${JSON.stringify(got.seconds)}`);
  console.log(`ms: ${JSON.stringify(got.json.timings_ms)}`);
  console.log(`score ${got.json.score}, command ${expected.score}; map within ${worst}`);
  assert.equal(got.json.device, 'webgpu');
  assert.ok(Math.abs(got.json.score - expected.score) <= 1e-3 * expected.score);
  assert.ok(worst <= 1e-2);
  assert.deepEqual(heard, []);
  await context.close();
});
