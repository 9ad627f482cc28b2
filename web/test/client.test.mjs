import assert from 'node:assert/strict';
import { test } from 'node:test';
import { globals, SilentWorker } from '../testkit/browser.mjs';
import { source } from '../testkit/modules.mjs';

const { Client, startWorker } = await source('client');
const { AnomalySDError } = await source('errors');

/** A client of a worker that says what a test makes it say. */
function client() {
  const worker = new SilentWorker();
  const lost = [];
  return { worker, lost, client: new Client(worker, (error) => lost.push(error)) };
}

const LEGEND = { width: 10, threshold: 1 };

test('answers find their requests by id, in any order', async () => {
  const { worker, client: page } = client();
  const first = page.request('legend', LEGEND);
  const second = page.request('legend', LEGEND);
  assert.deepEqual(
    worker.sent,
    [1, 2].map((id) => ({ id, kind: 'legend', body: LEGEND })),
  );
  worker.say({ id: 2, value: 'two' });
  worker.say({ id: 1, value: 'one' });
  assert.deepEqual(await Promise.all([first, second]), ['one', 'two']);
});

test('progress reaches the request that it belongs to', async () => {
  const { worker, client: page } = client();
  const seen = { one: [], two: [] };
  const one = page.request('fit', { good: [], request: {} }, { report: (report) => seen.one.push(report.done) });
  void page.request('fit', { good: [], request: {} }, { report: (report) => seen.two.push(report.done) });
  worker.say({ id: 1, progress: { done: 1 } });
  worker.say({ id: 2, progress: { done: 2 } });
  worker.say({ id: 1, value: {} });
  await one;
  worker.say({ id: 1, progress: { done: 3 } });
  assert.deepEqual(seen, { one: [1], two: [2] });
});

test('errors arrive as ours, with their code', async () => {
  const { worker, lost, client: page } = client();
  const request = page.request('legend', LEGEND);
  worker.say({ id: 1, error: { code: 'bad-image', message: 'It is cut.' }, lost: false });
  await assert.rejects(request, (error) => {
    assert.ok(error instanceof AnomalySDError && error instanceof Error);
    assert.deepEqual([error.code, error.message], ['bad-image', 'It is cut.']);
    return true;
  });
  assert.deepEqual([lost.length, worker.terminated], [0, false]);
});

test('an abort is a message, and the answer to it ends the request', async () => {
  const { worker, client: page } = client();
  const abort = new AbortController();
  const request = page.request('legend', LEGEND, { signal: abort.signal });
  abort.abort();
  assert.deepEqual(worker.sent.at(-1), { id: 1, kind: 'abort' });
  worker.say({ id: 1, error: { code: 'aborted', message: 'Stopped.' }, lost: false });
  await assert.rejects(request, { code: 'aborted' });
  assert.equal(worker.terminated, false);
});

test('a signal that has fired sends nothing, and one that fires later nothing either', async () => {
  const { worker, client: page } = client();
  await assert.rejects(page.request('legend', LEGEND, { signal: AbortSignal.abort() }), { code: 'aborted' });
  assert.deepEqual(worker.sent, []);
  const abort = new AbortController();
  const request = page.request('legend', LEGEND, { signal: abort.signal });
  worker.say({ id: 1, value: null });
  await request;
  abort.abort();
  assert.equal(worker.sent.length, 1);
});

test('a worker that ignores an abort for 30 seconds is ended', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { worker, lost, client: page } = client();
  const abort = new AbortController();
  const job = page.request('legend', LEGEND, { signal: abort.signal });
  const other = page.request('legend', LEGEND);
  abort.abort();
  t.mock.timers.tick(29_999);
  assert.equal(worker.terminated, false);
  t.mock.timers.tick(1);
  await assert.rejects(job, { code: 'aborted' });
  await assert.rejects(other, { code: 'internal', message: /did not stop within 30 seconds/ });
  assert.deepEqual([worker.terminated, lost.length], [true, 1]);
});

test('a lost device rejects everything that waits, and whatever comes after', async () => {
  const { worker, lost, client: page } = client();
  const requests = [page.request('legend', LEGEND), page.request('legend', LEGEND)];
  worker.say({ id: 1, error: { code: 'device-lost', message: 'Gone.' }, lost: true });
  for (const request of requests) await assert.rejects(request, { code: 'device-lost' });
  await assert.rejects(page.request('legend', LEGEND), { code: 'device-lost' });
  assert.deepEqual([worker.terminated, lost.length, lost[0].code], [true, 1, 'device-lost']);
});

test('a worker that crashes outside a request loses it, too', async () => {
  for (const crash of [
    (worker) => worker.say({ lost: { code: 'internal', message: 'unreachable' } }),
    (worker) => worker.break('unreachable'),
    (worker) => worker.onmessageerror(),
  ]) {
    const { worker, lost, client: page } = client();
    worker.say({ ready: true });
    const request = page.request('legend', LEGEND);
    crash(worker);
    await assert.rejects(request, { code: 'internal' });
    assert.deepEqual([worker.terminated, lost.length], [true, 1]);
  }
});

test('a worker whose script cannot be loaded is an error of the network', async () => {
  const { worker, client: page } = client();
  const request = page.request('legend', LEGEND);
  worker.break(undefined);
  await assert.rejects(request, { code: 'network' });
});

test('a photo that cannot be sent is a bad image', async () => {
  const { worker, client: page } = client();
  worker.postMessage = () => {
    throw new DOMException('The ImageBitmap is detached.', 'DataCloneError');
  };
  await assert.rejects(page.request('fit', { good: [], request: {} }), { code: 'bad-image', message: /detached/ });
});

test('a closed worker is no lost one', async () => {
  const { worker, lost, client: page } = client();
  const request = page.request('legend', LEGEND);
  page.close(new AnomalySDError('aborted', 'Enough.'));
  await assert.rejects(request, { code: 'aborted', message: 'Enough.' });
  worker.break('late');
  assert.deepEqual([worker.terminated, lost.length], [true, 0]);
});

test('a foreign worker starts through a Blob, in a sandbox through a data address, and else without', async (t) => {
  const started = [];
  class Recorder extends SilentWorker {
    constructor(url, options) {
      super();
      started.push([String(url), options]);
    }
  }
  const revoked = [];
  globals(t, { Worker: Recorder, origin: 'https://page.test' });
  t.mock.method(URL, 'revokeObjectURL', (url) => revoked.push(url));
  startWorker(new URL('https://page.test/lib/worker.js'));
  assert.deepEqual(started[0], ['https://page.test/lib/worker.js', { type: 'module' }]);

  const shim = startWorker(new URL('https://cdn.test/"x"/worker.js'));
  assert.match(started[1][0], /^blob:/);
  const script = await (await fetch(started[1][0])).text();
  assert.equal(script, 'import "https://cdn.test/%22x%22/worker.js";');
  shim.onmessage = () => {};
  shim.say({ ready: true });
  assert.deepEqual(revoked, [started[1][0]]);

  globals(t, { origin: 'null' });
  startWorker(new URL('https://page.test/lib/worker.js'));
  assert.equal(decodeURIComponent(started[2][0]), 'data:text/javascript,import "https://page.test/lib/worker.js";');
});

test('a worker that a browser refuses is an error of the network', (t) => {
  class Refused {
    constructor() {
      throw new DOMException('Not here.', 'SecurityError');
    }
  }
  globals(t, { Worker: Refused, origin: 'https://page.test' });
  assert.throws(() => startWorker(new URL('https://page.test/worker.js')), { code: 'network', message: /Not here/ });
});
