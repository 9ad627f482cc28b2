//! A convolution of one channel by itself, limited to 0..6 before and after.

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
    /// than 1 and 2 and for kernels without a centre.
    pub(super) fn new(kernel: usize, stride: usize, input: [usize; 2]) -> Option<Self> {
        if !matches!(stride, 1 | 2) || kernel.is_multiple_of(2) {
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

    /// Room for a channel with its border of zeros.
    pub(super) fn scratch(&self) -> Vec<f32> {
        vec![0.0; self.padded[0] * self.padded[1]]
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
        let ([_, width], [_, padded]) = (self.output, self.padded);
        for (row, to) in to.chunks_exact_mut(width).enumerate() {
            to.fill(bias);
            for (line, weights) in weights.chunks_exact(self.kernel).enumerate() {
                let from = &scratch[(row * self.stride + line) * padded..][..padded];
                for (column, weight) in weights.iter().enumerate() {
                    let start = match self.stride {
                        1 => column,
                        _ => column % 2 * (padded / 2) + column / 2,
                    };
                    let from = &from[start..][..width];
                    to.iter_mut()
                        .zip(from)
                        .for_each(|(to, value)| *to += weight * value);
                }
            }
            to.iter_mut()
                .for_each(|value| *value = value.clamp(0.0, 6.0));
        }
    }
}
