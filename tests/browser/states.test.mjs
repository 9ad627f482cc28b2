// Every state of the widget, reached as a person reaches it: axe-core finds nothing, everything fits, and out/browser/ has
// a picture of each. One page goes from the first photo to a verdict with the keyboard alone; what goes wrong has pages
// of its own.

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { PNG } from 'pngjs';
import { host } from './host.mjs';
import { liveRegions, misfits, picture, violations } from './look.mjs';
import { browser, open, root, run, scratch } from './support.mjs';

const WINDOW = { width: 1280, height: 900 };
const samples = join(root, 'samples');
const sample = (address) => `/samples/${address}`;
/** Not read by anybody: only the first bytes are a photo's. */
const HEIC = Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1');
const PNG_HEAD = Buffer.from('\x89PNG\r\n\x1a\n, and nothing more', 'latin1');

let server;
let chromium;
/** Which part of the model the server does not send until it is told to. */
let stopped;

before(async () => {
  server = await host(join(root, 'web/site'), {
    async wait(path, quarter) {
      if (!stopped || !path.endsWith('000.safetensors')) return;
      // With half of it there after a while, the time that is left can be told.
      if (quarter === 1) await new Promise((resolve) => setTimeout(resolve, 600));
      if (quarter === 2) await stopped.promise;
    },
  });
  chromium = await browser();
});

after(async () => {
  stopped?.resolve();
  await chromium?.close();
  server?.stop();
});

/** The demo page, with what a test needs: workers that can be made to wait, and everything that is announced. */
async function start() {
  const context = await chromium.newContext({ viewport: WINDOW });
  await context.addInitScript(patchWorkers);
  const { page } = await open(context, server.url);
  // Before the first key: asked for with the key that opens a picker, it may come too late.
  page.on('filechooser', () => {});
  await page.getByRole('button', { name: 'Pill' }).waitFor();
  await page.evaluate(() => {
    window.widget = document.querySelector('anomaly-sd');
    window.announced = [];
    new MutationObserver((changes) => changes.forEach(({ addedNodes }) => {
      addedNodes.forEach((node) => window.announced.push(node.textContent));
    })).observe(document.querySelector('.anomaly-sd-announcer'), { childList: true });
  });
  return { context, page, widget: page.locator('anomaly-sd') };
}

/** Runs in the page: what workers say can be held back, and a test can speak for the last one. */
function patchWorkers() {
  const waiting = [];
  let holding = false;
  let wanted = null;
  /** From the first report on that lets the widget tell the time that is left, in this state. */
  window.holdIn = (state) => { wanted = state; };
  window.release = () => {
    [holding, wanted] = [false, null];
    waiting.splice(0).forEach((deliver) => deliver());
  };
  window.isHolding = () => holding;
  window.Worker = class extends Worker {
    #listener;
    constructor(...args) {
      super(...args);
      window.lastWorker = this;
    }
    set onmessage(listener) {
      this.#listener = listener;
      super.onmessage = (event) => {
        if (holding) waiting.push(() => listener(event));
        else listener(event);
        const widget = document.querySelector('anomaly-sd');
        const line = [...widget.shadowRoot.querySelectorAll('.progress-line')].at(-1);
        // The widget draws at the end of the turn: this is about the report before.
        if (widget.state === wanted && /left/.test(line.textContent) && event.data.progress) holding = true;
      };
    }
    say(data) {
      this.#listener({ data });
    }
  };
}

const found = [];
/**
 * Checks a state and takes its picture: of the widget, the `screen` or the `whole` page. What is wrong is told at the end
 * of the test, so that all pictures are there.
 */
async function look(page, name, { whole = false, screen = false } = {}) {
  const of = whole || screen ? page : page.locator('anomaly-sd').first();
  await picture(of, `state-${name}`, whole ? { fullPage: true } : {});
  for (const fault of [...(await violations(page)), ...(await misfits(page))]) found.push(`${name}: ${fault}`);
  const regions = await liveRegions(page);
  if (regions !== 1) found.push(`${name}: ${regions} live regions`);
}

function nothingFound() {
  assert.deepEqual(found.splice(0), []);
}

/** Waits until the widget is in a state. */
function reaches(page, state) {
  return page.waitForFunction((state) => window.widget.state === state, state, { timeout: 60_000 });
}

