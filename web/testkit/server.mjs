// A server of files without a network: stands in for `fetch`.

import { createHash } from 'node:crypto';

/** Lower-case hexadecimal. */
export function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Bytes that differ from file to file. */
export function bytesOf(seed, length) {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + seed * 97 + (index >> 8)) & 0xff);
}

/** `count` shards of `length` bytes with their `bundle.json`, as files by address. */
export function bundle({ count = 1, length = 1000, tensors = {}, at = 'https://models.test/part/' } = {}) {
  const contents = Array.from({ length: count }, (_, index) => bytesOf(index, length));
  const shards = contents.map((bytes, index) => ({
    path: `${String(index).padStart(3, '0')}.safetensors`,
    bytes: bytes.length,
    sha256: sha256(bytes),
  }));
  const files = new Map(shards.map(({ path }, index) => [at + path, contents[index]]));
  files.set(`${at}bundle.json`, Buffer.from(JSON.stringify({ schema: 'anomalysd.bundle.v1', shards, tensors })));
  return { shards, contents, files, at };
}

/**
 * Serves `files` (bytes by address; a query changes nothing) in place of `fetch` until the test ends. `rules[address]` may
 * change an answer: it gets the number of the request for that address, from 1, and returns any of `status`,
 * `ranges: false`, `cut` (bytes after which the connection breaks) and `stall` (bytes after which nothing more comes).
 */
export function serve(test, files, rules = {}) {
  const log = [];
  const counts = new Map();
  const state = { log, running: 0, most: 0 };
  const before = globalThis.fetch;
  test.after(() => (globalThis.fetch = before));
  globalThis.fetch = async (input, init = {}) => {
    const url = String(input);
    init.signal?.throwIfAborted();
    const range = new Headers(init.headers).get('range');
    log.push(range === null ? url : `${url} ${range}`);
    counts.set(url, (counts.get(url) ?? 0) + 1);
    const rule = rules[url]?.(counts.get(url)) ?? {};
    const file = files.get(url) ?? files.get(url.split('?')[0]);
    if (rule.status !== undefined || file === undefined) return new Response(null, { status: rule.status ?? 404 });
    const start = range === null || rule.ranges === false ? 0 : Number(/^bytes=(\d+)-$/.exec(range)[1]);
    if (start >= file.length && start > 0) return new Response(null, { status: 416 });
    const partial = range !== null && rule.ranges !== false;
    const headers = partial ? { 'content-range': `bytes ${start}-${file.length - 1}/${file.length}` } : {};
    return new Response(stream(file.subarray(start), rule, init.signal, state), {
      status: partial ? 206 : 200,
      headers,
    });
  };
  return state;
}

const CHUNK = 256;

function stream(bytes, { cut = Infinity, stall = Infinity }, signal, state) {
  let sent = 0;
  let over = false;
  state.most = Math.max(state.most, ++state.running);
  let aborted;
  const end = () => {
    if (!over) state.running--;
    over = true;
    signal?.removeEventListener('abort', aborted);
  };
  return new ReadableStream(
    {
      start(controller) {
        aborted = () => {
          controller.error(signal.reason);
          end();
        };
        signal?.addEventListener('abort', aborted);
      },
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        if (over) return;
        if (sent >= stall) return new Promise(() => {});
        if (sent >= cut) {
          controller.error(new TypeError('network error'));
          return end();
        }
        const chunk = bytes.slice(sent, Math.min(sent + CHUNK, cut, stall));
        sent += chunk.length;
        if (chunk.length > 0) controller.enqueue(chunk);
        if (sent >= bytes.length) {
          controller.close();
          end();
        }
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
}
