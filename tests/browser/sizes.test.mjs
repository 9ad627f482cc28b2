// Bytes are a budget.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { brotliCompress } from 'node:zlib';
import { root } from './support.mjs';

const dist = join(root, 'web/dist');
/** Largest size of each engine, compressed as a server sends it. */
const BUDGETS = { 'cpu_bg.wasm': 1_300_000, 'webgpu_bg.wasm': 4_000_000 };

const engines = readdirSync(join(dist, 'wasm')).filter((name) => name in BUDGETS);
// The best compression takes most of a minute: all at once, on threads of their own.
const compressed = new Map(
  engines.map((name) => [name, promisify(brotliCompress)(readFileSync(join(dist, 'wasm', name)))]),
);

for (const name of engines) {
  test(`${name} is within its budget`, async () => {
    const { length: bytes } = await compressed.get(name);
    console.log(`${name}: ${bytes} bytes of brotli`);
    assert.ok(bytes <= BUDGETS[name], `${bytes} bytes, ${BUDGETS[name]} are allowed`);
  });
}

test('the package is at most 40 MB', () => {
  const bytes = readdirSync(dist, { recursive: true })
    .map((name) => statSync(join(dist, name)))
    .reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0);
  console.log(`package: ${bytes} bytes`);
  assert.ok(bytes <= 40_000_000, `${bytes} bytes`);
});
