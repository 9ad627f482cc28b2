// The engine's WebAssembly module, as wasm-bindgen exports it. Both builds export the same.

import type { DetectionResult, DetectRequest, EngineInfo, FitRequest, Place, ProfileInfo, Progress } from './generated.js';
import type { Judgement } from './types.js';

/** The bytes of a PNG, JPEG or WebP file, or pixels. */
export type PixelSource = Uint8Array | ImageData;

/** What one pass painted: `data` is `[3, height, width]`, 0..1. */
export interface Painted {
  width: number;
  height: number;
  data: Float32Array<ArrayBuffer>;
}

/** How the engine reports, is stopped, and goes on where another stopped. */
export interface Hooks {
  progress?(progress: Progress): void;
  /** Asked at every step; `true` ends the call with `aborted`. */
  aborted?(): boolean;
  /** What an earlier attempt at this detection painted under a key. */
  recall?(key: string): Painted | undefined;
  /** Takes what a pass painted. */
  keep?(key: string, painted: Painted): void;
  /** Told at any time after `open` that the device is lost: what runs then may never end. `error`: what it reported before. */
  lost?(reason: string, error: string | null): void;
}

export interface WasmProfile {
  bytes(): Uint8Array<ArrayBuffer>;
  info(): ProfileInfo;
  free(): void;
}

export interface WasmDetection {
  result(): DetectionResult;
  map(): Float32Array<ArrayBuffer>;
  photo(): Uint8ClampedArray<ArrayBuffer>;
  repaired(): Uint8ClampedArray<ArrayBuffer>;
  /** Pixels of the smallest place that counts. */
  smallest(): number;
  free(): void;
}

export interface WasmEngine {
  info(): EngineInfo;
  fit(good: PixelSource[], request: FitRequest, hooks: Hooks): Promise<WasmProfile>;
  openProfile(bytes: Uint8Array): WasmProfile;
  detect(profile: WasmProfile, image: PixelSource, request: DetectRequest, hooks: Hooks): Promise<WasmDetection>;
}

export interface WasmModule {
  default(input: { module_or_path: string }): Promise<unknown>;
  Engine: {
    open(files: Map<string, Blob>, features: Blob, options: { check?: boolean }, hooks: Hooks): Promise<WasmEngine>;
  };
  /** Bytes of linear memory, which never shrinks. */
  heapBytes(): number;
  /** The rectangles of a mask. */
  places(mask: Uint8Array): Place[];
  heatMap(map: Float32Array, width: number, height: number, threshold: number): Uint8ClampedArray<ArrayBuffer>;
  contour(map: Float32Array, width: number, height: number, threshold: number): Uint8ClampedArray<ArrayBuffer>;
  legend(width: number, threshold: number): { width: number; height: number; data: Uint8ClampedArray<ArrayBuffer> };
  judge(map: Float32Array, width: number, height: number, score: number, threshold: number, peak: number, smallest: number): Judgement;
}
