// One live region for all elements of a page: several of them, each with its own, would talk over each other. It stands
// in the page while an element does, out of sight, and is read politely.

const KEEP_MS = 5000;

class Announcer {
  #users = 0;
  #region: HTMLElement | null = null;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();

  join(): void {
    if (this.#users++ === 0) this.#build();
  }

  leave(): void {
    if (--this.#users > 0) return;
    this.#timers.forEach(clearTimeout);
    this.#timers.clear();
    this.#region?.remove();
    this.#region = null;
  }

  /** Adds a line; additions are read one after the other, also those of different elements. */
  say(text: string): void {
    const region = this.#region;
    if (!region || !text) return;
    const line = document.createElement('p');
    line.textContent = text;
    region.append(line);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      line.remove();
    }, KEEP_MS);
    this.#timers.add(timer);
  }

  #build(): void {
    const region = document.createElement('div');
    region.setAttribute('aria-live', 'polite');
    region.setAttribute('aria-relevant', 'additions text');
    region.className = 'anomaly-sd-announcer';
    // Set through the object model: a style attribute would need 'unsafe-inline'.
    Object.assign(region.style, {
      position: 'absolute', width: '1px', height: '1px', margin: '-1px', overflow: 'hidden', clipPath: 'inset(50%)', whiteSpace: 'nowrap',
    });
    document.body.append(region);
    this.#region = region;
  }
}

export const announcer = new Announcer();
