// Drawing on the picture: rectangles and a brush with mouse, finger or pen, and rectangles with the keyboard as well.

import { announcer } from './announcer.js';
import { h, place, setAttribute, show } from './dom.js';
import { sidesOf, type Box, type Draft, type Point } from './draft.js';
import { editing, type Actions, type Model, type Part } from './model.js';
import type { Locale } from './texts.js';

/** Shares of the photo's sides that an arrow key moves a rectangle. */
const NUDGE = 0.01;
const ARROWS: Readonly<Record<string, Point>> = { ArrowLeft: [-NUDGE, 0], ArrowRight: [NUDGE, 0], ArrowUp: [0, -NUDGE], ArrowDown: [0, NUDGE] };
/** A screen reader is told where a rectangle is once it stays there. */
const PAUSE_MS = 500;
/** Which edges of a rectangle move. */
const [ALL, LAST] = [[0, 1, 2, 3], [2, 3]];

export class Editor implements Part {
  readonly root: HTMLElement;
  readonly #locale: Locale;
  readonly #actions: Actions;
  readonly #handle = h('i', { class: 'handle' });
  readonly #box = h('div', { class: 'box', part: 'ignored-box', role: 'application', tabindex: 0 }, this.#handle);
  readonly #ring = h('div', { class: 'ring', hidden: true });
  #draft: Draft | null = null;
  #steps = 0;
  /** Of a pointer that is down: draws as far as it has got to. */
  #drag: ((draft: Draft, to: Point) => void) | null = null;
  #saying: ReturnType<typeof setTimeout> | undefined;

  constructor(locale: Locale, actions: Actions) {
    this.#locale = locale;
    this.#actions = actions;
    this.root = h('div', {
      class: 'editor', part: 'editor', role: 'group', tabindex: -1, 'aria-label': locale.texts.ignore,
      pointerdown: (event: PointerEvent) => this.#down(event),
      pointermove: (event: PointerEvent) => this.#move(event),
      pointerup: () => { this.#drag = null; },
      // A finger lifted in its flight would fling the page, and the next tap would only stop that.
      touchstart: (event: Event) => event.preventDefault(),
      pointercancel: () => {
        if (this.#drag) actions.draw((draft) => draft.undo());
        this.#drag = null;
      },
      pointerleave: () => show(this.#ring, false),
      keydown: (event: KeyboardEvent) => this.#key(event),
    }, this.#box, this.#ring);
  }

  update(model: Model): void {
    const draft = (this.#draft = editing(model));
    show(this.root, draft !== null);
    if (!draft) return;
    this.root.dataset['tool'] = draft.tool;
    const { box, steps } = draft;
    if (!box && this.#box.matches(':focus')) this.root.focus();
    show(this.#box, box !== null);
    if (box) {
      const sides = sidesOf(box);
      place(this.#box, ...sides);
      setAttribute(this.#box, 'aria-label', this.#locale.texts.box(...sides, this.#locale.format));
      // A new one is at hand for the arrow keys.
      if (steps !== this.#steps) this.#box.focus();
    }
    this.#steps = steps;
  }

  #down(event: PointerEvent): void {
    // Button 5 is the other end of a pen.
    const wipes = event.button === 5;
    if (!this.#draft || !event.isPrimary || (event.button && !wipes)) return;
    event.preventDefault();
    this.root.setPointerCapture(event.pointerId);
    const { tool, box } = this.#draft;
    const [from, grip] = [this.#at(event), event.target];
    if (wipes || tool !== 'rectangle') {
      const points: Point[] = [];
      this.#actions.draw((draft) => draft.begin());
      this.#drag = (draft, to) => draft.line((points.push(to), points), wipes || tool === 'eraser');
      this.#move(event);
    } else if (box && grip !== this.root) {
      this.#drag = (draft, to) => draft.fill(moved(box, grip === this.#handle ? LAST : ALL, from, to));
    } else {
      let begun = false;
      this.#drag = (draft, to) => {
        // A click draws nothing.
        if (!begun) draft.begin();
        begun = true;
        draft.fill([...from, ...to]);
      };
    }
  }

  #move(event: PointerEvent): void {
    const [drag, to] = [this.#drag, this.#at(event)];
    if (drag) this.#actions.draw((draft) => drag(draft, to));
    const { clientWidth, clientHeight } = this.root;
    const size = (this.#draft?.size ?? 0) * Math.max(clientWidth, clientHeight);
    show(this.#ring, true);
    place(this.#ring, ...to, size / clientWidth, size / clientHeight);
  }

  /** Where a pointer is, in shares of the photo. */
  #at({ clientX, clientY }: PointerEvent): Point {
    const { left, top, width, height } = this.root.getBoundingClientRect();
    return [within((clientX - left) / width, 0, 1), within((clientY - top) / height, 0, 1)];
  }

  #key(event: KeyboardEvent): void {
    const { key, shiftKey } = event;
    const [box, arrow] = [this.#draft?.box, ARROWS[key]];
    if (key === 'Delete' || (key === 'z' && (event.ctrlKey || event.metaKey))) this.#actions.draw((draft) => draft.undo());
    else if (box && arrow) {
      this.#actions.draw((draft) => draft.fill(moved(box, shiftKey ? LAST : ALL, [0, 0], arrow)));
      clearTimeout(this.#saying);
      this.#saying = setTimeout(() => announcer.say(this.#box.ariaLabel ?? ''), PAUSE_MS);
    } else return;
    event.preventDefault();
  }
}

/** A rectangle some of whose edges go with a pointer or a key, within the photo. */
function moved(box: Box, edges: readonly number[], from: Point, to: Point): Box {
  return box.map((at, edge) => {
    if (!edges.includes(edge)) return at;
    const axis = edge % 2;
    const along = box.filter((_, other) => edges.includes(other) && other % 2 === axis);
    return at + within((to[axis] ?? 0) - (from[axis] ?? 0), -Math.min(...along), 1 - Math.max(...along));
  }) as unknown as Box;
}

function within(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
