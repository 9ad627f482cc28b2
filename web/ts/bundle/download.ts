// Shards over HTTP: a few at a time, resumed where a part is there, verified before they are kept.

import { AnomalySDError, toError } from '../errors.js';
import { chunksOf, fetchOk } from './fetch.js';
import { BUNDLE_JSON, type Shard } from './manifest.js';
import type { Part, Store } from './store.js';

/** As many at a time as keep a line busy. */
const PARALLEL = 4;
/** A connection that breaks is taken up again so often for each shard. */
const RESUMPTIONS = 3;
const PARTIAL_CONTENT = 206;
const RANGE_NOT_SATISFIABLE = 416;

/** Where to and how. */
export interface Download {
  store: Store;
  url(shard: Shard): string;
  /** Told how many bytes of a shard are there. */
  loaded(shard: Shard, bytes: number): void;
  signal: AbortSignal;
}

/** Brings all shards. The first error ends it; where the store lasts, what was received is left for the next time. */
export async function download(shards: readonly Shard[], job: Download): Promise<Map<string, Blob>> {
  const files = new Map<string, Blob>();
  const ended = new AbortController();
  const end = () => ended.abort();
  job.signal.addEventListener('abort', end);
  if (job.signal.aborted) end();
  const queue = shards.values();
  let failure: unknown;
  const draw = async () => {
    for (const shard of queue) {
      try {
        files.set(shard.path, await one(shard, { ...job, signal: ended.signal }));
      } catch (error) {
        failure ??= error;
        end();
        return;
      }
    }
  };
  // All draw from one queue, and all have left their parts in order before an error goes on.
  await Promise.all(Array.from({ length: PARALLEL }, draw));
  job.signal.removeEventListener('abort', end);
  if (failure !== undefined) throw failure;
  return files;
}

async function one(shard: Shard, job: Download): Promise<Blob> {
  const part = await job.store.part(shard.sha256, shard.bytes);
  try {
    for (let first = true; ; first = false) {
      const resumed = await receive(shard, part, job);
      const wrong = await mismatch(shard, part.read());
      if (wrong === null) return await part.finish();
      part.clear();
      // Where a part was taken up, the fault may lie in the seam: once more, from the start.
      if (!(resumed && first)) throw new AnomalySDError('bad-bundle', wrong);
    }
  } catch (error) {
    await part.leave();
    throw error;
  }
}

/** Receives what is missing of a shard; true where it was not received in one piece. */
async function receive(shard: Shard, part: Part, job: Download): Promise<boolean> {
  let resumed = part.length > 0;
  for (let tries = 0; part.length < shard.bytes; tries++) {
    const broken = await receiveOnce(shard, part, job);
    if (broken === null) break;
    if (tries >= RESUMPTIONS) throw broken;
    resumed ||= part.length > 0;
  }
  return resumed;
}

/** Receives one answer. Where the connection breaks in the middle of it, the error is returned. */
async function receiveOnce(shard: Shard, part: Part, job: Download): Promise<AnomalySDError | null> {
  const { url, store, loaded, signal } = job;
  const address = url(shard);
  const ask = (headers: HeadersInit, also?: number) =>
    // The store keeps the bytes; the browser's own cache need not keep them as well.
    fetchOk(address, { signal, headers, cache: store.lasting ? 'no-store' : 'default' }, also);
  let response = await (part.length > 0 ? ask({ Range: `bytes=${part.length}-` }, RANGE_NOT_SATISFIABLE) : ask({}));
  if (response.status === RANGE_NOT_SATISFIABLE) response = await ask({});
  // A server that does not resume sends all of it; one that sends another part than asked for shows in the hash.
  if (response.status !== PARTIAL_CONTENT) part.clear();
  loaded(shard, part.length);
  try {
    for await (const chunk of chunksOf(response, address)) {
      if (part.length + chunk.length > shard.bytes) {
        part.clear();
        const message = `Shard ${shard.path} is longer than the ${shard.bytes} bytes that ${BUNDLE_JSON} says.`;
        throw new AnomalySDError('bad-bundle', message);
      }
      part.append(chunk);
      loaded(shard, part.length);
    }
    return null;
  } catch (thrown) {
    const error = toError(thrown);
    if (error.code === 'network') return error;
    throw error;
  }
}

/** What is wrong with a shard; `null` where nothing is. */
async function mismatch(shard: Shard, bytes: Uint8Array<ArrayBuffer>): Promise<string | null> {
  if (bytes.length !== shard.bytes) {
    return `Shard ${shard.path} has ${bytes.length} bytes, ${BUNDLE_JSON} says ${shard.bytes}.`;
  }
  // Pages without TLS have no `subtle`; the engine checks every hash once more.
  if (globalThis.crypto?.subtle === undefined) return null;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return found === shard.sha256
    ? null
    : `Shard ${shard.path} has SHA-256 ${found}, ${BUNDLE_JSON} says ${shard.sha256}.`;
}
