// The engine as a page sees it.

import { type AnomalySDError, toError } from './errors.js';
import type { EngineInfo } from './generated.js';
import { Pace } from './progress.js';
import { Profile, Result } from './result.js';
import type { Session } from './session.js';
import type { DetectOptions, FitOptions, ImageInput, Judgement } from './types.js';
import type { Painted } from './wasm.js';

/** Profiles that a worker holds; each takes a few megabytes. */
const HELD_PROFILES = 4;

/** A model and a feature network in a worker of their own. Fits and detections run one after the other. */
export class Engine {
  readonly #session: Session;
  readonly #info: EngineInfo;
  readonly #note: string | null;
  readonly #listeners = new Set<(error: AnomalySDError) => void>();

  /** @internal */
  constructor(session: Session, info: EngineInfo, note: string | null) {
    this.#session = session;
    this.#info = info;
    this.#note = note;
    session.onLost = (error) => {
      for (const listener of this.#listeners) listener(error);
    };
  }

  /** Device, model, feature network, sizes; another device where a lost one had to be replaced by the processor. */
  get info(): EngineInfo {
    return this.#session.info ?? this.#info;
  }

  /** Why the processor is used, and that the model is not kept; `null` where there is nothing to say. */
  get note(): string | null {
    const { fault } = this.#session;
    if (fault === null) return this.#note;
    const said = `WebGPU cannot be used: ${fault} The processor is used.`;
    return this.#note === null ? said : `${said} ${this.#note}`;
  }

  /** Learns from one to four good photos of one product what is normal. */
  async fit({ good, className, parts, mode, tile, ignore, options, onProgress, signal }: FitOptions): Promise<Profile> {
    const watch = { report: new Pace('work', onProgress).report, signal };
    return this.#session.job(async (client) => {
      const body = { good, request: { className, parts, mode, tile, ...(options && { options }) }, ignore: ignore ?? [] };
      const data = await client.request('fit', body, watch);
      client.profiles.add(data.info.sha256);
      this.#session.grew(data);
      return new Profile(data);
    }, watch);
  }

  /** Opens a profile that a fit or the command made; refused where it was made for other weights. */
  async openProfile(file: Uint8Array | Blob): Promise<Profile> {
    const bytes = new Uint8Array(file instanceof Blob ? await file.arrayBuffer() : file);
    const { client } = await this.#session.open();
    const info = await client.request('openProfile', { bytes });
    client.profiles.add(info.sha256);
    return new Profile({ bytes, info });
  }

  /** Judges a photo against a profile. Where the device is lost, a new one goes on at the pass where it stopped. */
  async detect(image: ImageInput, options: DetectOptions): Promise<Result> {
    const { profile, className, mode, tile, seed, threshold, ignore = [], minArea, onProgress, signal } = options;
    const name = image instanceof File ? image.name : '';
    const area = minArea === undefined ? {} : { minArea: String(minArea) };
    const request = { image: name, className, mode, tile, seed, threshold, ...area };
    const painted = new Map<string, Painted>();
    const keep = (key: string, pass: Painted) => void painted.set(key, pass);
    const watch = { report: new Pace('work', onProgress).report, keep, signal };
    return this.#session.job(async (client) => {
      try {
        const body = { image, request, ignore, painted, ...hold(client.profiles, profile) };
        const data = await client.request('detect', body, watch);
        this.#session.grew(data);
        return new Result(data);
      } catch (error) {
        // It may be that the worker could not open it.
        if (toError(error).code === 'bad-profile') client.profiles.delete(profile.info.sha256);
        throw error;
      }
    }, watch);
  }

  /** What another threshold would make of a result. */
  judge({ map, width, height, score, calibration, smallest }: Result, threshold: number): Promise<Judgement> {
    const { peak } = calibration;
    return this.#session.request('judge', { map, width, height, score, threshold, peak, smallest });
  }

  /** The map as a picture to lay over the photo: colours whose opacity says how much they cover, or an outline. */
  render(result: Result, { view, threshold }: { view: 'heat' | 'contour'; threshold?: number }): Promise<ImageBitmap> {
    const { map, width, height } = result;
    return this.#session.request('render', { map, width, height, view, threshold: threshold ?? result.threshold });
  }

  /** The colour scale of heat maps with this threshold. */
  legend(width: number, threshold: number): Promise<ImageBitmap> {
    return this.#session.request('legend', { width, threshold });
  }

  /**
   * Listens for the loss of the device or the worker; what needs one next gets a new worker with the same model. Where
   * the device was lost, what was running goes on there: a detection at the pass where it stopped, a fit from its start.
   * Returns a function that ends the listening.
   */
  on(_event: 'lost', listener: (error: AnomalySDError) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Frees all memory; what is running fails with `aborted`. */
  dispose(): void {
    this.#session.dispose();
  }
}

/** Names a profile to a worker: with its bytes where the worker lacks it, and with those to let go for it. */
function hold(
  profiles: Set<string>,
  { info, bytes }: Profile,
): { profile: string; bytes: Uint8Array | null; forget: string[] } {
  const known = profiles.delete(info.sha256);
  profiles.add(info.sha256);
  const forget = [...profiles].slice(0, -HELD_PROFILES);
  for (const name of forget) profiles.delete(name);
  return { profile: info.sha256, bytes: known ? null : bytes, forget };
}
