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
function session(setups = [SETUP]) {
  const workers = [];
  const made = new Session(() => {
    const worker = new SilentWorker();
    workers.push(worker);
    setTimeout(() => worker.say({ id: 1, value: INFO }));
    return worker;
  }, setups);
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
  }, [SETUP]);
  await assert.rejects(engine.open(), { code: 'unsupported' });
  assert.equal(workers[0].terminated, true);
  fail = false;
  assert.deepEqual((await engine.open()).info, INFO);
});

/** A session on two devices, whose workers open as `opens` says when they are asked. */
function onTwo(opens) {
  const workers = [];
  const engine = new Session(() => {
    const worker = new SilentWorker();
    workers.push(worker);
    setTimeout(() => {
      const answer = opens(worker.sent[0].body.device);
      if (answer) worker.say({ id: 1, ...answer });
    });
    return worker;
  }, [{ device: 'webgpu' }, { device: 'cpu' }]);
  return { engine, workers, devices: () => workers.map(({ sent }) => sent[0].body.device) };
}

test('a device that fails its check after a loss gives way to the next one, which finishes the job', async () => {
  let works = true;
  const { engine, workers, devices } = onTwo((device) =>
    works || device === 'cpu'
      ? { value: { device } }
      : { error: { code: 'unsupported', message: 'It computes wrong numbers.' }, lost: false },
  );
  const job = detect(engine, 'one');
  await settled();
  assert.deepEqual([engine.info.device, engine.fault], ['webgpu', null]);
  works = false;
  workers[0].say({ lost: { code: 'device-lost', message: 'Gone.' } });
  await settled();
  await settled();
  workers.at(-1).say({ id: 2, value: 1 });
  assert.equal(await job, 1);
  assert.deepEqual(devices(), ['webgpu', 'webgpu', 'cpu']);
  assert.deepEqual([engine.info.device, engine.fault], ['cpu', 'It computes wrong numbers.']);
  // It is not tried again, though it might work by now.
  works = true;
  workers.at(-1).say({ lost: { code: 'internal', message: 'unreachable' } });
  await engine.open();
  assert.deepEqual(devices(), ['webgpu', 'webgpu', 'cpu', 'cpu']);
});

test('a model that is damaged is so on every device', async () => {
  const { engine, devices } = onTwo(() => ({ error: { code: 'bad-bundle', message: 'Cut.' }, lost: false }));
  await assert.rejects(engine.open(), { code: 'bad-bundle' });
  assert.deepEqual([devices(), engine.fault], [['webgpu'], null]);
});

test('an abort while the engine opens again is heard at once', async () => {
  let opens = true;
  const { engine, workers } = onTwo((device) => opens && { value: { device } });
  const abort = new AbortController();
  const job = detect(engine, 'one', { signal: abort.signal });
  await settled();
  opens = false;
  workers[0].say({ lost: { code: 'device-lost', message: 'Gone.' } });
  await settled();
  assert.equal(workers.length, 2);
  abort.abort();
  await assert.rejects(job, { code: 'aborted' });
  assert.equal(workers[1].terminated, false, 'it goes on opening, for whoever comes next');
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
