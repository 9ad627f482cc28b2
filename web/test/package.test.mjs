// The package as it is published; `node build.mjs` makes it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MANIFEST = './custom-elements.json';
const file = (name) => new URL(`../dist/${name}`, import.meta.url);

test('the front door imports on a server and touches nothing there', async () => {
  const before = Object.keys(globalThis);
  const { AnomalySD, AnomalySDError, Engine, Profile, Result } = await import(file('index.js'));
  assert.deepEqual(Object.keys(AnomalySD), ['capabilities', 'load']);
  for (const made of [AnomalySDError, Engine, Profile, Result]) assert.equal(typeof made, 'function');
  assert.deepEqual(Object.keys(globalThis), before);
});

test('the element imports on a server, where no tag can be defined', async () => {
  await import(file('element.js'));
});

test('every export is a file of the package', () => {
  const { exports, scripts, devDependencies, dependencies } = JSON.parse(readFileSync(file('package.json'), 'utf8'));
  for (const target of Object.values(exports).flatMap((entry) =>
    typeof entry === 'string' ? [entry] : Object.values(entry),
  )) {
    // Folders are of what `cargo xtask web` brings; the element's manifest has a test of its own.
    if (!target.includes('*') && target !== MANIFEST) readFileSync(file(target));
  }
  assert.deepEqual([scripts, devDependencies, dependencies], [undefined, undefined, undefined]);
});

test('the element takes the front door from beside it', () => {
  assert.match(readFileSync(file('element.js'), 'utf8'), /from\s*"\.\/index\.js"/);
});

const written = existsSync(new URL(`../${MANIFEST}`, import.meta.url));
test('the manifest of the element is in the package', { skip: !written && 'it is not written yet' }, () => {
  JSON.parse(readFileSync(file(MANIFEST), 'utf8'));
});

/** What a user gets, by name and pattern. Anything else has no business there. */
const REQUIRED = [
  'LICENSE-APACHE',
  'LICENSE-MIT',
  'NOTICE',
  'README.md',
  'custom-elements.json',
  'element.d.ts',
  'element.js',
  'index.d.ts',
  'index.js',
  'models/efficientnet-lite0.safetensors',
  'models/mini/000.safetensors',
  'models/mini/LICENSE',
  'models/mini/MODEL_CARD.md',
  'models/mini/bundle.json',
  'package.json',
  'wasm/cpu.js',
  'wasm/cpu_bg.wasm',
  'worker.js',
];
const ALSO = [/^[a-z/.-]+\.d\.ts$/, /^wasm\/(cpu|webgpu)(_bg\.wasm)?\.d\.ts$/, /^wasm\/webgpu(\.js|_bg\.wasm)$/];
/** Folders of whoever built it. */
const BUILDER = /(?<![\w.~@*-])\/(home|root|tmp|Users|private|usr|var|mnt)\/|\b[A-Z]:\\|file:\/\/\//;

const built = existsSync(file('wasm/cpu_bg.wasm')) && existsSync(file('models/mini'));
test('what npm would publish is the package and nothing else', { skip: !built && 'the engine is not built' }, () => {
  const npm = ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'];
  const [packed] = JSON.parse(execFileSync('npm', npm, { cwd: fileURLToPath(file('.')), encoding: 'utf8' }));
  const names = packed.files.map(({ path }) => path);
  assert.deepEqual(REQUIRED.filter((name) => !names.includes(name)), []);
  const known = (name) => REQUIRED.includes(name) || ALSO.some((pattern) => pattern.test(name));
  assert.deepEqual(names.filter((name) => !known(name)), []);

  const root = fileURLToPath(new URL('../..', import.meta.url));
  for (const name of names.filter((name) => !/\.(wasm|safetensors)$/.test(name))) {
    const text = readFileSync(file(name), 'utf8');
    assert.ok(!text.includes(root), `${name} names ${root}`);
    assert.doesNotMatch(text, BUILDER, name);
    assert.ok(!text.includes('sourceMappingURL'), `${name} names a source map`);
  }

  console.log(`${names.length} files, ${packed.unpackedSize} bytes, ${packed.size} packed`);
  // How large the WebGPU engine is depends on how it was built; `tests/browser/sizes.test.mjs` has its budget.
  if (!names.includes('wasm/webgpu_bg.wasm')) assert.ok(packed.unpackedSize <= 40e6, `${packed.unpackedSize} bytes`);
});
