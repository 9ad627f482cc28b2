// Page and worker together: the real scripts of both ends around a stand-in for the WebAssembly module.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bitmap, browser, gpuWith } from '../testkit/browser.mjs';
import { source } from '../testkit/modules.mjs';
import { bundle, bytesOf, serve } from '../testkit/server.mjs';

const { AnomalySD, AnomalySDError, Engine, Profile, Result } = await source('index');

/** An engine with `mini`, in a browser made of `options`. */
async function loaded(t, options = {}, load = {}) {
  const made = browser(t, options);
  const model = bundle({ at: 'https://page.test/models/mini/' });
  model.files.set('https://page.test/models/efficientnet-lite0.safetensors', bytesOf(5, 100));
  serve(t, model.files);
  const engine = await AnomalySD.load({ assets: made.assets, ...load });
  return { engine, model, ...made };
}

const photo = () => new File([Uint8Array.of(1, 2, 3)], 'part.png');
const kinds = (worker) => worker.sent.map(({ kind }) => kind);

test('load brings the model and its feature network to the engine', async (t) => {
  const fake = {};
  const seen = [];
  const { engine, workers } = await loaded(t, { engine: fake }, { onProgress: (progress) => seen.push(progress) });
  assert.ok(engine instanceof Engine);
  assert.equal(engine.info.device, 'cpu');
  assert.match(engine.note, /no WebGPU/);
  assert.deepEqual([...fake.opened.files.keys()], ['000.safetensors', 'bundle.json']);
  assert.equal(fake.opened.features.size, 100);
  assert.deepEqual([...new Set(seen.map(({ stage }) => stage))], ['download', 'start']);
  assert.ok(seen.every(({ fraction }, index) => index === 0 || fraction >= seen[index - 1].fraction));
  assert.deepEqual(workers.map(kinds), [['prepare'], ['open']]);
});

test('a fit gives a profile, a detection a result with its pictures', async (t) => {
  const fake = {};
  const { engine } = await loaded(t, { engine: fake });
  const seen = [];
  const profile = await engine.fit({
    good: [photo(), photo()],
    className: 'part',
    onProgress: (progress) => seen.push(progress),
  });
  assert.ok(profile instanceof Profile);
  assert.equal(engine.info.heapBytes, 2, 'the memory after the fit');
  assert.deepEqual(fake.fitted.good, [Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 3)]);
  assert.equal(fake.fitted.request.className, 'part');
  assert.deepEqual(
    seen.map(({ stage, fraction }) => [stage, fraction]),
    [['encode', 0.5]],
  );
  assert.deepEqual(new Uint8Array(await profile.toBlob().arrayBuffer()), profile.bytes);

  const result = await engine.detect(photo(), { profile, mode: 'faithful', seed: 3, threshold: 1.2 });
  assert.ok(result instanceof Result);
  assert.equal(engine.info.heapBytes, 3, 'the memory after the detection');
  const { width, height, max, image, className, score, pValue, threshold, verdict, mode, seed, timingsMs } = result;
  assert.deepEqual(
    { width, height, max, image, className, score, pValue, threshold, verdict, mode, seed, timingsMs },
    {
      width: 3,
      height: 2,
      max: 3,
      image: 'part.png',
      className: 'part',
      score: 1.5,
      pValue: null,
      threshold: 1.2,
      verdict: 'anomalous',
      mode: 'faithful',
      seed: 3,
      timingsMs: { total: 1 },
    },
  );
  assert.deepEqual([result.map.length, result.photo.width, result.repaired.height], [6, 3, 2]);
  assert.deepEqual([result.photo.data[0], result.repaired.data[0]], [1, 2]);
  assert.equal(JSON.parse(JSON.stringify(result)).p_value, null);
  assert.equal(result.toJSON().schema, 'anomalysd.result.v1');
});

test('places that do not count come as rectangles, also from a mask, and the smallest defect as text', async (t) => {
  const fake = {};
  const { engine } = await loaded(t, { engine: fake });
  const corner = { x: 0.5, y: 0, width: 0.5, height: 0.25 };
  const profile = await engine.fit({ good: [photo()], ignore: [corner] });
  assert.deepEqual(fake.fitted.request.ignore, [corner]);
  const mask = new Blob([Uint8Array.of(1, 2, 3, 4)]);
  await engine.detect(photo(), { profile, ignore: mask, minArea: 25 });
  assert.deepEqual(fake.detected.request.ignore, [{ x: 0, y: 0, width: 0.4, height: 1 }]);
  assert.equal(fake.detected.request.minArea, '25');
  await engine.detect(photo(), { profile, minArea: '0.1%' });
  assert.deepEqual(fake.detected.request.ignore, []);
  assert.equal(fake.detected.request.minArea, '0.1%');
});

