// The demo page: examples with one click, models of one's own, and `?bench`.

import { wireModel } from './model.js';
import { defectOf, loadSamples, titleOf, wordsOf } from './samples.js';

const widget = document.querySelector('#widget');
const query = new URLSearchParams(location.search);

wireModel(widget);
const samples = await loadSamples();
if (samples.length > 0) showExamples();
if (query.has('bench')) {
  const { bench } = await import('./bench.js');
  await bench(samples, query);
}

function showExamples() {
  const chips = samples.map((sample) => {
    const chip = document.createElement('button');
    chip.type = 'button';
    chip.className = 'chip';
    chip.ariaPressed = 'false';
    const image = document.createElement('img');
    image.src = defectOf(sample);
    image.alt = '';
    chip.append(image, titleOf(sample.name));
    chip.addEventListener('click', () => choose(sample, defectOf(sample)));
    const item = document.createElement('li');
    item.append(chip);
    return item;
  });
  document.querySelector('#chips').replaceChildren(...chips);
  document.querySelector('#examples').hidden = false;
}

/** Puts an example into the widget and checks it. */
function choose(sample, suspect) {
  document.querySelectorAll('.chip').forEach((chip, index) => {
    chip.ariaPressed = String(samples[index] === sample);
  });
  showVariants(sample, suspect);
  if (widget.dataset.example !== sample.name) {
    widget.dataset.example = sample.name;
    widget.productClass = sample.name.replaceAll('_', ' ');
    widget.good = sample.good;
  }
  widget.src = suspect;
  // What goes wrong is shown by the widget itself.
  widget.detect().catch(() => {});
}

/** Each example has a suspect photo with a defect and one without. */
function showVariants(sample, current) {
  const buttons = sample.suspect.map((address) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = wordsOf(address) === 'good' ? 'no defect' : wordsOf(address);
    button.ariaPressed = String(address === current);
    button.addEventListener('click', () => choose(sample, address));
    return button;
  });
  const row = document.querySelector('#variants');
  row.replaceChildren('Suspect photo:', ...buttons);
  row.hidden = false;
}
