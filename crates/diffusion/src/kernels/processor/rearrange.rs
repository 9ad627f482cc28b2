//! Values in another order, or repeated: pixels shuffled into channels and back, pictures made larger.

use burn::tensor::Tensor;

use super::operator::{Operator, Values, apply};
use super::threads::{each, zeros};

/// Values of a task, at least.
const VALUES: usize = 1 << 13;

/// The value at `[i, j, …]` of the result is that at `i·strides[0] + j·strides[1] + …` of the input as it lies in
/// memory; a stride of 0 repeats. `None` where burn's operators have to do it: among others where a gradient is
/// recorded.
pub fn rearrange<const D: usize, const R: usize>(
    input: &Tensor<D>,
    shape: [usize; R],
    strides: [usize; R],
) -> Option<Tensor<R>> {
    let count: usize = input.dims().iter().product();
    let last = |(length, stride): (&usize, usize)| length.checked_sub(1).map(|last| last * stride);
    let last: usize = shape.iter().zip(strides).map(last).sum::<Option<usize>>()?;
    if R < 2 || last >= count || input.device().is_autodiff() {
        return None;
    }
    apply(
        Rearranged { shape, strides },
        [input.clone().into_dispatch()],
    )
}

#[derive(Debug, Clone, Copy)]
struct Rearranged<const R: usize> {
    shape: [usize; R],
    strides: [usize; R],
}

impl<const R: usize> Rearranged<R> {
    /// Where block `index` begins, one of those that the last two axes span.
    fn start(&self, mut index: usize) -> usize {
        let mut start = 0;
        for axis in (0..R - 2).rev() {
            start += index % self.shape[axis] * self.strides[axis];
            index /= self.shape[axis];
        }
        start
    }
}

impl<const R: usize> Operator<1> for Rearranged<R> {
    fn forward(&self, [input]: [&[f32]; 1]) -> Values {
        let [rows, columns] = [self.shape[R - 2], self.shape[R - 1]];
        let [down, along] = [self.strides[R - 2], self.strides[R - 1]];
        let block = rows * columns;
        let per_task = VALUES.div_ceil(block);
        let mut values = zeros(self.shape.iter().product());
        let tasks = values.chunks_mut(per_task * block).enumerate();
        each(tasks.collect(), |(task, values)| {
            for (index, block) in values.chunks_exact_mut(block).enumerate() {
                let from = &input[self.start(task * per_task + index)..];
                for (row, values) in block.chunks_exact_mut(columns).enumerate() {
                    let from = &from[row * down..];
                    for (column, value) in values.iter_mut().enumerate() {
                        *value = from[column * along];
                    }
                }
            }
        });
        Values::new(values, self.shape)
    }

    /// Nothing: what is recorded does not come here.
    fn backward(&self, _: [&[f32]; 1], _: &[f32], _: [bool; 1]) -> [Option<Values>; 1] {
        [None]
    }
}
