// Buttons and the file picker, as several parts use them.

import { h, icon, type IconName } from './dom.js';

type Look = 'primary' | 'plain' | 'quiet';

interface ButtonOptions {
  label: string;
  icon?: IconName;
  look?: Look;
  /** Shows the icon alone; the label is read by screen readers and shown as a tooltip. */
  iconOnly?: boolean;
  part?: string;
  click(event: MouseEvent): void;
}

export function button({ label, icon: name, look = 'plain', iconOnly = false, part, click }: ButtonOptions): HTMLButtonElement {
  return h(
    'button',
    {
      type: 'button', class: `button ${look}${iconOnly ? ' icon-only' : ''}`, part: ['button', look, part].filter(Boolean).join(' '),
      'aria-label': iconOnly && label, title: iconOnly && label, click,
    },
    name && icon(name),
    !iconOnly && h('span', {}, label),
  );
}

/** A file input out of sight, opened by a button. */
export function filePicker(options: { multiple: boolean; label: string }, picked: (files: File[]) => void): HTMLInputElement {
  const input = h('input', {
    type: 'file', hidden: true, multiple: options.multiple, 'aria-label': options.label, tabindex: -1,
    accept: `image/png,image/jpeg,image/webp${options.multiple ? ',.safetensors' : ''}`,
    change: () => {
      const files = [...(input.files ?? [])];
      // The same file may be picked again after it was removed.
      input.value = '';
      if (files.length > 0) picked(files);
    },
  });
  return input;
}

/** Whether this browser has a camera to ask for; pages without a secure context have none. */
export function hasCamera(): boolean {
  return typeof navigator.mediaDevices?.getUserMedia === 'function';
}
