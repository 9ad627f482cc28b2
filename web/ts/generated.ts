// Types of what the engine takes and returns, named as in its JSON.

/** What a photo comes to: at or below the threshold, above it, well above it. */
export type Verdict = 'ok' | 'suspect' | 'anomalous';

/** How many passes a scale takes: at most four, or one per cell as in the paper. */
export type Mode = 'fast' | 'faithful';

/** What computes. */
export type Device = 'webgpu' | 'cpu';

/** One report of progress. */
export interface Progress {
  stage: 'encode' | 'class' | 'denoise' | 'decode' | 'features' | 'prototypes' | 'fuse';
  /** Which photo, counted from 0; a detection has one. */
  photo: number;
  /** Photos in all. */
  photos: number;
  /** Passes or steps of this photo, of all stages, that are done. */
  done: number;
  /** Passes or steps of this photo, of all stages, in all. */
  total: number;
}

/** A model or a feature network, by name and fingerprint. */
export interface Identity {
  name: string;
  sha256: string;
}

/** What an engine works with. */
export interface EngineInfo {
  device: Device;
  model: Identity & { licence?: string; parameters?: number };
  features: Identity;
  /** Longer side in pixels that photos are resized to. */
  size: number;
  /** Size of the WebAssembly heap, in bytes. */
  heapBytes: number;
}

/** What is said about good photos when a class is fitted. */
export interface FitRequest {
  className?: string;
  parts?: string;
  mode?: Mode;
  /** Constants of the method that differ from their defaults. */
  options?: object;
}

/** How to judge a photo. */
export interface DetectRequest {
  /** Name shown in the result. */
  image?: string;
  className?: string;
  mode?: Mode;
  seed?: number;
  threshold?: number;
  /** Constants of the method that differ from their defaults. */
  options?: object;
}

/** On what a threshold rests. */
export interface CalibrationSummary {
  kind: 'held-out' | 'leave-one-out' | 'views';
  /** Number of scores. */
  n: number;
  /** Smallest false-alarm rate that so many scores can speak for. */
  false_alarm_rate_supported: number | null;
  /** Calibrated under other options: there is no p-value. */
  stale: boolean;
  /** Highest value of the map on any good photo. */
  peak: number;
}

/** One class of a profile. */
export interface ProfileClass {
  name: string;
  /** Number of good photos. */
  good: number;
  threshold: number;
  aligned: boolean;
  /** Turns that are allowed. */
  turns: number;
  calibration: CalibrationSummary;
  /** What these photos do and do not support, in words. */
  support: string;
}

/** What is in a profile. */
export interface ProfileInfo {
  sha256: string;
  model: Identity | null;
  features: Identity;
  classes: ProfileClass[];
}

/** Where a photo differs, in pixels of the map. */
export interface Region {
  x: number;
  y: number;
  width: number;
  height: number;
  area: number;
  peak: number;
  mean: number;
}

/** One judged photo: the same JSON from the command, the page and the widget. */
export interface DetectionResult {
  schema: 'anomalysd.result.v1';
  image: string;
  class: string;
  score: number;
  p_value: number | null;
  p_approximate: boolean;
  threshold: number;
  verdict: Verdict;
  calibration: CalibrationSummary;
  regions: Region[];
  map: { width: number; height: number; max: number; file: string | null };
  repaired: string | null;
  model: Identity | null;
  features: Identity;
  profile: { sha256: string } | null;
  device: string;
  mode: Mode;
  seed: number;
  timings_ms: Record<string, number>;
}
