// Models over HTTP in a real browser: broken, cut, cached.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
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

const SHARD = '**/models/mini/000.safetensors*';

/** Loads the engine in the page: the error's code, or what the engine is. */
function load(page) {
  return page.evaluate(async () => {
    const { AnomalySD } = await import('/anomalysd/index.js');
    try {
      const engine = await AnomalySD.load({ device: 'cpu' });
      const { model } = engine.info;
      engine.dispose();
      return { model: model.name };
    } catch ({ code, message }) {
      return { code, message };
    }
  });
}

/** Counts requests for the shard. */
function counted(page) {
  const ranges = [];
  page.on('request', (request) => {
    if (request.url().includes('000.safetensors')) ranges.push(request.headers().range ?? 'whole');
  });
  return ranges;
}

test('a changed shard is refused by name and not kept; the right one is loaded, and cached over a reload', async () => {
  const context = await chromium.newContext();
  const { page } = await open(context, `${server.url}embed/plain.html`);
  await page.route(SHARD, async (route) => {
    const response = await route.fetch();
    const body = await response.body();
    body[body.length - 100] ^= 1;
    await route.fulfill({ response, body });
  });
  const broken = await load(page);
  assert.equal(broken.code, 'bad-bundle', JSON.stringify(broken));
  assert.match(broken.message, /000\.safetensors/);
  await page.unroute(SHARD);
  const answer = page.waitForResponse(SHARD);
  assert.deepEqual(await load(page), { model: 'mini' });
  // Its address holds its hash, so whoever stands between server and browser may keep it as well.
  assert.match((await answer).headers()['cache-control'], /immutable/);
  await page.reload();
  const requests = counted(page);
  assert.deepEqual(await load(page), { model: 'mini' });
  assert.deepEqual(requests, []);
  await context.close();
});

test('without a shard there is one clear error', async () => {
  const context = await chromium.newContext();
  const { page } = await open(context, `${server.url}embed/plain.html`);
  await page.route(SHARD, (route) => route.fulfill({ status: 404, body: 'no' }));
  const missing = await load(page);
  assert.equal(missing.code, 'network');
  assert.match(missing.message, /404/);
  await context.close();
});
