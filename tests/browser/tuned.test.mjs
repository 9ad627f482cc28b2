// Models that the command tuned, in a real browser: the same numbers as natively, by a profile and by a bundle.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { browser, difference, judged, open, root, run, scratch, serve } from './support.mjs';

const good = join(root, 'samples/metal_nut/good');
const suspect = join(root, 'samples/metal_nut/suspect/stain.jpg');
/** Small photos, repairs alone in the score, large steps: five of them change it by more than what is compared. */
const FIT = ['fit', good, '--class', 'metal nut', '--size', '128', '--k-shot', '2', '--fusion-alpha', '0', '--device', 'cpu'];
const TUNE = ['--steps', '5', '--decoder-steps', '5', '--train-batch-size', '1', '--learning-rate', '0.02', '--quiet'];

const folder = scratch();
const lora = join(folder, 'lora.profile.safetensors');
const full = join(folder, 'full.profile.safetensors');
const plain = join(folder, 'plain.profile.safetensors');
const model = join(folder, 'full.model');
const native = {};
let server;
let chromium;

before(async () => {
  run(...FIT, '--out', plain);
  run(...FIT, '--out', lora, '--tune', 'lora', '--lora-convolutions', ...TUNE);
  run(...FIT, '--out', full, '--tune', 'full', ...TUNE);
  run('export', '--model', model, '--out', join(folder, 'tuned'));
  native.plain = judged(suspect, plain, join(folder, 'plain'));
  native.lora = judged(suspect, lora, join(folder, 'lora'));
  native.full = judged(suspect, full, join(folder, 'full'), '--model', model);
  server = await serve('--profiles', folder, '--bundle', `tuned=${join(folder, 'tuned')}`);
  chromium = await browser();
});

after(async () => {
  await chromium?.close();
  server?.stop();
});

/** Loads a model in a page and judges the suspect with each profile, by its file's name in `folder`; errors are told as `{ code, message }`. */
async function judge(options, ...profiles) {
  const context = await chromium.newContext();
  const { page, heard } = await open(context, `${server.url}embed/plain.html`);
  const results = await page.evaluate(
    async ({ options, profiles }) => {
      const { AnomalySD } = await import('/anomalysd/index.js');
      const engine = await AnomalySD.load({ device: 'cpu', ...options });
      const photo = await (await fetch('/samples/metal_nut/suspect/stain.jpg')).blob();
      const results = [];
      for (const name of profiles) {
        try {
          const profile = await engine.openProfile(await (await fetch(`/profiles/${name}`)).blob());
          const result = await engine.detect(photo, { profile });
          results.push({ json: result.toJSON(), map: [...result.map], heap: engine.info.heapBytes });
        } catch ({ code, message }) {
          results.push({ code, message });
        }
      }
      engine.dispose();
      return results;
    },
    { options, profiles: profiles.map((file) => basename(file)) },
  );
  assert.deepEqual(heard, []);
  await context.close();
  return results;
}

/** Score, verdict, map and model of the page are those of the command. */
function same(name, got) {
  const { result, map } = native[name];
  assert.ok(got.json, `${name}: ${got.message}`);
  const far = Math.abs(got.json.score - result.score);
  assert.ok(far <= 1e-3 * result.score, `${name}: page ${got.json.score}, command ${result.score}`);
  assert.equal(got.json.verdict, result.verdict);
  assert.deepEqual(got.json.model, result.model);
  const worst = difference(got.map, map.values);
  assert.ok(worst <= 1e-2, `${name}: map differs by ${worst}`);
  console.log(`${name}: page ${got.json.score}, command ${result.score}, map within ${worst.toExponential(1)}`);
}

test('tuning changes scores by more than the page and the command may differ', () => {
  const { score } = native.plain.result;
  for (const name of ['lora', 'full']) {
    const far = Math.abs(native[name].result.score - score);
    assert.ok(far > 5e-3 * score, `${name}: ${native[name].result.score}, not tuned ${score}`);
  }
});

test('a profile with a LoRA and a tuned decoder, one without, and the first again', async () => {
  const [first, plainly, again] = await judge({}, lora, plain, lora);
  same('lora', first);
  same('plain', plainly);
  same('lora', again);
  assert.equal(again.json.score, first.json.score);
  assert.ok(again.heap <= 256 * 2 ** 20, `the module holds ${again.heap} bytes`);
});

const skip = !existsSync(join(root, 'web/dist/wasm/webgpu_bg.wasm')) && 'the WebGPU engine is not built';

test('on WebGPU, a profile with a LoRA and a tuned decoder', { skip }, async () => {
  const [tuned] = await judge({ device: 'webgpu' }, lora);
  same('lora', tuned);
});

test('a model that was tuned whole, as a bundle; profiles of another model are refused', async () => {
  const [got, tunedOnMini, ofMini] = await judge({ bundle: '/bundles/tuned/' }, full, lora, plain);
  same('full', got);
  assert.equal(tunedOnMini.code, 'bad-profile');
  assert.match(tunedOnMini.message, /it was tuned on mini \(.*\), but loaded is mini tuned/);
  assert.equal(ofMini.code, 'bad-profile');
  const [withMini] = await judge({}, full);
  assert.equal(withMini.code, 'bad-profile');
  assert.match(withMini.message, /made with the model mini tuned/);
});
