// Public data types beside those that the engine defines.

import type { Device, Mode, Place, Progress, Region, Verdict } from './generated.js';
import type { Profile } from './result.js';

export type {
  CalibrationSummary,
  DetectionResult,
  Device,
  EngineInfo,
  Identity,
  Mode,
  ProfileClass,
  ProfileInfo,
  Place,
  Region,
  Verdict,
} from './generated.js';

/** A photo. Blobs are PNG, JPEG or WebP files and decode as in the command; nothing is uploaded. */
export type ImageInput = Blob | ImageBitmap | ImageData;

/** Where a job is: before the engine's own stages a model is fetched, started and checked. */
export type Stage = 'download' | 'start' | 'check' | Progress['stage'];

/** One report of a job. */
export interface JobProgress {
  stage: Stage;
  /** Steps that are done (bytes while downloading). */
  done: number;
  /** Steps in all (bytes while downloading). */
  total: number;
  /** Which photo, counted from 0. */
  photo: number;
  /** Photos in all. */
  photos: number;
  /** Share of the whole job that is done, from 0 to 1; never falls. */
  fraction: number;
  /** An estimate of the time left, in milliseconds; `null` until there is something to go by. */
  remainingMs: number | null;
  /** While downloading. */
  bytes?: { loaded: number; total: number };
}

/** How to watch and stop a job. */
export interface JobOptions {
  onProgress?: (progress: JobProgress) => void;
  signal?: AbortSignal;
}

/** A bundle: the one in this package, the address of a `bundle.json` or of its folder, or picked files. */
export type Bundle = 'mini' | URL | string | FileList | readonly File[];

/** Where the package's own files are, if not beside its modules: the worker, the folders `wasm/` and `models/`. */
export interface Assets {
  worker?: URL | string;
  wasm?: URL | string;
  models?: URL | string;
}

/** Which bundle. */
export interface BundleOptions {
  /** `mini` unless said otherwise. */
  bundle?: Bundle;
  /** What a relative bundle address is relative to; the page unless said otherwise. */
  baseUrl?: URL | string;
  assets?: Assets;
}

/** What to find out about. */
export interface CapabilitiesOptions extends BundleOptions {
  /** The device that is wished for, as in `load`. */
  device?: 'auto' | Device;
}

/** How to load an engine. */
export interface LoadOptions extends BundleOptions, JobOptions {
  /**
   * Weights of the feature network, a safetensors file; those in this package unless said otherwise. Its tensors say
   * which network it is: EfficientNet-Lite0, DINOv2 (small, base or large, with or without registers, as transformers
   * names them), or AlexNet as torchvision names it, which is compared as LPIPS does.
   */
  features?: URL | string | Blob;
  /** `auto` takes WebGPU where it is real and the model fits, else the processor. */
  device?: 'auto' | Device;
}

/**
 * Places that do not count: rectangles in shares of the photo's sides, or a mask, a picture that is white where and as
 * large as the photos in proportion.
 */
export type Ignore = readonly Place[] | Blob;

/** Good photos of one product. */
export interface FitOptions extends JobOptions {
  /** One to four photos do. */
  good: readonly ImageInput[];
  className?: string;
  /** Names of the parts, for the text encoder. */
  parts?: string;
  mode?: Mode;
  /**
   * For large photos: they are judged in overlapping tiles of so many of their pixels, each resized to the model's size,
   * and so is every photo that is judged with the profile.
   */
  tile?: number;
  /** Places that differ from one good photo to the next and mean nothing; the profile keeps them. */
  ignore?: Ignore;
  /** Constants of the method instead of the defaults, by the names that `anomalysd inspect PROFILE --format json` shows: `{ size: 128 }`. */
  options?: Readonly<Record<string, unknown>>;
}

/** How to judge a photo. */
export interface DetectOptions extends JobOptions {
  profile: Profile;
  /** One of the profile's classes; needed where it has several. */
  className?: string;
  mode?: Mode;
  /** Tiles of another size than the profile's, or of a photo that is larger than the good ones were. */
  tile?: number;
  seed?: number;
  /** Instead of the profile's own. */
  threshold?: number;
  /** Places that do not count in this photo, beside those of the profile. */
  ignore?: Ignore;
  /** The smallest defect that counts: pixels of the photo, or per cent of it. */
  minArea?: number | `${number}%`;
}

/** What a threshold makes of a result. */
export interface Judgement {
  verdict: Verdict;
  regions: Region[];
}

/** A graphics adapter. */
export interface Adapter {
  vendor: string;
  architecture: string;
  description: string;
  /** Software that stands in for a graphics processor. */
  isFallback: boolean;
}

/** What this browser can do with a bundle. */
export interface Capabilities {
  webgpu: boolean;
  adapter: Adapter | null;
  limits: { maxBufferSize: number; maxStorageBufferBindingSize: number } | null;
  /** The adapter computes with 16-bit floats. */
  f16: boolean;
  /** The device that is taken: the one that was asked for, or what `auto` comes to. */
  device: Device;
  /** Size of the bundle's files, 0 for picked ones. */
  downloadBytes: number;
  /** An estimate of the memory that the model takes on that device. */
  memoryBytes: number;
  /** The model fits on that device. */
  fits: boolean;
  /** Why WebGPU is not taken, or why the model does not fit; `null` where there is nothing to say. */
  reason: string | null;
  /** What the browser lets this origin store. */
  quota?: { usage: number; quota: number };
}
