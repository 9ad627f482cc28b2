// What is said of two engines' times: the same rows as bench.json of the command.

/** What the ratios are to be at most, by device. */
export const GOALS = { cpu: 0.9, webgpu: 0.7 };
/** What the predictions may differ by, over the largest value. */
export const TOLERANCE = 2e-4;
/** The first run, shaders compiled in it, on an adapter in software. */
export const FIRST_RUN_MS = 30_000;

/** The middle of some times; of an even number the upper one. */
export function median(times) {
  return times.toSorted((a, b) => a - b)[times.length >> 1];
}

/** The largest difference over the largest value; infinite where something is no number. */
export function difference(ours, theirs) {
  if (ours.length !== theirs.length) return Infinity;
  let [largest, apart] = [0, 0];
  for (const [at, value] of ours.entries()) {
    const between = Math.abs(value - theirs[at]);
    if (!Number.isFinite(between)) return Infinity;
    largest = Math.max(largest, Math.abs(value));
    apart = Math.max(apart, between);
  }
  return apart / Math.max(largest, Number.MIN_VALUE);
}

/** A row, of both engines' times in turns. */
export function row(device, peer, { ours, theirs, apart, first, dispatches }) {
  const [own, other] = [median(ours), median(theirs)];
  return {
    name: `browser: U-Net step of mini, ${device}`,
    ours_ms: rounded(own),
    peer,
    peer_ms: rounded(other),
    ratio: rounded(own / other),
    goal: GOALS[device],
    difference: apart,
    peak_mib: null,
    device: device === 'cpu' ? 'wasm, simd128, one thread' : 'WebGPU in software (SwiftShader)',
    first_run_ms: rounded(first.ours),
    peer_first_run_ms: rounded(first.theirs),
    ...(device === 'webgpu' ? { first_run_goal_ms: FIRST_RUN_MS, dispatches } : {}),
  };
}

/** A line for people. */
export function line(row) {
  const said = (met) => (met ? 'met' : 'missed');
  const first = row.first_run_goal_ms
    ? `, first run ${row.first_run_ms} ms (goal ${row.first_run_goal_ms} ${said(row.first_run_ms <= row.first_run_goal_ms)}), ${row.dispatches} dispatches a step`
    : '';
  return `${row.name}: ours ${row.ours_ms} ms, ${row.peer} ${row.peer_ms} ms, ${row.ratio} of it, goal ${row.goal} ${said(row.ratio <= row.goal)}, equal within ${row.difference.toExponential(0)}${first}`;
}

/** Rows of the same name replaced where they stand, new ones after the others. */
export function merged(known, rows) {
  const names = known.map(({ name }) => name);
  const kept = known.map((old) => rows.find(({ name }) => name === old.name) ?? old);
  return [...kept, ...rows.filter(({ name }) => !names.includes(name))];
}

function rounded(value) {
  return Math.round(value * 1000) / 1000;
}
