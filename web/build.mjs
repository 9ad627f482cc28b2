// Makes the npm package in dist/: JavaScript and types from ts/, and the files that go with them. The folders dist/wasm
// and dist/models are brought by `cargo xtask web` and stay as they are.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build, transform } from 'esbuild';

const web = dirname(fileURLToPath(import.meta.url));
const dist = join(web, 'dist');
/** All JavaScript together, compressed: both builds' glue included, of which a page loads one. */
const MAX_GZIP_BYTES = 60_000;

mkdirSync(dist, { recursive: true });
for (const name of readdirSync(dist)) {
  if (name !== 'wasm' && name !== 'models') rmSync(join(dist, name), { recursive: true });
}
typesFromSources();
await bundle();
await shrinkGlue();
copyFiles();
checkSize();

/** Checks all types and writes the declarations. */
function typesFromSources() {
  const tsc = join(web, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', web], { stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}

/** Each entry is one file; the element takes the package's front door from beside it, so that a page has it once. */
async function bundle() {
  const { metafile } = await build({
    absWorkingDir: web,
    entryPoints: ['ts/index.ts', 'ts/element.ts', 'ts/worker.ts'],
    outdir: 'dist',
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    metafile: true,
    legalComments: 'none',
    plugins: [
      {
        name: 'front-door',
        setup({ onResolve }) {
          onResolve({ filter: /^\.\.?\/index\.js$/ }, () => ({ path: './index.js', external: true }));
        },
      },
    ],
  });
  const foreign = Object.keys(metafile.outputs['dist/element.js'].inputs).filter(
    (file) => !file.startsWith('ts/element'),
  );
  if (foreign.length > 0) throw new Error(`dist/element.js must take these from ./index.js: ${foreign.join(', ')}`);
}

/** What wasm-bindgen wrote is full of comments. */
async function shrinkGlue() {
  const folder = join(dist, 'wasm');
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder).filter((name) => name.endsWith('.js'))) {
    const path = join(folder, name);
    const { code } = await transform(readFileSync(path, 'utf8'), { format: 'esm', target: 'es2022', minify: true });
    writeFileSync(path, code);
  }
}

/** What npm shows and what the licences ask for, and a package.json without what only a build needs. */
function copyFiles() {
  const files = ['README.md', 'custom-elements.json', '../LICENSE-MIT', '../LICENSE-APACHE', '../NOTICE'];
  for (const file of files.map((name) => join(web, name)).filter(existsSync)) cpSync(file, join(dist, basename(file)));
  const { scripts, devDependencies, ...published } = JSON.parse(readFileSync(join(web, 'package.json'), 'utf8'));
  writeFileSync(join(dist, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
}

function checkSize() {
  const glue = existsSync(join(dist, 'wasm')) ? readdirSync(join(dist, 'wasm')).map((name) => join('wasm', name)) : [];
  const scripts = [...readdirSync(dist), ...glue].filter((name) => name.endsWith('.js'));
  const sizes = scripts.map((name) => [name, gzipSync(readFileSync(join(dist, name))).length]);
  const sum = sizes.reduce((sum, [, bytes]) => sum + bytes, 0);
  for (const [name, bytes] of [...sizes, ['in all', sum]])
    console.log(`${String(bytes).padStart(7)} bytes gzip  ${name}`);
  if (sum > MAX_GZIP_BYTES) throw new Error(`JavaScript has ${sum} bytes compressed, ${MAX_GZIP_BYTES} are the limit`);
}
