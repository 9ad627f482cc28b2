// Files to save: pictures put together from the engine's layers, the result as JSON, the profile.

import type { Result } from './api.js';
import { h, surface } from './dom.js';
import { paintHatch } from './ignored.js';
import { ignoredIn, type Download, type Layers, type Model, type View } from './model.js';
import { blobOf } from './photos.js';
import type { Texts } from './texts.js';

interface Shown {
  view: View;
  result: Result;
  layers: Layers | null;
  opacity: number;
  compare: number;
  /** The mask of what was ignored. */
  mask: HTMLCanvasElement | null | undefined;
}

/** A view as a PNG, layer upon layer as on the screen. */
export function compose({ view, result, layers, opacity, compare, mask }: Shown): Promise<Blob> {
  const { photo, repaired } = result;
  const { width, height } = photo;
  const context = surface(width, height, view === 'repaired' ? repaired : photo);
  if (layers && view === 'overlay') {
    context.globalAlpha = opacity;
    context.drawImage(layers.heat, 0, 0, width, height);
    context.globalAlpha = 1;
  }
  if (layers && view === 'contour') context.drawImage(layers.contour, 0, 0, width, height);
  // What was judged shows what was left out; photos stay as they are.
  if (mask && (view === 'overlay' || view === 'contour')) {
    const hatch = surface(width, height);
    paintHatch(hatch, mask, 1);
    context.drawImage(hatch.canvas, 0, 0);
  }
  if (view === 'slider') {
    // Right of the divider is the repaired photo, in pixels of its own.
    const [from, scale] = [Math.round(compare * width), repaired.width / width];
    context.drawImage(repaired, from * scale, 0, repaired.width - from * scale, repaired.height, from, 0, width - from, height);
  }
  return blobOf(context.canvas);
}

export async function fileFor(what: Download, model: Model, texts: Texts): Promise<File | null> {
  const { detected, judged, profile, layers, opacity, compare } = model;
  if (what === 'profile') {
    const name = profile?.info.classes[0]?.name || 'anomalysd';
    return profile && new File([profile.toBlob()], `${name}.profile.safetensors`);
  }
  if (!detected || !judged) return null;
  const { result, data, photo } = detected;
  const stem = photo.name.replace(/\.[^.]*$/, '') || texts.unnamed;
  const name = `${stem}-${texts.fileNames[what]}`;
  if (what === 'json') {
    // What is saved is what is on the screen, also where the threshold was moved.
    const text = JSON.stringify({ ...data, ...judged }, null, 2);
    return new File([text], `${name}.json`, { type: 'application/json' });
  }
  const blob = await compose({ view: what === 'heat' ? 'overlay' : 'repaired', result, layers, opacity, compare, mask: ignoredIn(model)?.shown });
  return new File([blob], `${name}.png`, { type: blob.type });
}

export function saveAs(file: File): void {
  const url = URL.createObjectURL(file);
  h('a', { href: url, download: file.name }).click();
  // The browser has taken the file by the end of the next turns; a minute is more than it needs.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
