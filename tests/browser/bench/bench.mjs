// `cargo xtask bench-web`: the U-Net of `mini` by this engine and by onnxruntime-web, in turns, in one Chromium.
//
// Usage: bench.mjs FOLDER OUT RUNS DEVICE... where FOLDER holds unet.onnx and shapes.json. Both engines run in workers of
// one page of `anomalysd serve`, so under its content security policy. OUT may be a bench.json: rows of other names stay.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { browser, serve } from '../support.mjs';
import { TOLERANCE, difference, line, merged, row } from './compare.mjs';

const [folder, out, runs, ...devices] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const onnxruntime = join(here, 'node_modules/onnxruntime-web');
const { version } = createRequire(import.meta.url)(join(onnxruntime, 'package.json'));
const TYPES = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };
const TIMESTEP = 501;

/** What no server of ours has: the other worker and onnxruntime's files. Ours is that of the page's own bench. */
async function addFiles(context) {
  const answer = (path) => (route) =>
    route.fulfill({ body: readFileSync(path), contentType: TYPES[extname(path)] ?? 'application/octet-stream' });
  await context.route('**/bench-onnx.js', answer(join(here, 'onnx.js')));
  await context.route('**/onnx/*', (route) => {
    const name = new URL(route.request().url()).pathname.split('/').at(-1);
    return answer(name === 'unet.onnx' ? join(folder, name) : join(onnxruntime, 'dist', name))(route);
  });
}

/** In the page: both workers, and what the networks see. */
function prepare(shapes, timestep) {
  // Uniform numbers in −1..1, the same each time.
  let state = 1;
  const draw = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const fill = (shape) => Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, draw);
  const given = { part: 'unet', input: fill(shapes.sample), side: shapes.sample[3], timestep, context: fill(shapes.context), shapes };
  const start = (name) => new Worker(name, { type: 'module' });
  const workers = { ours: start('/bench-worker.js'), onnx: start('/bench-onnx.js') };
  window.ask = (name, message) =>
    new Promise((resolve, reject) => {
      const worker = workers[name];
      worker.onerror = (event) => reject(new Error(`${name}: ${event.message ?? 'the worker did not start'}`));
      worker.onmessage = ({ data }) => (data.error ? reject(new Error(`${name}: ${data.error}`)) : resolve(data));
      worker.postMessage(message);
    });
  window.step = (name) => window.ask(name, { kind: 'pass', ...given });
}

async function measure(context, url, device, shapes) {
  const page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && console.error(message.text()));
  await page.goto(`${url}embed/plain.html`);
  await page.evaluate(`(${prepare})(${JSON.stringify(shapes)}, ${TIMESTEP})`);
  const got = await page.evaluate(
    async ({ device, runs }) => {
      const first = {};
      const values = {};
      for (const name of ['ours', 'onnx']) {
        await window.ask(name, { kind: 'load', device, bundle: `${location.origin}/anomalysd/models/mini/` });
        const { ms, value: prediction } = await window.step(name);
        [first[name], values[name]] = [ms, [...prediction]];
      }
      const times = { ours: [], onnx: [] };
      let dispatches = 0;
      for (let run = 0; run < runs; run += 1) {
        for (const name of ['ours', 'onnx']) {
          const done = await window.step(name);
          times[name].push(done.ms);
          dispatches = done.dispatches ?? dispatches;
        }
      }
      return { first, values, times, dispatches };
    },
    { device, runs: Number(runs) },
  );
  await page.close();
  const apart = difference(got.values.ours, got.values.onnx);
  if (!(apart <= TOLERANCE)) {
    throw new Error(`${device}: the predictions differ by ${apart}, where ${TOLERANCE} is allowed: times of different results say nothing`);
  }
  return row(device, `onnxruntime-web ${version}`, {
    ours: got.times.ours,
    theirs: got.times.onnx,
    apart,
    first: { ours: got.first.ours, theirs: got.first.onnx },
    dispatches: got.dispatches,
  });
}

const shapes = JSON.parse(readFileSync(join(folder, 'shapes.json'), 'utf8'));
const server = await serve();
const chromium = await browser();
const rows = [];
try {
  const context = await chromium.newContext();
  context.setDefaultTimeout(0);
  await addFiles(context);
  for (const device of devices) {
    rows.push(await measure(context, server.url, device, shapes));
    console.log(line(rows.at(-1)));
  }
} finally {
  await chromium.close();
  server.stop();
}
const known = existsSync(out) ? JSON.parse(readFileSync(out, 'utf8')).rows : [];
writeFileSync(out, `${JSON.stringify({ schema: 'anomalysd.bench.v1', rows: merged(known, rows) }, null, 2)}\n`);
