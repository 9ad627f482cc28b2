// Where downloaded shards stay: the origin's private files, else the Cache API, else memory. Files are named by their
// SHA-256, so that what is there is right, whichever bundle asks.

import { CachedFiles } from './cached-files.js';
import { Memory } from './memory.js';
import { PrivateFiles } from './private-files.js';

/** Files by SHA-256. */
export interface Store {
  /** What is stored outlives the page. */
  readonly lasting: boolean;
  /** A whole and verified file. */
  get(name: string): Promise<Blob | undefined>;
  /** Opens what is there of an unfinished file of at most `bytes`. */
  part(name: string, bytes: number): Promise<Part>;
  /** How many of so many bytes there is room for, as far as a trial can tell. */
  room(bytes: number): Promise<number>;
  /** Removes all files but these. */
  keepOnly(names: ReadonlySet<string>): Promise<void>;
}

/** An unfinished file. */
export interface Part {
  /** Bytes that are there. */
  readonly length: number;
  append(chunk: Uint8Array<ArrayBuffer>): void;
  /** Drops all bytes. */
  clear(): void;
  read(): Uint8Array<ArrayBuffer>;
  /** Stores the file as whole and verified. */
  finish(): Promise<Blob>;
  /** Stops here; where the store lasts, the next `part` goes on. */
  leave(): Promise<void>;
}

/** The best store that works here; a sandboxed frame has none but memory. */
export async function openStore(): Promise<Store> {
  for (const open of [PrivateFiles.open, CachedFiles.open]) {
    try {
      return await open();
    } catch {
      // Not here; the next one may be.
    }
  }
  return new Memory();
}
