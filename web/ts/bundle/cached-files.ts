// Downloads in the Cache API, where there are no private files.

import { MemoryPart } from './memory.js';
import type { Part, Store } from './store.js';

/** Whole files in the Cache API; an unfinished one is lost with the page. */
export class CachedFiles implements Store {
  readonly lasting = true;
  readonly #cache: Cache;

  constructor(cache: Cache) {
    this.#cache = cache;
  }

  static async open(this: void): Promise<Store> {
    return new CachedFiles(await caches.open('anomalysd'));
  }

  async get(name: string): Promise<Blob | undefined> {
    return (await this.#cache.match(address(name)))?.blob();
  }

  async part(name: string, bytes: number): Promise<Part> {
    // Where there is no room the file is used all the same.
    return new MemoryPart(bytes, (blob) => this.#cache.put(address(name), new Response(blob)).catch(() => {}));
  }

  async room(bytes: number): Promise<number> {
    // There is no trial but to store as much.
    return bytes;
  }

  async keepOnly(names: ReadonlySet<string>): Promise<void> {
    for (const request of await this.#cache.keys()) {
      const name = new URL(request.url).pathname.slice(1);
      if (!names.has(name)) await this.#cache.delete(request);
    }
  }
}

/** Caches want an address; this one belongs to nobody. */
function address(name: string): string {
  return `https://anomalysd.invalid/${name}`;
}
