// Files to save: pictures put together from the engine's layers, the result as JSON, the profile.

import type { Result } from './api.js';
import { h } from './dom.js';
import type { Download, Layers, Model, View } from './model.js';
import { blobOf } from './photos.js';
import type { Texts } from './texts.js';

interface Shown {
  view: View;
  result: Result;
  layers: Layers | null;
  opacity: number;
  compare: number;
}

/** A view as a PNG, layer upon layer as on the screen. */
export function compose({ view, result, layers, opacity, compare }: Shown): Promise<Blob> {
  const { photo, repaired } = result;
  const { width, height } = photo;
  const canvas = h('canvas');
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d');
  context?.drawImage(view === 'repaired' ? repaired : photo, 0, 0, width, height);
  if (context && layers && view === 'overlay') {
    context.globalAlpha = opacity;
    context.drawImage(layers.heat, 0, 0, width, height);
  }
  if (layers && view === 'contour') context?.drawImage(layers.contour, 0, 0, width, height);
  if (view === 'slider') {
    // Right of the divider is the repaired photo, in pixels of its own.
    const [from, scale] = [Math.round(compare * width), repaired.width / width];
    context?.drawImage(repaired, from * scale, 0, repaired.width - from * scale, repaired.height, from, 0, width - from, height);
  }
  return blobOf(canvas);
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
  const blob = await compose({ view: what === 'heat' ? 'overlay' : 'repaired', result, layers, opacity, compare });
  return new File([blob], `${name}.png`, { type: blob.type });
}

export function saveAs(file: File): void {
  const url = URL.createObjectURL(file);
  h('a', { href: url, download: file.name }).click();
  // The browser has taken the file by the end of the next turns; a minute is more than it needs.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
