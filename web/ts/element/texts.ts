// Every text that a person reads, in one table for each language; `registerTexts` adds or replaces one.

import type { CalibrationSummary, JobProgress, ErrorCode, ProfileClass, Region, Verdict } from './api.js';
import type { Tool } from './draft.js';
import type { PhotoProblem } from './photos.js';
import type { View } from './model.js';
import { english } from './texts.en.js';
import { german } from './texts.de.js';

/** Numbers as the language writes them. */
export interface Format {
  /** A score or threshold: three significant digits. */
  score(value: number): string;
  percent(share: number): string;
  /** Two significant digits. */
  probability(value: number): string;
  /** Bytes in MB. */
  megabytes(bytes: number): string;
}

export interface Place { readonly row: 'top' | 'middle' | 'bottom'; readonly column: 'left' | 'centre' | 'right' }

/** What the words about a p-value depend on. */
export interface PValue { readonly p: number | null; readonly calibration: CalibrationSummary }

export interface Texts {
  readonly label: string;
  readonly good: string;
  readonly goodHint: string;
  readonly suspect: string;
  readonly suspectHint: string;
  readonly dropHint: string;
  readonly dropGood: string;
  readonly dropSuspect: string;
  readonly choosePhotos: string;
  readonly choosePhoto: string;
  readonly addPhotos: string;
  readonly replace: string;
  readonly camera: string;
  remove(name: string): string;
  readonly unnamed: string;
  readonly problem: Readonly<Record<PhotoProblem, string>>;
  readonly onePhoto: string;

  readonly check: string;
  readonly learn: string;
  readonly needGood: string;
  readonly needSuspect: string;
  readonly needOther: string;
  readonly ready: string;
  readonly learned: string;
  readonly stopped: string;
  readonly cancel: string;
  readonly retry: string;
  readonly nothing: string;

  readonly steps: Readonly<Record<'load' | 'fit' | 'detect', string>>;
  stage(progress: JobProgress, format: Format): string;
  remaining(seconds: number): string;

  readonly verdict: Readonly<Record<Verdict, string>>;
  readonly verdictLine: Readonly<Record<Verdict, string>>;
  readonly score: string;
  readonly threshold: string;
  readonly thresholdSlider: string;
  thresholdValue(threshold: number, verdict: Verdict, format: Format): string;
  thresholdMoved(calibrated: number, format: Format): string;
  readonly thresholdReset: string;
  pValue(value: PValue, format: Format): string;
  readonly support: string;
  supportOf(profile: ProfileClass): string;
  readonly regions: string;
  readonly noRegions: string;
  place(place: Place): string;
  region(region: Region, share: number, format: Format): string;

  readonly view: string;
  readonly views: Readonly<Record<View, string>>;
  readonly opacity: string;
  readonly compare: string;
  compareValue(share: number, format: Format): string;
  readonly before: string;
  readonly after: string;
  legend(threshold: number, format: Format): string;
  /** One line below the picture; the heat map has its colour scale there. */
  readonly viewNotes: Readonly<Record<Exclude<View, 'overlay'>, string>>;
  picture(name: string, view: View, verdict: Verdict | null): string;

  readonly ignore: string;
  readonly ignoreHint: string;
  readonly otherShape: string;
  readonly tools: Readonly<Record<Tool, string>>;
  readonly addBox: string;
  box(x: number, y: number, width: number, height: number, format: Format): string;
  readonly brushSize: string;
  readonly undo: string;
  readonly clear: string;
  readonly done: string;
  readonly smallest: string;
  /** After a number of per cent. */
  readonly ofPhoto: string;

  readonly downloads: string;
  readonly saveProfile: string;
  readonly download: Readonly<Record<'heat' | 'repaired' | 'json' | 'profile', string>>;
  readonly fileNames: Readonly<Record<'heat' | 'repaired' | 'json', string>>;

  readonly profile: string;
  profileClasses(count: number): string;
  readonly removeProfile: string;
  readonly chooseClass: string;

  readonly cameraTitle: Readonly<Record<'good' | 'suspect', string>>;
  readonly shoot: string;
  readonly close: string;
  readonly switchCamera: string;
  shot(count: number): string;
  readonly cameraRefused: string;
  readonly cameraMissing: string;

  readonly privacy: string;
  readonly onGpu: string;
  /** `reason`: why the graphics processor is not used, in English. */
  onCpu(reason: string | null): string;
  /** A sentence of the engine about where it runs and what is kept, in English. */
  note(sentence: string): string;
  downloadSize(megabytes: string): string;
  readonly lost: string;

  readonly errors: Readonly<Record<ErrorCode, ErrorText>>;
  readonly offline: ErrorText;
  readonly details: string;
  announceResult(verdict: Verdict, score: number, threshold: number, regions: number, format: Format): string;
}

export interface ErrorText { readonly title: string; readonly hint: string }

/** A language: its texts and its numbers. */
export interface Locale { readonly texts: Texts; readonly format: Format }

const tables = new Map<string, Texts>([['en', english], ['de', german]]);

/** Adds or replaces the texts of a language (`pt`, `pt-BR`); start from `{ ...english, … }`. */
export function registerTexts(language: string, texts: Texts): void {
  tables.set(language.toLowerCase(), texts);
}

/** The table that fits best: `de-AT`, then `de`, then English; numbers follow the table. */
export function localeFor(language: string): Locale {
  const wanted = language.toLowerCase();
  const short = wanted.split('-')[0] ?? '';
  const found = [wanted, short].find((tag) => tables.has(tag)) ?? 'en';
  return { texts: tables.get(found) ?? english, format: formatFor(found === short ? language : found) };
}

function formatFor(language: string): Format {
  const score = numbers(language, { minimumSignificantDigits: 3, maximumSignificantDigits: 3 });
  const percent = numbers(language, { style: 'percent', maximumSignificantDigits: 2 });
  const probability = numbers(language, { maximumSignificantDigits: 2 });
  const megabytes = numbers(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
  return {
    score: (value) => score.format(value),
    percent: (share) => percent.format(share),
    probability: (value) => probability.format(value),
    megabytes: (bytes) => megabytes.format(bytes / 1e6),
  };
}

function numbers(language: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  try {
    return new Intl.NumberFormat(language || 'en', options);
  } catch {
    // A made-up language tag is no reason to show nothing.
    return new Intl.NumberFormat('en', options);
  }
}

export { english, german };
