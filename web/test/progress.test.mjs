import assert from 'node:assert/strict';
import { test } from 'node:test';
import { globals } from '../testkit/browser.mjs';
import { source } from '../testkit/modules.mjs';

const { Pace, Throttle } = await source('progress');

/** A clock that a test moves, timers included. */
function clock(t) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 1000;
  globals(t, { performance: { now: () => now } });
  return (ms) => {
    for (let each = 0; each < ms; each++) {
      now++;
      t.mock.timers.tick(1);
    }
  };
}

const step = (done, total = 100, changes = {}) => ({ stage: 'denoise', photo: 0, photos: 1, done, total, ...changes });

test('at most twenty reports a second leave the worker, the last one always', (t) => {
  const pass = clock(t);
  const sent = [];
  const throttle = new Throttle((report) => sent.push(report.done));
  for (let done = 1; done <= 1000; done++) {
    throttle.push(step(done));
    pass(1);
  }
  assert.ok(sent.length <= 21 && sent.length >= 19, `${sent.length} in a second`);
  assert.equal(sent[0], 1, 'the first one goes at once');
  pass(50);
  assert.equal(sent.at(-1), 1000, 'the last one goes without another push');

  throttle.push(step(1001));
  throttle.push(step(1002));
  throttle.flush();
  assert.equal(sent.at(-1), 1002);
  const count = sent.length;
  throttle.flush();
  pass(100);
  assert.equal(sent.length, count, 'nothing goes twice');
});

test('the share covers all photos and never falls', () => {
  const seen = [];
  const { report } = new Pace('work', ({ fraction }) => seen.push(fraction));
  report(step(50, 100, { photos: 2 }));
  report(step(0, 100, { photo: 1, photos: 2 }));
  report(step(90, 200, { photo: 0, photos: 2 }));
  report(step(120, 100, { photo: 1, photos: 2 }));
  report(step(0, 0));
  assert.deepEqual(seen, [0.25, 0.5, 0.5, 1, 1]);
});

test('loading is mostly the download, which says its bytes', () => {
  const seen = [];
  const { report } = new Pace('load', (progress) => seen.push(progress));
  report(step(50, 100, { stage: 'download' }));
  report(step(0, 1, { stage: 'start' }));
  report(step(0, 1, { stage: 'check' }));
  assert.deepEqual(
    seen.map(({ fraction }) => fraction),
    [0.4, 0.8, 0.9],
  );
  assert.deepEqual(seen[0].bytes, { loaded: 50, total: 100 });
  assert.equal('bytes' in seen[1], false);
});

test('starting a new worker is no part of other work', () => {
  const seen = [];
  const { report } = new Pace('work', ({ fraction }) => seen.push(fraction));
  report(step(0, 1, { stage: 'check' }));
  report(step(10));
  assert.deepEqual(seen, [0, 0.1]);
});

test('the time left is an estimate from what was done since the first report', (t) => {
  const pass = clock(t);
  const seen = [];
  const { report } = new Pace('work', ({ remainingMs }) => seen.push(remainingMs));
  report(step(50));
  pass(400);
  report(step(60));
  pass(600);
  report(step(75));
  assert.deepEqual(seen, [null, null, 1000]);
});
