// Making elements without HTML strings: a name from a file can only ever become text.

type Value = string | number | boolean | null | undefined | ((event: never) => void);
export type Child = Node | string | null | undefined | false;

/** An element with attributes, listeners (a function under the name of its event) and children. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, Value> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(name, value as EventListener);
    else setAttribute(node, name, value);
  }
  node.append(...present(children));
  return node;
}

/** Sets an attribute; `false`, `null` and `undefined` remove it. */
export function setAttribute(node: Element, name: string, value: string | number | boolean | null | undefined): void {
  if (value === true) node.setAttribute(name, '');
  else if (value === false || value == null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, String(value));
}

/** Sets the text of a node only where it differs, so that a screen reader does not read it twice. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function show(node: HTMLElement, visible: boolean): void {
  if (node.hidden === visible) node.hidden = !visible;
}

/** Where the focus was on something that is hidden now, it goes to the first of `places` that can take it. */
export function keepFocus(root: HTMLElement, places: () => Iterable<HTMLElement | null>): void {
  const tree = root.getRootNode();
  const focused = tree instanceof ShadowRoot ? tree.activeElement : null;
  if (!focused || !root.contains(focused) || !focused.closest('[hidden]')) return;
  for (const place of places()) if (place && !place.closest('[hidden], :disabled')) return place.focus();
}

function present(children: Child[]): (Node | string)[] {
  return children.filter((child): child is Node | string => child instanceof Node || typeof child === 'string');
}

/** Paths on a grid of 24, drawn with a round pen. */
const ICONS = {
  plus: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6L6 18',
  camera: 'M3 8.5A1.5 1.5 0 0 1 4.5 7H8l1.5-2.5h5L16 7h3.5A1.5 1.5 0 0 1 21 8.5v9a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 17.5zM12 9.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z',
  image: 'M5 4h14a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1zM4 16l4.5-4.5 4 4 3-3L20 17M15.5 8.5h.01',
  stack: 'M8 8h12v12H8zM16 8V4H4v12h4',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  ok: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8 12.3l2.8 2.7 5-5.4',
  suspect: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7.5v5.5M12 16.3v.01',
  anomalous: 'M8.3 3h7.4L21 8.3v7.4L15.7 21H8.3L3 15.7V8.3zM9 9l6 6M15 9l-6 6',
  info: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 11v5.5M12 7.7v.01',
  lock: 'M7 11V8a5 5 0 0 1 10 0v3M6 11h12a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1z',
  chip: 'M7 7h10v10H7zM10 3v4M14 3v4M10 17v4M14 17v4M3 10h4M3 14h4M17 10h4M17 14h4',
  download: 'M12 4v11M7.5 11L12 15.5 16.5 11M5 20h14',
  retry: 'M19.5 12a7.5 7.5 0 1 1-2.2-5.3L20 9.3M20 4.5v4.8h-4.8',
  offline: 'M4 4l16 16M2.8 9.2A14 14 0 0 1 7 6.7M10.6 5.6A14 14 0 0 1 21.2 9.2M6 12.8a9 9 0 0 1 4-2.3M14.8 10.8a9 9 0 0 1 3.2 2M9.4 16.2a4 4 0 0 1 5.2 0M12 19.5v.01',
  broken: 'M13 4h6a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1h-7M8 20H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1h4l-2 5 4 3-3 4z',
  compare: 'M9 8l-4 4 4 4M15 8l4 4-4 4',
  hatch: 'M4 4h16v16H4zM4 12l8-8M4 20L20 4M12 20l8-8',
} as const;

export type IconName = keyof typeof ICONS;

export function icon(name: IconName): SVGSVGElement {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(space, 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

/** A canvas that takes a bitmap's size and picture, or is emptied. */
export function paint(canvas: HTMLCanvasElement, bitmap: ImageBitmap | null): void {
  canvas.width = bitmap?.width ?? 1;
  canvas.height = bitmap?.height ?? 1;
  if (bitmap) canvas.getContext('2d')?.drawImage(bitmap, 0, 0);
}

/** A canvas of this size to draw on, filled with a picture if there is one. */
export function surface(width: number, height: number, picture?: CanvasImageSource | null): CanvasRenderingContext2D {
  const canvas = h('canvas');
  canvas.width = Math.round(width) || 1;
  canvas.height = Math.round(height) || 1;
  const pen = canvas.getContext('2d');
  if (!pen) throw new Error('This browser gives no canvas to draw on.');
  if (picture) pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return pen;
}

/** Puts a node where something is, in shares of what holds it. */
export function place({ style }: HTMLElement, x: number, y: number, width: number, height: number): void {
  const percent = (share: number): string => `${share * 100}%`;
  Object.assign(style, { left: percent(x), top: percent(y), width: percent(width), height: percent(height) });
}
