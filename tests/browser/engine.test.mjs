// The engine in a real browser, on the CPU build: the same numbers as the command, both ways, and what may go wrong.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { PNG } from 'pngjs';
import { browser, difference, judged, open, root, run, scratch, serve } from './support.mjs';

const samples = join(root, 'samples/metal_nut');
const good = [0, 1].map((n) => join(samples, `good/${n}.jpg`));
const suspect = join(samples, 'suspect/stain.jpg');
/** Small, so that a fit takes seconds on one thread. */
const SIZE = 128;

/** What the command fits here, the server serves: a page reads megabytes from there much sooner than from an argument. */
const profiles = scratch();
const served = (profile) => `/profiles/${basename(profile)}`;

let server;
let chromium;
let site;

before(async () => {
  server = await serve('--profiles', profiles);
  chromium = await browser();
  site = server.url;
});

after(async () => {
  await chromium?.close();
  server?.stop();
});

/** A page with an engine at `window.engine`, and a photo's bytes by its address. */
async function engine(context) {
  const opened = await open(context, `${site}embed/plain.html`);
  await opened.page.evaluate(async () => {
    const { AnomalySD } = await import('/anomalysd/index.js');
    window.photo = async (url) => (await fetch(url)).blob();
    // As text: a list of millions of numbers takes most of a test's time on its way out of the page.
    window.base64 = (bytes) => new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result.split(',')[1]);
      reader.readAsDataURL(new Blob([bytes]));
    });
    window.engine = await AnomalySD.load({ device: 'cpu' });
  });
  return opened;
}

const urls = {
  good: [0, 1].map((n) => `/samples/metal_nut/good/${n}.jpg`),
  suspect: '/samples/metal_nut/suspect/stain.jpg',
};

test('a profile of the command gives the same score and map in the page', async () => {
  const folder = scratch();
  const profile = join(profiles, 'nut.profile.safetensors');
  run('fit', join(samples, 'good'), '--class', 'metal nut', '--out', profile, '--device', 'cpu');
  const { result: expected, map } = judged(suspect, profile, folder);

  const context = await chromium.newContext();
  const { page, heard } = await engine(context);
  const got = await page.evaluate(
    async ({ url, suspect }) => {
      const profile = await window.engine.openProfile(await window.photo(url));
      const began = performance.now();
      const stages = new Set();
      const result = await window.engine.detect(await window.photo(suspect), {
        profile,
        onProgress: ({ stage }) => stages.add(stage),
      });
      return {
        seconds: (performance.now() - began) / 1000,
        json: result.toJSON(),
        map: [...result.map],
        repaired: [result.repaired.width, result.repaired.height],
        stages: [...stages],
        heap: window.engine.info.heapBytes,
      };
    },
    { url: served(profile), suspect: urls.suspect },
  );
  assert.ok(
    Math.abs(got.json.score - expected.score) <= 1e-3 * expected.score,
    `score ${got.json.score}, command ${expected.score}`,
  );
  assert.equal(got.json.verdict, expected.verdict);
  assert.deepEqual([got.json.map.width, got.json.map.height], [map.width, map.height]);
  const worst = difference(got.map, map.values);
  assert.ok(worst <= 1e-2, `map differs by ${worst}`);
  assert.deepEqual(got.repaired, [map.width, map.height]);
  assert.ok(got.stages.includes('encode') && got.stages.includes('denoise'), `${got.stages}`);
  assert.ok(got.seconds <= 20, `the first detection took ${got.seconds.toFixed(1)} s`);
  assert.ok(got.heap <= 256 * 2 ** 20, `the module holds ${got.heap} bytes`);
  assert.deepEqual(heard, []);
  console.log(`first detection ${got.seconds.toFixed(1)} s, heap ${(got.heap / 2 ** 20).toFixed(0)} MiB, map within ${worst}`);
  await context.close();
});

/** A safetensors file of small numbers without meaning, the same in every run. */
function safetensors(shapes) {
  const header = {};
  const parts = [];
  let end = 0;
  for (const [name, shape] of Object.entries(shapes)) {
    const values = new Float32Array(shape.reduce((product, side) => product * side, 1));
    const inputs = values.length / shape[0];
    for (let index = 0; index < values.length; index++) {
      const drawn = ((Math.imul(Math.imul(index + 1, 2654435761) ^ (name.length << 20), 2246822519) >>> 8) / 2 ** 23) - 1;
      const plain = name.includes('norm') && name.endsWith('weight') ? 1 : drawn * Math.sqrt(6 / inputs);
      values[index] = name.endsWith('lambda1') ? 0.5 : plain;
    }
    const from = end;
    end += values.byteLength;
    header[name] = { dtype: 'F32', shape, data_offsets: [from, end] };
    parts.push(Buffer.from(values.buffer));
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, ...parts]);
}