/** What has the focus, as far down as it goes: its kind and its name. */
function focused(page) {
  return page.evaluate(() => {
    let node = document.activeElement;
    while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
    const label = node?.labels?.[0]?.textContent;
    if (!node || node === document.body) return '';
    return `${node.localName} ${(node.ariaLabel ?? label ?? node.textContent).trim()}`;
  });
}

/** Presses Tab until this has the focus. */
async function tabTo(page, name, key = 'Tab') {
  const passed = [];
  for (let presses = 0; presses < 40; presses += 1) {
    await page.keyboard.press(key);
    const at = await focused(page);
    if (name.test(at)) return;
    passed.push(at);
  }
  assert.fail(`Tab does not reach ${name}, but ${passed.join(' | ')}`);
}

/** Opens the file picker that has the focus, and picks. */
async function pick(page, files) {
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.keyboard.press('Enter')]);
  await chooser.setFiles(files);
}

/** A flat piece of a photo of bricks as a file: fewer pixels, less time. */
function strip(address) {
  const whole = PNG.sync.read(readFileSync(join(samples, 'brick', address)));
  const part = new PNG({ width: whole.width, height: 100 });
  PNG.bitblt(whole, part, 0, 80, part.width, part.height, 0, 0);
  return { name: address.split('/').pop(), mimeType: 'image/png', buffer: PNG.sync.write(part) };
}

/** A promise that is kept from outside. */
function gate() {
  let resolve;
  const promise = new Promise((keep) => { resolve = keep; });
  return { promise, resolve };
}

let main;
const wide = { width: 3840, height: 2160 };
const narrow = { width: 320, height: 640 };

test('the first photos, with the keyboard alone', async () => {
  main = await start();
  const { page } = main;
  await look(page, 'empty', { whole: true });
  await page.emulateMedia({ colorScheme: 'dark' });
  await look(page, 'empty-dark', { whole: true });
  await page.emulateMedia({ colorScheme: 'light' });
  for (const [name, viewport] of [['narrow', narrow], ['wide', wide]]) {
    await page.setViewportSize(viewport);
    await look(page, `empty-${name}`, { whole: true });
  }
  await page.setViewportSize(WINDOW);

  await tabTo(page, /^button Choose photos$/);
  await pick(page, [strip('good/0.png'), strip('good/1.png')]);
  await reaches(page, 'ready');
  await main.widget.getByRole('img', { name: '1.png' }).waitFor();
  await look(page, 'good-only');
  await tabTo(page, /^button Choose photo$/);
  await pick(page, [strip('suspect/cracked_brick.png')]);
  await main.widget.getByRole('button', { name: 'Check photo' }).waitFor();
  assert.equal(await main.widget.locator('[part="button primary check"]').count(), 1, 'the parts of the button that leads on');
  await look(page, 'chosen');
  await page.setViewportSize(narrow);
  await look(page, 'chosen-narrow');
  await page.evaluate(() => { document.documentElement.lang = window.widget.lang = 'de'; });
  await look(page, 'chosen-german-narrow');
  await page.evaluate(() => { document.documentElement.lang = 'en'; window.widget.removeAttribute('lang'); });
  await page.setViewportSize(WINDOW);

  await page.evaluate(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(['x'], 'part.png', { type: 'image/png' }));
    const over = (type) => new DragEvent(type, { dataTransfer: transfer, bubbles: true, composed: true, cancelable: true });
    window.drag = (type) => window.widget.shadowRoot.querySelector('.stage').dispatchEvent(over(type));
    window.drag('dragover');
  });
  await look(page, 'dragging');
  await page.evaluate(() => window.drag('dragleave'));
  nothingFound();
});

