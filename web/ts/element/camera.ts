// The camera, in a dialog. It is asked for when the dialog opens and let go when it closes.

import { announcer } from './announcer.js';
import { button } from './controls.js';
import { h, setText, show, surface } from './dom.js';
import type { Target } from './model.js';
import { blobOf } from './photos.js';
import type { Locale, Texts } from './texts.js';

export class Camera {
  readonly root: HTMLDialogElement;
  readonly #texts: Texts;
  readonly #shot: (target: Target, photo: File) => void;
  readonly #title = h('h2', { class: 'title', id: 'camera-title' });
  readonly #video = h('video', { class: 'camera-video', playsinline: true });
  readonly #problem = h('p', { class: 'camera-problem' });
  readonly #count = h('span', { class: 'muted small' });
  readonly #shoot: HTMLButtonElement;
  readonly #other: HTMLButtonElement;
  #stream: MediaStream | null = null;
  #target: Target = 'good';
  #taken = 0;
  /** Cameras by id, and which of them is on. */
  #cameras: string[] = [];
  #current = 0;

  constructor({ texts }: Locale, shot: (target: Target, photo: File) => void) {
    this.#texts = texts;
    this.#shot = shot;
    this.#video.muted = true;
    this.#shoot = button({ label: texts.shoot, look: 'primary', icon: 'camera', part: 'shoot', click: () => void this.#take() });
    this.#other = button({ label: texts.switchCamera, icon: 'retry', click: () => void this.#next() });
    this.root = h('dialog', { class: 'camera', part: 'camera', 'aria-labelledby': 'camera-title', close: () => this.#stop() },
      h('header', { class: 'head' }, this.#title,
        button({ label: texts.close, icon: 'close', look: 'quiet', iconOnly: true, click: () => this.close() })),
      this.#video, this.#problem,
      h('div', { class: 'row camera-actions' }, this.#count, this.#other, this.#shoot));
  }

  async open(target: Target): Promise<void> {
    this.#target = target;
    this.#taken = 0;
    setText(this.#title, this.#texts.cameraTitle[target]);
    setText(this.#count, '');
    this.root.showModal();
    await this.#start();
    const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
    this.#cameras = devices.filter(({ kind }) => kind === 'videoinput').map(({ deviceId }) => deviceId);
    show(this.#other, this.#cameras.length > 1);
  }

  close(): void {
    if (this.root.open) this.root.close();
    this.#stop();
  }

  async #start(): Promise<void> {
    this.#stop();
    show(this.#problem, false);
    show(this.#other, false);
    this.#shoot.disabled = true;
    const deviceId = this.#cameras[this.#current];
    const video = { width: { ideal: 1920 }, height: { ideal: 1440 }, ...(deviceId ? { deviceId } : { facingMode: 'environment' }) };
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
      // The dialog may have been closed while the browser was asking.
      if (!this.root.open) return stopTracks(stream);
      this.#stream = stream;
      this.#video.srcObject = stream;
      await this.#video.play();
      this.#shoot.disabled = false;
      this.#shoot.focus();
    } catch (error) {
      const refused = error instanceof DOMException && error.name === 'NotAllowedError';
      setText(this.#problem, refused ? this.#texts.cameraRefused : this.#texts.cameraMissing);
      show(this.#problem, true);
    }
    show(this.#video, this.#stream !== null);
  }

  async #next(): Promise<void> {
    this.#current = (this.#current + 1) % Math.max(1, this.#cameras.length);
    await this.#start();
    show(this.#other, true);
  }

  async #take(): Promise<void> {
    const blob = await blobOf(surface(this.#video.videoWidth, this.#video.videoHeight, this.#video).canvas);
    const count = this.#texts.shot(++this.#taken);
    setText(this.#count, count);
    announcer.say(count);
    this.#shot(this.#target, new File([blob], `${this.#texts.camera} ${this.#taken}.png`, { type: blob.type }));
    // Several good photos are welcome; the suspect one is one.
    if (this.#target === 'suspect') this.close();
  }

  #stop(): void {
    if (this.#stream) stopTracks(this.#stream);
    this.#stream = null;
    this.#video.srcObject = null;
  }
}

function stopTracks(stream: MediaStream): void {
  stream.getTracks().forEach((track) => track.stop());
}
