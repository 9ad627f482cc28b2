// Models in a real browser: over HTTP broken, cut, cached, and from files that a person picks.

import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ANY_ORIGIN, host } from './host.mjs';
import { browser, open, root, serve } from './support.mjs';

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

const LOADED = { model: 'mini', note: 'The processor is used, as asked for.' };
const SHARD = '**/models/mini/000.safetensors*';

/** Loads the engine in the page, `picked` from `window.picked`: the error's code, or what the engine is. */
function load(page, options = {}) {
  return page.evaluate(async ({ picked, ...options }) => {
    const { AnomalySD } = await import('/anomalysd/index.js');
    try {
      const bundle = picked ? { bundle: window.picked } : {};
      const engine = await AnomalySD.load({ device: 'cpu', ...options, ...bundle });
      const { info, note } = engine;
      engine.dispose();
      return { model: info.model.name, note };
    } catch ({ code, message }) {
      return { code, message };
    }
  }, options);
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
  assert.deepEqual(await load(page), LOADED);
  // Its address holds its hash, so whoever stands between server and browser may keep it as well.
  assert.match((await answer).headers()['cache-control'], /immutable/);
  await page.reload();
  const requests = counted(page);
  assert.deepEqual(await load(page), LOADED);
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

test('a download that was cut goes on where it stopped, also after a reload', async (t) => {
  const mini = join(root, 'web/dist/models/mini');
  const { size } = statSync(join(mini, '000.safetensors'));
  let broken = true;
  // Of another origin, as a model on a server for models is.
  const models = await host(mini, {
    headers: ANY_ORIGIN,
    cut: (path) => (broken && path.endsWith('.safetensors') ? 1_000_000 : undefined),
  });
  t.after(models.stop);
  const site = await host(join(root, 'web/site'), { pages: { '/blank.html': '<!doctype html><title>Blank</title>' } });
  t.after(site.stop);
  const shard = () => models.log.filter(({ path }) => path === '/000.safetensors');
  const context = await chromium.newContext();
  const { page } = await open(context, `${site.url}blank.html`);

  const cut = await load(page, { bundle: models.url });
  assert.equal(cut.code, 'network', JSON.stringify(cut));
  const first = shard();
  assert.equal(first.length, 4, 'it is tried again three times');
  const starts = first.map(({ from }) => from);
  for (const [index, from] of starts.entries()) {
    assert.ok(index === 0 ? from === 0 : from > starts[index - 1], `asked for bytes from ${starts}`);
  }

  await page.reload();
  broken = false;
  assert.deepEqual(await load(page, { bundle: models.url }), LOADED);
  const second = shard().slice(first.length);
  assert.equal(second.length, 1);
  assert.ok(second[0].from > starts.at(-1), `asked for bytes from ${second[0].from} after ${starts}`);
  const sent = shard().reduce((sum, { sent }) => sum + sent, 0);
  assert.ok(sent < 1.5 * size, `${sent} bytes were sent of a file of ${size}`);
  await context.close();
});

test('without room a small model is used and not kept, a large one is refused; with room it is kept', async () => {
  const context = await chromium.newContext();
  const { page } = await open(context, `${server.url}embed/plain.html`);
  const requests = counted(page);
  const devtools = await context.newCDPSession(page);
  const quota = (quotaSize) => devtools.send('Storage.overrideQuotaForOrigin', { origin: server.url, quotaSize });
  await quota(5e6);
  for (const visit of [1, 2]) {
    const loaded = await load(page);
    assert.equal(loaded.model, 'mini', JSON.stringify(loaded));
    assert.match(loaded.note, /The model takes 12 MB of storage, the browser has 5 MB left .* not kept/);
    assert.equal(requests.length, visit, 'each visit fetches it');
    await page.reload();
  }

  const shard = (digit) => ({ path: `${digit}/000.safetensors`, bytes: 6e7, sha256: digit.repeat(64) });
  const json = { schema: 'anomalysd.bundle.v1', shards: ['a', 'b'].map(shard) };
  await page.route('**/large/bundle.json', (route) => route.fulfill({ json }));
  const { code, message } = await load(page, { bundle: '/large/' });
  assert.deepEqual({ code, message }, {
    code: 'unsupported',
    message: 'The model takes 120 MB of storage, the browser has 5 MB left for this page.',
  });
  assert.equal(requests.length, 2, 'nothing of it is fetched');

  await quota(undefined);
  assert.deepEqual(await load(page), LOADED);
  await page.reload();
  assert.deepEqual(await load(page), LOADED);
  assert.equal(requests.length, 3);
  await context.close();
});

test('picked files are a model without a request for shards; a wrong one is refused by name', async () => {
  const context = await chromium.newContext();
  const { page } = await open(context, `${server.url}embed/plain.html`);
  await page.evaluate(async () => {
    const bytesOf = async (name) => new Uint8Array(await (await fetch(`/anomalysd/models/mini/${name}`)).arrayBuffer());
    const [table, shard] = await Promise.all(['bundle.json', '000.safetensors'].map(bytesOf));
    window.pick = (bytes) => {
      window.picked = [new File([table], 'bundle.json'), new File([bytes], '000.safetensors'), new File(['x'], 'LICENSE')];
    };
    window.shard = shard;
    window.pick(shard);
  });
  const requests = counted(page);
  assert.deepEqual(await load(page, { picked: true }), LOADED);
  const { downloadBytes } = await page.evaluate(async () => {
    const { AnomalySD } = await import('/anomalysd/index.js');
    return AnomalySD.capabilities({ bundle: window.picked });
  });
  assert.equal(downloadBytes, 0);

  await page.evaluate(() => window.pick(window.shard.subarray(1)));
  const short = await load(page, { picked: true });
  assert.equal(short.code, 'bad-bundle', JSON.stringify(short));
  assert.match(short.message, /000\.safetensors has 11511855 bytes, bundle\.json says 11511856/);

  await page.evaluate(() => {
    const changed = window.shard.slice();
    changed[changed.length - 100] ^= 1;
    window.pick(changed);
  });
  const changed = await load(page, { picked: true });
  assert.equal(changed.code, 'bad-bundle', JSON.stringify(changed));
  assert.match(changed.message, /000\.safetensors/);

  await page.evaluate(() => { window.picked = window.picked.filter(({ name }) => name !== '000.safetensors'); });
  const missing = await load(page, { picked: true });
  assert.equal(missing.code, 'bad-bundle', JSON.stringify(missing));
  assert.match(missing.message, /000\.safetensors is not among the picked files/);
  assert.deepEqual(requests, []);
  await context.close();
});

test('the demo page takes a model by its address and as a folder, and goes back to its own', async () => {
  const context = await chromium.newContext();
  const { page, heard } = await open(context, server.url);
  await page.evaluate(() => {
    window.widget = document.querySelector('anomaly-sd');
    // A model is loaded with the first work; what comes after it is none of this test's.
    window.loaded = async () => {
      const model = new Promise((resolve, reject) => {
        window.widget.addEventListener('load', ({ detail }) => resolve(detail.info.model.name), { once: true });
        window.widget.addEventListener('error', ({ detail }) => reject(detail.error), { once: true });
      });
      window.widget.good = ['/samples/pill/good/0.jpg'];
      window.widget.fit().catch(() => {});
      return model.finally(() => window.widget.abort());
    };
  });
  const fetched = [];
  context.on('request', (request) => fetched.push(new URL(request.url()).pathname));
  const shards = () => fetched.splice(0).filter((path) => path.endsWith('000.safetensors'));
  const name = page.locator('#model-name');

  await page.getByText('Bring your own model').click();
  const address = `${server.url}anomalysd/models/mini/bundle.json`;
  await page.getByLabel('Address').fill(` ${address} `);
  await page.getByRole('button', { name: 'Use' }).click();
  assert.equal(await name.textContent(), `Model: ${address}.`);
  const licence = page.locator('#licence');
  assert.ok(await licence.isHidden());
  assert.equal(await page.evaluate(() => window.loaded()), 'mini');
  assert.deepEqual(shards(), ['/anomalysd/models/mini/000.safetensors']);
  await licence.getByText('Licence of the model').click();
  const text = readFileSync(join(root, 'web/dist/models/mini/LICENSE'), 'utf8');
  assert.equal(await page.locator('#licence-text').textContent(), text);

  await page.locator('#folder').setInputFiles(join(root, 'web/dist/models/mini'));
  assert.equal(await name.textContent(), 'Model: mini.');
  assert.deepEqual(await page.evaluate(() => [...window.widget.bundle].map(({ name }) => name).sort()), [
    '000.safetensors', 'LICENSE', 'MODEL_CARD.md', 'bundle.json',
  ]);
  assert.equal(await page.evaluate(() => window.loaded()), 'mini');
  assert.deepEqual(fetched.splice(0).filter((path) => path.includes('/models/mini/')), []);

  await page.getByRole('button', { name: 'Back to mini' }).click();
  assert.equal(await name.textContent(), 'Model: mini, which comes with this page.');
  assert.equal(await page.evaluate(() => window.widget.bundle), 'mini');
  assert.ok(await page.getByRole('button', { name: 'Back to mini' }).isHidden());
  assert.deepEqual(heard, []);

  await page.getByLabel('Address').fill(`${server.url}anomalysd/models/none/`);
  await page.getByRole('button', { name: 'Use' }).click();
  assert.equal(await page.evaluate(() => window.loaded().catch(({ code }) => code)), 'network');
  await page.locator('anomaly-sd').getByText('The download failed').waitFor();
  await context.close();
});
