// The sources as modules that node can import. One build for all, so that they share their classes.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const web = join(dirname(fileURLToPath(import.meta.url)), '..');
const outdir = mkdtempSync(join(tmpdir(), 'anomalysd-web-'));
process.on('exit', () => rmSync(outdir, { recursive: true }));

const common = { absWorkingDir: web, bundle: true, target: 'es2022', outdir, logLevel: 'error' };
await build({
  ...common,
  entryPoints: ['index', 'client', 'session', 'progress', 'capabilities', 'result', 'errors']
    .map((name) => `ts/${name}.ts`)
    .concat('ts/bundle/*.ts'),
  format: 'esm',
  splitting: true,
  outbase: 'ts',
  outExtension: { '.js': '.mjs' },
  sourcemap: 'inline',
});
await build({ ...common, entryPoints: ['ts/worker.ts'], format: 'iife' });

/** Imports `ts/NAME.ts`. */
export function source(name) {
  return import(pathToFileURL(join(outdir, `${name}.mjs`)).href);
}

/** The worker's script, as text. */
export const workerScript = readFileSync(join(outdir, 'worker.js'), 'utf8');
