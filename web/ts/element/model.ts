// Everything that is drawn, in one place; the parts of the element read it and change nothing.

import type {
  AnomalySDError, Capabilities, DetectionResult, JobProgress, MinArea, Profile, Region, Result, Verdict,
} from './api.js';
import type { Draft } from './draft.js';
import type { Ignored } from './ignored.js';
import type { Photo } from './photos.js';

export const VIEWS = ['overlay', 'contour', 'repaired', 'slider', 'photo'] as const;
/** What the picture shows. */
export type View = (typeof VIEWS)[number];

/** What is going on; also the names of the element's custom states. */
export type Phase = 'empty' | 'ready' | 'loading' | 'fitting' | 'detecting' | 'fitted' | 'result' | 'aborted' | 'error';

export type Job = 'load' | 'fit' | 'detect';

/** What a result comes to at the threshold that is set. */
export interface Judged {
  readonly threshold: number;
  readonly verdict: Verdict;
  readonly regions: readonly Region[];
}

/** Pictures of a map at a threshold, drawn by the engine. */
export interface Layers {
  readonly heat: ImageBitmap;
  readonly contour: ImageBitmap;
  readonly legend: ImageBitmap;
}

export interface Detected {
  readonly photo: Photo;
  readonly result: Result;
  readonly data: DetectionResult;
  /** The threshold that the good photos set. */
  readonly calibrated: number;
}

export interface Model {
  controls: boolean;
  view: View;
  opacity: number;
  compare: number;
  /** The threshold that someone set; the slider shows it at once, the verdict follows. */
  threshold: number | null;
  good: Photo[];
  suspect: Photo | null;
  profile: Profile | null;
  /** A profile was given, so good photos are not needed; its name for people. */
  given: { name: string } | null;
  className: string | null;
  job: Job | null;
  progress: JobProgress | null;
  detected: Detected | null;
  judged: Judged | null;
  layers: Layers | null;
  error: AnomalySDError | null;
  stopped: boolean;
  /** A sentence of the engine, where the processor took over. */
  note: string | null;
  lost: boolean;
  capabilities: Capabilities | null;
  /** The region that is pointed at. */
  marked: number | null;
  /** Places that do not count. */
  ignored: Ignored | null;
  /** The same while they are drawn. */
  draft: Draft | null;
  /** The smallest defect that counts. */
  minArea: MinArea | null;
}

export function emptyModel(): Model {
  return {
    controls: false, view: 'overlay', opacity: 0.75, compare: 0.5, threshold: null,
    good: [], suspect: null, profile: null, given: null, className: null,
    job: null, progress: null, detected: null, judged: null, layers: null,
    error: null, stopped: false, note: null, lost: false, capabilities: null, marked: null,
    ignored: null, draft: null, minArea: null,
  };
}

export function phaseOf(model: Model): Phase {
  switch (model.job) {
    case 'load': return 'loading';
    case 'fit': return 'fitting';
    case 'detect': return 'detecting';
    case null:
  }
  if (model.error) return 'error';
  if (model.stopped) return 'aborted';
  if (model.detected) return 'result';
  if (model.profile && !model.suspect) return 'fitted';
  return model.good.length > 0 || model.suspect || model.given ? 'ready' : 'empty';
}

/** `setup` gives the good photos half of the room, `work` gives it to the picture and what is said about it. */
export function layoutOf(model: Model): 'setup' | 'work' {
  const started = model.job ?? model.error ?? model.profile ?? model.detected;
  return model.controls && !started ? 'setup' : 'work';
}

export function usable(photos: readonly Photo[]): Photo[] {
  return photos.filter((photo) => photo.state !== 'broken');
}

/** Whether there is enough to judge the suspect photo. */
export function canDetect(model: Model): boolean {
  return canFit(model) && model.suspect !== null && model.suspect.state !== 'broken';
}

/** Whether there is something to judge by. */
export function canFit(model: Model): boolean {
  return model.given !== null || model.profile !== null || usable(model.good).length > 0;
}

/** What is ignored in the photo to check. What was drawn on a photo of another shape waits for the next one of that shape. */
export function ignoredIn({ ignored, suspect }: Model): Ignored | null {
  return suspect && ignored?.ratio && !sameShape(ratioOf(suspect), ignored.ratio) ? null : ignored;
}

export function ratioOf({ width, height }: { width: number; height: number }): number {
  return width / height;
}

/** Photos whose proportions differ by little have the same shape: the engine rounds to whole patches. */
export function sameShape(ratio: number, other: number): boolean {
  return !(Math.abs(ratio / other - 1) > 0.03);
}

/** What is being drawn, where there is a photo to draw on. */
export function editing({ controls, draft, suspect }: Model): Draft | null {
  return controls && suspect?.preview ? draft : null;
}

/** What parts of the element ask for. */
export interface Actions {
  addGood(files: readonly Blob[]): void;
  removeGood(photo: Photo): void;
  addSuspect(files: readonly Blob[]): void;
  removeSuspect(): void;
  openProfile(file: Blob): void;
  removeProfile(): void;
  chooseClass(name: string): void;
  camera(target: Target): void;
  check(): void;
  learn(): void;
  retry(): void;
  abort(): void;
  setView(view: View): void;
  setOpacity(opacity: number): void;
  setCompare(share: number): void;
  /** `null`: back to the one that the good photos set. */
  setThreshold(threshold: number | null): void;
  mark(region: number | null): void;
  /** Begins to draw places to ignore, or ends it. */
  ignore(): void;
  /** Changes the places that are drawn. */
  draw(change: (draft: Draft) => void): void;
  setMinArea(area: MinArea | null): void;
  save(what: Download): void;
}

/** Where a photo goes. */
export type Target = 'good' | 'suspect';
export type Download = 'heat' | 'repaired' | 'json' | 'profile';

/** A part of the element: built once for a language, then kept in step with the model. */
export interface Part {
  readonly root: HTMLElement;
  update(model: Model): void;
}
