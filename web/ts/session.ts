// An engine's workers, one after the other: one job at a time, and a new worker after a lost one.

import { Client, type Watch } from './client.js';
import { AnomalySDError, abortError } from './errors.js';
import type { EngineInfo } from './generated.js';
import type { Body, Kind, OpenBody, Value } from './protocol.js';

/** Losses of the device that one job survives; a graphics processor that is lost more often than that has a reason. */
const MOST_LOSSES = 2;

/** The workers of one engine, of which at most one lives. */
export class Session {
  /** Told when a worker is lost. */
  onLost: (error: AnomalySDError) => void = () => {};
  readonly #start: () => Worker;
  readonly #setup: OpenBody;
  #opened: Promise<{ client: Client; info: EngineInfo }> | null = null;
  #client: Client | null = null;
  #lastJob: Promise<unknown> = Promise.resolve();
  #disposed = false;

  /** `setup` opens the engine in each new worker that `start` starts. */
  constructor(start: () => Worker, setup: OpenBody) {
    this.#start = start;
    this.#setup = setup;
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
    const job = turn(before, watch.signal).then(async () => {
      for (let losses = 0; ; losses++) {
        try {
          const { client } = await this.open({ report: watch.report });
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

  /** Ends it all; what was asked for fails with `aborted`. */
  dispose(): void {
    this.#disposed = true;
    this.#client?.close(disposedError());
  }

  async #begin(watch: Watch): Promise<{ client: Client; info: EngineInfo }> {
    let client: Client | undefined;
    try {
      client = new Client(this.#start(), (error) => {
        this.#opened = null;
        this.onLost(error);
      });
      this.#client = client;
      return { client, info: await client.request('open', this.#setup, watch) };
    } catch (error) {
      this.#opened = null;
      client?.close(disposedError());
      throw error;
    }
  }
}

/** Waits for `before`, but not longer than the caller wants. */
function turn(before: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(abortError());
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
    void before.then(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    });
  });
}

function disposedError(): AnomalySDError {
  return new AnomalySDError('aborted', 'The engine was disposed of.');
}
