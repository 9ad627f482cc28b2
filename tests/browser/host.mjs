// A small server of the tests' own, for what `anomalysd serve` does not do: other headers, and answers that break.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';

const KINDS = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};
/** What a browser asks of a server that other origins may read. */
export const ANY_ORIGIN = { 'access-control-allow-origin': '*', 'access-control-allow-headers': 'range' };

/**
 * Serves a folder on a free port until it is stopped, with `pages` (text by path) in place of files. `cut(path)` is told
 * of each request and says how many bytes of its answer are sent before the connection breaks; without a number all are.
 * An answer is sent in quarters, and `wait(path, quarter)` is waited for before each.
 * `log` holds `{ path, from, sent }` of each request: the first byte that was asked for, and how many were sent.
 */
export async function host(folder, { headers = {}, pages = {}, cut = () => undefined, wait = () => undefined } = {}) {
  const log = [];
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://host.test').pathname.replace(/\/$/, '/index.html');
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (request.method === 'OPTIONS') return response.writeHead(204).end();
    let bytes;
    try {
      bytes = pages[path] === undefined ? readFileSync(join(folder, path)) : Buffer.from(pages[path]);
    } catch {
      return response.writeHead(404).end();
    }
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const rest = bytes.subarray(from, from + (cut(path) ?? bytes.length));
    log.push({ path, from, sent: rest.length });
    response.setHeader('content-type', KINDS[extname(path)] ?? 'application/octet-stream');
    response.setHeader('content-length', bytes.length - from);
    if (from > 0) response.setHeader('content-range', `bytes ${from}-${bytes.length - 1}/${bytes.length}`);
    response.writeHead(from > 0 ? 206 : 200);
    if (from + rest.length === bytes.length) {
      const size = Math.ceil(rest.length / 4);
      for (const quarter of [0, 1, 2, 3]) {
        await wait(path, quarter);
        response.write(rest.subarray(quarter * size, (quarter + 1) * size));
      }
      return response.end();
    }
    // What is on its way shall arrive before the end of it does.
    response.write(rest, () => setTimeout(() => request.socket.destroy(), 200));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${server.address().port}/`, log, stop };
}
