// What an engine tells a person about where it runs and what is kept.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browser, gpuWith, PrivateFileSystem } from '../testkit/browser.mjs';
import { source } from '../testkit/modules.mjs';
import { bundle, bytesOf, serve } from '../testkit/server.mjs';

const { AnomalySD } = await source('index');

test('a graphics processor that fails its check and a model that is not kept are both told', async (t) => {
  const { storage } = new PrivateFileSystem().navigator({ estimate: async () => ({ quota: 100, usage: 200 }) });
  const engine = {
    open(device) {
      if (device === 'webgpu') throw { code: 'unsupported', message: 'Convolution is wrong.' };
    },
  };
  const { assets } = browser(t, { gpu: gpuWith(), storage, engine });
  const model = bundle({ at: 'https://page.test/models/mini/' });
  serve(t, model.files.set('https://page.test/models/efficientnet-lite0.safetensors', bytesOf(5, 100)));
  const { note } = await AnomalySD.load({ assets });
  assert.match(note, /^WebGPU cannot be used: Convolution is wrong\. The processor is used\. The model takes .* not kept/);
  assert.match(note, / 0 MB left/);
});
