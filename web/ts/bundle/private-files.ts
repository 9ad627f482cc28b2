// Downloads in the origin private file system.

import { AnomalySDError } from '../errors.js';
import { MemoryPart } from './memory.js';
import type { Part, Store } from './store.js';

/** What DOM's types leave out: the first is for workers alone, the second is younger than they are. */
interface PrivateFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<SyncAccessHandle>;
  move(name: string): Promise<void>;
}

interface SyncAccessHandle {
  read(buffer: Uint8Array, options: { at: number }): number;
  write(buffer: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  close(): void;
}

const FOLDER = 'anomalysd';
const UNFINISHED = '.part';
/** Where there is too little room, how much there is is found out to this share of what is needed. */
const ROOM_STEPS = 256;

/** Files in the origin private file system. What is written is there at once, so a download goes on after a reload. */
export class PrivateFiles implements Store {
  readonly lasting = true;
  readonly #folder: FileSystemDirectoryHandle;

  constructor(folder: FileSystemDirectoryHandle) {
    this.#folder = folder;
  }

  static async open(this: void): Promise<Store> {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle(FOLDER, { create: true });
    // Some browsers have the folder but not the way to write to it; the trial says so before a download begins.
    const store = new PrivateFiles(folder);
    const trial = crypto.randomUUID();
    const part = await store.#part(trial);
    part?.append(new Uint8Array(1));
    await part?.finish();
    await folder.removeEntry(trial);
    return store;
  }

  async get(name: string): Promise<Blob | undefined> {
    try {
      return await (await this.#folder.getFileHandle(name)).getFile();
    } catch {
      return undefined;
    }
  }

  async part(name: string, bytes: number): Promise<Part> {
    // What cannot be stored is used all the same.
    const part = await this.#part(name).catch(() => null);
    return part ?? new MemoryPart(bytes);
  }

  async room(bytes: number): Promise<number> {
    // Where not even a trial can be made there is none.
    const part = await this.#part(crypto.randomUUID()).catch(() => null);
    try {
      return part?.room(bytes) ?? 0;
    } finally {
      await part?.leave();
    }
  }

  async keepOnly(names: ReadonlySet<string>): Promise<void> {
    const all: string[] = [];
    for await (const name of this.#folder.keys()) all.push(name);
    for (const name of all) {
      const file = name.endsWith(UNFINISHED) ? name.slice(0, -UNFINISHED.length) : name;
      // What another tab holds stays.
      if (!names.has(file)) await this.#folder.removeEntry(name).catch(() => {});
    }
  }

  /** `null` where another tab is downloading this file. */
  async #part(name: string): Promise<PrivatePart | null> {
    const unlock = await lock(name);
    if (unlock === null) return null;
    try {
      const handle = (await this.#folder.getFileHandle(name + UNFINISHED, { create: true })) as PrivateFileHandle;
      const file = await handle.createSyncAccessHandle();
      return new PrivatePart(this.#folder, handle, file, name, unlock);
    } catch (error) {
      unlock();
      throw error;
    }
  }
}

class PrivatePart implements Part {
  length: number;
  readonly #folder: FileSystemDirectoryHandle;
  readonly #handle: PrivateFileHandle;
  readonly #file: SyncAccessHandle;
  readonly #name: string;
  readonly #unlock: () => void;

  constructor(
    folder: FileSystemDirectoryHandle,
    handle: PrivateFileHandle,
    file: SyncAccessHandle,
    name: string,
    unlock: () => void,
  ) {
    this.#folder = folder;
    this.#handle = handle;
    this.#file = file;
    this.#name = name;
    this.#unlock = unlock;
    this.length = file.getSize();
  }

  append(chunk: Uint8Array<ArrayBuffer>): void {
    let written = 0;
    let cause: unknown;
    try {
      written = this.#file.write(chunk, { at: this.length });
    } catch (thrown) {
      cause = thrown;
    }
    // In private windows Chromium does not throw, it returns a number that makes no sense.
    if (written !== chunk.length) {
      const message = `The browser's storage is full after ${this.length} bytes of a file.`;
      throw new AnomalySDError('unsupported', message, { cause });
    }
    this.length += chunk.length;
  }

  /** How large this file, which is empty, can become; `bytes` at most. */
  room(bytes: number): number {
    if (this.#fits(bytes)) return bytes;
    let room = 0;
    for (let step = bytes / 2; step >= bytes / ROOM_STEPS; step /= 2) {
      if (this.#fits(Math.floor(room + step))) room += step;
    }
    return Math.floor(room);
  }

  #fits(bytes: number): boolean {
    try {
      this.#file.truncate(bytes);
      // In private windows Chromium does not throw, it leaves the file as it was.
      return this.#file.getSize() === bytes;
    } catch {
      return false;
    } finally {
      this.#file.truncate(0);
    }
  }

  clear(): void {
    this.#file.truncate(0);
    this.length = 0;
  }

  read(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.length);
    this.#file.read(bytes, { at: 0 });
    return bytes;
  }

  async finish(): Promise<Blob> {
    this.#file.close();
    await this.#handle.move(this.#name);
    this.#unlock();
    return this.#handle.getFile();
  }

  async leave(): Promise<void> {
    this.#file.close();
    if (this.length === 0) await this.#folder.removeEntry(this.#handle.name).catch(() => {});
    this.#unlock();
  }
}

/**
 * Keeps other tabs from a file until the returned function is called; `null` where one of them has it. (The lock of the
 * open file alone leaves a gap between its closing and its renaming.)
 */
function lock(name: string): Promise<(() => void) | null> {
  return new Promise((resolve, reject) => {
    const hold = (held: Lock | null) =>
      held === null ? resolve(null) : new Promise<void>((unlock) => resolve(unlock));
    navigator.locks.request(`${FOLDER}/${name}`, { ifAvailable: true }, hold).catch(reject);
  });
}
