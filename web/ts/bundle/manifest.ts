// `bundle.json`: what is in a bundle and where. Checked here is what the page relies on before the engine reads it all.

import { AnomalySDError } from '../errors.js';

/** Name of a bundle's table of contents. */
export const BUNDLE_JSON = 'bundle.json';
/** Larger tables of contents are not read. */
export const MAX_TEXT_BYTES = 64 * 2 ** 20;
const SCHEMA = 'anomalysd.bundle.v1';
/** Shards are written with at most 32 MiB; twice that is read. */
const MAX_SHARD_BYTES = 64 * 2 ** 20;
const MAX_SHARDS = 10_000;

/** A file of a bundle. */
export interface Shard {
  /** Relative path. */
  path: string;
  bytes: number;
  /** Lower-case hexadecimal. */
  sha256: string;
}

/** What the page needs of a table of contents. */
export interface Manifest {
  shards: Shard[];
  tensors: StoredTensor[];
}

/** What the page needs of a tensor. */
export interface StoredTensor {
  /** Number of values. */
  size: number;
  /** Stored as 16-bit floats, which a graphics processor may keep. */
  half: boolean;
  /** A table of tokens, which the engine cuts by rows where it is too large for one tensor of a device. */
  table: boolean;
}

/** Reads and checks a table of contents. */
export function parseManifest(json: string): Manifest {
  const table = record(parse(json), 'the file');
  if (table['schema'] !== SCHEMA) {
    throw bad(`has schema ${JSON.stringify(table['schema'] ?? 'none')}, ${JSON.stringify(SCHEMA)} is read`);
  }
  const shards = table['shards'] ?? [];
  if (!Array.isArray(shards)) throw bad('has no list of shards');
  if (shards.length > MAX_SHARDS) throw bad(`has ${shards.length} shards, at most ${MAX_SHARDS} are read`);
  return {
    shards: shards.map(shard),
    tensors: Object.entries(record(table['tensors'] ?? {}, 'tensors')).map(([name, tensor]) => {
      const half = record(tensor, `tensor ${name}`)['dtype'] === 'F16';
      return { size: size(name, tensor), half, table: half && name.endsWith('token_embedding.weight') };
    }),
  };
}

function shard(value: unknown): Shard {
  const { path, bytes, sha256 } = record(value, 'a shard');
  if (typeof path !== 'string' || !isPlain(path)) {
    throw bad(`: ${JSON.stringify(path)} is not a plain path inside the folder`);
  }
  if (!isCount(bytes) || bytes > MAX_SHARD_BYTES) {
    throw bad(`: shard ${path} has ${JSON.stringify(bytes)} bytes, at most ${MAX_SHARD_BYTES} are read`);
  }
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) throw bad(`: shard ${path} has no SHA-256`);
  return { path, bytes, sha256 };
}

/** Whether a path stays inside the folder, and has no character that some system or an address takes for special. */
function isPlain(path: string): boolean {
  return (
    path.length <= 255 &&
    /^[A-Za-z0-9._/-]+$/.test(path) &&
    path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  );
}

function size(name: string, value: unknown): number {
  const { shape } = record(value, `tensor ${name}`);
  if (!Array.isArray(shape) || !shape.every(isCount)) throw bad(`: tensor ${name} has no shape`);
  return shape.reduce((product: number, side: number) => product * side, 1);
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw bad(`is no JSON: ${String(error)}`);
  }
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(`: ${what} is no object`);
  return value as Record<string, unknown>;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function bad(reason: string): AnomalySDError {
  return new AnomalySDError('bad-bundle', `${BUNDLE_JSON}${reason.startsWith(':') ? '' : ' '}${reason}.`);
}
