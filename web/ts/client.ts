// The page's end of one worker: requests out, answers in.

import { AnomalySDError, abortError, toError } from './errors.js';
import type { Body, FromWorker, Kind, Report, ToWorker, Value } from './protocol.js';
import type { Painted } from './wasm.js';

/** An aborted job answers within one step; a worker that does not is stuck. */
const ABORT_GRACE_MS = 30_000;

/** How to watch and stop a request. */
export interface Watch {
  report?: ((report: Report) => void) | undefined;
  /** Takes what a pass painted. */
  keep?: ((key: string, painted: Painted) => void) | undefined;
  signal?: AbortSignal | undefined;
}

interface Pending extends Pick<Watch, 'report' | 'keep'> {
  resolve(value: Value<Kind>): void;
  reject(error: AnomalySDError): void;
}

/** Starts a module worker. */
export function startWorker(url: URL): Worker {
  try {
    return url.origin === globalThis.origin ? new Worker(url, { type: 'module' }) : startForeign(url);
  } catch (thrown) {
    throw new AnomalySDError('network', `The worker could not be started: ${toError(thrown).message}`, {
      cause: thrown,
    });
  }
}

/** Starts a script of another origin. Browsers refuse it as a worker, but not as an import of one. */
function startForeign(url: URL): Worker {
  const script = `import ${JSON.stringify(url.href)};`;
  // To a sandboxed frame every origin is another, and Chromium starts no module from its Blobs.
  if (globalThis.origin === 'null') {
    return new Worker(`data:text/javascript,${encodeURIComponent(script)}`, { type: 'module' });
  }
  const shim = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
  const worker = new Worker(shim, { type: 'module' });
  worker.addEventListener('message', () => URL.revokeObjectURL(shim), { once: true });
  return worker;
}

/** One worker. It ends with its first fault; whoever needs another starts one. */
export class Client {
  /** SHA-256 of the profiles that the worker holds, least recently used first. */
  readonly profiles = new Set<string>();
  readonly #worker: Worker;
  readonly #lost: (error: AnomalySDError) => void;
  readonly #pending = new Map<number, Pending>();
  #requests = 0;
  #ready = false;
  #closed: AnomalySDError | null = null;

  /** `lost` is told when the worker can no longer be used, unless it was closed. */
  constructor(worker: Worker, lost: (error: AnomalySDError) => void) {
    this.#worker = worker;
    this.#lost = lost;
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    worker.onmessageerror = () => this.#fail(new AnomalySDError('internal', 'An answer of the worker cannot be read.'));
    worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(
        this.#ready
          ? new AnomalySDError('internal', `The worker failed: ${event.message}`)
          : new AnomalySDError(
              'network',
              'The worker could not be started: its script is missing or not allowed here.',
            ),
      );
    };
  }

  /** Sends a request. Photos are copied and stay the caller's; what comes back is moved. */
  async request<K extends Kind>(kind: K, body: Body<K>, { report, keep, signal }: Watch = {}): Promise<Value<K>> {
    if (this.#closed !== null) throw this.#closed;
    if (signal?.aborted) throw abortError();
    const id = ++this.#requests;
    const answer = new Promise<Value<Kind>>((resolve, reject) =>
      this.#pending.set(id, { resolve, reject, report, keep }),
    );
    let grace: ReturnType<typeof setTimeout> | undefined;
    const abort = () => {
      this.#post({ id, kind: 'abort' });
      grace = setTimeout(() => this.#stuck(id), ABORT_GRACE_MS);
    };
    signal?.addEventListener('abort', abort);
    try {
      this.#post({ id, kind, body } as ToWorker);
      // The worker answers a request with that request's value: the handlers' type says so.
      return (await answer) as Value<K>;
    } finally {
      clearTimeout(grace);
      signal?.removeEventListener('abort', abort);
      this.#pending.delete(id);
    }
  }

  /** Ends the worker; what it was asked for fails with `error`. */
  close(error: AnomalySDError): void {
    if (this.#closed !== null) return;
    this.#closed = error;
    this.#worker.terminate();
    for (const { reject } of this.#pending.values()) reject(error);
  }

  #post(message: ToWorker): void {
    try {
      this.#worker.postMessage(message);
    } catch (thrown) {
      // Everything that is sent can be copied but an image that is closed, or none of the three kinds.
      throw new AnomalySDError('bad-image', `The image cannot be read: ${toError(thrown).message}`, { cause: thrown });
    }
  }

  #receive(message: FromWorker): void {
    this.#ready = true;
    if (!('id' in message)) {
      if ('lost' in message) this.#fail(new AnomalySDError(message.lost.code, message.lost.message));
      return;
    }
    const pending = this.#pending.get(message.id);
    if ('progress' in message) pending?.report?.(message.progress);
    else if ('painted' in message) pending?.keep?.(message.key, message.painted);
    else if ('value' in message) pending?.resolve(message.value);
    else {
      const error = new AnomalySDError(message.error.code, message.error.message);
      pending?.reject(error);
      if (message.lost) this.#fail(error);
    }
  }

  #stuck(id: number): void {
    this.#pending.get(id)?.reject(abortError());
    const seconds = ABORT_GRACE_MS / 1000;
    this.#fail(new AnomalySDError('internal', `The worker did not stop within ${seconds} seconds and was ended.`));
  }

  #fail(error: AnomalySDError): void {
    if (this.#closed !== null) return;
    this.close(error);
    this.#lost(error);
  }
}
