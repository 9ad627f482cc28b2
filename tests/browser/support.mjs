// What the browser tests share: the command's own server, Chromium, and the command's verdicts to compare with.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, parse } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { PNG } from 'pngjs';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
export const command = join(root, 'target/release/anomalysd');
const CHROMIUM = process.env.ANOMALYSD_CHROMIUM ?? '/usr/bin/chromium';

/** A folder for what a test writes; the system clears it. */
export function scratch() {
  return mkdtempSync(join(tmpdir(), 'anomalysd-browser-'));
}

/** `anomalysd serve` on a free port. */
export async function serve(...flags) {
  const child = spawn(command, ['serve', '--site', join(root, 'web/site'), '--port', '0', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const url = await new Promise((resolve, reject) => {
    lines.once('line', resolve);
    child.once('exit', (code) => reject(new Error(`serve ended with ${code}`)));
  });
  return { url, stop: () => child.kill('SIGINT') };
}

const OPTIONS = {
  executablePath: CHROMIUM,
  args: [
    '--headless',
    '--no-sandbox',
    '--enable-unsafe-webgpu',
    '--use-webgpu-adapter=swiftshader',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
};

/** Chromium with WebGPU in software. */
export function browser() {
  return chromium.launch(OPTIONS);
}

/** The same as a context that keeps what it stores in `folder`. */
export function persistent(folder) {
  return chromium.launchPersistentContext(folder, OPTIONS);
}

/** A page of the site whose console and policy violations are kept. */
export async function open(context, url) {
  const page = await context.newPage();
  const heard = [];
  page.on('console', (message) => {
    if (message.type() === 'error') heard.push(message.text());
  });
  page.on('pageerror', (error) => heard.push(String(error)));
  await page.goto(url);
  return { page, heard };
}

/** Runs the command; what it prints. */
export function run(...args) {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

/** The map that `detect --out` wrote: levels of 16 bits, of which the brightest is `max`. */
export function readMap(file, max) {
  const { width, height, data } = PNG.sync.read(readFileSync(file), { skipRescale: true });
  const channels = data.length / (width * height);
  return { width, height, values: Array.from({ length: width * height }, (_, i) => (data[i * channels] / 65535) * max) };
}

/** What the command says of a photo on the processor, and the map that it wrote into `folder`. */
export function judged(photo, profile, folder, ...flags) {
  run('detect', photo, '--profile', profile, '--device', 'cpu', '--out', folder, ...flags);
  const out = join(folder, parse(photo).name);
  const result = JSON.parse(readFileSync(join(out, 'result.json'), 'utf8'));
  return { result, map: readMap(join(out, 'map.png'), result.map.max) };
}

/** The largest difference of two maps. */
export function difference(map, other) {
  return map.reduce((most, value, index) => Math.max(most, Math.abs(value - other[index])), 0);
}
