// From a bundle's place to its files: what fits is decided first, then what is missing is fetched.

import { type Choice, chooseDevice, megabytes, needs, probeGpu } from '../capabilities.js';
import { AnomalySDError } from '../errors.js';
import type { Device } from '../generated.js';
import type { PrepareBody, Prepared, Report } from '../protocol.js';
import { download } from './download.js';
import { fetchBlob } from './fetch.js';
import { pickShards } from './files.js';
import { BUNDLE_JSON, type Shard } from './manifest.js';
import { Memory } from './memory.js';
import { type BundleSource, readManifest, shardUrl } from './source.js';
import { openStore, type Store } from './store.js';

/** A bundle of at most so many bytes may stay in memory, and is not worth a question about storage. */
export const SMALL_BYTES = 100e6;
/** Larger feature networks are not read. DINOv2 base has 346 MB, AlexNet with its classifier 244 MB. */
const MAX_FEATURES_BYTES = 512 * 2 ** 20;

/** Brings everything that an engine is opened with. */
export async function prepare(
  { bundle, features, device }: PrepareBody,
  report: (report: Report) => void,
  signal: AbortSignal,
): Promise<Prepared> {
  const { json, manifest } = await readManifest(bundle, signal);
  const gpu = await probeGpu();
  const choice = chooseDevice(needs(manifest, gpu), gpu, device);
  if (!choice.fits) throw new AnomalySDError('unsupported', choice.reason ?? 'The model does not fit.');
  const { files, unkept } =
    'picked' in bundle
      ? { files: pickShards(manifest, bundle.picked), unkept: null }
      : await fetchShards(manifest.shards, bundle, report, signal);
  const notes = [note(choice, device), unkept].filter((sentence) => sentence !== null);
  return {
    device: choice.device,
    note: notes.length > 0 ? notes.join(' ') : null,
    files: files.set(BUNDLE_JSON, json),
    features: typeof features === 'string' ? await fetchBlob(features, MAX_FEATURES_BYTES, signal) : features,
  };
}

function note({ device, reason }: Choice, wanted: 'auto' | Device): string | null {
  if (device === 'webgpu') return null;
  return wanted === 'cpu' ? 'The processor is used, as asked for.' : `${reason} The processor is used.`;
}

/** Files, and why they are not kept; `null` where there is nothing to say about that. */
interface Fetched {
  files: Map<string, Blob>;
  unkept: string | null;
}

async function fetchShards(
  shards: readonly Shard[],
  source: Exclude<BundleSource, { picked: unknown }>,
  report: (report: Report) => void,
  signal: AbortSignal,
): Promise<Fetched> {
  const lasting = await openStore();
  const kept = new Map<string, Blob>();
  for (const { path, bytes, sha256 } of shards) {
    const blob = await lasting.get(sha256);
    if (blob?.size === bytes) kept.set(path, blob);
  }
  const missing = shards.filter(({ path }) => !kept.has(path));
  const { store, unkept } = await roomFor(missing, shards, lasting);

  const total = sum(shards);
  const there = new Map(missing.map(({ path }) => [path, 0]));
  const before = total - sum(missing);
  const loaded = ({ path }: Pick<Shard, 'path'>, bytes: number) => {
    there.set(path, bytes);
    const done = [...there.values()].reduce((sum, bytes) => sum + bytes, before);
    report({ stage: 'download', photo: 0, photos: 1, done, total });
  };
  report({ stage: 'download', photo: 0, photos: 1, done: before, total });
  const url = (shard: Shard) => shardUrl(source, shard);
  const fetched = await download(missing, { store, url, loaded, signal });
  return { files: new Map([...kept, ...fetched]), unkept };
}

/** The store, if it has room for what is missing once other bundles have made way; memory, if the bundle is small. */
async function roomFor(
  missing: readonly Shard[],
  all: readonly Shard[],
  store: Store,
): Promise<{ store: Store } & Pick<Fetched, 'unkept'>> {
  const bytes = sum(missing);
  if (bytes === 0 || !store.lasting || (await freeBytes(bytes, store)) >= bytes) return { store, unkept: null };
  await store.keepOnly(new Set(all.map(({ sha256 }) => sha256)));
  const free = await freeBytes(bytes, store);
  if (free >= bytes) return { store, unkept: null };
  const [needed, left] = [bytes, free].map(megabytes);
  const room = `The model takes ${needed} of storage, the browser has ${left} left for this page`;
  if (sum(all) > SMALL_BYTES) throw new AnomalySDError('unsupported', `${room}.`);
  return { store: new Memory(), unkept: `${room}: it is not kept, and the next visit fetches it again.` };
}

/** How many bytes are free, as far as `bytes` are concerned. Against fingerprinting some browsers tell all pages the same. */
async function freeBytes(bytes: number, store: Store): Promise<number> {
  const { quota = Infinity, usage = 0 } = await navigator.storage.estimate();
  const told = Math.max(0, quota - usage);
  return told < bytes ? told : store.room(bytes);
}

function sum(shards: readonly Shard[]): number {
  return shards.reduce((sum, { bytes }) => sum + bytes, 0);
}
