// The element: attributes, properties, methods and events on the outside; a model, the workflow, and parts that draw it
// on the inside. What connectedCallback starts, disconnectedCallback stops.

// First, since modules are bundled in the order of their imports: styles with styles, and the texts of both languages (see
// photos.ts) with the parts that show them. What gzip sees together becomes smaller, by 1.4 kB in all.
import { styles } from './style.js';
import { announcer } from './announcer.js';
import { AnomalySD, type Assets, type Bundle, type Profile, type Result } from './api.js';
import { ATTRIBUTES, readList, type AttributeName } from './attributes.js';
import { setAttribute } from './dom.js';
import { compose, fileFor, saveAs } from './download.js';
import { Draft } from './draft.js';
import { Intake } from './drop.js';
import type { AnomalySDEvents } from './events.js';
import { Ignored, maskFor, type IgnoreSource } from './ignored.js';
import { canDetect, canFit, emptyModel, ignoredIn, phaseOf, ratioOf, type Actions, type Download, type Phase, type View } from './model.js';
import { Photo, type PhotoSource } from './photos.js';
import { ProfileSource, type ProfileInput } from './profile.js';
import { Reflected } from './reflected.js';
import { Speech } from './speech.js';
import { Surface } from './surface.js';
import { localeFor, type Locale } from './texts.js';
import { Workflow, type Settings, type WorkflowEvents } from './workflow.js';

type Listener<T extends Event> = (this: AnomalySDElement, event: T) => void;

