// Attributes ⇄ properties: one table for the list that is observed and the ways they are read.

import type { LoadOptions, MinArea, Mode } from './api.js';
import { VIEWS, type View } from './model.js';

export const ATTRIBUTES = [
  'src', 'good', 'profile', 'bundle', 'class-name', 'device', 'mode', 'view', 'opacity', 'threshold', 'ignore', 'min-area', 'controls', 'auto',
  'lang',
] as const;
export type AttributeName = (typeof ATTRIBUTES)[number];

export type DevicePreference = NonNullable<LoadOptions['device']>;

const DEVICES: readonly DevicePreference[] = ['auto', 'webgpu', 'cpu'];
const MODES: readonly Mode[] = ['fast', 'faithful'];
export const OPACITY = 0.75;

/** An attribute that is one of several words; anything else means the first. */
function oneOf<T extends string>(value: string | null, words: readonly [T, ...T[]] | readonly T[]): T {
  return words.find((word) => word === value?.trim().toLowerCase()) ?? (words[0] as T);
}

export const readView = (value: string | null): View => oneOf(value, VIEWS);
export const readDevice = (value: string | null): DevicePreference => oneOf(value, DEVICES);
export const readMode = (value: string | null): Mode => oneOf(value, MODES);

export function readOpacity(value: string | null): number {
  const number = value === null || value.trim() === '' ? NaN : Number(value);
  return Number.isFinite(number) ? Math.min(1, Math.max(0, number)) : OPACITY;
}

/** A positive number, or none. */
export function readThreshold(value: string | null): number | null {
  const number = value === null ? NaN : Number.parseFloat(value);
  return Number.isFinite(number) && number > 0 ? number : null;
}

/** A number of pixels (`25`) or per cent of the photo (`0.1%`), or none. */
export function readMinArea(value: string | null): MinArea | null {
  const area = Number.parseFloat(value ?? '');
  return area > 0 ? (value?.includes('%') ? `${area}%` : area) : null;
}

/** Addresses between spaces or line ends; an address has none inside. */
export function readList(value: string | null): string[] {
  return value?.split(/\s+/).filter((address) => address !== '') ?? [];
}
