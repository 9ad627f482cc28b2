// The element's one style sheet. It is constructed, not written into the page, so that a strict style-src holds.

import { controls } from './style/controls.js';
import { ignore } from './style/ignore.js';
import { layout } from './style/layout.js';
import { panel } from './style/panel.js';
import { picture } from './style/picture.js';
import { tokens } from './style/tokens.js';
import { tray } from './style/tray.js';

let sheet: CSSStyleSheet | null = null;

/** Made with the first element of a page and shared by all. */
export function styles(): CSSStyleSheet {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync([tokens, layout, controls, tray, picture, ignore, panel].join('\n'));
  }
  return sheet;
}
