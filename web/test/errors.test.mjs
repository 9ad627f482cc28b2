import assert from 'node:assert/strict';
import { test } from 'node:test';
import { source } from '../testkit/modules.mjs';

const { AnomalySDError, toError } = await source('errors');

test('whatever is thrown becomes one kind of error with a code', () => {
  const cases = [
    [{ code: 'bad-profile', message: 'Made for other weights.' }, 'bad-profile', 'Made for other weights.'],
    [{ code: 'made-up', message: 'x' }, 'internal', 'x'],
    [new DOMException('Stopped.', 'AbortError'), 'aborted', 'Stopped.'],
    [new RangeError('Array buffer allocation failed'), 'out-of-memory', 'Array buffer allocation failed'],
    [new RangeError('Invalid time'), 'internal', 'Invalid time'],
    [new Error(''), 'internal', 'Error'],
    ['text', 'internal', 'text'],
    [undefined, 'internal', 'undefined'],
  ];
  for (const [thrown, code, message] of cases) {
    const error = toError(thrown);
    assert.ok(error instanceof AnomalySDError && error instanceof Error);
    assert.deepEqual([error.name, error.code, error.message], ['AnomalySDError', code, message]);
  }
  const ours = new AnomalySDError('network', 'Gone.');
  assert.equal(toError(ours), ours);
});
