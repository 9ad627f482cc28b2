// The examples of embedding as somebody else's pages use them: one tag, a frame, a page of another origin.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { host } from './host.mjs';
import { browser, open, serve } from './support.mjs';

let server;
let chromium;

before(async () => {
  server = await serve('--cors');
  chromium = await browser();
});

after(async () => {
  await chromium?.close();
  server?.stop();
});

/** The button that starts a check; it can be pressed once the photos are there. */
async function ready(frame) {
  const check = frame.getByRole('button', { name: 'Check photo' });
  await check.waitFor();
  for (const photo of ['0.jpg', '1.jpg', '2.jpg', '3.jpg', 'scratch.jpg']) {
    await frame.getByRole('img', { name: photo }).waitFor();
  }
  assert.ok(await check.isEnabled());
  return check;
}

test('the plain page shows its photos and can be used, before any weights', async () => {
  const context = await chromium.newContext();
  const fetched = [];
  context.on('request', (request) => fetched.push(new URL(request.url()).pathname));
  const { page, heard } = await open(context, `${server.url}embed/plain.html`);
  await ready(page);
  assert.ok(await page.locator('#result').isHidden());
  assert.deepEqual(fetched.filter((path) => /\.(safetensors|wasm)$/.test(path)), []);
  assert.deepEqual(heard, []);
  await context.close();
});

test('the page around a frame hears of a result', async () => {
  const context = await chromium.newContext();
  const { page, heard } = await open(context, `${server.url}embed/iframe.html`);
  const frame = page.frameLocator('iframe');
  await (await ready(frame)).click();
  const last = page.locator('#last');
  await last.waitFor({ timeout: 300_000 });
  assert.match(await last.textContent(), /^Last result: scratch\.jpg is anomalous, score \d\.\d+\.$/);
  const result = JSON.parse(await frame.locator('#result').textContent());
  assert.equal(result.schema, 'anomalysd.result.v1');
  assert.deepEqual(heard, []);
  await context.close();
});

test('a page of another origin under its own strict policy loads the engine', async (t) => {
  const { origin } = new URL(server.url);
  const policy = [
    "default-src 'none'",
    `script-src 'self' 'wasm-unsafe-eval' ${origin}`,
    `worker-src blob: ${origin}`,
    `connect-src ${origin}`,
  ];
  const pages = {
    '/index.html': '<!doctype html><title>Elsewhere</title><script type="module" src="./app.js"></script>',
    '/app.js': `
      import { AnomalySD } from '${origin}/anomalysd/index.js';
      window.loaded = AnomalySD.load({ device: 'cpu' }).then(({ info }) => info);`,
  };
  const elsewhere = await host('.', { headers: { 'content-security-policy': policy.join('; ') }, pages });
  t.after(elsewhere.stop);
  const context = await chromium.newContext();
  const { page, heard } = await open(context, elsewhere.url);
  const { device, model } = await page.evaluate(() => window.loaded);
  assert.deepEqual({ device, model: model.name }, { device: 'cpu', model: 'mini' });
  const [worker] = page.workers();
  assert.ok(worker.url().startsWith(`blob:${new URL(elsewhere.url).origin}`), worker.url());
  assert.deepEqual(heard, []);
  await context.close();
});
