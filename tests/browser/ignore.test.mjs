// What does not count: places that a person draws, with mouse, finger and keyboard, or that a page gives, and small defects.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PNG } from 'pngjs';
import { host } from './host.mjs';
import { liveRegions, misfits, picture, violations } from './look.mjs';
import { browser, open, root } from './support.mjs';

const GOOD = [0, 1].map((n) => `/samples/metal_nut/good/${n}.jpg`);
/** A stain at the lower right: these shares of the photo hold it. */
const SUSPECT = '/samples/metal_nut/suspect/stain.jpg';
const STAIN = [0.6, 0.6, 0.82, 0.84];
const narrow = { width: 320, height: 640 };

let server;
let chromium;

before(async () => {
  server = await host(`${root}/web/site`);
  chromium = await browser();
});

after(async () => {
  await chromium?.close();
  server?.stop();
});

/** The demo page with photos, and everything that is announced. */
async function start(options = {}) {
  const context = await chromium.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const { page, heard } = await open(context, server.url);
  const widget = page.locator('anomaly-sd');
  await page.evaluate(({ good, src }) => {
    window.widget = document.querySelector('anomaly-sd');
    window.events = [];
    for (const name of ['ignore-change', 'min-area-change', 'result', 'fit']) {
      window.widget.addEventListener(name, ({ detail }) => window.events.push([name, detail]));
    }
    window.announced = [];
    new MutationObserver((changes) => changes.forEach(({ addedNodes }) => {
      addedNodes.forEach((node) => window.announced.push(node.textContent));
    })).observe(document.querySelector('.anomaly-sd-announcer'), { childList: true });
    Object.assign(window.widget, { good, src });
  }, { good: GOOD, src: SUSPECT });
  await widget.getByRole('img', { name: 'stain.jpg' }).waitFor();
  return { context, page, widget, heard };
}

/** Where a share of the photo is on the page, now. */
async function at(widget, [left, top]) {
  const { x, y, width, height } = await widget.locator('.editor').boundingBox();
  return [x + left * width, y + top * height];
}

/** Drags from one point of the photo to another, over some in between. */
async function drag(page, widget, from, to) {
  await page.mouse.move(...(await at(widget, from)));
  await page.mouse.down();
  for (const step of [0.25, 0.5, 0.75, 1]) {
    await page.mouse.move(...(await at(widget, from.map((start, axis) => start + (to[axis] - start) * step))));
  }
  await page.mouse.up();
}

/** The mask that the element has, as a page reads it: bright pixels, and whether one at a share of its sides is. */
async function mask(page) {
  const bytes = await page.evaluate(async () => {
    const { ignore } = window.widget;
    return ignore && [...new Uint8Array(await ignore.arrayBuffer())];
  });
  if (!bytes) return null;
  const { width, height, data } = PNG.sync.read(Buffer.from(bytes));
  const bright = (x, y) => data[4 * (Math.floor(y * height) * width + Math.floor(x * width))] > 127;
  const share = Array.from({ length: width * height }, (_, index) => data[4 * index] > 127).filter(Boolean).length / (width * height);
  return { bright, share };
}

/** What the last result says, in numbers: the largest value of the map within shares of the photo, and outside. */
function told(page, [left, top, right, bottom]) {
  return page.evaluate(({ left, top, right, bottom }) => {
    const { result } = window.widget;
    const { verdict, regions, score, threshold } = result.toJSON();
    const most = { inside: 0, outside: 0 };
    result.map.forEach((value, index) => {
      const [x, y] = [(index % result.width) / result.width, Math.floor(index / result.width) / result.height];
      const where = x > left && x < right && y > top && y < bottom ? 'inside' : 'outside';
      most[where] = Math.max(most[where], value);
    });
    return { verdict, score, threshold, areas: regions.map(({ area }) => area / (result.width * result.height)), ...most };
  }, { left, top, right, bottom });
}

function again(page, count) {
  const enough = (count) => window.events.filter(([name]) => name === 'result').length >= count;
  return page.waitForFunction(enough, count, { timeout: 120_000 });
}

