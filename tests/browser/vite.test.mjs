// The package in an app that Vite builds or serves, without a line of configuration.

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { build, createServer } from 'vite';
import { host } from './host.mjs';
import { browser, open, root, scratch } from './support.mjs';

/** What the package's README asks for. */
const POLICY = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
];

let chromium;
let app;

before(async () => {
  chromium = await browser();
  app = scratch();
  cpSync(join(root, 'tests/browser/vite'), app, { recursive: true });
  // As npm installs it, so that it is found by its `exports`.
  mkdirSync(join(app, 'node_modules'));
  cpSync(join(root, 'web/dist'), join(app, 'node_modules/anomalysd'), { recursive: true });
});

after(async () => {
  await chromium?.close();
  rmSync(app, { recursive: true });
});

/** Opens the app and waits for its engine. */
async function loads(url) {
  const context = await chromium.newContext();
  const { page, heard } = await open(context, url);
  const { device, model } = await page.evaluate(() => window.loaded);
  assert.deepEqual({ device, model: model.name }, { device: 'cpu', model: 'mini' });
  assert.equal(await page.locator('anomaly-sd').evaluate((widget) => widget.state), 'empty', 'the tag is known');
  assert.deepEqual(heard, []);
  await context.close();
}

test('a built app loads the engine under a strict policy', async (t) => {
  await build({ root: app, configFile: false, logLevel: 'warn' });
  const names = readdirSync(join(app, 'dist/assets'));
  for (const file of [/^000-.*\.safetensors$/, /^cpu_bg-.*\.wasm$/, /^worker-.*\.js$/]) {
    assert.equal(names.filter((name) => file.test(name)).length, 1, `${file} in ${names}`);
  }
  const site = await host(join(app, 'dist'), { headers: { 'content-security-policy': POLICY.join('; ') } });
  t.after(site.stop);
  await loads(site.url);
});

test('the development server serves an app that loads the engine', async (t) => {
  const server = await createServer({ root: app, configFile: false, logLevel: 'warn', server: { port: 0 } });
  t.after(() => server.close());
  await server.listen();
  await loads(server.resolvedUrls.local[0]);
});
