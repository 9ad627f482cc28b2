// A dashboard around three widgets. It knows their attributes and events, and nothing of the engine.

import { Feed } from './feed.js';

const ROWS = 12;
const HISTORY = 18;
const WORDS = { ok: 'OK', suspect: 'Suspect', anomalous: 'Anomalous' };

const find = (id) => document.getElementById(id);
const counts = { all: 0, ok: 0, suspect: 0, anomalous: 0 };
const times = [];
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });

const feeds = [...document.querySelectorAll('.station')].map((station) => {
  const widget = station.querySelector('anomaly-sd');
  const feed = new Feed(station.dataset.station, widget);
  widget.addEventListener('load', ({ detail }) => {
    find('device').textContent = detail.info.device === 'webgpu' ? 'Judged on the graphics processor' : 'Judged on the processor';
  });
  widget.addEventListener('result', ({ detail }) => {
    setState('running');
    record(station, detail.result.toJSON());
  });
  widget.addEventListener('error', ({ detail }) => setState('error', `${station.dataset.station}: ${detail.error.message}`));
  return feed;
});

let running = true;
// Photos come once the widgets are there to take them.
await customElements.whenDefined('anomaly-sd');
feeds.forEach((feed) => feed.on());

find('pause').addEventListener('click', () => {
  running = !running;
  feeds.forEach((feed) => (running ? feed.on() : feed.off()));
  find('pause').textContent = running ? 'Pause feed' : 'Resume feed';
  setState(running ? 'running' : 'paused');
});

function setState(state, text) {
  const shown = running || state === 'error' ? state : 'paused';
  find('status').dataset.state = shown;
  find('status-text').textContent = text ?? { running: 'Running', paused: 'Paused' }[shown];
}

function record(station, result) {
  counts.all += 1;
  counts[result.verdict] += 1;
  for (const [name, count] of Object.entries(counts)) find('totals').querySelector(`[data-total="${name}"]`).textContent = count;
  times.push(result.timings_ms.total);
  find('median').textContent = seconds(times.toSorted((a, b) => a - b)[times.length >> 1]);
  addMark(station.querySelector('.history'), result);
  addRow(station.dataset.station, result);
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

function addMark(history, { verdict, score }) {
  const mark = document.createElement('li');
  mark.dataset.verdict = verdict;
  mark.title = `${WORDS[verdict]}, score ${score.toPrecision(3)}`;
  const words = document.createElement('span');
  words.textContent = mark.title;
  mark.append(words);
  history.prepend(mark);
  while (history.children.length > HISTORY) history.lastElementChild.remove();
}

function addRow(station, { image, verdict, score, threshold, regions }) {
  const rows = find('rows');
  rows.querySelector('.nothing')?.remove();
  const word = document.createElement('span');
  word.className = 'verdict';
  word.dataset.verdict = verdict;
  word.textContent = WORDS[verdict];
  const row = document.createElement('tr');
  const cells = [clock.format(new Date()), station, word, image, score.toPrecision(3), threshold.toPrecision(3), String(regions.length)];
  row.append(...cells.map((content, column) => {
    const cell = document.createElement('td');
    if (column > 3) cell.className = 'number';
    cell.append(content);
    return cell;
  }));
  rows.prepend(row);
  while (rows.children.length > ROWS) rows.lastElementChild.remove();
}
