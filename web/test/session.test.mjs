import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SilentWorker } from '../testkit/browser.mjs';
import { source } from '../testkit/modules.mjs';

const { Session } = await source('session');

const SETUP = { device: 'cpu' };
const INFO = { device: 'cpu' };
/** Long enough for a worker to open and a job to be sent. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

/** A session whose workers open at once and answer nothing else. */
function session() {
  const workers = [];
  const made = new Session(() => {
    const worker = new SilentWorker();
    workers.push(worker);
    setTimeout(() => worker.say({ id: 1, value: INFO }));
    return worker;
  }, SETUP);
  return { session: made, workers };
}

const detect = (session, name, watch = {}) => session.job((client) => client.request('detect', name, watch), watch);
const names = ({ sent }) => sent.map(({ kind, body }) => (typeof body === 'string' ? body : kind));

test('one job runs at a time; a failure does not stop those that wait', async () => {
  const { session: engine, workers } = session();
  const first = detect(engine, 'one');
  const second = detect(engine, 'two');
  const third = detect(engine, 'three');
  await settled();
  const [worker] = workers;
  assert.deepEqual(names(worker), ['open', 'one']);
  worker.say({ id: 2, error: { code: 'bad-image', message: '' }, lost: false });
  await assert.rejects(first, { code: 'bad-image' });
  await settled();
  assert.deepEqual(names(worker), ['open', 'one', 'two']);
  worker.say({ id: 3, value: 2 });
  assert.equal(await second, 2);
  await settled();
  worker.say({ id: 4, value: 3 });
  assert.equal(await third, 3);
  assert.equal(workers.length, 1);
});

test('a job that is aborted while it waits never starts, and keeps its place for nobody', async () => {
  const { session: engine, workers } = session();
  const first = detect(engine, 'one');
  const abort = new AbortController();
  const second = detect(engine, 'two', { signal: abort.signal });
  const third = detect(engine, 'three');
  await settled();
  abort.abort();
  await assert.rejects(second, { code: 'aborted' });
  assert.deepEqual(names(workers[0]), ['open', 'one'], 'the third still waits for the first');
  workers[0].say({ id: 2, value: 1 });
  await first;
  await settled();
  assert.deepEqual(names(workers[0]), ['open', 'one', 'three']);
  workers[0].say({ id: 3, value: 3 });
  assert.equal(await third, 3);
});

test('other requests do not wait for a job', async () => {
  const { session: engine, workers } = session();
  void detect(engine, 'one').catch(() => {});
  await settled();
  const legend = engine.request('legend', 'legend');
  await settled();
  workers[0].say({ id: 3, value: 'picture' });
  assert.equal(await legend, 'picture');
});

test('a job whose device is lost runs again in another worker with the same setup; one that loses three fails', async () => {
  const { session: engine, workers } = session();
  const lost = [];
  engine.onLost = (error) => lost.push(error.code);
  const lose = (index) =>
    workers[index].say({ id: 2, error: { code: 'device-lost', message: 'Gone.' }, lost: true });
  const first = detect(engine, 'one');
  await settled();
  lose(0);
  await settled();
  assert.deepEqual([workers.length, workers[0].terminated, lost], [2, true, ['device-lost']]);
  assert.deepEqual(
    workers[1].sent.map(({ body }) => body),
    [SETUP, 'one'],
  );
  workers[1].say({ id: 2, value: 1 });
  assert.equal(await first, 1);

  const second = detect(engine, 'two');
  await settled();
  workers[1].say({ id: 3, error: { code: 'device-lost', message: 'Gone.' }, lost: true });
  await settled();
  lose(2);
  await settled();
  lose(3);
  await assert.rejects(second, { code: 'device-lost' });
  assert.equal(workers.length, 4);
  // Whoever comes next has as many tries.
  const third = detect(engine, 'three');
  await settled();
  assert.deepEqual(names(workers[4]), ['open', 'three']);
  workers[4].say({ id: 2, value: 3 });
  assert.equal(await third, 3);
});

test('a job that fails for another reason than its device does not run again', async () => {
  const { session: engine, workers } = session();
  const first = detect(engine, 'one');
  await settled();
  workers[0].say({ id: 2, error: { code: 'internal', message: 'unreachable' }, lost: true });
  await assert.rejects(first, { code: 'internal' });
  assert.equal(workers.length, 1);
});

test('an engine that fails to open is tried again by the next call', async () => {
  let fail = true;
  const workers = [];
  const engine = new Session(() => {
    const worker = new SilentWorker();
    workers.push(worker);
    const answer = fail ? { error: { code: 'unsupported', message: 'No.' }, lost: false } : { value: INFO };
    setTimeout(() => worker.say({ id: 1, ...answer }));
    return worker;
  }, SETUP);
  await assert.rejects(engine.open(), { code: 'unsupported' });
  assert.equal(workers[0].terminated, true);
  fail = false;
  assert.deepEqual((await engine.open()).info, INFO);
});

test('disposing ends the worker and everything that waits', async () => {
  const { session: engine, workers } = session();
  const first = detect(engine, 'one');
  const second = detect(engine, 'two');
  await settled();
  engine.dispose();
  await assert.rejects(first, { code: 'aborted', message: /disposed/ });
  await assert.rejects(second, { code: 'aborted', message: /disposed/ });
  await assert.rejects(engine.request('legend', 'legend'), { code: 'aborted' });
  assert.deepEqual([workers.length, workers[0].terminated], [1, true]);
});
