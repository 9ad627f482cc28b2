import assert from 'node:assert/strict';
import { test } from 'node:test';
import { globals, PrivateFileSystem } from '../testkit/browser.mjs';
import { source } from '../testkit/modules.mjs';
import { bundle, serve } from '../testkit/server.mjs';

const { download } = await source('bundle/download');
const { Memory } = await source('bundle/memory');
const { openStore } = await source('bundle/store');

/** A store as a browser with private files opens it. */
async function privateStore(t, disk) {
  globals(t, { navigator: disk.navigator() });
  return openStore();
}

function fetchAll(
  { shards, at },
  { store = new Memory(), signal = new AbortController().signal, loaded = () => {} } = {},
) {
  return download(shards, { store, signal, loaded, url: ({ path }) => at + path });
}

async function assertBrought(files, { shards, contents }) {
  assert.equal(files.size, shards.length);
  for (const [index, { path }] of shards.entries()) {
    assert.deepEqual(new Uint8Array(await files.get(path).arrayBuffer()), contents[index]);
  }
}

test('all shards arrive, four at a time, and the bytes add up', async (t) => {
  const model = bundle({ count: 11 });
  const server = serve(t, model.files);
  const bytes = new Map();
  let sum = 0;
  const loaded = ({ path }, count) => {
    assert.ok(count >= (bytes.get(path) ?? 0));
    bytes.set(path, count);
    const now = [...bytes.values()].reduce((a, b) => a + b);
    assert.ok(now >= sum);
    sum = now;
  };
  await assertBrought(await fetchAll(model, { loaded }), model);
  assert.equal(server.most, 4);
  assert.equal(sum, 11 * 1000);
});

test('a shard with another hash is refused by name and not stored', async (t) => {
  const model = bundle({ count: 3 });
  const changed = new Map(model.files).set(`${model.at}001.safetensors`, new Uint8Array(1000));
  const server = serve(t, changed);
  const disk = new PrivateFileSystem();
  const store = await privateStore(t, disk);
  await assert.rejects(fetchAll(model, { store }), {
    code: 'bad-bundle',
    message: /001\.safetensors has SHA-256 [0-9a-f]{64}, bundle\.json says/,
  });
  assert.equal(await store.get(model.shards[1].sha256), undefined);
  assert.ok(!disk.names().some((name) => name.startsWith(model.shards[1].sha256)));
  assert.equal(server.log.filter((line) => line.includes('001')).length, 1, 'it is not asked for again');
});

test('a shard that is shorter or longer than said is refused and not stored', async (t) => {
  const model = bundle();
  const url = `${model.at}000.safetensors`;
  const disk = new PrivateFileSystem();
  const store = await privateStore(t, disk);
  const files = new Map();
  serve(t, files);
  files.set(url, model.contents[0].slice(0, 999));
  await assert.rejects(fetchAll(model, { store }), {
    code: 'bad-bundle',
    message: /has 999 bytes, bundle\.json says 1000/,
  });
  files.set(url, new Uint8Array(1_000_000));
  await assert.rejects(fetchAll(model, { store }), { code: 'bad-bundle', message: /longer than the 1000 bytes/ });
  assert.deepEqual(disk.names(), []);
});

test('a file that is not there is an error of the network with its address', async (t) => {
  const model = bundle();
  serve(t, new Map());
  await assert.rejects(fetchAll(model), { code: 'network', message: /models\.test\/part\/000\.safetensors.*HTTP 404/ });
});

test('a connection that breaks is taken up where it broke', async (t) => {
  const model = bundle({ length: 3000 });
  const url = `${model.at}000.safetensors`;
  const server = serve(t, model.files, { [url]: (n) => ({ cut: [512, 0, 512][n - 1] }) });
  await assertBrought(await fetchAll(model), model);
  assert.deepEqual(server.log, [url, `${url} bytes=512-`, `${url} bytes=512-`, `${url} bytes=1024-`]);
});

test('a connection that always breaks ends as an error of the network', async (t) => {
  const model = bundle({ length: 3000 });
  const url = `${model.at}000.safetensors`;
  const server = serve(t, model.files, { [url]: () => ({ cut: 256 }) });
  await assert.rejects(fetchAll(model), { code: 'network', message: /cannot be fetched: network error/ });
  assert.equal(server.log.length, 4);
});