test('loading, stopped by the person, and on again to a verdict', async () => {
  const { page, widget } = main;
  stopped = gate();
  await tabTo(page, /^button Check photo$/);
  await page.keyboard.press('Enter');
  await widget.getByText(/^Downloading: 5\.\d of 11\.\d MB$/).waitFor();
  await widget.getByText(/^about \d+ s left$/).waitFor();
  await look(page, 'loading');
  assert.equal(await focused(page), 'button Cancel');
  await page.keyboard.press('Enter');
  await reaches(page, 'aborted');
  assert.equal(await focused(page), 'button Check photo');
  await widget.getByText('Stopped. Your photos are still here.').waitFor();
  await look(page, 'stopped');
  stopped.resolve();
  stopped = null;

  for (const [state, name] of [['fitting', 'fitting'], ['detecting', 'judging']]) {
    await page.evaluate((state) => window.holdIn(state), state);
    if (state === 'fitting') {
      await page.keyboard.press('Enter');
    }
    await page.waitForFunction(() => window.isHolding(), null, { timeout: 60_000 });
    await widget.getByText(/^about \d+ s left$/).waitFor();
    await look(page, name);
    await page.evaluate(() => window.release());
  }
  await reaches(page, 'result');
  await page.waitForFunction(() => window.announced.some((text) => /^Anomalous\. Score \d\.\d+, threshold \d\.\d+\. 1 region\.$/.test(text)));
  // Whoever waits with the keyboard is where the work was, not at the start of the page.
  assert.equal(await focused(page), 'p Anomalous');
  nothingFound();
});

test('the result in all views, with the keyboard alone', async () => {
  const { page, widget } = main;
  await tabTo(page, /^input Heat map$/, 'Shift+Tab');
  await look(page, 'overlay');
  for (const [name, title] of [['contour', 'Outline'], ['repaired', 'Repaired'], ['slider', 'Compare'], ['photo', 'Photo']]) {
    await page.keyboard.press('ArrowRight');
    assert.equal(await focused(page), `input ${title}`);
    await look(page, name);
  }
  for (let presses = 0; presses < 4; presses += 1) await page.keyboard.press('ArrowLeft');
  await tabTo(page, /^input Opacity$/);
  for (let presses = 0; presses < 9; presses += 1) await page.keyboard.press('ArrowLeft');
    await look(page, 'opacity');
  assert.equal(await page.evaluate(() => window.widget.opacity), 0.3);

  const verdict = widget.locator('[part="verdict"]');
  await tabTo(page, /^input Threshold/);
  await page.keyboard.press('End');
  await verdict.filter({ hasText: 'OK' }).waitFor();
  await page.waitForFunction(() => window.announced.some((text) => /the verdict is then OK$/.test(text)));
  await look(page, 'threshold-high');
  await tabTo(page, /^button Reset$/);
  await page.keyboard.press('Enter');
  await verdict.filter({ hasText: 'Anomalous' }).waitFor();
  assert.match(await focused(page), /^input Threshold/, 'the slider has the focus once its reset is gone');
  // A tenth of the slider up: the score is above the threshold still, but not by far.
  await page.keyboard.press('PageUp');
  await verdict.filter({ hasText: 'Suspect' }).waitFor();
  await page.keyboard.press('Home');
  for (let presses = 0; presses < 2; presses += 1) await page.keyboard.press('PageUp');
  await verdict.filter({ hasText: 'Anomalous' }).waitFor();
  await look(page, 'threshold-low');
  await tabTo(page, /^button Reset$/);
  await page.keyboard.press('Enter');
  await verdict.filter({ hasText: 'Anomalous' }).waitFor();

  await tabTo(page, /^button 1/);
  assert.equal(await widget.locator('.mark[data-on]').count(), 1);
    await look(page, 'region');
  await tabTo(page, /^summary What these photos support$/);
  await page.keyboard.press('Enter');
  await look(page, 'support');
  await page.keyboard.press('Enter');
  nothingFound();
});

test('the result for other eyes, windows and languages', async () => {
  const { page, widget } = main;
  await page.evaluate(() => { document.activeElement.blur(); window.widget.removeAttribute('opacity'); });
  await page.emulateMedia({ colorScheme: 'dark' });
    await look(page, 'result-dark', { whole: true });
  await page.emulateMedia({ colorScheme: 'light', forcedColors: 'active' });
  await look(page, 'result-forced-colours');
  await page.emulateMedia({ forcedColors: 'none', reducedMotion: 'reduce' });
  const moving = await page.evaluate(() => {
    const nodes = [...window.widget.shadowRoot.querySelectorAll('*')].map((node) => getComputedStyle(node));
    return nodes.filter(({ animationName, transitionDuration }) => animationName !== 'none' || transitionDuration !== '0s').length;
  });
  assert.equal(moving, 0);
  await look(page, 'result-still');
  await page.emulateMedia({ reducedMotion: 'no-preference' });

  for (const [name, viewport] of [['narrow', narrow], ['tablet', { width: 768, height: 1024 }], ['wide', wide]]) {
    await page.setViewportSize(viewport);
    await look(page, `result-${name}`, { whole: true });
  }
  await page.setViewportSize(WINDOW);
  await page.evaluate(() => { window.widget.lang = 'de'; });
  await widget.getByText('Auffällig', { exact: true }).waitFor();
  await look(page, 'result-german');
  await page.setViewportSize(narrow);
  await look(page, 'result-german-narrow');
  await page.setViewportSize(WINDOW);
  await page.evaluate(() => { window.widget.removeAttribute('lang'); window.widget.controls = false; });
  await look(page, 'result-shown');
  await page.evaluate(() => { window.widget.controls = true; });
  nothingFound();
});

