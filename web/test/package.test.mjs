// The package as it is published; `node build.mjs` makes it.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

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
