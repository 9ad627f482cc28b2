import assert from 'node:assert/strict';
import { test } from 'node:test';
import { globals, gpuWith, PrivateFileSystem } from '../testkit/browser.mjs';
import { source } from '../testkit/modules.mjs';
import { bundle, bytesOf, serve } from '../testkit/server.mjs';

const { prepare } = await source('bundle/prepare');
const { bundleSource, shardUrl } = await source('bundle/source');

const FEATURES = 'https://page.test/features';

/** Prepares as the worker does. */
function prepared(model, { device = 'auto', report = () => {}, signal = new AbortController().signal } = {}) {
  const place = { manifest: `${model.at}bundle.json`, shards: {} };
  model.files.set(FEATURES, bytesOf(9, 10));
  return prepare({ bundle: model.picked ?? place, features: FEATURES, device }, report, signal);
}

test('everything arrives, and the second visit fetches no shard', async (t) => {
  const model = bundle({ count: 2 });
  const disk = new PrivateFileSystem();
  globals(t, { navigator: disk.navigator() });
  const server = serve(t, model.files);
  const reports = [];
  const first = await prepared(model, { report: (report) => reports.push(report) });
  assert.deepEqual([...first.files.keys()], ['000.safetensors', '001.safetensors', 'bundle.json']);
  assert.equal(first.features.size, 10);
  assert.equal(first.device, 'cpu');
  assert.match(first.note, /no WebGPU\. The processor is used/);
  assert.deepEqual(reports.at(0), { stage: 'download', photo: 0, photos: 1, done: 0, total: 2000 });
  assert.equal(reports.at(-1).done, 2000);

  const asked = server.log.length;
  const second = await prepared(model, { report: (report) => reports.push(report) });
  assert.equal(second.files.size, 3);
  assert.deepEqual(server.log.slice(asked), [`${model.at}bundle.json`, FEATURES]);
  assert.equal(reports.at(-1).done, 2000, 'what is stored counts as loaded');
});

test('a model that does not fit is refused with its numbers before a shard is fetched', async (t) => {
  const model = bundle({ tensors: { 'unet.big': { shape: [2 ** 20, 1024] } } });
  globals(t, { navigator: { ...new PrivateFileSystem().navigator(), gpu: gpuWith({ limit: 2 ** 27 }) } });
  const server = serve(t, model.files);
  await assert.rejects(prepared(model, { device: 'webgpu' }), {
    code: 'unsupported',
    message: /tensor of 4295 MB.* 134 MB at most/,
  });
  assert.deepEqual(server.log, [`${model.at}bundle.json`]);
});

test('WebGPU is taken where it is real, and nothing is noted', async (t) => {
  globals(t, { navigator: { ...new PrivateFileSystem().navigator(), gpu: gpuWith() } });
  const model = bundle();
  serve(t, model.files);
  const { device, note } = await prepared(model);
  assert.deepEqual({ device, note }, { device: 'webgpu', note: null });
  assert.match((await prepared(model, { device: 'cpu' })).note, /as asked for/);
});

test('other bundles make way for a new one', async (t) => {
  const disk = new PrivateFileSystem();
  disk.files.set('old', { bytes: new Uint8Array(10), locked: false });
  disk.files.set('older.part', { bytes: new Uint8Array(10), locked: false });
  const estimate = async () => ({ quota: 10_000, usage: disk.files.has('old') ? 9_500 : 0 });
  globals(t, { navigator: disk.navigator({ estimate }) });
  const model = bundle();
  serve(t, model.files);
  await prepared(model);
  assert.deepEqual(disk.names(), [model.shards[0].sha256]);
});

test('without room a small bundle stays in memory, and that is noted', async (t) => {
  const disk = new PrivateFileSystem();
  globals(t, { navigator: disk.navigator({ estimate: async () => ({ quota: 100, usage: 0 }) }) });
  const model = bundle();
  serve(t, model.files);
  const { files, note } = await prepared(model);
  assert.equal(files.size, 2);
  assert.match(note, /processor is used\. The model takes 0 MB of storage, .* 0 MB left for this page: it is not kept/);
  assert.deepEqual(disk.names(), []);

  globals(t, { navigator: { ...navigator, gpu: gpuWith() } });
  assert.match((await prepared(model)).note, /^The model takes/);
});