/** DINOv2's small width, one layer of it, in transformers' naming. */
function dinov2() {
  const layer = 'encoder.layer.0';
  const shapes = {
    'embeddings.cls_token': [1, 1, 384],
    'embeddings.position_embeddings': [1, 10, 384],
    [`${layer}.layer_scale1.lambda1`]: [384],
    [`${layer}.layer_scale2.lambda1`]: [384],
  };
  for (const [name, shape] of [
    ['embeddings.patch_embeddings.projection', [384, 3, 14, 14]],
    ...['query', 'key', 'value'].map((part) => [`${layer}.attention.attention.${part}`, [384, 384]]),
    [`${layer}.attention.output.dense`, [384, 384]],
    [`${layer}.norm1`, [384]],
    [`${layer}.norm2`, [384]],
    [`${layer}.mlp.fc1`, [1536, 384]],
    [`${layer}.mlp.fc2`, [384, 1536]],
    ['layernorm', [384]],
  ]) {
    shapes[`${name}.bias`] = [shape[0]];
    shapes[`${name}.weight`] = shape;
  }
  return shapes;
}

/** AlexNet's convolutions in torchvision's naming. */
const ALEXNET = Object.fromEntries(
  [[0, [64, 3, 11, 11]], [3, [192, 64, 5, 5]], [6, [384, 192, 3, 3]], [8, [256, 384, 3, 3]], [10, [256, 256, 3, 3]]].flatMap(
    ([index, shape]) => [[`features.${index}.weight`, shape], [`features.${index}.bias`, [shape[0]]]],
  ),
);

for (const [name, shapes] of [['dinov2-s', dinov2()], ['alexnet-lpips', ALEXNET]]) {
  test(`${name} of a person's own weights gives the same score and map in the page`, async () => {
    const folder = scratch();
    const profile = join(profiles, `${name}.profile.safetensors`);
    const file = join(folder, 'network.safetensors');
    writeFileSync(file, safetensors(shapes));
    const weights = ['--features', name, '--features-weights', file];
    const small = ['--class', 'metal nut', '--size', `${SIZE}`, '--k-shot', '2', '--device', 'cpu'];
    run('fit', join(samples, 'good'), ...small, ...weights, '--out', profile);
    const { result: expected, map } = judged(suspect, profile, folder, ...weights);
    const context = await chromium.newContext();
    const { page, heard } = await open(context, `${site}embed/plain.html`);
    await page.route('**/network.safetensors', (route) => route.fulfill({ body: readFileSync(file) }));
    const got = await page.evaluate(
      async ({ url, suspect }) => {
        const { AnomalySD } = await import('/anomalysd/index.js');
        const engine = await AnomalySD.load({ device: 'cpu', features: '/network.safetensors' });
        const profile = await engine.openProfile(await (await fetch(url)).blob());
        const image = await (await fetch(suspect)).blob();
        const result = await engine.detect(image, { profile });
        return { json: result.toJSON(), map: [...result.map] };
      },
      { url: served(profile), suspect: urls.suspect },
    );
    assert.equal(got.json.features.name, name);
    assert.ok(Math.abs(got.json.score - expected.score) <= 1e-3 * expected.score, `${got.json.score}, ${expected.score}`);
    assert.ok(difference(got.map, map.values) <= 1e-2);
    assert.deepEqual(heard, []);
    await context.close();
  });
}

test('a profile fitted in the page judges the same in the command', async () => {
  const context = await chromium.newContext();
  const { page } = await engine(context);
  const got = await page.evaluate(
    async ({ good, suspect, size }) => {
      const photos = await Promise.all(good.map(window.photo));
      const profile = await window.engine.fit({ good: photos, className: 'metal nut', options: { size } });
      const result = await window.engine.detect(await window.photo(suspect), { profile });
      return { bytes: await window.base64(profile.bytes), info: profile.info, json: result.toJSON() };
    },
    { ...urls, size: SIZE },
  );
  assert.match(got.info.classes[0].support, /2 good photos/);
  assert.deepEqual([got.json.map.width, got.json.map.height], [SIZE, SIZE], 'the fit takes its options');
  const profile = join(scratch(), 'page.profile.safetensors');
  writeFileSync(profile, Buffer.from(got.bytes, 'base64'));
  const [own] = JSON.parse(run('detect', suspect, '--profile', profile, '--device', 'cpu', '--format', 'json'));
  assert.ok(Math.abs(own.score - got.json.score) <= 1e-3 * own.score, `command ${own.score}, page ${got.json.score}`);
  // The command writes the shortest decimals of a 32-bit number, JavaScript those of a 64-bit one.
  assert.equal(Math.fround(own.threshold), got.json.threshold);
  assert.equal(own.profile.sha256, got.json.profile.sha256);
  await context.close();
});

