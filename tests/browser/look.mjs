// Looking at a page as its tests do: what axe-core finds, what does not fit, what a screen reader is told, and a picture.

import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from './support.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Pictures to look at; git ignores them. */
const pictures = join(root, 'out/browser');

/** Writes a picture of the page, or of one element of it. */
export async function picture(of, name, options = {}) {
  mkdirSync(pictures, { recursive: true });
  await of.screenshot({ path: join(pictures, `${name}.png`), animations: 'disabled', ...options });
}

/** What axe-core finds on the page, shadow trees included. */
export async function violations(page) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await window.axe.run({ resultTypes: ['violations'] });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  });
}

/** What does not fit: a page that scrolls sideways, what is cut or squeezed, controls outside the widget or over each other. */
export function misfits(page) {
  return page.evaluate(() => {
    const faults = [];
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth > clientWidth) faults.push(`the page is ${scrollWidth} px wide in a window of ${clientWidth}`);
    const nameOf = (node) => `${node.localName}.${node.className} "${(node.ariaLabel ?? node.textContent).trim().slice(0, 40)}"`;
    const scrolls = (node) => ['auto', 'scroll'].includes(getComputedStyle(node).overflowX);
    for (const { shadowRoot } of document.querySelectorAll('anomaly-sd')) {
      const frame = shadowRoot.querySelector('.frame').getBoundingClientRect();
      const seen = [...shadowRoot.querySelectorAll('*')].filter((node) => node.checkVisibility() && !(node instanceof SVGElement));
      for (const node of seen) {
        const style = getComputedStyle(node);
        // Out of sight on purpose, for screen readers.
        if (node.closest('dialog') || style.clipPath !== 'none' || node.clientWidth === 0) continue;
        const text = [...node.childNodes].some(({ nodeType, data }) => nodeType === Node.TEXT_NODE && data.trim() !== '');
        const cut = node.scrollWidth > node.clientWidth + 1 && !scrolls(node) && style.textOverflow !== 'ellipsis';
        if (text && cut) faults.push(`cut: ${nameOf(node)}`);
        if (node.matches('.prompt') && node.scrollHeight > node.clientHeight + 1) faults.push(`too tall: ${nameOf(node)}`);
        if (node.matches('.prompt-icon') && Math.abs(node.clientWidth - node.clientHeight) > 1) faults.push(`squeezed: ${nameOf(node)}`);
        const { left, right } = node.getBoundingClientRect();
        const inside = left >= frame.left - 1 && right <= frame.right + 1;
        const scrolled = node.closest('.thumbs') !== null;
        if ((text || node.matches('button, input')) && !inside && !scrolled) faults.push(`outside: ${nameOf(node)}`);
      }
      const controls = seen.filter((node) => node.matches('button, input, select, summary') && !node.closest('.thumbs, dialog'));
      controls.forEach((one, index) => controls.slice(index + 1).forEach((other) => {
        const [a, b] = [one, other].map((node) => node.getBoundingClientRect());
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 1) faults.push(`overlap: ${nameOf(one)} and ${nameOf(other)}`);
      }));
    }
    return faults;
  });
}

/** How many places of the page a screen reader reads out by itself, shadow trees included. */
export function liveRegions(page) {
  return page.evaluate(() => {
    const live = '[aria-live]:not([aria-live="off"]), [role="status"], [role="alert"], [role="log"], output';
    const count = (tree) => tree.querySelectorAll(live).length
      + [...tree.querySelectorAll('*')].reduce((sum, { shadowRoot }) => sum + (shadowRoot ? count(shadowRoot) : 0), 0);
    return count(document);
  });
}