test('without room a large bundle is refused with its numbers before a shard is fetched', async (t) => {
  const estimate = async () => ({ quota: 80e6, usage: 20e6 });
  globals(t, { navigator: new PrivateFileSystem().navigator({ estimate }) });
  const shard = { bytes: 60_000_000, sha256: '0'.repeat(64) };
  const shards = [0, 1].map((index) => ({ ...shard, path: `${index}`, sha256: String(index).repeat(64) }));
  const model = bundle();
  model.files.set(`${model.at}bundle.json`, Buffer.from(JSON.stringify({ schema: 'anomalysd.bundle.v1', shards })));
  const server = serve(t, model.files);
  await assert.rejects(prepared(model), {
    code: 'unsupported',
    message: /takes 120 MB of storage, the browser has 60 MB left/,
  });
  assert.deepEqual(server.log, [`${model.at}bundle.json`]);
});

for (const silent of [false, true]) {
  const how = silent ? 'without a word' : 'with an error';
  test(`room that the browser refuses ${how}, though it told of more, is found out before a shard is fetched`, async (t) => {
    const disk = new PrivateFileSystem();
    Object.assign(disk, { quota: 5_000_000, silent });
    disk.files.set('old', { bytes: new Uint8Array(1_000_000), locked: false });
    globals(t, { navigator: disk.navigator() });
    const model = bundle();
    const large = (bytes) => {
      const shards = [0, 1].map((index) => ({ path: `${index}`, bytes: bytes / 2, sha256: String(index).repeat(64) }));
      return Buffer.from(JSON.stringify({ schema: 'anomalysd.bundle.v1', shards }));
    };
    model.files.set(`${model.at}bundle.json`, large(1.2e8));
    const server = serve(t, model.files);
    await assert.rejects(prepared(model), {
      code: 'unsupported',
      message: 'The model takes 120 MB of storage, the browser has 5 MB left for this page.',
    });
    assert.deepEqual(server.log, [`${model.at}bundle.json`]);
    assert.deepEqual(disk.names(), [], 'nothing is left of the trial');
    assert.equal(disk.locks.size, 0);
  });
}

test('picked files go to the engine as they are', async (t) => {
  globals(t, { navigator: {} });
  const model = bundle();
  const files = [...model.files].map(([url, bytes]) => new File([bytes], url.slice(model.at.length)));
  const server = serve(t, model.files);
  const { files: given } = await prepared({ ...model, picked: bundleSource(files) });
  assert.equal(given.get('000.safetensors'), files[0]);
  assert.deepEqual(server.log, [FEATURES]);
});

test('a bundle is named by its folder, its bundle.json, or relative to a base', (t) => {
  const at = (bundle, base) => bundleSource(bundle, {}, base).manifest;
  assert.equal(at('https://a.test/m'), 'https://a.test/m/bundle.json');
  assert.equal(at(new URL('https://a.test/m/?key=1')), 'https://a.test/m/bundle.json');
  assert.equal(at('https://a.test/m/bundle.json?key=1'), 'https://a.test/m/bundle.json?key=1');
  assert.equal(at('m', 'https://b.test/models/'), 'https://b.test/models/m/bundle.json');
  globals(t, { document: { baseURI: 'https://page.test/app/' } });
  assert.equal(at('m'), 'https://page.test/app/m/bundle.json');
  assert.equal(at('m', '/models/'), 'https://page.test/models/m/bundle.json');
});

test('the address of a shard holds its hash, so that it may be cached for good', () => {
  const shard = { path: 'part/000.safetensors', sha256: 'ab'.repeat(32) };
  const at = (manifest, shards = {}) => shardUrl({ manifest, shards }, shard);
  const hash = `?sha256=${shard.sha256}`;
  assert.equal(at('https://a.test/m/bundle.json'), `https://a.test/m/part/000.safetensors${hash}`);
  assert.equal(at('https://a.test/m/bundle.json?key=1'), `https://a.test/m/part/000.safetensors${hash}`);
  const named = (url) => at('https://a.test/m/bundle.json', { [shard.path]: url });
  assert.equal(named('http://b.test/000-3fa9.safetensors'), `http://b.test/000-3fa9.safetensors${hash}`);
  for (const url of ['https://b.test/0?signature=1', 'blob:https://a.test/1', 'data:,0']) assert.equal(named(url), url);
  assert.equal(at('data:application/json,{}', { [shard.path]: 'data:,0' }), 'data:,0');
});

test('a shard is asked for by an address that holds its hash', async (t) => {
  const model = bundle();
  globals(t, { navigator: new PrivateFileSystem().navigator() });
  const server = serve(t, model.files);
  await prepared(model);
  const [{ path, sha256 }] = model.shards;
  assert.ok(server.log.includes(`${model.at}${path}?sha256=${sha256}`), server.log.join('\n'));
});
