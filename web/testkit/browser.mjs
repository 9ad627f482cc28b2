// The parts of a browser that node lacks, as small as the package needs them.

import { workerScript } from './modules.mjs';

/** Sets globals until the test ends. */
export function globals(test, values) {
  for (const [name, value] of Object.entries(values)) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    test.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name]));
  }
}

/** The origin private file system of a browser: in memory, with the locks and the append-in-place of the real one. */
export class PrivateFileSystem {
  files = new Map();
  /** Names of locks that are held. */
  locks = new Set();
  /** Bytes that all files together may have. */
  quota = Infinity;
  /** Too large a file is no error, as in private windows of Chromium: a write returns nonsense, nothing grows. */
  silent = false;

  /** `navigator` of a tab. */
  navigator({ estimate = async () => ({ quota: 1e9, usage: 0 }) } = {}) {
    return { storage: this.#storage(estimate), locks: { request: (...request) => this.#lock(...request) } };
  }

  #storage(estimate) {
    return { getDirectory: async () => ({ getDirectoryHandle: async () => this.#folder() }), estimate };
  }

  async #lock(name, _options, hold) {
    if (this.locks.has(name)) return hold(null);
    this.locks.add(name);
    await hold({ name });
    this.locks.delete(name);
  }

  /** Names of what is there, without their order. */
  names() {
    return [...this.files.keys()].sort();
  }

  bytes(name) {
    return this.files.get(name)?.bytes;
  }

  /** Whether a file may get so many bytes. */
  #grow(file, bytes) {
    const others = [...this.files.values()].reduce((sum, other) => sum + (other === file ? 0 : other.bytes.length), 0);
    if (others + bytes <= this.quota) return true;
    if (this.silent) return false;
    throw new DOMException('no space', 'QuotaExceededError');
  }

  #folder() {
    const { files } = this;
    const grow = (file, bytes) => this.#grow(file, bytes);
    return {
      async getFileHandle(name, { create = false } = {}) {
        if (!files.has(name) && !create) throw new DOMException('no such file', 'NotFoundError');
        if (!files.has(name)) files.set(name, { bytes: new Uint8Array(0), locked: false });
        return handle(files, name, grow);
      },
      async removeEntry(name) {
        if (files.get(name)?.locked) throw new DOMException('in use', 'NoModificationAllowedError');
        files.delete(name);
      },
      async *keys() {
        yield* files.keys();
      },
    };
  }
}

function handle(files, name, grow) {
  const file = files.get(name);
  return {
    name,
    getFile: async () => new Blob([file.bytes]),
    async move(to) {
      files.delete(name);
      files.set(to, file);
    },
    async createSyncAccessHandle() {
      if (file.locked) throw new DOMException('in use', 'NoModificationAllowedError');
      file.locked = true;
      return {
        read: (buffer, { at }) => buffer.set(file.bytes.subarray(at, at + buffer.length)),
        write(chunk, { at }) {
          if (!grow(file, Math.max(file.bytes.length, at + chunk.length))) return 2 ** 32 - 8;
          const bytes = new Uint8Array(Math.max(file.bytes.length, at + chunk.length));
          bytes.set(file.bytes);
          bytes.set(chunk, at);
          file.bytes = bytes;
          return chunk.length;
        },
        truncate(size) {
          if (!grow(file, size)) return;
          const bytes = new Uint8Array(size);
          bytes.set(file.bytes.subarray(0, size));
          file.bytes = bytes;
        },
        getSize: () => file.bytes.length,
        close: () => (file.locked = false),
      };
    },
  };
}

/** A worker that answers what a test tells it to. */
export class SilentWorker {
  sent = [];
  terminated = false;
  #listeners = [];

  postMessage(message) {
    this.sent.push(message);
  }

  terminate() {
    this.terminated = true;
  }

  addEventListener(_type, listener) {
    this.#listeners.push(listener);
  }

  /** Says something to the page. */
  say(data) {
    for (const listener of [this.onmessage, ...this.#listeners]) listener({ data });
  }

  /** Fails as a script that throws or cannot be loaded. */
  break(message) {
    this.onerror({ message, preventDefault() {} });
  }
}

export class Bitmap {
  constructor(image) {
    this.data = image.data;
    this.width = image.width;
    this.height = image.height;
  }

  close() {}
}

class Pixels {
  constructor(data, width, height) {
    if (data.length !== width * height * 4) throw new DOMException('wrong size', 'InvalidStateError');
    Object.assign(this, { data, width, height });
  }
}

class Canvas {
  getContext() {
    return {
      drawImage: (bitmap) => (this.bitmap = bitmap),
      getImageData: () => new Pixels(this.bitmap.data, this.bitmap.width, this.bitmap.height),
    };
  }
}

/**
 * A browser around the real worker script, in this thread. Each worker has a global scope of its own; the engine's
 * module is `testkit/wasm/`, told what to do by `globalThis.fakeEngine`.
 */
export function browser(test, { gpu, engine = {}, storage } = {}) {
  const workers = [];
  class InThreadWorker {
    #ended = false;

    constructor(url) {
      this.url = String(url);
      workers.push(this);
      const own = { postMessage: (data) => setTimeout(() => this.#ended || this.onmessage({ data })) };
      const scope = new Proxy(own, { get: (_, name) => own[name] ?? globalThis[name] });
      this.scope = scope;
      this.sent = [];
      new Function('globalThis', workerScript)(scope);
    }

    postMessage(data) {
      this.sent.push(data);
      setTimeout(() => this.#ended || this.scope.onmessage({ data }));
    }

    addEventListener() {}

    terminate() {
      this.#ended = true;
    }
  }
  globals(test, {
    Worker: InThreadWorker,
    origin: 'https://page.test',
    navigator: { gpu, ...new PrivateFileSystem().navigator(), ...(storage && { storage }) },
    ImageData: Pixels,
    ImageBitmap: Bitmap,
    OffscreenCanvas: Canvas,
    createImageBitmap: async (image) => new Bitmap(image),
    fakeEngine: engine,
  });
  return {
    workers,
    assets: {
      worker: 'https://page.test/worker.js',
      wasm: new URL('./wasm', import.meta.url),
      models: 'https://page.test/models',
    },
  };
}

/** What `navigator.gpu` says of an adapter. */
export function gpuWith({ fallback = false, limit = 2 ** 30, features = [] } = {}) {
  const info = { vendor: 'acme', architecture: 'one', description: '', isFallbackAdapter: fallback };
  const limits = { maxBufferSize: limit, maxStorageBufferBindingSize: limit };
  return { requestAdapter: async () => ({ info, limits, features: new Set(features) }) };
}
