// WebGPU in a real browser, through an adapter in software and with a model that it can run: the same numbers as the
// command, in both modes; a shader that is broken; a device that goes away.

import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { browser, difference, judged, open, root, run, scratch, serve } from './support.mjs';

/** Options of a model that trains in seconds. */
const TINY = {
  vae: { latent_channels: 4, channels: 16, groups: 4, batch: 2, crop: 64, pca_pictures: 8 },
  unet: { block_out_channels: [16, 16], heads: 2, text_width: 16, batch: 2, size: 64 },
};
const MODES = ['fast', 'faithful'];
const samples = join(root, 'samples/metal_nut');
const suspect = join(samples, 'suspect/stain.jpg');
const skip = !existsSync(join(root, 'web/dist/wasm/webgpu_bg.wasm')) && 'the WebGPU engine is not built';

/** What the command says of the suspect photo, by mode. */
const expected = {};
let profile;
let server;
let chromium;

before(async () => {
  if (skip) return;
  const folder = scratch();
  const inside = (...names) => join(folder, ...names);
  writeFileSync(inside('tiny.json'), JSON.stringify(TINY));
  const steps = ['--vae-steps', '4', '--unet-steps', '3', '--workers', '1', '-q'];
  run('pretrain', inside('tiny.json'), '--out', inside('trained'), ...steps);
  const bundle = inside('tiny');
  run('export', '--model', inside('trained/mini.safetensors'), '--out', bundle);
  profile = inside('nut.profile.safetensors');
  run('fit', join(samples, 'good'), '--class', 'metal nut', '--size', '64', '--out', profile, '--model', bundle, '--device', 'cpu');
  for (const mode of MODES) {
    expected[mode] = judged(suspect, profile, inside(mode), '--mode', mode, '--model', bundle);
  }
  server = await serve('--bundle', `tiny=${bundle}`, '--profiles', folder);
  chromium = await browser();
});

after(async () => {
  await chromium?.close();
  server?.stop();
});

/** A page that has the photo and the profile, and knows how to judge it. */
async function ready(context) {
  const opened = await open(context, `${server.url}embed/plain.html`);
  await opened.page.evaluate(async (url) => {
    const { AnomalySD } = await import('/anomalysd/index.js');
    const photo = await (await fetch('/samples/metal_nut/suspect/stain.jpg')).blob();
    const bytes = await (await fetch(url)).blob();
    window.load = (device) => AnomalySD.load({ device, bundle: '/bundles/tiny/' });
    window.judge = async (engine, mode, onProgress) => {
      const profile = await engine.openProfile(bytes);
      const result = await engine.detect(photo, { profile, mode, onProgress });
      return { json: result.toJSON(), map: [...result.map] };
    };
  }, `/profiles/${basename(profile)}`);
  return opened;
}

/** Asserts that a result is the command's. */
function same({ json, map }, mode) {
  const { result, map: wanted } = expected[mode];
  const what = `${json.device}, ${mode}`;
  assert.ok(
    Math.abs(json.score - result.score) <= 1e-3 * result.score,
    `${what}: score ${json.score}, command ${result.score}`,
  );
  const worst = difference(map, wanted.values);
  assert.ok(worst <= 1e-2, `${what}: map differs by ${worst}`);
  return `${what}: score within ${Math.abs(json.score / result.score - 1).toExponential(1)}, map within ${worst.toExponential(1)}`;
}

/** Runs some lines in the worker before the worker's own. */
function beforeWorker(context, lines) {
  return context.route('**/worker.js', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: lines + (await response.text()) });
  });
}

/** A real device takes the limits that are asked for; these are what every device has, 128 MiB a binding among them. */
const LEAST_LIMITS = `
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = function ({ requiredLimits, ...rest }) { return request.call(this, rest); };
`;
/** What an adapter in software offers beyond them is used where a device is lost. */
const DEVICES = { cpu: '', 'webgpu with the least limits': LEAST_LIMITS };

