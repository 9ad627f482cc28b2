// The work behind one element: takes a share of an engine, learns good photos, judges the suspect one, judges again when
// the threshold moves. It changes the model and says so; it draws nothing.

import {
  AnomalySDError, orAborted, toError,
  type Assets, type Bundle, type Engine, type JobProgress, type LoadOptions, type Mode, type Profile, type Result,
} from './api.js';
import { engines, type Lease } from './engines.js';
import type { Ignored } from './ignored.js';
import { ignoredIn, usable, type Job, type Model } from './model.js';
import { inputOf, type Photo } from './photos.js';

export interface Settings {
  readonly bundle: Bundle;
  readonly device: NonNullable<LoadOptions['device']>;
  readonly mode: Mode;
  readonly assets: Assets | undefined;
  /** A threshold that someone set; else the one that the good photos set. */
  readonly threshold: number | null;
  /** Bytes of the profile that was given, if one was. */
  profileBytes(signal: AbortSignal): Promise<Uint8Array> | null;
}

/** What the element turns into events. */
export interface WorkflowEvents {
  changed(): void;
  loaded(engine: Engine): void;
  progressed(progress: JobProgress): void;
  fitted(profile: Profile): void;
  detected(result: Result): void;
  failed(error: AnomalySDError): void;
}

export class Workflow {
  readonly #model: Model;
  readonly #settings: Settings;
  readonly #events: WorkflowEvents;
  #lease: Lease | null = null;
  #engine: Engine | null = null;
  #run: AbortController | null = null;
  /** What was ignored in the good photos when they were learned. */
  #learnedWithout: Ignored | null = null;
  #judging = 0;
  /** The last verdict and pictures that were asked for. */
  #judged: Promise<void> = Promise.resolve();

  constructor(model: Model, settings: Settings, events: WorkflowEvents) {
    this.#model = model;
    this.#settings = settings;
    this.#events = events;
  }

  fit(): Promise<Profile> {
    return this.#start((signal) => this.#fitted(signal));
  }

  detect(): Promise<Result> {
    return this.#start(async (signal) => this.#detected(await this.#fitted(signal), signal));
  }

  abort(): void {
    this.#run?.abort();
  }

  /** Stops what is running and gives the engine back. */
  close(): void {
    this.abort();
    this.#judging++;
    this.#lease?.release();
    this.#lease = null;
    this.#engine = null;
  }

  /** What was learned from other photos, or by another engine, is worth nothing. */
  forget(): void {
    this.abort();
    this.#model.profile = null;
    this.#model.className = null;
    this.clearResult();
  }

  clearResult(): void {
    this.#judging++;
    const model = this.#model;
    closeLayers(model);
    Object.assign(model, { detected: null, judged: null, error: null, stopped: false, marked: null });
  }

