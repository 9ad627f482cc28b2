// What this browser can do with a model, found out before anything large is fetched.

import type { Device } from './generated.js';
import type { Manifest } from './bundle/manifest.js';
import type { Capabilities } from './types.js';

/** Passes of the U-Net in flight, beside the weights. A first guess. */
const ACTIVATION_BYTES = 256 * 2 ** 20;
/** WebAssembly addresses four GiB; the engine's own code and photos take some of it. */
const CPU_BYTES = 3.5 * 2 ** 30;
/** WebGPU does not say how much memory there is. More than this is on few graphics processors. */
const GPU_BYTES = 8 * 2 ** 30;

/** What was found out about WebGPU. */
export type Gpu = Pick<Capabilities, 'webgpu' | 'adapter' | 'limits' | 'f16'>;

/** What a model asks of a device. */
export interface Needs {
  /** Its weights: as they are stored where the graphics processor has f16, else as 32-bit floats. */
  memoryBytes: Record<Device, number>;
  /** The largest tensor, which is computed with as 32-bit floats everywhere. */
  largestTensorBytes: number;
}

/** The device for a model, and whether the model fits there. */
export type Choice = Pick<Capabilities, 'device' | 'fits' | 'reason'>;

/** Asks for an adapter, in a page or a worker; on a server there is none. */
export async function probeGpu(): Promise<Gpu> {
  const gpu = globalThis.navigator?.gpu;
  if (gpu === undefined) return { webgpu: false, adapter: null, limits: null, f16: false };
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (adapter === null) return { webgpu: true, adapter: null, limits: null, f16: false };
  const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  return {
    webgpu: true,
    adapter: { vendor, architecture, description, isFallback: isFallbackAdapter ?? false },
    limits: { maxBufferSize, maxStorageBufferBindingSize },
    f16: adapter.features.has('shader-f16'),
  };
}

/** What the model of a bundle asks of a device. */
export function needs({ tensors }: Pick<Manifest, 'tensors'>, { f16 }: Pick<Gpu, 'f16'>): Needs {
  const float = Float32Array.BYTES_PER_ELEMENT;
  const values = tensors.reduce((sum, { size }) => sum + size, 0);
  const halves = tensors.reduce((sum, { size, half }) => sum + (half ? size : 0), 0);
  const whole = tensors.filter(({ table }) => !table);
  const largestTensorBytes = whole.reduce((most, { size }) => Math.max(most, size * float), 0);
  return {
    memoryBytes: {
      cpu: values * float + ACTIVATION_BYTES,
      // Each layer widens its own weights while it computes.
      webgpu: f16 ? (values - halves / 2) * float + largestTensorBytes + ACTIVATION_BYTES : values * float + ACTIVATION_BYTES,
    },
    largestTensorBytes,
  };
}

/** Chooses a device. `auto` takes WebGPU where it is real and the model fits, else the processor. */
export function chooseDevice(needs: Needs, gpu: Gpu, wanted: 'auto' | Device): Choice {
  const withoutGpu = whyNotGpu(needs, gpu);
  if (wanted === 'webgpu') return { device: 'webgpu', fits: withoutGpu === null, reason: withoutGpu };
  const withoutCpu = whyNotCpu(needs);
  if (wanted === 'cpu') return { device: 'cpu', fits: withoutCpu === null, reason: withoutCpu };
  const notTaken =
    withoutGpu ??
    (gpu.adapter?.isFallback ? 'WebGPU is only emulated in this browser, which is slower than the processor.' : null);
  if (notTaken === null) return { device: 'webgpu', fits: true, reason: null };
  const reason = withoutCpu === null ? notTaken : `${notTaken} ${withoutCpu}`;
  return { device: 'cpu', fits: withoutCpu === null, reason };
}

function whyNotGpu({ memoryBytes, largestTensorBytes }: Needs, { webgpu, limits }: Gpu): string | null {
  if (!webgpu) return 'This browser has no WebGPU.';
  if (limits === null) return 'WebGPU finds no graphics processor here.';
  const binding = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  if (largestTensorBytes > binding) {
    const [largest, most] = [largestTensorBytes, binding].map(megabytes);
    return `The model has a tensor of ${largest}, the graphics processor takes ${most} at most.`;
  }
  if (memoryBytes.webgpu > GPU_BYTES) {
    const [needed, most] = [memoryBytes.webgpu, GPU_BYTES].map(megabytes);
    return `The model needs about ${needed}, more than the ${most} that are tried on a graphics processor.`;
  }
  return null;
}

function whyNotCpu({ memoryBytes }: Needs): string | null {
  if (memoryBytes.cpu <= CPU_BYTES) return null;
  const [needed, most] = [memoryBytes.cpu, CPU_BYTES].map(megabytes);
  return `The model needs about ${needed}, WebAssembly has ${most} for it on the processor.`;
}

/** A size for people. */
export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
