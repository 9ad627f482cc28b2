//! A convolution of one channel by itself, limited to 0..6 before and after.

/// Values that are summed up at once: one vector of AVX-512, two of AVX2, four of wasm.
const LANES: usize = 16;

/// Sizes of the convolution of one channel, `[height, width]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Depthwise {
    pub(super) kernel: usize,
    stride: usize,
    pub(super) input: [usize; 2],
    pub(super) output: [usize; 2],
    /// Zeros before the first row and column.
    before: usize,
    /// Rows and columns with zeros around.
    padded: [usize; 2],
}

impl Depthwise {
    /// With the padding of an input of 224×224: kernel − stride in all, the odd one behind. `None` for steps other
    /// than 1 and 2 and for kernels of other sizes than 3 and 5.
    pub(super) fn new(kernel: usize, stride: usize, input: [usize; 2]) -> Option<Self> {
        if !matches!(stride, 1 | 2) || !matches!(kernel, 3 | 5) {
            return None;
        }
        let total = kernel - stride.min(kernel);
        let output = input.map(|side| (side + total).saturating_sub(kernel) / stride + 1);
        if input.iter().any(|side| side + total < kernel) {
            return None;
        }
        Some(Self {
            kernel,
            stride,
            input,
            output,
            before: total / 2,
            padded: input.map(|side| (side + total).next_multiple_of(stride)),
        })
    }

    /// Room for a channel with its border of zeros, and for what is read beyond its end.
    pub(super) fn scratch(&self) -> Vec<f32> {
        vec![0.0; self.padded[0] * self.padded[1] + LANES]
    }

    /// Copies a channel into the zeros: with a bias added and limited to 0..6 where there is one, else as it is. With
    /// steps of 2, a row holds its even columns first and then its odd ones.
    #[inline(always)]
    pub(super) fn lay(&self, channel: &[f32], bias: Option<f32>, scratch: &mut [f32]) {
        let ([_, width], [_, padded]) = (self.input, self.padded);
        let half = padded / 2;
        let of = |value: f32| bias.map_or(value, |bias| (value + bias).clamp(0.0, 6.0));
        let rows = scratch.chunks_exact_mut(padded).skip(self.before);
        for (from, to) in channel.chunks_exact(width).zip(rows) {
            if self.stride == 1 {
                let to = &mut to[self.before..][..width];
                to.iter_mut()
                    .zip(from)
                    .for_each(|(to, value)| *to = of(*value));
                continue;
            }
            let (even, odd) = to.split_at_mut(half);
            // The first value lies at an odd column where one zero is before it.
            let (first, second, shift) = if self.before.is_multiple_of(2) {
                (even, odd, self.before / 2)
            } else {
                (odd, even, self.before / 2)
            };
            let next = shift + usize::from(!self.before.is_multiple_of(2));
            let columns = from.iter().step_by(2);
            first[shift..]
                .iter_mut()
                .zip(columns)
                .for_each(|(to, value)| *to = of(*value));
            let columns = from.iter().skip(1).step_by(2);
            second[next..]
                .iter_mut()
                .zip(columns)
                .for_each(|(to, value)| *to = of(*value));
        }
    }

    /// The convolution of what was laid, with a bias, limited to 0..6.
    #[inline(always)]
    pub(super) fn convolve(&self, scratch: &[f32], weights: &[f32], bias: f32, to: &mut [f32]) {
        match self.kernel {
            3 => self.convolve_by::<3>(scratch, weights, bias, to),
            _ => self.convolve_by::<5>(scratch, weights, bias, to),
        }
    }

    #[inline(always)]
    fn convolve_by<const KERNEL: usize>(
        &self,
        scratch: &[f32],
        weights: &[f32],
        bias: f32,
        to: &mut [f32],
    ) {
        let ([_, width], [_, padded]) = (self.output, self.padded);
        for (row, to) in to.chunks_exact_mut(width).enumerate() {
            for start in (0..width).step_by(LANES) {
                // The last values of a row are computed again with those before them; of a short one, some more.
                let start = start.min(width.saturating_sub(LANES));
                let mut windows = [[&[0.0_f32; LANES]; KERNEL]; KERNEL];
                for (line, windows) in windows.iter_mut().enumerate() {
                    for (column, window) in windows.iter_mut().enumerate() {
                        let shift = match self.stride {
                            1 => column,
                            _ => column % 2 * (padded / 2) + column / 2,
                        };
                        let at = (row * self.stride + line) * padded + shift + start;
                        if let Some(values) = scratch[at..].first_chunk() {
                            *window = values;
                        }
                    }
                }
                let mut sums = [0.0; LANES];
                for lane in 0..LANES {
                    let mut sum = bias;
                    for (line, windows) in windows.iter().enumerate() {
                        for (column, window) in windows.iter().enumerate() {
                            sum += weights[line * KERNEL + column] * window[lane];
                        }
                    }
                    sums[lane] = sum.clamp(0.0, 6.0);
                }
                let to = &mut to[start..];
                match to.first_chunk_mut() {
                    Some(to) => *to = sums,
                    None => to.copy_from_slice(&sums[..to.len()]),
                }
            }
        }
    }
}
