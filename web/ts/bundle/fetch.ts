// Files over HTTP; what goes wrong is one of our errors and names the address.

import { AnomalySDError, abortError, toError } from '../errors.js';

/** Asks for a file. Anything but success, and the status `also`, is an error. */
export async function fetchOk(url: string, init: RequestInit, also?: number): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (thrown) {
    throw networkError(url, thrown);
  }
  if (response.ok || response.status === also) return response;
  throw new AnomalySDError(
    'network',
    `${url} cannot be fetched: HTTP ${response.status} ${response.statusText}`.trimEnd(),
  );
}

/** Reads a file of at most `limit` bytes. */
export async function fetchBlob(url: string, limit: number, signal?: AbortSignal): Promise<Blob> {
  const response = await fetchOk(url, { signal: signal ?? null });
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of chunksOf(response, url)) {
    size += chunk.length;
    if (size > limit) throw new AnomalySDError('bad-bundle', `${url} has more than ${limit} bytes.`);
    chunks.push(chunk);
  }
  return new Blob(chunks);
}

/** The bytes of an answer as they come. (Streams are not iterable in every browser.) */
export async function* chunksOf(response: Response, url: string): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (thrown) {
    throw networkError(url, thrown);
  } finally {
    // Where the reader of these chunks has seen enough, the rest is not sent.
    await reader.cancel().catch(() => {});
  }
}

function networkError(url: string, thrown: unknown): AnomalySDError {
  const error = toError(thrown);
  if (error.code === 'aborted') return abortError();
  return new AnomalySDError('network', `${url} cannot be fetched: ${error.message}`, { cause: thrown });
}
