// Where a bundle is: at an address, or among files that a person picked.

import { inside, resolve, type Places } from '../assets.js';
import { AnomalySDError } from '../errors.js';
import type { Bundle } from '../types.js';
import { fetchBlob } from './fetch.js';
import { pickBundle } from './files.js';
import { BUNDLE_JSON, MAX_TEXT_BYTES, parseManifest, type Manifest, type Shard } from './manifest.js';

/** A bundle's place, as page and worker pass it on. */
export type BundleSource =
  /** `shards`: addresses of those that are not beside `manifest`. */
  { manifest: string; shards: Record<string, string> } | { picked: Map<string, File> };

/** The place that a caller means. */
export function bundleSource(bundle: Bundle, places: Places, base: URL | string | undefined): BundleSource {
  if (bundle === 'mini') return places.mini;
  if (typeof bundle === 'string' || bundle instanceof URL) {
    const url = resolve(bundle, base);
    return { manifest: (url.pathname.endsWith('.json') ? url : inside(url, BUNDLE_JSON)).href, shards: {} };
  }
  return { picked: pickBundle([...bundle]) };
}

/** The address of a shard, whose path was found to be plain. */
export function shardUrl(
  source: { manifest: string; shards: Record<string, string> },
  { path, sha256 }: Pick<Shard, 'path' | 'sha256'>,
): string {
  const url = new URL(source.shards[path] ?? path, source.manifest);
  // An address that holds the hash of its file never leads to another: it may be cached for good. An address that has a
  // query already may be signed, and one that is no address of a server has none.
  if (url.protocol.startsWith('http') && url.search === '') url.search = `?sha256=${sha256}`;
  return url.href;
}

/** Reads a bundle's table of contents. */
export async function readManifest(
  source: BundleSource,
  signal?: AbortSignal,
): Promise<{ json: Blob; manifest: Manifest }> {
  const json =
    'picked' in source ? source.picked.get(BUNDLE_JSON) : await fetchBlob(source.manifest, MAX_TEXT_BYTES, signal);
  if (json === undefined) throw new AnomalySDError('bad-bundle', `There is no ${BUNDLE_JSON}.`);
  if (json.size > MAX_TEXT_BYTES) throw new AnomalySDError('bad-bundle', `${BUNDLE_JSON} has ${json.size} bytes.`);
  return { json, manifest: parseManifest(await json.text()) };
}
