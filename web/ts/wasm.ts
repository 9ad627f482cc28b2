// The engine's WebAssembly module, as wasm-bindgen exports it. Both builds export the same.

import type { DetectionResult, DetectRequest, EngineInfo, FitRequest, ProfileInfo, Progress } from './generated.js';
import type { Judgement } from './types.js';

/** The bytes of a PNG, JPEG or WebP file, or pixels. */
export type PixelSource = Uint8Array | ImageData;

/** How the engine reports and is stopped. */
export interface Hooks {
  progress?(progress: Progress): void;
  /** Asked at every step; `true` ends the call with `aborted`. */
  aborted?(): boolean;
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
  heatMap(map: Float32Array, width: number, height: number, threshold: number): Uint8ClampedArray<ArrayBuffer>;
  contour(map: Float32Array, width: number, height: number, threshold: number): Uint8ClampedArray<ArrayBuffer>;
  legend(width: number, threshold: number): { width: number; height: number; data: Uint8ClampedArray<ArrayBuffer> };
  judge(map: Float32Array, width: number, height: number, score: number, threshold: number, peak: number): Judgement;
}