test('what was learned, profiles, and those that do not fit', async () => {
  const folder = scratch();
  for (const name of ['pill', 'metal_nut']) {
    mkdirSync(join(folder, name, 'train/good'), { recursive: true });
    cpSync(join(samples, name, 'good/0.jpg'), join(folder, name, 'train/good/0.jpg'));
  }
  const two = join(folder, 'two.profile.safetensors');
  const other = join(folder, 'other.profile.safetensors');
  run('fit', folder, '--out', two, '--device', 'cpu', '--size', '64', '--quiet');
  run('fit', join(folder, 'pill/train/good'), '--class', 'pill', '--model', 'none', '--out', other, '--device', 'cpu', '--quiet');
  const { page, widget } = main;
  const give = (path) => page.evaluate(({ name, bytes }) => {
    window.widget.profile = new File([new Uint8Array(bytes)], name);
  }, { name: path.split('/').pop(), bytes: [...readFileSync(path)] });

  await widget.getByRole('button', { name: 'Remove Photo to check' }).click();
  await reaches(page, 'fitted');
  await look(page, 'learned');
  await give(two);
  await page.evaluate(() => window.widget.fit());
  await widget.getByLabel('Product').selectOption('metal_nut');
  await look(page, 'profile');
  await give(other);
  assert.equal(await page.evaluate(() => window.widget.fit().catch(({ code }) => code)), 'bad-profile');
  await look(page, 'profile-unfit');
  await page.setViewportSize(narrow);
  await look(page, 'profile-unfit-narrow');
  await page.setViewportSize(WINDOW);
  nothingFound();
});

test('a lost device, and the camera', async () => {
  const { context, page, widget } = main;
  await page.evaluate(({ good, src }) => Object.assign(window.widget, { profile: null, good, src }), {
    good: [sample('pill/good/0.jpg')], src: sample('pill/suspect/scratch.jpg'),
  });
  await page.evaluate(() => window.lastWorker.say({ lost: { code: 'device-lost', message: 'The device was lost.' } }));
  await widget.getByText('The graphics device was lost and replaced.').waitFor();
  await look(page, 'lost');

  await widget.getByRole('button', { name: 'Photograph the part to check' }).click();
  await widget.getByText(/^No camera could be opened|^The browser was not allowed/).waitFor();
  await look(page, 'no-camera', { screen: true });
  await page.keyboard.press('Escape');
  await page.evaluate(() => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [640, 480];
    const [pen, photo] = [canvas.getContext('2d'), document.querySelector('.chip img')];
    setInterval(() => pen.drawImage(photo, 0, 0, 640, 480), 50);
    navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(10);
  });
  await widget.getByRole('button', { name: 'Photograph good parts' }).click();
  const shoot = widget.getByRole('button', { name: 'Take photo' });
  await page.waitForFunction(() => !window.widget.shadowRoot.querySelector('[part~="shoot"]').disabled);
  await shoot.click();
  await widget.getByText('1 photo taken').waitFor();
  await look(page, 'camera', { screen: true });
  await page.keyboard.press('Escape');
  await context.close();
  nothingFound();
});