test('an aborted download goes on after a reload', async (t) => {
  const model = bundle({ length: 3000 });
  const url = `${model.at}000.safetensors`;
  const server = serve(t, model.files, { [url]: (n) => ({ stall: n === 1 ? 768 : Infinity }) });
  const disk = new PrivateFileSystem();
  const abort = new AbortController();
  const loaded = (_shard, bytes) => bytes === 768 && abort.abort();
  await assert.rejects(fetchAll(model, { store: await privateStore(t, disk), signal: abort.signal, loaded }), {
    code: 'aborted',
  });
  assert.deepEqual(disk.names(), [`${model.shards[0].sha256}.part`]);

  const store = await privateStore(t, disk);
  await assertBrought(await fetchAll(model, { store }), model);
  assert.deepEqual(server.log, [url, `${url} bytes=768-`]);
  assert.deepEqual(disk.names(), [model.shards[0].sha256]);
  assert.equal((await store.get(model.shards[0].sha256)).size, 3000);
});

test('a signal that has fired asks for nothing', async (t) => {
  const server = serve(t, bundle().files);
  await assert.rejects(fetchAll(bundle(), { signal: AbortSignal.abort() }), { code: 'aborted' });
  assert.deepEqual(server.log, []);
});

for (const [what, rule] of [
  ['that does not resume', { ranges: false }],
  ['that refuses to resume', { status: 416 }],
]) {
  test(`a server ${what} sends all of it`, async (t) => {
    const model = bundle({ length: 3000 });
    const url = `${model.at}000.safetensors`;
    serve(t, model.files, { [url]: (n) => (n === 1 ? { cut: 512 } : n === 2 ? rule : {}) });
    await assertBrought(await fetchAll(model), model);
  });
}

test('a part that was damaged where it lay is fetched anew', async (t) => {
  const model = bundle({ length: 3000 });
  const url = `${model.at}000.safetensors`;
  const disk = new PrivateFileSystem();
  disk.files.set(`${model.shards[0].sha256}.part`, { bytes: new Uint8Array(700), locked: false });
  const server = serve(t, model.files);
  await assertBrought(await fetchAll(model, { store: await privateStore(t, disk) }), model);
  assert.deepEqual(server.log, [`${url} bytes=700-`, url]);
});

test('a file that another tab is downloading is kept in memory', async (t) => {
  const model = bundle();
  const disk = new PrivateFileSystem();
  disk.locks.add(`anomalysd/${model.shards[0].sha256}`);
  serve(t, model.files);
  await assertBrought(await fetchAll(model, { store: await privateStore(t, disk) }), model);
  assert.deepEqual(disk.names(), []);
});

test('locks are given back, whatever becomes of a download', async (t) => {
  const disk = new PrivateFileSystem();
  const model = bundle({ count: 6 });
  const url = `${model.at}002.safetensors`;
  serve(t, model.files, { [url]: () => ({ status: 500 }) });
  await assert.rejects(fetchAll(model, { store: await privateStore(t, disk) }), { code: 'network' });
  await Promise.resolve();
  assert.equal(disk.locks.size, 0);
});

for (const silent of [false, true]) {
  const how = silent ? 'without a word' : 'with an error';
  test(`storage that is full in the middle ${how} is told as that`, async (t) => {
    const model = bundle({ length: 3000 });
    serve(t, model.files);
    const disk = new PrivateFileSystem();
    Object.assign(disk, { quota: 1000, silent });
    const store = await privateStore(t, disk);
    await assert.rejects(fetchAll(model, { store }), { code: 'unsupported', message: /storage is full after 768 bytes/ });
    disk.quota = Infinity;
    await assertBrought(await fetchAll(model, { store }), model);
  });
}

test('without crypto.subtle the hash is left to the engine, the size is not', async (t) => {
  const model = bundle();
  const url = `${model.at}000.safetensors`;
  globals(t, { crypto: {} });
  serve(t, new Map([[url, new Uint8Array(1000)]]));
  assert.equal((await fetchAll(model)).size, 1);
  serve(t, new Map([[url, new Uint8Array(10)]]));
  await assert.rejects(fetchAll(model), { code: 'bad-bundle' });
});

test('the store is the Cache API where there are no private files, and memory where there is neither', async (t) => {
  const model = bundle();
  serve(t, model.files);
  const entries = new Map();
  const cache = {
    match: async (url) => entries.get(url)?.clone(),
    put: async (url, response) => void entries.set(url, response),
    keys: async () => [...entries.keys()].map((url) => ({ url })),
    delete: async ({ url }) => entries.delete(url),
  };
  globals(t, { navigator: {}, caches: { open: async () => cache } });
  const store = await openStore();
  assert.equal(store.lasting, true);
  await fetchAll(model, { store });
  assert.equal((await store.get(model.shards[0].sha256)).size, 1000);
  await store.keepOnly(new Set());
  assert.equal(await store.get(model.shards[0].sha256), undefined);

  globals(t, { caches: undefined });
  assert.equal((await openStore()).lasting, false);
});
