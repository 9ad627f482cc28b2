// What page and worker say to each other. Every request has an id; its answer, its progress and its abort carry it.

import type { ErrorCode } from './errors.js';
import type { DetectionResult, DetectRequest, Device, EngineInfo, FitRequest, ProfileInfo } from './generated.js';
import type { BundleSource } from './bundle/source.js';
import type { Ignore, ImageInput, Judgement, Stage } from './types.js';
import type { Painted } from './wasm.js';

/** Every request by name: what it carries and what its answer carries. */
export interface Requests {
  /** Chooses the device and brings the files; needs no engine. */
  prepare: { body: PrepareBody; value: Prepared };
  /** Loads the module and opens the engine; once in a worker's life. */
  open: { body: OpenBody; value: EngineInfo };
  fit: { body: { good: readonly ImageInput[]; request: FitRequest; ignore: Ignore }; value: ProfileData & Heap };
  openProfile: { body: { bytes: Uint8Array }; value: ProfileInfo };
  detect: { body: DetectBody; value: DetectionData & Heap };
  judge: { body: MapAt & { score: number; peak: number; smallest: number }; value: Judgement };
  render: { body: MapAt & { view: 'heat' | 'contour' }; value: ImageBitmap };
  legend: { body: { width: number; threshold: number }; value: ImageBitmap };
}

export type Kind = keyof Requests;
export type Body<K extends Kind> = Requests[K]['body'];
export type Value<K extends Kind> = Requests[K]['value'];

export interface PrepareBody {
  bundle: BundleSource;
  features: string | Blob;
  device: 'auto' | Device;
}

/** Blobs are handles: they outlive the worker that fetched them and open the next one without a download. */
export interface Prepared {
  device: Device;
  /** Why the processor is used, and that the model is not kept; `null` where there is nothing to say. */
  note: string | null;
  files: Map<string, Blob>;
  features: Blob;
}

export interface OpenBody {
  device: Device;
  files: Map<string, Blob>;
  features: Blob;
  module: ModuleUrls;
}

/** One build of the engine: its JavaScript and its WebAssembly. */
export interface ModuleUrls {
  script: string;
  wasm: string;
}

export interface ProfileData {
  bytes: Uint8Array<ArrayBuffer>;
  info: ProfileInfo;
}

export interface DetectBody {
  image: ImageInput;
  request: DetectRequest;
  ignore: Ignore;
  /** SHA-256 of the profile. */
  profile: string;
  /** The profile itself, where the worker does not have it. */
  bytes: Uint8Array | null;
  /** Profiles that the worker shall let go. */
  forget: string[];
  /** What an attempt that lost its device painted. */
  painted: ReadonlyMap<string, Painted>;
}

export interface DetectionData {
  result: DetectionResult;
  map: Float32Array<ArrayBuffer>;
  photo: ImageBitmap;
  repaired: ImageBitmap;
  /** Pixels of the smallest place that counts. */
  smallest: number;
}

/** What the module's memory has grown to; it never shrinks. */
export interface Heap {
  heapBytes: number;
}

export interface MapAt {
  map: Float32Array;
  width: number;
  height: number;
  threshold: number;
}

/** Progress as the engine reports it, with the stages before its own. */
export interface Report {
  stage: Stage;
  photo: number;
  photos: number;
  done: number;
  total: number;
}

export interface ErrorData {
  code: ErrorCode;
  message: string;
}

export type Request = { [K in Kind]: { id: number; kind: K; body: Body<K> } }[Kind];
export type ToWorker = Request | { id: number; kind: 'abort' };

export type FromWorker =
  /** The worker's script runs. */
  | { ready: true }
  | { id: number; progress: Report }
  /** A pass is painted; the page keeps it, since the worker may end at any time. */
  | { id: number; key: string; painted: Painted }
  | { id: number; value: Value<Kind> }
  /** `lost`: what failed cannot be used any more, and the worker with it. */
  | { id: number; error: ErrorData; lost: boolean }
  /** Something failed outside any request; the worker cannot be used any more. */
  | { lost: ErrorData };
