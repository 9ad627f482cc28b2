// A profile that was given instead of good photos, in any of the forms a page may have it.

import type { Profile } from './api.js';
import { fetchFile } from './photos.js';

export type ProfileInput = string | Blob | Uint8Array | Profile;

export class ProfileSource {
  input: ProfileInput | null = null;

  /** Its name, for people; empty where it has none. */
  get name(): string {
    if (this.input instanceof File) return this.input.name;
    if (typeof this.input !== 'string') return '';
    return this.input.replace(/[?#].*$/s, '').split('/').pop() ?? '';
  }

  /** Its bytes, or `null` where none was given. */
  bytes(base: string, signal: AbortSignal): Promise<Uint8Array> | null {
    return this.input === null ? null : this.#bytes(this.input, base, signal);
  }

  async #bytes(input: ProfileInput, base: string, signal: AbortSignal): Promise<Uint8Array> {
    const file = typeof input === 'string' ? await fetchFile(new URL(input, base), signal) : input;
    if (file instanceof Blob) return new Uint8Array(await file.arrayBuffer());
    return file instanceof Uint8Array ? file : file.bytes;
  }
}