test('the size of tiles goes to fit and detection, and is nothing unless said', async (t) => {
  const fake = {};
  const { engine } = await loaded(t, { engine: fake });
  const profile = await engine.fit({ good: [photo()], tile: 1000 });
  assert.equal(fake.fitted.request.tile, 1000);
  await engine.detect(photo(), { profile });
  assert.equal(fake.detected.request.tile, undefined);
  await engine.detect(photo(), { profile, tile: 800 });
  assert.equal(fake.detected.request.tile, 800);
});

test('pixels come as they are, bitmaps through a canvas, anything else is refused', async (t) => {
  const fake = {};
  const { engine } = await loaded(t, { engine: fake });
  const profile = await engine.fit({ good: [photo()] });
  const pixels = new ImageData(new Uint8ClampedArray(16).fill(7), 2, 2);
  await engine.detect(pixels, { profile });
  assert.equal(fake.detected.image, pixels);
  await engine.detect(new Bitmap(pixels), { profile });
  assert.ok(fake.detected.image instanceof ImageData);
  assert.deepEqual(fake.detected.image.data, pixels.data);
  await assert.rejects(engine.detect('part.png', { profile }), {
    code: 'bad-image',
    message: /Blob, ImageBitmap or ImageData/,
  });
});

test('a profile is sent once, and only a few are held', async (t) => {
  const fake = {};
  const { engine } = await loaded(t, { engine: fake });
  const opened = await engine.openProfile(Uint8Array.of(1, 9));
  const fitted = await engine.fit({ good: [photo()] });
  await engine.detect(photo(), { profile: opened });
  await engine.detect(photo(), { profile: fitted });
  assert.equal(fake.openedProfiles, 1, 'neither was sent for a detection');

  const others = [];
  for (const byte of [2, 3, 4]) others.push(await engine.openProfile(new Blob([Uint8Array.of(byte)])));
  for (const profile of [opened, ...others]) await engine.detect(photo(), { profile });
  assert.deepEqual(fake.freed, [fitted.info.sha256], 'the one that was longest unused');
  fake.openedProfiles = 0;
  await engine.detect(photo(), { profile: fitted });
  assert.equal(fake.openedProfiles, 1, 'it is sent again when it is needed again');
});

test('a profile that is opened twice is held once', async (t) => {
  const fake = {};
  const { engine } = await loaded(t, { engine: fake });
  await engine.openProfile(Uint8Array.of(1));
  assert.equal(fake.freed, undefined);
  const profile = await engine.openProfile(Uint8Array.of(1));
  assert.deepEqual(fake.freed, [profile.info.sha256]);
  assert.equal((await engine.detect(photo(), { profile })).profile.sha256, profile.info.sha256);
});

test('a profile that cannot be opened leaves nothing behind', async (t) => {
  const { engine } = await loaded(t);
  await assert.rejects(engine.openProfile(new Uint8Array(0)), { name: 'AnomalySDError', code: 'bad-profile' });
  const foreign = new Profile({ bytes: new Uint8Array(0), info: { sha256: 'profile-' } });
  for (let each = 0; each < 2; each++) {
    await assert.rejects(engine.detect(photo(), { profile: foreign }), { code: 'bad-profile' });
  }
});

test('verdicts, pictures and the scale come from the engine, also while a job runs', async (t) => {
  let finish;
  const fake = {};
  const { engine } = await loaded(t, { engine: fake });
  const profile = await engine.fit({ good: [photo()] });
  const result = await engine.detect(photo(), { profile });
  fake.detect = () => new Promise((resolve) => (finish = resolve));
  const running = engine.detect(photo(), { profile });

  assert.equal((await engine.judge(result, 2)).verdict, 'ok');
  const judged = await engine.judge(result, 1);
  assert.deepEqual([judged.verdict, judged.regions[0].peak], ['suspect', 2]);
  // No smaller place counts at another threshold than did at the first.
  assert.equal(judged.regions[0].area, 7);
  const heat = await engine.render(result, { view: 'heat' });
  assert.deepEqual([heat.width, heat.height, heat.data[0]], [3, 2, 10]);
  assert.equal((await engine.render(result, { view: 'heat', threshold: 2 })).data[0], 20);
  assert.equal((await engine.render(result, { view: 'contour' })).data[0], 0);
  assert.equal((await engine.legend(30, 1)).width, 30);
  finish();
  await running;
});