async function fits(page, name) {
  await picture(page.locator('anomaly-sd').first(), `ignore-${name}`);
  assert.deepEqual([...(await violations(page)), ...(await misfits(page))], [], name);
  assert.equal(await liveRegions(page), 1);
}

const [left, top, right, bottom] = STAIN;
const inner = [left + 0.02, top + 0.02, right - 0.02, bottom - 0.02];

test('a defect that a person draws a rectangle over gives no alarm and 0 in the map', async () => {
  const { context, page, widget, heard } = await start();
  await page.evaluate(() => window.widget.detect());
  const before = await told(page, inner);
  assert.equal(before.verdict, 'anomalous');
  assert.equal(before.inside > before.threshold, true);

  await widget.getByRole('button', { name: 'Ignore places' }).click();
  await drag(page, widget, [left, top], [right, bottom]);
  await fits(page, 'rectangle');
  // It can be moved and pulled while it is the last one.
  await drag(page, widget, [right, bottom], [right + 0.05, bottom]);
  await drag(page, widget, [0.7, 0.7], [0.65, 0.7]);
  const box = await widget.locator('.box').getAttribute('aria-label');
  assert.equal(box, 'Rectangle: left 55%, top 60%, width 27%, height 24%');
  await drag(page, widget, [0.7, 0.7], [0.75, 0.7]);

  await widget.getByRole('button', { name: 'Done' }).click();
  await again(page, 2);
  const now = await told(page, inner);
  assert.equal(now.inside, 0);
  assert.equal(now.score < before.score / 2, true, `${now.score}, was ${before.score}`);
  assert.notEqual(now.verdict, 'anomalous');
  const names = await page.evaluate(() => window.events.map(([name]) => name));
  assert.deepEqual(names, ['fit', 'result', 'ignore-change', 'fit', 'result'], 'the good photos are learned anew without it');
  for (const view of ['overlay', 'contour', 'repaired', 'slider', 'photo']) {
    await page.evaluate((view) => { window.widget.view = view; }, view);
    assert.ok(await widget.locator('[part="ignored"]').isVisible(), view);
    await picture(widget, `ignore-${view}`);
  }

  // The places stay for the next photo of the same shape, wait during one of another, and go when they are cleared.
  await page.evaluate(() => { window.widget.src = '/samples/metal_nut/suspect/good.jpg'; });
  await widget.locator('[part="ignored"]').waitFor();
  await page.evaluate(() => { window.widget.src = new ImageData(200, 100); });
  await widget.getByText('The ignored places are of a photo of another shape.').waitFor();
  assert.ok(await widget.locator('[part="ignored"]').isHidden());
  await page.evaluate((src) => { window.widget.src = src; }, SUSPECT);
  await widget.locator('[part="ignored"]').waitFor();
  await widget.getByRole('button', { name: 'Ignore places' }).click();
  await widget.getByRole('button', { name: 'Clear' }).click();
  await widget.getByRole('button', { name: 'Done' }).click();
  await page.waitForFunction(() => window.widget.ignore === null);
  assert.ok(await widget.locator('[part="ignored"]').isHidden());
  assert.deepEqual(heard, []);
  await context.close();
});

test('brush, eraser, and undo', async () => {
  const { context, page, widget } = await start();
  const done = () => widget.getByRole('button', { name: 'Done' }).click();
  const edit = () => widget.getByRole('button', { name: 'Ignore places' }).click();
  await edit();
  await widget.getByRole('radio', { name: 'Brush' }).click();
  await widget.getByLabel('Width').fill('0.1');
  await drag(page, widget, [0.2, 0.5], [0.8, 0.5]);
  await fits(page, 'brush');
  await widget.getByRole('radio', { name: 'Eraser' }).click();
  await drag(page, widget, [0.5, 0.3], [0.5, 0.7]);
  await fits(page, 'eraser');
  await done();
  // The mask is encoded after the click; its event says when.
  await page.waitForFunction(() => window.events.some(([name]) => name === 'ignore-change'), null, { timeout: 10_000 });
  const drawn = await mask(page);
  assert.deepEqual([0.3, 0.5, 0.7].map((x) => drawn.bright(x, 0.5)), [true, false, true]);

  await edit();
  await drag(page, widget, [0.1, 0.1], [0.3, 0.3]);
  await widget.getByRole('button', { name: 'Undo' }).click();
  // A click draws nothing.
  await page.mouse.click(...(await at(widget, [0.9, 0.9])));
  await done();
  assert.ok(Math.abs((await mask(page)).share - drawn.share) < 1e-6);

  await context.close();
});