test('ignored places and the smallest defect count in the page as in the command', async () => {
  const folder = scratch();
  // The right half of the photo.
  const mask = new PNG({ width: 8, height: 8 });
  for (let pixel = 0; pixel < 64; pixel++) mask.data.fill(pixel % 8 < 4 ? 0 : 255, 4 * pixel, 4 * pixel + 3).fill(255, 4 * pixel + 3, 4 * pixel + 4);
  const maskFile = join(folder, 'half.png');
  writeFileSync(maskFile, PNG.sync.write(mask));
  const context = await chromium.newContext();
  const { page } = await engine(context);
  const got = await page.evaluate(
    async ({ good, suspect, mask }) => {
      const photos = await Promise.all(good.map(window.photo));
      const profile = await window.engine.fit({ good: photos, ignore: new Blob([new Uint8Array(mask)]) });
      const image = await window.photo(suspect);
      const half = await window.engine.detect(image, { profile });
      const none = await window.engine.detect(image, { profile, minArea: '60%' });
      const rest = await window.engine.detect(image, { profile, ignore: [{ x: 0, y: 0, width: 0.5, height: 1 }] });
      return { bytes: await window.base64(profile.bytes), half: half.score, none: none.score, rest: rest.score, map: [...half.map], width: half.width };
    },
    { ...urls, mask: [...readFileSync(maskFile)] },
  );
  assert.ok(got.map.every((value, at) => at % got.width < got.width / 2 || value === 0), 'nothing on the right half counts');
  assert.equal(got.rest, 0);
  const profile = join(folder, 'half.profile.safetensors');
  writeFileSync(profile, Buffer.from(got.bytes, 'base64'));
  const own = (...more) =>
    JSON.parse(run('detect', suspect, '--profile', profile, '--device', 'cpu', '--format', 'json', ...more))[0].score;
  assert.ok(Math.abs(own() - got.half) <= 1e-3 * got.half, `command ${own()}, page ${got.half}`);
  const none = own('--min-area', '60%');
  assert.ok(Math.abs(none - got.none) <= 1e-3 * none, `command ${none}, page ${got.none}`);
  await context.close();
});

test('a photo in four tiles gives the same score and map in the page', async () => {
  const folder = scratch();
  const profile = join(profiles, 'tiles.profile.safetensors');
  run('fit', join(samples, 'good'), '--class', 'metal nut', '--out', profile, '--device', 'cpu', '--size', `${SIZE}`, '--tile', '200');
  const { result: expected, map } = judged(suspect, profile, folder);
  assert.ok(map.width > SIZE && map.height > SIZE, 'it has several tiles');

  const context = await chromium.newContext();
  const { page } = await engine(context);
  const got = await page.evaluate(
    async ({ url, suspect }) => {
      const profile = await window.engine.openProfile(await window.photo(url));
      const result = await window.engine.detect(await window.photo(suspect), { profile });
      const smaller = window.engine.detect(await window.photo(suspect), { profile, tile: 100 });
      const refused = await smaller.catch((error) => error.message);
      return { score: result.score, map: [...result.map], refused };
    },
    { url: served(profile), suspect: urls.suspect },
  );
  assert.ok(Math.abs(got.score - expected.score) <= 1e-3 * expected.score, `page ${got.score}, command ${expected.score}`);
  const worst = difference(got.map, map.values);
  assert.ok(worst <= 1e-2, `map differs by ${worst}`);
  assert.match(got.refused, /`tile` is 100 pixels/);
  await context.close();
});

test('an abort is heard within a step, and the engine goes on', async () => {
  const context = await chromium.newContext();
  const { page } = await engine(context);
  const got = await page.evaluate(
    async ({ good, size }) => {
      const photos = await Promise.all(good.map(window.photo));
      const abort = new AbortController();
      let asked = 0;
      const onProgress = ({ stage }) => {
        if (stage !== 'denoise' || asked > 0) return;
        asked = performance.now();
        abort.abort();
      };
      const options = { size };
      const fit = window.engine.fit({ good: photos, options, onProgress, signal: abort.signal });
      const code = await fit.then(
        () => 'not aborted',
        (error) => error.code,
      );
      const waited = performance.now() - asked;
      const again = await window.engine.fit({ good: photos.slice(0, 1), options: { size: 64 } });
      return { code, waited, classes: again.info.classes.length };
    },
    { good: urls.good, size: 256 },
  );
  assert.equal(got.code, 'aborted');
  assert.equal(got.classes, 1);
  assert.ok(got.waited < 3000, `the abort took ${got.waited} ms`);
  await context.close();
});

test('a damaged photo is one clear error', async () => {
  const context = await chromium.newContext();
  const { page } = await engine(context);
  const errors = await page.evaluate(async () => {
    const fit = (bytes) =>
      window.engine.fit({ good: [new Blob([bytes])] }).then(
        () => null,
        ({ name, code, message }) => ({ name, code, message }),
      );
    return [await fit(new Uint8Array([1, 2, 3])), await fit('\0\0\0\x18ftypheic\0\0\0\0heic')];
  });
  for (const error of errors) assert.equal(error.code, 'bad-image');
  assert.match(errors[1].message, /HEIC/);
  await context.close();
});
