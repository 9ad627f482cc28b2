// Engines that the elements of a page share: the same model on the same device is loaded once, and let go when the last
// element that uses it is gone.

import { AnomalySD, type Assets, type Bundle, type Engine, type JobProgress, type LoadOptions } from './api.js';

export interface EngineRequest {
  readonly bundle: Bundle;
  readonly device: NonNullable<LoadOptions['device']>;
  readonly assets?: Assets | undefined;
}

/** One element's share of an engine. */
export interface Lease {
  readonly engine: Promise<Engine>;
  /** Gives the share back; once is enough. */
  release(): void;
}

export interface LeaseEvents {
  progress(progress: JobProgress): void;
  /** The device or the worker is gone; the engine starts a new one with the next call. */
  lost(error: unknown): void;
}

interface Shared {
  readonly users: Set<LeaseEvents>;
  readonly stop: AbortController;
  readonly engine: Promise<Engine>;
  latest: JobProgress | null;
}

class Engines {
  readonly #shared = new Map<string, Shared>();
  /** Picked files have no address; each list of them is a model of its own. */
  readonly #picked = new WeakMap<object, number>();
  #lists = 0;

  lease(request: EngineRequest, events: LeaseEvents): Lease {
    const key = this.#keyOf(request);
    const shared = this.#shared.get(key) ?? this.#open(key, request);
    shared.users.add(events);
    if (shared.latest) events.progress(shared.latest);
    return { engine: shared.engine, release: () => this.#release(key, shared, events) };
  }

  #open(key: string, request: EngineRequest): Shared {
    const users = new Set<LeaseEvents>();
    const stop = new AbortController();
    // In a turn of its own, so that a report that comes at once finds its place.
    const engine = Promise.resolve().then(() => AnomalySD.load({
      bundle: request.bundle,
      device: request.device,
      assets: request.assets,
      signal: stop.signal,
      onProgress: (progress) => {
        shared.latest = progress;
        for (const user of users) user.progress(progress);
      },
    }));
    const shared: Shared = { users, stop, engine, latest: null };
    this.#shared.set(key, shared);
    engine.then(
      (opened) => {
        shared.latest = null;
        opened.on('lost', (error: unknown) => users.forEach((user) => user.lost(error)));
      },
      // What failed is not kept: the next attempt loads anew.
      () => this.#forget(key, shared),
    );
    return shared;
  }

  #release(key: string, shared: Shared, events: LeaseEvents): void {
    if (!shared.users.delete(events) || shared.users.size > 0) return;
    // An element that is taken over by the next one in the same turn keeps the engine alive.
    setTimeout(() => {
      if (shared.users.size > 0) return;
      this.#forget(key, shared);
      shared.stop.abort();
      shared.engine.then((engine) => engine.dispose(), () => undefined);
    });
  }

  #forget(key: string, shared: Shared): void {
    if (this.#shared.get(key) === shared) this.#shared.delete(key);
  }

  #keyOf({ bundle, device, assets }: EngineRequest): string {
    const from = typeof bundle === 'string' ? bundle : bundle instanceof URL ? bundle.href : `picked ${this.#numberOf(bundle)}`;
    const places = [assets?.worker, assets?.wasm, assets?.models].map((place) => String(place ?? ''));
    return JSON.stringify([from, device, places]);
  }

  #numberOf(list: object): number {
    const known = this.#picked.get(list);
    if (known !== undefined) return known;
    this.#picked.set(list, ++this.#lists);
    return this.#lists;
  }
}

export const engines = new Engines();