test('an abort reaches the engine at its next step', async (t) => {
  const fake = {};
  const { engine } = await loaded(t, { engine: fake });
  const profile = await engine.fit({ good: [photo()] });
  fake.detect = async ({ aborted }) => {
    while (!aborted()) await new Promise((resolve) => setTimeout(resolve, 1));
    throw { code: 'aborted', message: 'Stopped.' };
  };
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 10);
  await assert.rejects(engine.detect(photo(), { profile, signal: abort.signal }), (error) => {
    assert.ok(error instanceof AnomalySDError);
    assert.equal(error.code, 'aborted');
    return true;
  });
});

test('WebGPU opens the other build, after its check', async (t) => {
  const seen = [];
  const { engine, workers } = await loaded(t, { gpu: gpuWith() }, { onProgress: ({ stage }) => seen.push(stage) });
  assert.equal(engine.info.device, 'webgpu');
  assert.equal(engine.note, null);
  assert.deepEqual([...new Set(seen)], ['download', 'start', 'check']);
  assert.match(workers[1].sent[0].body.module.script, /wasm\/webgpu\.js$/);
});

test('where the check fails auto takes the processor in a new worker and says so; webgpu is an error', async (t) => {
  const fake = {
    open(device) {
      if (device === 'webgpu')
        throw { code: 'unsupported', message: 'Convolution is wrong on this graphics processor.' };
    },
  };
  const { engine, workers, assets } = await loaded(t, { gpu: gpuWith(), engine: fake });
  assert.equal(engine.info.device, 'cpu');
  assert.match(engine.note, /Convolution is wrong.* The processor is used/);
  assert.deepEqual(workers.map(kinds), [['prepare'], ['open'], ['open']]);
  await assert.rejects(AnomalySD.load({ assets, device: 'webgpu' }), {
    code: 'unsupported',
    message: /Convolution is wrong/,
  });
});

test('a damaged model is an error on every device', async (t) => {
  const fake = {
    open() {
      throw { code: 'bad-bundle', message: 'Shard 000.safetensors is damaged.' };
    },
  };
  const made = browser(t, { gpu: gpuWith(), engine: fake });
  const model = bundle({ at: 'https://page.test/models/mini/' });
  serve(t, model.files.set('https://page.test/models/efficientnet-lite0.safetensors', bytesOf(5, 100)));
  await assert.rejects(AnomalySD.load({ assets: made.assets }), { code: 'bad-bundle' });
  assert.equal(made.workers.length, 2);
});

test('a trap loses the worker: the call fails, listeners hear of it, the next call starts another', async (t) => {
  const fake = {};
  const { engine, workers } = await loaded(t, { engine: fake });
  const profile = await engine.fit({ good: [photo()] });
  const lost = [];
  const stop = engine.on('lost', (error) => lost.push(error.code));
  fake.detect = () => {
    throw new WebAssembly.RuntimeError('unreachable');
  };
  await assert.rejects(engine.detect(photo(), { profile }), { code: 'internal', message: 'unreachable' });
  assert.deepEqual(lost, ['internal']);
  stop();

  delete fake.detect;
  fake.openedProfiles = 0;
  assert.equal((await engine.detect(photo(), { profile })).verdict, 'anomalous');
  assert.equal(fake.openedProfiles, 1, 'the new worker gets the profile');
  assert.deepEqual(workers.map(kinds), [['prepare'], ['open', 'fit', 'detect'], ['open', 'detect']]);
});

test('a detection whose device is lost in the middle gets what was painted, and paints the rest', async (t) => {
  const fake = {};
  const { engine, workers } = await loaded(t, { gpu: gpuWith(), engine: fake });
  const profile = await engine.fit({ good: [photo()] });
  const lost = [];
  engine.on('lost', (error) => lost.push(error.code));
  const painted = [];
  fake.open = (_device, hooks) => (fake.lose = hooks.lost);
  fake.detect = async ({ recall, keep }) => {
    for (const key of ['a', 'b', 'c']) {
      if (recall(key)?.data[0] === key.charCodeAt(0)) continue;
      painted.push(key);
      keep(key, { width: 1, height: 1, data: Float32Array.of(key.charCodeAt(0), 0, 0) });
      if (key === 'b' && lost.length === 0) {
        // The first worker was opened before this test could listen.
        workers.at(-1).scope.postMessage({ lost: { code: 'device-lost', message: 'Gone.' } });
        // As on a real device: what runs never ends.
        await new Promise(() => {});
      }
    }
  };
  assert.equal((await engine.detect(photo(), { profile })).verdict, 'anomalous');
  assert.deepEqual(painted, ['a', 'b', 'c']);
  assert.deepEqual(lost, ['device-lost']);
  assert.equal(typeof fake.lose, 'function');
  // Another detection starts without them.
  painted.length = 0;
  await engine.detect(photo(), { profile });
  assert.deepEqual(painted, ['a', 'b', 'c']);
});