test('photos that cannot be used', async () => {
  const { context, page, widget } = await start();
  const [prompt, suspect] = ['Choose photos', 'Choose photo'].map((name) => widget.locator(`input[type="file"][aria-label="${name}"]`));
  await prompt.setInputFiles([
    { name: 'cut off.png', mimeType: 'image/png', buffer: PNG_HEAD },
    { name: 'fine.jpg', mimeType: 'image/jpeg', buffer: readFileSync(join(samples, 'pill/good/0.jpg')) },
  ]);
  await suspect.setInputFiles({ name: 'IMG_2041.HEIC', mimeType: 'image/heic', buffer: HEIC });
  await widget.getByText('HEIC photos cannot be read here.').first().waitFor();
  await look(page, 'photo-heic');
  assert.ok(await widget.getByRole('button', { name: 'Check photo' }).isDisabled());
  await page.waitForFunction(() => window.announced.some((text) => /^IMG_2041\.HEIC: HEIC photos cannot/.test(text)));
  await suspect.setInputFiles({ name: 'part.png', mimeType: 'image/png', buffer: PNG_HEAD });
  await widget.getByText('This photo is damaged and cannot be read.').first().waitFor();
  await look(page, 'photo-damaged');
  await page.setViewportSize(narrow);
  await look(page, 'photo-damaged-narrow');
  await context.close();
  nothingFound();
});

/** A page with photos, whose check ends with an error. */
async function failing(name, { prepare = () => {}, code, title, device }) {
  const { context, page, widget } = await start();
  await page.evaluate(({ good, src }) => Object.assign(window.widget, { good, src }), {
    good: [0, 1].map((n) => sample(`pill/good/${n}.jpg`)), src: sample('pill/suspect/scratch.jpg'),
  });
  await widget.getByRole('img', { name: 'scratch.jpg' }).waitFor();
  await prepare(context, page);
  if (device) {
    await page.getByText('Bring your own model').click();
    await page.getByLabel('Device').selectOption(device);
    await widget.getByText(`${title}: `).waitFor();
    await look(page, `${name}-known`);
    assert.ok(await widget.getByRole('button', { name: 'Check photo' }).isDisabled());
  }
  const got = await page.evaluate(() => window.widget.detect().catch(({ code }) => code));
  assert.equal(got, code);
  await widget.getByText(title, { exact: true }).waitFor();
  await page.waitForFunction((title) => window.announced.some((text) => text.startsWith(`${title}. `)), title);
  await look(page, name);
  return { context, page, widget };
}

test('without a network for the weights, and on again with it', async () => {
  const shard = '**/models/mini/000.safetensors*';
  const aborted = await failing('no-weights', {
    prepare: (context) => context.route(shard, (route) => route.abort()),
    code: 'network', title: 'The download failed',
  });
  await aborted.context.close();
  const offline = await failing('offline', {
    prepare: (context) => context.setOffline(true),
    code: 'network', title: 'You are offline',
  });
  stopped = gate();
  await offline.context.setOffline(false);
  await reaches(offline.page, 'loading');
  stopped.resolve();
  stopped = null;
  await offline.context.close();
  nothingFound();
});

test('without the WebAssembly module, with a damaged model, and without WebGPU', async () => {
  const missing = await failing('no-wasm', {
    prepare: (context) => context.route('**/wasm/*.wasm', (route) => route.fulfill({ status: 404, body: 'no' })),
    code: 'network', title: 'The download failed',
  });
  await missing.context.close();
  const damaged = await failing('damaged-model', {
    prepare: (context) => context.route('**/models/mini/000.safetensors*', async (route) => {
      const response = await route.fetch();
      const body = await response.body();
      body[body.length - 100] ^= 1;
      await route.fulfill({ response, body });
    }),
    code: 'bad-bundle', title: 'The model is damaged',
  });
  await damaged.context.close();
  const hide = "Object.defineProperty(Navigator.prototype, 'gpu', { get() {} });";
  const hideInWorker = "Object.defineProperty(WorkerNavigator.prototype, 'gpu', { get() {} });";
  const none = await failing('no-webgpu', {
    async prepare(context, page) {
      await page.evaluate(hide);
      await context.route('**/worker.js', async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, body: hideInWorker + (await response.text()) });
      });
    },
    code: 'unsupported', title: 'Not possible on this device', device: 'webgpu',
  });
  await none.widget.locator('.message', { hasText: 'This browser has no WebGPU.' }).waitFor();
  await none.page.getByLabel('Device').selectOption('cpu');
  await reaches(none.page, 'ready');
  await none.context.close();
  nothingFound();
});
