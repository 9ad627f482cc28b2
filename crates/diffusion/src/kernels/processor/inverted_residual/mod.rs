//! A mobile network's block: 1×1 convolution to many channels, a convolution of each by itself, 1×1 back to few.
//!
//! By burn's operators the wide activations pass through memory six times. Here a few wide channels at a time are
//! made, limited and convolved while they are in the cache; the second 1×1 convolution then reads them once.
//!
//! Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018 (arXiv 1801.04381).

mod depthwise;

use burn::tensor::Tensor;

use super::matmul::{Matrix, multiply};
use super::operator::{Operator, Values, apply};
use super::threads::{each, vectorised, zeros};
use crate::nn::InvertedResidual;
use depthwise::Depthwise;

/// Wide values of a task, about: what a core's second cache holds beside their input.
const VALUES_OF_TASK: usize = 128 * 1024;
/// Output channels of a task of the last convolution are this share of them.
const PARTS: usize = 2;

/// The block's output `[batch, out, height', width']` of `input` `[batch, in, height, width]`, or `None` where
/// burn's operators have to compute it: on other devices, and where a gradient is recorded.
pub fn inverted_residual(input: &Tensor<4>, block: &InvertedResidual<'_>) -> Option<Tensor<4>> {
    let [batch, inputs, height, width] = input.dims();
    let [wide, own, kernel, columns] = block.depthwise.0.dims();
    let [outputs, narrowed, ..] = block.project.0.dims();
    let expanded = block.expand.map_or([wide, inputs, 1, 1], |of| of.0.dims());
    if input.device().is_autodiff()
        || block.depthwise.0.device().is_autodiff()
        || [own, columns, narrowed] != [1, kernel, wide]
        || expanded != [wide, inputs, 1, 1]
        || (block.expand.is_none() && wide != inputs)
        || batch * height * width == 0
    {
        return None;
    }
    let depthwise = Depthwise::new(kernel, block.stride, [height, width])?;
    let skip = block.skip && inputs == outputs && depthwise.output == [height, width];
    if block.skip != skip {
        return None;
    }
    let operator = Block {
        batch,
        inputs,
        wide,
        outputs,
        depthwise,
        skip,
    };
    let dispatch = |of: (&Tensor<4>, &Tensor<1>)| {
        let (weight, bias) = of;
        (weight.clone().into_dispatch(), bias.clone().into_dispatch())
    };
    let input = input.clone().into_dispatch();
    let (weights, biases) = dispatch(block.depthwise);
    let (narrow, last) = dispatch(block.project);
    match block.expand {
        None => apply(operator, [input, weights, biases, narrow, last]),
        Some(expand) => {
            let (widen, first) = dispatch(expand);
            apply(
                operator,
                [input, weights, biases, narrow, last, widen, first],
            )
        }
    }
}

/// With five inputs (input; weights and biases of the middle and the last convolution) or seven (and of the first).
#[derive(Debug, Clone, Copy)]
struct Block {
    batch: usize,
    inputs: usize,
    wide: usize,
    outputs: usize,
    depthwise: Depthwise,
    skip: bool,
}

impl<const N: usize> Operator<N> for Block {
    fn forward(&self, given: [&[f32]; N]) -> Values {
        let [height, width] = self.depthwise.output;
        let plane = height * width;
        let mut middle = zeros(self.batch * self.wide * plane);
        let [rows, columns] = self.depthwise.input;
        let group = (VALUES_OF_TASK / (rows * columns)).clamp(1, self.wide);
        // Groups of channels of each photo: how many follows from the photo's size alone.
        let tasks = parts(&mut middle, self.wide, group, plane);
        each(tasks, |(photo, first, part)| {
            self.widen(&given, photo, first, part);
        });
        let mut values = zeros(self.batch * self.outputs * plane);
        let part = self.outputs.div_ceil(PARTS);
        let tasks = parts(&mut values, self.outputs, part, plane);
        each(tasks, |(photo, first, rows)| {
            self.narrow(&given, &middle, (photo, first), rows);
        });
        Values::new(values, [self.batch, self.outputs, height, width])
    }