/** Listeners know what each event carries. */
export interface AnomalySDElement {
  addEventListener<K extends keyof AnomalySDEvents>(
    type: K, listener: Listener<AnomalySDEvents[K]>, options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<K extends keyof AnomalySDEvents>(
    type: K, listener: Listener<AnomalySDEvents[K]>, options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void;
}

/**
 * Judges a suspect photo against a few good ones, in the page.
 *
 * Events: load, progress, fit, result, error, ignore-change, min-area-change. Slots: drop, empty, footer.
 */
export class AnomalySDElement extends Reflected {
  static readonly observedAttributes: readonly string[] = ATTRIBUTES;

  readonly #model = emptyModel();
  readonly #profile = new ProfileSource();
  readonly #speech = new Speech(this);
  readonly #internals: ElementInternals | null;
  readonly #root: ShadowRoot;
  readonly #workflow: Workflow;
  #locale: Locale = localeFor('en');
  #surface: Surface | null = null;
  #intake: Intake | null = null;
  #src: PhotoSource | null = null;
  #good: readonly PhotoSource[] = [];
  #bundle: Bundle | null = null;
  #assets: Assets | undefined;
  /** The threshold was moved by hand, for these good photos. */
  #moved = false;
  /** The element itself removes an attribute. */
  #muted = false;
  #live = false;
  #drawing = false;
  #starting = false;
  #state: Phase = 'empty';

  constructor() {
    super();
    this.#root = this.attachShadow({ mode: 'open' });
    this.#internals = this.attachInternals?.() ?? null;
    if (this.#internals) this.#internals.role = 'group';
    this.#workflow = new Workflow(this.#model, this.#settings(), this.#events());
  }

  // ---- life

  connectedCallback(): void {
    if (this.#live) return;
    this.#live = true;
    announcer.join();
    this.#root.adoptedStyleSheets = [styles()];
    this.#build();
    this.#intake = new Intake(this, this.#model, this.#actions);
    addEventListener('online', this.#online);
    this.#photos().forEach((photo) => this.#load(photo));
    this.#showIgnored();
    void this.#probe();
    this.#start();
  }

  disconnectedCallback(): void {
    // An element that is moved within the page is back in the same turn, and goes on.
    queueMicrotask(() => {
      if (this.isConnected || !this.#live) return;
      this.#live = false;
      this.#workflow.close();
      this.#photos().forEach((photo) => photo.release());
      removeEventListener('online', this.#online);
      this.#intake?.close();
      this.#surface?.close();
      announcer.leave();
    });
  }

  attributeChangedCallback(name: AttributeName, before: string | null, after: string | null): void {
    // The same address again is an order to look again: a camera may show another part there.
    if (this.#muted || (before === after && name !== 'src')) return;
    const model = this.#model;
    switch (name) {
      case 'src': this.#setSuspect(after); break;
      case 'good': this.#setGood(readList(after)); break;
      case 'profile': this.#setProfile(after); break;
      case 'bundle': this.#bundle = null; this.#reload(); break;
      case 'device': this.#reload(); break;
      case 'class-name': this.#setClass(after); break;
      case 'mode': this.#learnAnew(); break;
      case 'view': model.view = this.view; break;
      case 'opacity': model.opacity = this.opacity; break;
      case 'threshold': this.#judge(); break;
      case 'ignore': this.#setIgnored(after ? new Ignored(after, this.baseURI) : null); break;
      case 'min-area': model.minArea = this.minArea; this.#judgeAnew(); break;
      case 'controls': model.controls = this.controls; void this.#probe(); break;
      case 'auto': this.#start(); break;
      case 'lang': if (this.#live) this.#build(); break;
    }
    this.#changed();
  }

  // ---- properties that can hold more than an attribute can

  /** The suspect photo: an address (reflected), or a picture. */
  get src(): PhotoSource | null { return this.#src; }
  set src(value: PhotoSource | null) {
    if (typeof value === 'string') this.setAttribute('src', value);
    else {
      this.#drop('src');
      this.#setSuspect(value);
    }
  }

  /** The good photos: addresses (reflected), or pictures. */
  get good(): readonly PhotoSource[] { return this.#good; }
  set good(value: readonly PhotoSource[]) {
    const addresses = value.length > 0 && value.every((photo) => typeof photo === 'string');
    if (addresses) setAttribute(this, 'good', value.join(' '));
    else {
      this.#drop('good');
      this.#setGood(value);
    }
  }

  /** A profile instead of good photos: an address (reflected), its bytes, a file, or one of another element. */
  get profile(): ProfileInput | null { return this.#profile.input; }
  set profile(value: ProfileInput | null) {
    if (typeof value === 'string') setAttribute(this, 'profile', value);
    else {
      this.#drop('profile');
      this.#setProfile(value);
    }
  }

  /**
   * Places that do not count: the address of a mask (reflected), a mask, which is white where and of the photos'
   * proportions, or rectangles in shares of the photo's sides. A mask once a person has drawn.
   */
  get ignore(): IgnoreSource | null { return this.#model.ignored?.source ?? null; }
  set ignore(value: IgnoreSource | null) {
    if (typeof value === 'string') setAttribute(this, 'ignore', value);
    else {
      this.#drop('ignore');
      this.#setIgnored(value && new Ignored(value, this.baseURI));
    }
  }

  /** The model: `mini`, an address (reflected), or picked files. */
  get bundle(): Bundle { return this.#bundle ?? (this.getAttribute('bundle') || 'mini'); }
  set bundle(value: Bundle) {
    if (typeof value === 'string' || value instanceof URL) setAttribute(this, 'bundle', String(value));
    else {
      this.#drop('bundle');
      this.#bundle = value;
      this.#reload();
    }
  }

  /** Where the package's files are, if not beside the module. */
  get assets(): Assets | undefined { return this.#assets; }
  set assets(value: Assets | undefined) {
    this.#assets = value;
    this.#reload();
  }

  /** What is going on; also a custom state, `:state(detecting)`. */
  get state(): Phase { return phaseOf(this.#model); }

  /** The result of the photos that are shown, if there is one. */
  get result(): Result | null { return this.#model.detected?.result ?? null; }

  /** What was learned or opened. */
  get fitted(): Profile | null { return this.#model.profile; }

  // ---- methods

  /** Learns the good photos, or opens the profile. */
  fit(): Promise<Profile> {
    return this.#workflow.fit();
  }

  /** Judges the suspect photo; learns the good ones first where that was not done. A second call stops the first. */
  detect(): Promise<Result> {
    return this.#workflow.detect();
  }

  /** Stops what is running; its promise rejects with `aborted`. */
  abort(): void {
    this.#workflow.abort();
  }

  /** What a view shows, as a PNG of the size that was judged; `null` where there is no result. */
  async toBlob(view: View = this.view): Promise<Blob | null> {
    await this.#workflow.drawn();
    const { detected, layers, opacity, compare } = this.#model;
    const mask = ignoredIn(this.#model)?.shown;
    return detected ? compose({ view, result: detected.result, layers, opacity, compare, mask }) : null;
  }

  // ---- what a person does

  readonly #actions: Actions = {
    addGood: (files) => {
      // Who brings good photos wants to be judged by them.
      if (this.#profile.input !== null) this.profile = null;
      this.#changeGood([...this.#good, ...files]);
    },
    removeGood: (photo) => this.#changeGood(this.#good.filter((source) => source !== photo.source)),
    addSuspect: ([first, ...rest]) => {
      if (first) this.src = first;
      if (rest.length > 0) this.#speech.say(this.#locale.texts.onePhoto);
    },
    removeSuspect: () => { this.src = null; },
    openProfile: (file) => { this.profile = file; },
    removeProfile: () => { this.profile = null; },
    chooseClass: (name) => { this.productClass = name; },
    camera: (target) => void this.#surface?.camera.open(target),
    check: () => quietly(this.#keepDraft().then(() => this.detect())),
    learn: () => quietly(this.fit()),
    retry: () => quietly(this.#model.suspect ? this.detect() : this.fit()),
    abort: () => this.abort(),
    setView: (view) => { this.view = view; },
    setOpacity: (opacity) => { this.opacity = opacity; },
    setCompare: (share) => {
      this.#model.compare = share;
      this.#changed();
    },
    setThreshold: (threshold) => {
      this.#moved = threshold !== null;
      this.threshold = threshold;
    },
    mark: (region) => {
      this.#model.marked = region;
      this.#changed();
    },
    ignore: () => {
      const model = this.#model;
      if (model.draft) return quietly(this.#keepDraft());
      if (model.suspect) model.draft = new Draft(maskFor(ratioOf(model.suspect), ignoredIn(model)));
      this.#changed();
    },
    draw: (change) => {
      if (this.#model.draft) change(this.#model.draft);
      this.#changed();
    },
    setMinArea: (area) => this.#again(() => {
      this.minArea = area;
      this.#emit('min-area-change', { minArea: area });
    }),
    save: (what) => quietly(this.#save(what)),
  };

  async #save(what: Download): Promise<void> {
    await this.#workflow.drawn();
    const file = await fileFor(what, this.#model, this.#locale.texts);
    if (file) saveAs(file);
  }

  /** What was drawn counts from now on. */
  async #keepDraft(): Promise<void> {
    const { draft, suspect } = this.#model;
    this.#model.draft = null;
    this.#changed();
    if (!draft?.steps || !suspect) return;
    const ignored = await Ignored.drawn(draft.mask, ratioOf(suspect));
    this.#again(() => {
      this.#drop('ignore');
      this.#setIgnored(ignored);
      this.#emit('ignore-change', { ignore: this.ignore });
    });
  }

  /** Whoever changes what counts wants to see at once what becomes of a photo that was judged, or is about to be. */
  #again(change: () => void): void {
    const { detected, job } = this.#model;
    change();
    if ((detected || job) && canDetect(this.#model)) quietly(this.detect());
  }

  /** A failed download goes on when the network is back. */
  readonly #online = (): void => {
    if (this.#model.error?.code === 'network') this.#actions.retry();
  };

  // ---- photos, profile, model

  #photos(): Photo[] {
    return [...this.#model.good, ...(this.#model.suspect ? [this.#model.suspect] : [])];
  }

  #setSuspect(source: PhotoSource | null): void {
    this.#src = source;
    this.#workflow.abort();
    this.#workflow.clearResult();
    this.#model.suspect?.release();
    this.#model.suspect = source === null || source === '' ? null : this.#photo(source);
    this.#start();
    this.#changed();
  }

  /** `kept`: photos that are there already and stay as they are. */
  #setGood(sources: readonly PhotoSource[], kept: readonly Photo[] = []): void {
    const before = this.#model.good;
    const good = sources.map((source) => kept.find((photo) => photo.source === source) ?? this.#photo(source));
    before.filter((photo) => !good.includes(photo)).forEach((photo) => photo.release());
    this.#good = sources;
    this.#model.good = good;
    this.#learnAnew();
  }

  /** A person adds or removes photos; those that stay are neither fetched nor decoded again. */
  #changeGood(sources: readonly PhotoSource[]): void {
    this.#drop('good');
    this.#setGood(sources, this.#model.good);
  }

  /** Removes an attribute that no longer tells the truth, without taking it for an order. */
  #drop(name: AttributeName): void {
    this.#muted = true;
    this.removeAttribute(name);
    this.#muted = false;
  }

  #photo(source: PhotoSource): Photo {
    const photo = new Photo(source, this.baseURI);
    if (this.#live) this.#load(photo);
    return photo;
  }

  #load(photo: Photo): void {
    void photo.load().then(() => {
      if (!this.#live || !this.#photos().includes(photo)) photo.release();
      else if (photo === this.#model.suspect && this.#model.ignored && !ignoredIn(this.#model)) this.#speech.say(this.#locale.texts.otherShape);
      else if (photo.problem) this.#speech.say(`${photo.name}: ${this.#locale.texts.problem[photo.problem]}`);
      this.#changed();
    });
  }

  #setProfile(input: ProfileInput | null): void {
    this.#profile.input = input === '' ? null : input;
    this.#model.given = this.#profile.input === null ? null : { name: this.#profile.name };
    this.#learnAnew();
  }

  #setClass(name: string | null): void {
    // A profile may hold several products; what was learned here holds the one that it was learned for.
    if (!this.#model.given) return this.#learnAnew();
    this.#model.className = name;
    this.#judgeAnew();
  }

  #setIgnored(ignored: Ignored | null): void {
    this.#model.ignored = ignored;
    this.#showIgnored();
    // What is learned here keeps what was ignored; a profile that was given has its own, and these come on top.
    if (this.#model.given) this.#judgeAnew();
    else this.#learnAnew();
  }

  /** What cannot be read is told by the job that needs it. */
  #showIgnored(): void {
    if (this.#live) this.#model.ignored?.load().then(() => this.#changed(), () => undefined);
  }

  /** What was learned stays, what was judged by it does not. */
  #judgeAnew(): void {
    this.#workflow.abort();
    this.#workflow.clearResult();
    this.#start();
    this.#changed();
  }

  #learnAnew(): void {
    this.#workflow.forget();
    this.#model.className = this.productClass;
    // A threshold that was moved by hand belonged to the other good photos.
    if (this.#moved) this.threshold = null;
    this.#moved = false;
    this.#start();
    this.#changed();
  }

  /** Another model or device: the engine is given back, and what it learned goes with it. */
  #reload(): void {
    this.#workflow.close();
    Object.assign(this.#model, { note: null, lost: false, capabilities: null });
    void this.#probe();
    this.#learnAnew();
  }

  /** Asks what this device can do, so that a person knows before anything is downloaded. */
  async #probe(): Promise<void> {
    if (!this.#live || !this.controls || this.#model.capabilities) return;
    const { bundle, device, assets } = this;
    try {
      const capabilities = await AnomalySD.capabilities({ bundle: this.#source, device, ...(assets && { assets }) });
      if (bundle !== this.bundle || device !== this.device) return;
      this.#model.capabilities = capabilities;
      this.#changed();
    } catch {
      // Nothing is known yet, and nothing is lost: loading says what is wrong.
    }
  }

  /** The model, with an address that is relative to the page made whole. */
  get #source(): Bundle {
    const { bundle } = this;
    return typeof bundle === 'string' && bundle !== 'mini' ? new URL(bundle, this.baseURI) : bundle;
  }

  #judge(): void {
    this.#model.threshold = this.threshold;
    const { detected } = this.#model;
    if (detected) void this.#workflow.judge(this.threshold ?? detected.calibrated);
  }

  /** With `auto`, starts what can be started; several attributes set in one turn start one job. */
  #start(): void {
    if (!this.auto || this.#starting) return;
    this.#starting = true;
    queueMicrotask(() => {
      this.#starting = false;
      if (!this.auto || !this.#live) return;
      if (canDetect(this.#model)) this.#actions.check();
      else if (canFit(this.#model) && !this.#model.profile) this.#actions.learn();
    });
  }

  #settings(): Settings {
    const element = this;
    return {
      get bundle() { return element.#source; },
      get device() { return element.device; },
      get mode() { return element.mode; },
      get assets() { return element.#assets; },
      get threshold() { return element.threshold; },
      profileBytes: (signal) => this.#profile.bytes(this.baseURI, signal),
    };
  }

  #events(): WorkflowEvents {
    return {
      changed: () => this.#changed(),
      loaded: ({ info, note }) => this.#emit('load', { info, note }),
      progressed: (progress) => this.#emit('progress', progress),
      fitted: (profile) => this.#emit('fit', { profile }),
      detected: (result) => this.#emit('result', { result }),
      failed: (error) => this.#emit('error', { error }),
    };
  }

  #emit<K extends keyof AnomalySDEvents>(name: K, detail: AnomalySDEvents[K]['detail']): void {
    this.dispatchEvent(new CustomEvent(name, { detail, composed: true }));
  }

  // ---- drawing

  /** Builds the parts in the language of the element, or of what is around it. */
  #build(): void {
    this.#locale = localeFor(this.closest<HTMLElement>('[lang]')?.lang || document.documentElement.lang);
    if (this.#internals) this.#internals.ariaLabel = this.#locale.texts.label;
    this.#surface?.close();
    this.#surface = new Surface(this.#locale, this.#actions);
    this.#root.replaceChildren(this.#surface.root);
    this.#draw();
  }

  /** Draws once a turn, however much has changed. */
  #changed(): void {
    if (this.#drawing || !this.#live) return;
    this.#drawing = true;
    queueMicrotask(() => {
      this.#drawing = false;
      if (this.#live) this.#draw();
    });
  }

  #draw(): void {
    const { state } = this;
    this.#surface?.update(this.#model);
    this.#internals?.states?.delete(this.#state);
    this.#internals?.states?.add(state);
    this.#state = state;
    this.#speech.follow(this.#model, this.#locale);
  }
}

/** What a click starts tells its end on the screen and by an event; nobody waits for its promise. */
function quietly(job: Promise<unknown>): void {
  job.catch(() => undefined);
}