test('a finger draws and does not scroll, and finds everything it needs', async () => {
  const { context, page, widget } = await start({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  await widget.getByRole('button', { name: 'Ignore places' }).tap();
  await widget.getByRole('radio', { name: 'Brush' }).tap();
  const small = await page.evaluate(() => [...window.widget.shadowRoot.querySelectorAll('.ignore :is(button, input)')]
    .filter((node) => node.checkVisibility())
    .map((node) => [node.ariaLabel ?? node.textContent, node.getBoundingClientRect()])
    .filter(([, { width, height }]) => Math.min(width, height) < 44).map(([name]) => name));
  assert.deepEqual(small, []);
  await fits(page, 'finger');
  const scrolled = await page.evaluate(() => window.scrollY);
  const finger = await context.newCDPSession(page);
  const touch = async (type, place) => {
    const [x, y] = place ? await at(widget, place) : [];
    await finger.send('Input.dispatchTouchEvent', { type, touchPoints: place ? [{ x, y }] : [] });
  };
  await touch('touchStart', [0.2, 0.2]);
  for (const step of [0.3, 0.4, 0.5, 0.6]) await touch('touchMove', [step, step]);
  await touch('touchEnd');
  assert.equal(await page.evaluate(() => window.scrollY), scrolled);
  await widget.getByRole('button', { name: 'Done' }).tap();
  await page.waitForFunction(() => window.widget.ignore !== null);
  const drawn = await mask(page);
  assert.deepEqual([drawn.bright(0.4, 0.4), drawn.bright(0.4, 0.6)], [true, false]);
  await context.close();
});

test('a rectangle with the keyboard alone, on narrow and dark screens and in German', async () => {
  const { context, page, widget } = await start();
  await widget.getByRole('button', { name: 'Ignore places' }).focus();
  await page.keyboard.press('Enter');
  const focused = () => page.evaluate(() => {
    const node = window.widget.shadowRoot.activeElement;
    return node?.labels?.[0]?.textContent ?? node?.ariaLabel ?? node?.textContent;
  });
  assert.equal(await focused(), 'Rectangle', 'the tools have the focus');
  await page.keyboard.press('Tab');
  assert.equal(await focused(), 'Add rectangle');
  await page.keyboard.press('Enter');
  assert.equal(await focused(), 'Rectangle: left 35%, top 35%, width 30%, height 30%');
  for (let presses = 0; presses < 5; presses += 1) await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('ArrowDown');
  for (let presses = 0; presses < 2; presses += 1) await page.keyboard.press('Shift+ArrowRight');
  await page.keyboard.press('Shift+ArrowUp');
  const label = 'Rectangle: left 30%, top 36%, width 32%, height 29%';
  assert.equal(await focused(), label);
  await page.waitForFunction((label) => window.announced.at(-1) === label, label);
  for (let presses = 0; presses < 60; presses += 1) await page.keyboard.press('ArrowUp');
  assert.match(await focused(), /top 0%/, 'it stays in the photo');
  await page.keyboard.press('Control+z');
  assert.equal(await widget.locator('.box').isVisible(), false);
  assert.equal(await focused(), 'Ignore places', 'the picture has the focus once its rectangle is gone');
  for (const _ of [1, 2]) {
    await widget.getByRole('button', { name: 'Add rectangle' }).focus();
    await page.keyboard.press('Enter');
    assert.match(await focused(), /^Rectangle: left 35%/);
    await page.keyboard.press('ArrowRight');
  }
  await page.emulateMedia({ colorScheme: 'dark' });
  await fits(page, 'dark');
  await page.emulateMedia({ colorScheme: 'light', forcedColors: 'active' });
  await fits(page, 'forced-colours');
  await page.emulateMedia({ forcedColors: 'none' });
  await page.setViewportSize(narrow);
  await fits(page, 'narrow');
  await page.evaluate(() => { document.documentElement.lang = window.widget.lang = 'de'; });
  await fits(page, 'narrow-german');
  assert.match(await widget.locator('.box').getAttribute('aria-label'), /^Rechteck: links 36\s%, oben 35\s%, Breite 30\s%, Höhe 30\s%$/);
  await widget.getByRole('button', { name: 'Fertig' }).press('Enter');
  await page.waitForFunction(() => window.widget.ignore !== null);
  await fits(page, 'narrow-german-set');
  assert.ok((await mask(page)).bright(0.5, 0.5));
  await context.close();
});

test('a page gives a mask, rectangles or an address, and the smallest defect as an attribute', async () => {
  const { context, page, widget } = await start();
  const refused = await page.evaluate(() => {
    window.widget.ignore = '/nowhere.png';
    return window.widget.detect().catch(({ code, message }) => [code, message.includes('/nowhere.png')]);
  });
  assert.deepEqual(refused, ['network', true]);
  assert.equal(await page.evaluate(() => window.widget.getAttribute('ignore')), '/nowhere.png');

  await page.evaluate(([left, top, right, bottom]) => {
    const { widget } = window;
    widget.ignore = [{ x: left, y: top, width: right - left, height: bottom - top }];
    return widget.detect();
  }, STAIN);
  const places = await told(page, inner);
  assert.equal(places.inside, 0);
  assert.equal(await page.evaluate(() => window.widget.hasAttribute('ignore')), false);

  // White where the stain is: the same as a picture.
  await page.evaluate(([left, top, right, bottom]) => {
    const { widget } = window;
    const image = new ImageData(100, 100);
    for (let at = 0; at < 10_000; at += 1) {
      const [x, y] = [(at % 100) / 100, Math.floor(at / 100) / 100];
      image.data.fill(x >= left && x < right && y >= top && y < bottom ? 255 : 0, 4 * at, 4 * at + 3);
      image.data[4 * at + 3] = 255;
    }
    widget.ignore = image;
    return widget.detect();
  }, STAIN);
  const image = await told(page, inner);
  assert.ok(Math.abs(image.score - places.score) <= 0.05 * places.score, `${image.score}, ${places.score}`);
  assert.equal(image.inside, 0);

  await page.evaluate(() => {
    window.widget.ignore = null;
    return window.widget.detect();
  });
  const all = await told(page, inner);
  assert.equal(all.verdict, 'anomalous');
  const largest = Math.max(...all.areas);
  await page.evaluate((percent) => {
    window.widget.setAttribute('min-area', `${percent}%`);
    return window.widget.detect();
  }, (100 * largest * 1.5).toFixed(2));
  const without = await told(page, inner);
  assert.notEqual(without.verdict, 'anomalous');
  assert.deepEqual(without.areas.filter((area) => area < largest * 1.5), []);
  assert.equal(await widget.getByLabel('Smallest defect that counts').inputValue(), String(Number((100 * largest * 1.5).toFixed(2))));

  // A person sets it back, and sees at once what becomes of the photo.
  const results = await page.evaluate(() => window.events.filter(([name]) => name === 'result').length);
  await widget.getByLabel('Smallest defect that counts').fill('0.01');
  await page.keyboard.press('Enter');
  await again(page, results + 1);
  assert.equal((await told(page, inner)).verdict, 'anomalous');
  const last = await page.evaluate(() => window.events.filter(([name]) => name === 'min-area-change').at(-1)[1]);
  assert.deepEqual(last, { minArea: '0.01%' });
  assert.equal(await page.evaluate(() => window.widget.minArea), '0.01%');
  await context.close();
});
