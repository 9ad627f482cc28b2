// What cameras would do: each station shows its widget one photo after the other, and waits for the verdict in between.

/** How long a verdict stays before the next photo comes. */
const DWELL_MS = 4000;

const PHOTOS = {
  Nuts: photos('metal_nut', ['good/3.jpg', 'suspect/good.jpg', 'suspect/stain.jpg', 'good/3.jpg']),
  Pills: photos('pill', ['suspect/good.jpg', 'good/3.jpg', 'suspect/scratch.jpg', 'suspect/good.jpg']),
  Fabric: photos('twill_fabric', ['good/3.jpg', 'suspect/stain.jpg', 'suspect/good.jpg', 'good/3.jpg']),
};

function photos(product, names) {
  return names.map((name) => new URL(`../samples/${product}/${name}`, import.meta.url).href);
}

/** A camera; `on` and `off` are all it has. It shows nothing while a verdict is awaited. */
export class Feed {
  #widget;
  #photos;
  #next = 0;
  #timer = 0;
  #on = false;

  constructor(station, widget) {
    this.#widget = widget;
    this.#photos = PHOTOS[station] ?? [];
    // An error is shown by the widget; the next photo may do.
    for (const event of ['result', 'error']) widget.addEventListener(event, () => this.#wait(DWELL_MS));
  }

  on() {
    this.#on = true;
    this.#wait(0);
  }

  off() {
    this.#on = false;
    clearTimeout(this.#timer);
  }

  #wait(ms) {
    clearTimeout(this.#timer);
    if (this.#on) this.#timer = setTimeout(() => this.#show(), ms);
  }

  #show() {
    const photo = this.#photos[this.#next % this.#photos.length];
    this.#next += 1;
    // The widget has `auto`: a new photo is judged at once.
    this.#widget.src = photo;
  }
}
