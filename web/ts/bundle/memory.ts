// Downloads where nothing can be stored.

import type { Part, Store } from './store.js';

/** Keeps nothing but what is being downloaded. */
export class Memory implements Store {
  readonly lasting = false;

  async get(): Promise<undefined> {}

  async part(_name: string, bytes: number): Promise<Part> {
    return new MemoryPart(bytes);
  }

  async room(bytes: number): Promise<number> {
    return bytes;
  }

  async keepOnly(): Promise<void> {}
}

/** A file in memory; `keep` is told when it is whole. */
export class MemoryPart implements Part {
  length = 0;
  readonly #buffer: Uint8Array<ArrayBuffer>;
  readonly #keep: (blob: Blob) => Promise<void>;

  constructor(bytes: number, keep: (blob: Blob) => Promise<void> = async () => {}) {
    this.#buffer = new Uint8Array(bytes);
    this.#keep = keep;
  }

  append(chunk: Uint8Array<ArrayBuffer>): void {
    this.#buffer.set(chunk, this.length);
    this.length += chunk.length;
  }

  clear(): void {
    this.length = 0;
  }

  read(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.length);
  }

  async finish(): Promise<Blob> {
    const blob = new Blob([this.read()]);
    await this.#keep(blob);
    return blob;
  }

  async leave(): Promise<void> {}
}
