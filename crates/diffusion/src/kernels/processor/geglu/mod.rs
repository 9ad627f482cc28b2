//! `a·gelu(b)` for the two halves of a row, in one pass.

use burn::tensor::Tensor;

use super::exponential::{density, normal};
use super::operator::{Operator, Values, apply};
use super::threads::{each, vectorised, zeros};

/// Rows of a task.
const ROWS: usize = 16;

/// `None` where burn's operators have to do it.
///
/// # Shapes
/// `[batch, length, 2·width]` to `[batch, length, width]`.
pub fn geglu(both: &Tensor<3>) -> Option<Tensor<3>> {
    let [batch, length, width] = both.dims();
    if batch * length * width == 0 || !width.is_multiple_of(2) {
        return None;
    }
    let operator = GeGlu {
        batch,
        length,
        width: width / 2,
    };
    apply(operator, [both.clone().into_dispatch()])
}

#[derive(Debug, Clone, Copy)]
struct GeGlu {
    batch: usize,
    length: usize,
    width: usize,
}

impl Operator<1> for GeGlu {
    fn forward(&self, [both]: [&[f32]; 1]) -> Values {
        let width = self.width;
        let mut output = zeros(both.len() / 2);
        let tasks = output
            .chunks_mut(ROWS * width)
            .zip(both.chunks(2 * ROWS * width));
        each(tasks.collect(), |(output, both)| {
            vectorised!({
                for (output, both) in output
                    .chunks_exact_mut(width)
                    .zip(both.chunks_exact(2 * width))
                {
                    let (a, b) = both.split_at(width);
                    for ((output, a), b) in output.iter_mut().zip(a).zip(b) {
                        *output = a * b * normal(*b);
                    }
                }
            });
        });
        Values::new(output, [self.batch, self.length, width])
    }

    fn backward(&self, [both]: [&[f32]; 1], gradient: &[f32], _: [bool; 1]) -> [Option<Values>; 1] {
        let width = self.width;
        let mut of_both = vec![0.0_f32; both.len()];
        let tasks = of_both
            .chunks_mut(2 * ROWS * width)
            .zip(both.chunks(2 * ROWS * width))
            .zip(gradient.chunks(ROWS * width));
        each(tasks.collect(), |((of_both, both), gradient)| {
            vectorised!({
                let rows = of_both
                    .chunks_exact_mut(2 * width)
                    .zip(both.chunks_exact(2 * width));
                for ((of_both, both), gradient) in rows.zip(gradient.chunks_exact(width)) {
                    let (of_a, of_b) = of_both.split_at_mut(width);
                    let (a, b) = both.split_at(width);
                    let halves = of_a.iter_mut().zip(of_b).zip(a.iter().zip(b));
                    for (((of_a, of_b), (a, b)), gradient) in halves.zip(gradient) {
                        let share = normal(*b);
                        *of_a = gradient * b * share;
                        *of_b = gradient * a * (share + b * density(*b));
                    }
                }
            });
        });
        [Some(Values::new(
            of_both,
            [self.batch, self.length, 2 * width],
        ))]
    }
}
