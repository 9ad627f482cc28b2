// Progress on its way: throttled where it leaves the worker, completed where a person watches it.

import type { Report } from './protocol.js';
import type { JobProgress, Stage } from './types.js';

/** Twenty messages a second are as smooth as a bar needs. */
const INTERVAL_MS = 50;

/** Sends at most one report in 50 ms, and the last one always. */
export class Throttle {
  readonly #send: (report: Report) => void;
  #last = -Infinity;
  #waiting: Report | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(send: (report: Report) => void) {
    this.#send = send;
  }

  readonly push = (report: Report): void => {
    this.#waiting = report;
    const wait = this.#last + INTERVAL_MS - performance.now();
    if (wait <= 0) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), wait);
  };

  /** Sends what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting === null) return;
    this.#last = performance.now();
    this.#send(this.#waiting);
    this.#waiting = null;
  }
}

/** Which part of loading a stage is: first guesses, a download over a slow line takes most of it. */
const LOADING: Partial<Record<Stage, readonly [start: number, share: number]>> = {
  download: [0, 0.8],
  start: [0.8, 0.1],
  check: [0.9, 0.1],
};

/** No estimate is made from less than this. */
const ENOUGH = { fraction: 0.02, ms: 500 };

/** Completes reports of one job with the share that is done and an estimate of the time left. */
export class Pace {
  readonly #job: 'load' | 'work';
  readonly #listener: ((progress: JobProgress) => void) | undefined;
  #began: { fraction: number; at: number } | null = null;
  #fraction = 0;

  constructor(job: 'load' | 'work', listener: ((progress: JobProgress) => void) | undefined) {
    this.#job = job;
    this.#listener = listener;
  }

  readonly report = (report: Report): void => {
    const now = performance.now();
    // A model may need more steps than it announced, and a load may start over on the processor: the bar never falls.
    this.#fraction = Math.min(1, Math.max(this.#fraction, this.#share(report)));
    this.#began ??= { fraction: this.#fraction, at: now };
    this.#listener?.({ ...report, fraction: this.#fraction, remainingMs: this.#remaining(now), ...bytes(report) });
  };

  #share({ stage, photo, photos, done, total }: Report): number {
    const within = total > 0 ? done / total : 0;
    const loading = LOADING[stage];
    if (loading === undefined) return (photo + within) / photos;
    // Where a lost worker is replaced in the middle of other work, loading is no part of that work.
    return this.#job === 'load' ? loading[0] + loading[1] * within : 0;
  }

  #remaining(now: number): number | null {
    if (this.#began === null) return null;
    const gained = this.#fraction - this.#began.fraction;
    const spent = now - this.#began.at;
    if (gained < ENOUGH.fraction || spent < ENOUGH.ms) return null;
    return (spent / gained) * (1 - this.#fraction);
  }
}

function bytes({ stage, done, total }: Report): Pick<JobProgress, 'bytes'> {
  return stage === 'download' ? { bytes: { loaded: done, total } } : {};
}
