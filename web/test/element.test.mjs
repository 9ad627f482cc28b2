// What the element reads and works out without a browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const element = fileURLToPath(new URL('../ts/element/', import.meta.url));
const contents = `export * from './attributes.js'; export * from './model.js';`;
const { outputFiles } = await build({ stdin: { contents, resolveDir: element }, bundle: true, format: 'esm', write: false });
const { emptyModel, ignoredIn, readMinArea } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);

test('the smallest defect is a number of pixels, per cent of the photo, or none', () => {
  assert.equal(readMinArea('25'), 25);
  assert.equal(readMinArea(' 0.1% '), '0.1%');
  assert.equal(readMinArea('.5 %'), '0.5%');
  for (const none of [null, '', '0', '0%', '-3', 'small']) assert.equal(readMinArea(none), null, String(none));
});

test('what was drawn counts on photos of its shape, what a page gives on every photo', () => {
  const drawn = { ratio: 1.5 };
  const model = (ignored, suspect) => ({ ...emptyModel(), ignored, suspect });
  assert.equal(ignoredIn(model(drawn, { width: 600, height: 400 })), drawn);
  assert.equal(ignoredIn(model(drawn, { width: 301, height: 200 })), drawn);
  assert.equal(ignoredIn(model(drawn, { width: 400, height: 600 })), null);
  // Learned without a photo to check, or while it is not decoded yet.
  assert.equal(ignoredIn(model(drawn, null)), drawn);
  assert.equal(ignoredIn(model(drawn, { width: 0, height: 0 })), drawn);
  const given = { ratio: undefined };
  assert.equal(ignoredIn(model(given, { width: 400, height: 600 })), given);
});
