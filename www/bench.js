// `?bench`: learns and judges a sample a few times, runs each network alone, and shows one JSON to copy.
// `?bench&runs=5&device=cpu&mode=faithful&sample=pill&size=128` choose otherwise. It talks to the engine, not to the widget, so
// that nothing is drawn meanwhile.

import { AnomalySD } from './anomalysd/index.js';
import { measureNetworks } from './bench-networks.js';
import { defectOf, titleOf } from './samples.js';

const find = (id) => document.getElementById(id);

export async function bench(samples, query) {
  find('bench').hidden = false;
  find('widget').hidden = true;
  const status = find('bench-status');
  const report = await measure(samples, query, (text) => { status.textContent = text; }).catch((error) => ({
    error: { code: error.code ?? 'internal', message: error.message },
  }));
  status.textContent = report.error ? `Stopped: ${report.error.message}` : 'Done.';
  const text = JSON.stringify(report, null, 2);
  find('bench-result').textContent = text;
  find('bench-result').hidden = false;
  find('bench-copy').hidden = false;
  find('bench-copy').addEventListener('click', () => copy(text));
}

async function measure(samples, query, say) {
  const bundle = query.get('bundle') ?? 'mini';
  const device = query.get('device') ?? 'auto';
  const mode = query.get('mode') ?? 'fast';
  const runs = Math.max(1, Number(query.get('runs') ?? 3) || 3);
  const sample = samples.find(({ name }) => name === query.get('sample')) ?? samples[0];
  const size = Number(query.get('size')) || undefined;
  const options = size && { size };
  if (!sample) throw new Error('There are no sample photos beside this page.');
  const [good, suspect] = await Promise.all([Promise.all(sample.good.map(photo)), photo(defectOf(sample))]);

  say('Loading the model.');
  const capabilities = await AnomalySD.capabilities({ bundle });
  const [engine, loadMs] = await timed(() => AnomalySD.load({ bundle, device }));
  const fits = [];
  const detections = [];
  for (let run = 1; run <= runs; run += 1) {
    say(`${titleOf(sample.name)}: run ${run} of ${runs}.`);
    const [profile, fitMs] = await timed(() => engine.fit({ good, mode, options }));
    const [result, detectMs] = await timed(() => engine.detect(suspect, { profile, mode }));
    fits.push(fitMs);
    const { score, verdict, threshold, timings_ms } = result.toJSON();
    detections.push({ ms: detectMs, score, threshold, verdict, timings_ms });
  }
  const { info, note } = engine;
  engine.dispose();
  const networks = await measureNetworks({ bundle, device: info.device, size, runs, say });
  return {
    schema: 'anomalysd.bench-web.v1',
    browser: navigator.userAgent,
    threads: navigator.hardwareConcurrency,
    capabilities,
    device: info.device,
    engine: { ...info, note },
    sample: { name: sample.name, good: good.length, mode },
    networks,
    load_ms: loadMs,
    fit_ms: fits,
    detect: detections,
    detect_median_ms: median(detections.map(({ ms }) => ms)),
  };
}

async function photo(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: status ${response.status}`);
  return response.blob();
}

async function timed(work) {
  const start = performance.now();
  const value = await work();
  return [value, Math.round(performance.now() - start)];
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : Math.round((sorted[middle - 1] + sorted[middle]) / 2);
}

async function copy(text) {
  const button = find('bench-copy');
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    // Not allowed here: select it, so that the keyboard can copy it.
    getSelection().selectAllChildren(find('bench-result'));
  }
}
