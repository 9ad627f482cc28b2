// The package's public API, as the element uses it. Nothing else in this folder names `../index.js`: the build leaves
// that one import as it is, so that page and element share one copy of the package.

import { AnomalySDError } from '../index.js';
import type { DetectOptions } from '../types.js';

export { AnomalySD, AnomalySDError } from '../index.js';
export type { Engine, Profile, Result } from '../index.js';
export type { ErrorCode } from '../errors.js';
export type {
  Assets, Bundle, CalibrationSummary, Capabilities, DetectionResult, Device, EngineInfo, Ignore, ImageInput, JobProgress,
  LoadOptions, Mode, Place, ProfileClass, Region, Verdict,
} from '../types.js';

/** The smallest defect that counts: pixels of the photo, or per cent of it. */
export type MinArea = NonNullable<DetectOptions['minArea']>;

/** Anything thrown, as the package's error. */
export function toError(thrown: unknown): AnomalySDError {
  if (thrown instanceof AnomalySDError) return thrown;
  const aborted = thrown instanceof DOMException && thrown.name === 'AbortError';
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new AnomalySDError(aborted ? 'aborted' : 'internal', message, { cause: thrown });
}

/** Rejects with `aborted` as soon as the signal fires, whatever becomes of the promise. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new AnomalySDError('aborted', 'The work was aborted.'));
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