  /** Runs one job; a second one stops the first. */
  async #start<T>(job: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.abort();
    const run = (this.#run = new AbortController());
    this.clearResult();
    try {
      return await orAborted(job(run.signal), run.signal);
    } catch (error) {
      throw this.#fail(toError(error), run);
    } finally {
      if (this.#run === run) {
        this.#run = null;
        Object.assign(this.#model, { job: null, progress: null });
        this.#events.changed();
      }
    }
  }

  #fail(error: AnomalySDError, run: AbortController): Error {
    const model = this.#model;
    // A job that another one has replaced has nothing to say any more.
    if (this.#run !== run) return error;
    if (error.code === 'aborted') {
      model.stopped = true;
      // A download that only this element waits for ends with it.
      if (!this.#engine) this.close();
      return error;
    }
    model.error = error;
    this.#events.failed(error);
    return error;
  }

  #begin(job: Job, signal: AbortSignal): void {
    signal.throwIfAborted();
    Object.assign(this.#model, { job, progress: null });
    this.#events.changed();
  }

  /** Takes reports until the signal fires: an engine goes on for up to one step after that. */
  #reports(signal: AbortSignal): (progress: JobProgress) => void {
    return (progress) => {
      if (signal.aborted) return;
      this.#model.progress = progress;
      this.#events.progressed(progress);
      this.#events.changed();
    };
  }

  async #opened(signal: AbortSignal): Promise<Engine> {
    if (this.#engine) return this.#engine;
    this.#begin('load', signal);
    const { bundle, device, assets } = this.#settings;
    const lease = (this.#lease ??= engines.lease({ bundle, device, assets }, {
      // Of whichever job waits for it by then.
      progress: (progress) => {
        if (this.#model.job === 'load' && this.#run) this.#reports(this.#run.signal)(progress);
      },
      lost: (error) => {
        this.#model.lost = toError(error).code === 'device-lost';
        this.#events.changed();
      },
    }));
    try {
      const engine = await orAborted(lease.engine, signal);
      this.#engine = engine;
      this.#model.note = engine.note ?? null;
      this.#events.loaded(engine);
      return engine;
    } catch (error) {
      // A job that was replaced leaves the share to the one after it.
      if (toError(error).code !== 'aborted') {
        lease.release();
        if (this.#lease === lease) this.#lease = null;
      }
      throw error;
    }
  }

  async #fitted(signal: AbortSignal): Promise<Profile> {
    const model = this.#model;
    await Promise.all([...model.good, ...(model.suspect ? [model.suspect] : [])].map((photo) => photo.load()));
    const engine = await this.#opened(signal);
    // A profile keeps what was ignored in the photos that it was learned from, and its threshold goes with that.
    const ignored = ignoredIn(model);
    if (model.profile && (model.given || ignored === this.#learnedWithout)) return model.profile;
    this.#begin('fit', signal);
    const bytes = this.#settings.profileBytes(signal);
    const profile = bytes ? await engine.openProfile(await bytes) : await this.#learn(engine, ignored, signal);
    signal.throwIfAborted();
    model.profile = profile;
    this.#learnedWithout = ignored;
    model.lost = false;
    this.#events.fitted(profile);
    return profile;
  }

  async #learn(engine: Engine, ignored: Ignored | null, signal: AbortSignal): Promise<Profile> {
    const model = this.#model;
    const photos = usable(model.good);
    if (photos.length === 0) throw new AnomalySDError('bad-image', 'There is no good photo to learn from.');
    const good = photos.map(inputOf);
    return engine.fit({
      good, mode: this.#settings.mode, className: model.className ?? undefined, ignore: await ignored?.load(),
      signal, onProgress: this.#reports(signal),
    });
  }

  async #detected(profile: Profile, signal: AbortSignal): Promise<Result> {
    const model = this.#model;
    const photo = model.suspect;
    if (!photo) throw new AnomalySDError('bad-image', 'There is no photo to check.');
    const input = inputOf(photo);
    const engine = await this.#opened(signal);
    this.#begin('detect', signal);
    const { mode, threshold } = this.#settings;
    const result = await engine.detect(input, {
      profile, mode,
      // Of several products the first is taken, as the choice on the screen shows.
      className: model.className ?? profile.info.classes[0]?.name,
      threshold: threshold ?? undefined,
      // Of a profile that was given, these come on top of its own.
      ignore: await ignoredIn(model)?.load(),
      minArea: model.minArea ?? undefined,
      signal, onProgress: this.#reports(signal),
    });
    signal.throwIfAborted();
    this.#take(photo, result, profile);
    return result;
  }

  #take(photo: Photo, result: Result, profile: Profile): void {
    const model = this.#model;
    const data = result.toJSON();
    const fitted = profile.info.classes.find(({ name }) => name === data.class);
    model.lost = false;
    // Another device may have taken over.
    model.note = this.#engine?.note ?? null;
    model.detected = { photo, result, data, calibrated: fitted?.threshold ?? data.threshold };
    model.judged = { threshold: data.threshold, verdict: data.verdict, regions: data.regions };
    void this.judge(this.#settings.threshold ?? data.threshold);
    this.#events.detected(result);
  }

  /** Verdict, regions and pictures at a threshold; of several calls in a row the last one counts. */
  judge(threshold: number): Promise<void> {
    return (this.#judged = this.#judge(threshold));
  }

  /** Resolves when the pictures of the result are there. */
  drawn(): Promise<void> {
    return this.#judged;
  }

  async #judge(threshold: number): Promise<void> {
    const turn = ++this.#judging;
    const [engine, detected] = [this.#engine, this.#model.detected];
    if (!engine || !detected) return;
    const { result } = detected;
    const pictures = Promise.all([
      engine.render(result, { view: 'heat', threshold }),
      engine.render(result, { view: 'contour', threshold }),
      engine.legend(LEGEND_WIDTH, threshold),
    ]);
    try {
      const { verdict, regions } = await engine.judge(result, threshold);
      if (turn === this.#judging) {
        this.#model.judged = { threshold, verdict, regions };
        this.#events.changed();
      }
      const [heat, contour, legend] = await pictures;
      if (turn !== this.#judging) return [heat, contour, legend].forEach((bitmap) => bitmap.close());
      closeLayers(this.#model);
      this.#model.layers = { heat, contour, legend };
      this.#events.changed();
    } catch (error) {
      pictures.catch(() => undefined);
      if (turn !== this.#judging) return;
      this.#model.error = toError(error);
      this.#events.failed(toError(error));
      this.#events.changed();
    }
  }
}

const LEGEND_WIDTH = 256;

function closeLayers(model: Model): void {
  if (!model.layers) return;
  Object.values(model.layers).forEach((bitmap: ImageBitmap) => bitmap.close());
  model.layers = null;
}