test('a loss that the device itself tells fails what runs at once', async (t) => {
  const fake = { open: (_device, hooks) => (fake.lose = hooks.lost) };
  const { engine } = await loaded(t, { engine: fake });
  const lost = [];
  engine.on('lost', ({ code, message }) => lost.push([code, message]));
  fake.lose('a driver was reset', null);
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(lost, [['device-lost', 'The graphics processor went away: a driver was reset']]);
});

test('where the device reported an error before it went away, nothing goes on', async (t) => {
  const fake = { open: (_device, hooks) => (fake.lose = hooks.lost) };
  const { engine, workers } = await loaded(t, { gpu: gpuWith(), engine: fake });
  const profile = await engine.fit({ good: [photo()] });
  fake.detect = () => new Promise(() => {});
  const running = engine.detect(photo(), { profile });
  await new Promise((resolve) => setTimeout(resolve, 20));
  const before = workers.length;
  fake.lose('out of memory', 'a buffer could not be made');
  await assert.rejects(running, { code: 'unsupported', message: /not trusted: a buffer could not be made/ });
  assert.equal(workers.length, before);
});

test('a trap that only shows as an unhandled rejection loses the worker as well', async (t) => {
  const fake = {};
  const { engine, workers } = await loaded(t, { engine: fake });
  const profile = await engine.fit({ good: [photo()] });
  fake.detect = () =>
    new Promise(() => workers[1].scope.onunhandledrejection({ reason: new WebAssembly.RuntimeError('oom') }));
  await assert.rejects(engine.detect(photo(), { profile }), { code: 'internal', message: 'oom' });
});

test('an engine that is not there is an error of the network, one that does not compile is unsupported', async (t) => {
  const fake = {};
  const { assets } = await loaded(t, { engine: fake });
  const nowhere = { ...assets, wasm: new URL('./nowhere', import.meta.url) };
  await assert.rejects(AnomalySD.load({ assets: nowhere }), { code: 'network', message: /nowhere\/cpu\.js/ });
  fake.init = () => {
    throw new WebAssembly.CompileError('simd');
  };
  await assert.rejects(AnomalySD.load({ assets }), {
    code: 'unsupported',
    message: /cannot run the engine's WebAssembly: simd/,
  });
});

test('a disposed engine answers nothing', async (t) => {
  const { engine } = await loaded(t);
  engine.dispose();
  await assert.rejects(engine.fit({ good: [photo()] }), { code: 'aborted', message: /disposed/ });
});

test('a large download asks that it be kept, a small one does not', async (t) => {
  let asked = 0;
  const storage = { persist: async () => ++asked, estimate: async () => ({ quota: 1e12, usage: 0 }) };
  const { assets, model } = await loaded(t, { storage });
  assert.equal(asked, 0);
  const shards = [0, 1].map((index) => ({ path: `${index}`, bytes: 6e7, sha256: String(index).repeat(64) }));
  model.files.set(
    'https://page.test/big/bundle.json',
    Buffer.from(JSON.stringify({ schema: 'anomalysd.bundle.v1', shards })),
  );
  await assert.rejects(AnomalySD.load({ assets, bundle: 'https://page.test/big/' }), { code: 'network' });
  assert.equal(asked, 1);
});

test('the map as .npy has the header that NumPy reads', async (t) => {
  const { engine } = await loaded(t);
  const profile = await engine.fit({ good: [photo()] });
  const result = await engine.detect(photo(), { profile });
  const bytes = new Uint8Array(await result.toMapBlob().arrayBuffer());
  const length = bytes[8] + 256 * bytes[9];
  assert.equal((10 + length) % 64, 0);
  const header = new TextDecoder('latin1').decode(bytes.subarray(0, 10 + length));
  assert.match(header, /^\x93NUMPY\x01\x00..\{'descr': '<f4', 'fortran_order': False, 'shape': \(2, 3\), \} *\n$/s);
  assert.deepEqual(new Float32Array(bytes.slice(10 + length).buffer), result.map);
});