for (const [name, lines] of Object.entries(DEVICES)) {
  test(`on ${name} a photo gets the command's score and map, in both modes`, { skip }, async () => {
    const device = name.split(' ')[0];
    const context = await chromium.newContext();
    if (lines) await beforeWorker(context, lines);
    const { page, heard } = await ready(context);
    const began = performance.now();
    const got = await page.evaluate(
      async ({ device, modes }) => {
        const engine = await window.load(device);
        const results = [];
        for (const mode of modes) results.push(await window.judge(engine, mode));
        engine.dispose();
        return results;
      },
      { device, modes: MODES },
    );
    console.log(`${name}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
    for (const [index, mode] of MODES.entries()) {
      assert.equal(got[index].json.device, device);
      console.log(same(got[index], mode));
    }
    assert.deepEqual(heard, []);
    await context.close();
  });
}

/** What goes wrong with a shader: one that does not compile is left out without a word, one that is wrong runs. */
const FAULTS = {
  'does not compile': "code.includes('exp(') ? `${code} fn` : code",
  'computes something else': "code.replaceAll('exp(', 'sin(')",
};

for (const [fault, broken] of Object.entries(FAULTS)) {
  test(`a shader that ${fault} is caught before it judges, and the processor takes over`, { skip }, async () => {
    const context = await chromium.newContext();
    await beforeWorker(
      context,
      `
        const create = GPUDevice.prototype.createShaderModule;
        GPUDevice.prototype.createShaderModule = function ({ code, ...rest }) {
          return create.call(this, { code: ${broken}, ...rest });
        };
        // As a real graphics processor: an emulated one is not even tried.
        Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get: () => false });
      `,
    );
    const { page } = await ready(context);
    const got = await page.evaluate(async () => {
      const refused = await window.load('webgpu').then(
        () => null,
        ({ code, message }) => ({ code, message }),
      );
      const engine = await window.load('auto');
      return { refused, device: engine.info.device, note: engine.note };
    });
    assert.equal(got.refused?.code, 'unsupported', JSON.stringify(got));
    assert.equal(got.device, 'cpu');
    assert.match(got.note, /WebGPU cannot be used.*The processor is used/);
    console.log(`${fault}: ${got.refused.message}`);
    await context.close();
  });
}

test('a detection whose device is lost goes on at the pass where it stopped', { skip }, async () => {
  const context = await chromium.newContext();
  // What page and workers tell each other of painted passes: by worker, the keys that it was given and that it painted.
  await context.addInitScript(() => {
    window.told = [];
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (message, ...rest) {
      if (message.kind === 'detect') {
        const told = { given: [...message.body.painted.keys()], painted: [] };
        window.told.push(told);
        this.addEventListener('message', ({ data }) => data.key && told.painted.push(data.key));
      }
      return post.call(this, message, ...rest);
    };
  });
  const { page } = await ready(context);
  await page.evaluate(async () => {
    window.engine = await window.load('webgpu');
    window.lost = [];
    window.engine.on('lost', ({ code }) => window.lost.push(code));
    window.running = window.judge(window.engine, 'fast');
  });
  // In the middle of it.
  await page.waitForFunction(() => window.told[0]?.painted.length > 1, null, { timeout: 300_000 });
  const session = await chromium.newBrowserCDPSession();
  await session.send('Browser.crashGpuProcess').catch(() => {});
  const got = await page.evaluate(() => window.running);
  const { lost, told } = await page.evaluate(() => ({ lost: window.lost, told: window.told }));
  assert.deepEqual(lost, ['device-lost']);
  const [first, second] = told;
  assert.deepEqual([told.length, first.given, second.given], [2, [], first.painted]);
  assert.ok(second.painted.length > 0, 'it was stopped before its end');
  assert.deepEqual(second.painted.filter((key) => second.given.includes(key)), []);
  assert.equal(got.json.device, 'webgpu');
  same(got, 'fast');
  await context.close();
});
