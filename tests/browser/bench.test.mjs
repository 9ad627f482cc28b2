// What `cargo xtask bench-web` says of two engines' times; the bench itself needs packages that CI does not have.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { difference, line, median, merged, row } from './bench/compare.mjs';

const turns = { ours: [9, 8, 7], theirs: [10, 12, 11], apart: 1e-6, first: { ours: 40_000, theirs: 500 }, dispatches: 310 };

test('a ratio is of medians, and its goal that of the device', () => {
  const { ratio, goal, ours_ms: ours, dispatches } = row('cpu', 'onnxruntime-web 1', turns);
  assert.deepEqual([ratio, goal, ours, dispatches], [0.727, 0.9, 8, undefined]);
  assert.match(line(row('cpu', 'onnxruntime-web 1', turns)), /0\.727 of it, goal 0\.9 met/);
});

test('on WebGPU the first run and the dispatches are told, too', () => {
  const said = line(row('webgpu', 'onnxruntime-web 1', turns));
  assert.match(said, /goal 0\.7 missed/);
  assert.match(said, /first run 40000 ms \(goal 30000 missed\), 310 dispatches/);
});

test('a difference is relative, and what is no number is infinitely far', () => {
  assert.equal(difference([1, -4], [1, -3]), 0.25);
  assert.equal(difference([1], [NaN]), Infinity);
  assert.equal(difference([1], [1, 1]), Infinity);
  assert.equal(median([3, 1, 2]), 2);
});

test('rows of the same name are replaced, others kept', () => {
  const rows = merged([{ name: 'a', ours_ms: 1 }, { name: 'b', ours_ms: 2 }], [{ name: 'c', ours_ms: 3 }, { name: 'a', ours_ms: 4 }]);
  assert.deepEqual(rows.map(({ name, ours_ms: ms }) => `${name}${ms}`), ['a4', 'b2', 'c3']);
});
