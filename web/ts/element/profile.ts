// A profile that was given instead of good photos, in any of the forms a page may have it.

import { AnomalySDError, type Profile } from './api.js';

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
    const { input } = this;
    if (input === null) return null;
    if (typeof input === 'string') return fetchBytes(new URL(input, base), signal);
    if (input instanceof Blob) return input.arrayBuffer().then((buffer) => new Uint8Array(buffer));
    return Promise.resolve(input instanceof Uint8Array ? input : input.bytes);
  }
}

async function fetchBytes(address: URL, signal: AbortSignal): Promise<Uint8Array> {
  try {
    const response = await fetch(address, { signal });
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
    throw new Error(`status ${response.status}`);
  } catch (error) {
    signal.throwIfAborted();
    throw new AnomalySDError('network', `The profile at ${address.href} could not be fetched: ${String(error)}`, { cause: error });
  }
}
