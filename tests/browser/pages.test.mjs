// The pages as a person sees them: ready at once, one click to a verdict, three widgets on one engine, nothing for axe to find.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { picture, violations } from './look.mjs';
import { browser, open, serve } from './support.mjs';

let server;
let chromium;

before(async () => {
  server = await serve();
  chromium = await browser();
});

after(async () => {
  await chromium?.close();
  server?.stop();
});

/** Counts the `result` events of the page's widgets from now on. */
function countResults(page) {
  return page.evaluate(() => {
    window.results = [];
    for (const widget of document.querySelectorAll('anomaly-sd')) {
      widget.addEventListener('result', ({ detail }) => {
        window.results.push({ widget: widget.getAttribute('aria-label'), json: detail.result.toJSON() });
      });
    }
  });
}

test('the page can be used within two seconds, before any weights', async () => {
  const context = await chromium.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const fetched = [];
  page.on('request', (request) => fetched.push(request.url()));
  const began = performance.now();
  await page.goto(server.url);
  await page.locator('anomaly-sd').getByRole('button', { name: 'Choose photos' }).waitFor();
  const ready = performance.now() - began;
  assert.ok(ready <= 2000, `ready after ${ready} ms`);
  assert.deepEqual(fetched.filter((url) => /\.(safetensors|wasm)$/.test(new URL(url).pathname)), []);
  assert.deepEqual(await violations(page), []);
  await picture(page, 'start');
  await context.close();
});

test('one click on an example ends with a verdict, regions, and a repaired photo', async () => {
  const context = await chromium.newContext({ viewport: { width: 1280, height: 900 } });
  const { page, heard } = await open(context, server.url);
  await countResults(page);
  await page.getByRole('button', { name: 'Pill' }).click();
  await page.waitForFunction(() => window.results.length > 0, null, { timeout: 300_000 });
  const [{ json }] = await page.evaluate(() => window.results);
  assert.equal(json.schema, 'anomalysd.result.v1');
  assert.equal(json.device, 'cpu');
  assert.equal(json.verdict, 'anomalous', `score ${json.score}, threshold ${json.threshold}`);
  assert.ok(json.regions.length > 0);
  assert.deepEqual(await violations(page), []);
  await picture(page, 'result', { fullPage: true });
  assert.deepEqual(heard, []);
  await context.close();
});

test('three widgets of a dashboard share one engine under a strict policy', async () => {
  const context = await chromium.newContext({ viewport: { width: 1280, height: 1000 } });
  const { page, heard } = await open(context, `${server.url}dashboard/`);
  await countResults(page);
  const every = () => new Set(window.results.map(({ widget }) => widget)).size === 3;
  await page.waitForFunction(every, null, { timeout: 420_000 });
  assert.equal(page.workers().length, 1);
  await page.getByRole('button', { name: 'Pause feed' }).click();
  assert.deepEqual(await violations(page), []);
  await picture(page, 'dashboard', { fullPage: true });
  assert.deepEqual(heard, []);
  await context.close();
});

test('`?bench` ends with one JSON to copy: device, engine, each network, the stages of a detection', async () => {
  const context = await chromium.newContext({ permissions: ['clipboard-read', 'clipboard-write'] });
  const { page, heard } = await open(context, `${server.url}?bench&device=cpu&runs=1&size=64`);
  const copy = page.getByRole('button', { name: 'Copy JSON' });
  await copy.waitFor({ timeout: 300_000 });
  await copy.click();
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  const report = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()));
  assert.equal(report.error, undefined, JSON.stringify(report.error));
  assert.equal(report.schema, 'anomalysd.bench-web.v1');
  assert.equal(report.device, 'cpu');
  assert.equal(report.engine.model.name, 'mini');
  for (const network of ['unet', 'encode', 'decode']) {
    const { first_ms: first, ms, dispatches } = report.networks[network];
    assert.ok(first > 0 && ms > 0 && dispatches === 0, `${network}: ${first}, ${ms}, ${dispatches}`);
  }
  assert.ok(report.detect[0].timings_ms.denoise > 0);
  assert.deepEqual(await violations(page), []);
  assert.deepEqual(heard, []);
  await context.close();
});
