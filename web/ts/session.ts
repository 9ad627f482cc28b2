// An engine's workers, one after the other: one job at a time, and a new worker after a lost one.

import { Client, type Watch } from './client.js';
import { AnomalySDError, abortError, type ErrorCode } from './errors.js';
import type { EngineInfo } from './generated.js';
import type { Body, Heap, Kind, OpenBody, Value } from './protocol.js';

/** Losses of the device that one job survives; a graphics processor that is lost more often than that has a reason. */
const MOST_LOSSES = 2;

/** Errors of opening a device after which another device may do. */
const DEVICE_FAULTS: readonly ErrorCode[] = ['unsupported', 'out-of-memory', 'device-lost', 'internal'];

/** The workers of one engine, of which at most one lives. */
export class Session {
  /** Told when a worker is lost. */
  onLost: (error: AnomalySDError) => void = () => {};
  /** What the engine said when it was opened last. */
  info: EngineInfo | null = null;
  /** Why the first device is not used any more. */
  fault: string | null = null;
  readonly #start: () => Worker;
  readonly #setups: OpenBody[];
  #opened: Promise<{ client: Client; info: EngineInfo }> | null = null;
  #client: Client | null = null;
  #lastJob: Promise<unknown> = Promise.resolve();
  #disposed = false;

  /** The first of `setups` that works opens the engine in each new worker that `start` starts; one that failed is not tried again. */
  constructor(start: () => Worker, setups: readonly OpenBody[]) {
    this.#start = start;
    this.#setups = [...setups];
  }

  /** The engine in its worker; both are started where there are none. */
  open(watch: Watch = {}): Promise<{ client: Client; info: EngineInfo }> {
    if (this.#disposed) return Promise.reject(disposedError());
    this.#opened ??= this.#begin(watch);
    return this.#opened;
  }

  /** A request that does not wait for jobs: the worker answers it between a job's steps. */
  async request<K extends Kind>(kind: K, body: Body<K>): Promise<Value<K>> {
    const { client } = await this.open();
    return client.request(kind, body);
  }

  /** Work that waits for the jobs before it. Where its device is lost it runs again, on a new one. */
  job<T>(run: (client: Client) => Promise<T>, watch: Watch): Promise<T> {
    const before = this.#lastJob;
    const job = within(before, watch.signal).then(async () => {
      for (let losses = 0; ; losses++) {
        try {
          const { client } = await within(this.open({ report: watch.report }), watch.signal);
          return await run(client);
        } catch (error) {
          const lost = error instanceof AnomalySDError && error.code === 'device-lost';
          if (!lost || losses >= MOST_LOSSES || this.#disposed) throw error;
        }
      }
    });
    this.#lastJob = Promise.allSettled([before, job]);
    return job;
  }

  /** Notes what the module's memory has grown to. */
  grew({ heapBytes }: Heap): void {
    if (this.info !== null) this.info = { ...this.info, heapBytes };
  }

  /** Ends it all; what was asked for fails with `aborted`. */
  dispose(): void {
    this.#disposed = true;
    this.#client?.close(disposedError());
  }

  async #begin(watch: Watch): Promise<{ client: Client; info: EngineInfo }> {
    try {
      for (let losses = 0; ; ) {
        const [setup, ...others] = this.#setups;
        if (setup === undefined) throw new AnomalySDError('internal', 'There is no device to open.');
        try {
          return await this.#openWith(setup, watch);
        } catch (error) {
          const faulty = error instanceof AnomalySDError && DEVICE_FAULTS.includes(error.code);
          if (!faulty || others.length === 0 || this.#disposed) throw error;
          // One that went away while it opened is asked once more.
          if (error.code === 'device-lost' && losses++ === 0) continue;
          this.#setups.shift();
          this.fault = error.message;
        }
      }
    } catch (error) {
      this.#opened = null;
      throw error;
    }
  }

  async #openWith(setup: OpenBody, watch: Watch): Promise<{ client: Client; info: EngineInfo }> {
    let opened = false;
    const client = new Client(this.#start(), (error) => {
      // What goes wrong while it opens is the opening's error.
      if (!opened) return;
      this.#opened = null;
      this.onLost(error);
    });
    this.#client = client;
    try {
      this.info = await client.request('open', setup, watch);
      opened = true;
      return { client, info: this.info };
    } catch (error) {
      client.close(disposedError());
      throw error;
    }
  }
}

/** Waits for something that others wait for as well, but not longer than the caller wants. */
function within<T>(awaited: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(abortError());
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
    awaited.then(resolve, reject).finally(() => signal?.removeEventListener('abort', abort));
  });
}

function disposedError(): AnomalySDError {
  return new AnomalySDError('aborted', 'The engine was disposed of.');
}
