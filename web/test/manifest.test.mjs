import assert from 'node:assert/strict';
import { test } from 'node:test';
import { source } from '../testkit/modules.mjs';

const { parseManifest } = await source('bundle/manifest');
const { pickBundle, pickShards } = await source('bundle/files');

const shard = { path: '000.safetensors', bytes: 10, sha256: '0'.repeat(64) };
const table = (changes) => JSON.stringify({ schema: 'anomalysd.bundle.v1', shards: [shard], tensors: {}, ...changes });
const withShard = (changes) => table({ shards: [{ ...shard, ...changes }] });
const refused = (json, reason) =>
  assert.throws(() => parseManifest(json), { name: 'AnomalySDError', code: 'bad-bundle', message: reason });

test('shards and sizes of tensors are read, and which of them is the table of tokens', () => {
  const tensors = {
    'unet.a': { dtype: 'F16', shape: [2, 3, 4], parts: [] },
    'unet.scalar': { dtype: 'F32', shape: [], parts: [] },
    'text_encoder.text_model.embeddings.token_embedding.weight': { dtype: 'F16', shape: [9, 2], parts: [] },
  };
  assert.deepEqual(parseManifest(table({ tensors })), {
    shards: [shard],
    tensors: [
      { size: 24, half: true, table: false },
      { size: 1, half: false, table: false },
      { size: 18, half: true, table: true },
    ],
  });
});

test('paths out of the folder are refused', () => {
  // The list is that of `crates/diffusion/src/checkpoint/files.rs`.
  for (const path of [
    '',
    '/etc/passwd',
    '../x',
    'a/../b',
    'a//b',
    './a',
    'C:\\x',
    'a\\b',
    'a\0b',
    'a/',
    'con:',
    'x'.repeat(256),
    7,
  ]) {
    refused(withShard({ path }), /plain path/);
  }
  for (const path of ['000.safetensors', 'shards/a-b_c.1']) {
    assert.equal(parseManifest(withShard({ path })).shards[0].path, path);
  }
});

test('sizes beyond the caps are refused before anything is allocated', () => {
  for (const bytes of [64 * 2 ** 20 + 1, -1, 0.5, '10', null])
    refused(withShard({ bytes }), /at most 67108864 are read/);
  refused(table({ shards: Array(10_001).fill(shard) }), /10001 shards, at most 10000/);
});

test('hashes must be hashes', () => {
  for (const sha256 of [undefined, '', 'A'.repeat(64), '0'.repeat(63)]) refused(withShard({ sha256 }), /no SHA-256/);
});

test('what is no table of contents is refused with a reason', () => {
  refused('<html>', /is no JSON/);
  refused('[]', /is no object/);
  refused('{}', /has schema "none"/);
  refused(table({ schema: 'anomalysd.bundle.v9' }), /anomalysd\.bundle\.v9/);
  refused(table({ shards: {} }), /no list of shards/);
  refused(table({ tensors: { 'unet.a': { shape: [-1] } } }), /tensor unet\.a has no shape/);
});

const file = (path, bytes) => {
  const made = new File([new Uint8Array(bytes)], path.split('/').at(-1));
  return Object.defineProperty(made, 'webkitRelativePath', { value: path.includes('/') ? path : '' });
};

test('picked files are found beside the outermost bundle.json', () => {
  const picked = pickBundle(
    ['model/bundle.json', 'model/shards/0.bin', 'model/old/bundle.json', 'other.txt'].map((path) => file(path, 10)),
  );
  assert.deepEqual([...picked.keys()], ['bundle.json', 'shards/0.bin', 'old/bundle.json']);
  assert.deepEqual([...pickBundle([file('bundle.json', 1), file('0.bin', 1)]).keys()], ['bundle.json', '0.bin']);
  assert.throws(() => pickBundle([file('a', 1)]), {
    code: 'bad-bundle',
    message: /no bundle\.json among the 1 picked/,
  });
});

test('a picked shard that is missing or cut is named', () => {
  const manifest = { shards: [shard], tensors: [] };
  const name = shard.path;
  assert.equal(pickShards(manifest, new Map([[name, file(name, 10)]])).size, 1);
  assert.throws(() => pickShards(manifest, new Map()), {
    code: 'bad-bundle',
    message: /000\.safetensors is not among/,
  });
  assert.throws(() => pickShards(manifest, new Map([[name, file(name, 9)]])), {
    code: 'bad-bundle',
    message: /000\.safetensors has 9 bytes/,
  });
});