    /// Nothing: what is recorded does not come here.
    fn backward(&self, _: [&[f32]; N], _: &[f32], _: [bool; N]) -> [Option<Values>; N] {
        [const { None }; N]
    }
}

/// Values of photos of so many channels, cut into `count` channels each: photo, first channel, values.
fn parts(
    values: &mut [f32],
    channels: usize,
    count: usize,
    plane: usize,
) -> Vec<(usize, usize, &mut [f32])> {
    let photos = values.chunks_mut(channels * plane).enumerate();
    photos
        .flat_map(|(photo, values)| {
            let parts = values.chunks_mut(count * plane).enumerate();
            parts.map(move |(index, part)| (photo, index * count, part))
        })
        .collect()
}

impl Block {
    fn photo<'a>(&self, input: &'a [f32], photo: usize) -> &'a [f32] {
        let [rows, columns] = self.depthwise.input;
        let size = self.inputs * rows * columns;
        &input[photo * size..][..size]
    }

    /// Channels from `first` on of a photo, made wide where that is asked for, and convolved one by one.
    fn widen(&self, given: &[&[f32]], photo: usize, first: usize, to: &mut [f32]) {
        let [rows, columns] = self.depthwise.input;
        let (size, plane) = (
            rows * columns,
            self.depthwise.output.iter().product::<usize>(),
        );
        let count = to.len() / plane;
        let input = self.photo(given[0], photo);
        let mut made = Vec::new();
        let (wide, biases) = match given.get(5) {
            None => (&input[first * size..][..count * size], None),
            Some(widen) => {
                made.resize(count * size, 0.0);
                let weights = &widen[first * self.inputs..][..count * self.inputs];
                multiply(
                    &mut made,
                    size,
                    Matrix::rows(weights, count, self.inputs, self.inputs),
                    Matrix::rows(input, self.inputs, size, size),
                    1.0,
                    false,
                );
                (&made[..], Some(&given[6][first..][..count]))
            }
        };
        let places = self.depthwise.kernel * self.depthwise.kernel;
        let weights = &given[1][first * places..][..count * places];
        let own_biases = &given[2][first..][..count];
        vectorised!({
            let mut scratch = self.depthwise.scratch();
            for (channel, to) in to.chunks_exact_mut(plane).enumerate() {
                let from = &wide[channel * size..][..size];
                let before = biases.map(|biases| biases[channel]);
                self.depthwise.lay(from, before, &mut scratch);
                let weights = &weights[channel * places..][..places];
                self.depthwise
                    .convolve(&scratch, weights, own_biases[channel], to);
            }
        });
    }

    /// Output channels from `first` on of a photo.
    fn narrow(
        &self,
        given: &[&[f32]],
        middle: &[f32],
        (photo, first): (usize, usize),
        to: &mut [f32],
    ) {
        let plane = self.depthwise.output.iter().product::<usize>();
        let count = to.len() / plane;
        let wide = &middle[photo * self.wide * plane..][..self.wide * plane];
        let weights = &given[3][first * self.wide..][..count * self.wide];
        let input = self.photo(given[0], photo);
        for (channel, to) in to.chunks_exact_mut(plane).enumerate() {
            let bias = given[4][first + channel];
            if self.skip {
                let from = &input[(first + channel) * plane..][..plane];
                let pairs = to.iter_mut().zip(from);
                pairs.for_each(|(to, from)| *to = from + bias);
            } else {
                to.fill(bias);
            }
        }
        multiply(
            to,
            plane,
            Matrix::rows(weights, count, self.wide, self.wide),
            Matrix::rows(wide, self.wide, plane, plane),
            1.0,
            true,
        );
    }
}
