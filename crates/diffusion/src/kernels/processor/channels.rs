//! Affine maps of channels: linear layers, 1×1 convolutions, and those between pictures and tokens, which lie
//! transposed. All are one matrix product per photo, of values as they lie in memory.

use burn::tensor::{Device, Tensor};

use super::matmul::{Matrix, multiply};
use super::operator::{Operator, Values, apply};
use super::threads::{each, sum, zeros};
use crate::nn::in_type;

/// Places of a task that writes tokens, at most.
const PLACES: usize = 256;
/// Channels of a task that writes a picture, at most.
const CHANNELS: usize = 64;

/// How the channels of places lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// `[channels, places]`.
    Picture,
    /// `[places, channels]`.
    Tokens,
}

/// A map of the channels of each place of each photo.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChannelMap {
    pub(super) batch: usize,
    pub(super) places: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) from: Layout,
    pub(super) to: Layout,
}

impl ChannelMap {
    /// The other way: from the output's layout and channels to the input's.
    fn back(&self) -> Self {
        Self {
            inputs: self.outputs,
            outputs: self.inputs,
            from: self.to,
            to: self.from,
            ..*self
        }
    }

    /// `input` `[batch, …]` with `weight` `[out, in]` and `bias` `[out]`.
    pub(super) fn map(&self, input: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let Self {
            batch,
            places,
            inputs,
            outputs,
            ..
        } = *self;
        let mut values = zeros(batch * places * outputs);
        // Two tasks of a photo at least, so that a second thread has something to do.
        let (most, all, length) = match self.to {
            Layout::Tokens => (PLACES, places, outputs),
            Layout::Picture => (CHANNELS, outputs, places),
        };
        let block = most.min(all.div_ceil(2));
        let mut tasks = Vec::new();
        for (photo, values) in values.chunks_mut(places * outputs).enumerate() {
            for (index, values) in values.chunks_mut(block * length).enumerate() {
                tasks.push((photo, index * block, values));
            }
        }
        each(tasks, |(photo, first, values)| {
            let photo = &input[photo * places * inputs..][..places * inputs];
            let count = values.len() / length;
            match self.to {
                Layout::Tokens => {
                    if let Some(bias) = bias {
                        let rows = values.chunks_exact_mut(length);
                        rows.for_each(|row| row.copy_from_slice(bias));
                    }
                    let places = match self.from {
                        Layout::Tokens => {
                            Matrix::rows(&photo[first * inputs..], count, inputs, inputs)
                        }
                        Layout::Picture => {
                            Matrix::rows(&photo[first..], inputs, count, places).transposed()
                        }
                    };
                    let weight = Matrix::rows(weight, outputs, inputs, inputs).transposed();
                    multiply(values, length, places, weight, 1.0, bias.is_some());
                }
                Layout::Picture => {
                    if let Some(bias) = bias {
                        let planes = values.chunks_exact_mut(length).zip(&bias[first..]);
                        planes.for_each(|(plane, bias)| plane.fill(*bias));
                    }
                    let places = match self.from {
                        Layout::Tokens => Matrix::rows(photo, places, inputs, inputs).transposed(),
                        Layout::Picture => Matrix::rows(photo, inputs, places, places),
                    };
                    let weight = Matrix::rows(&weight[first * inputs..], count, inputs, inputs);
                    multiply(values, length, weight, places, 1.0, bias.is_some());
                }
            }
        });
        values
    }

    /// The gradient of the input, from that of the output.
    fn input_gradient(&self, weight: &[f32], gradient: &[f32]) -> Vec<f32> {
        let mut turned = vec![0.0_f32; weight.len()];
        for (output, row) in weight.chunks_exact(self.inputs).enumerate() {
            for (input, value) in row.iter().enumerate() {
                turned[input * self.outputs + output] = *value;
            }
        }
        self.back().map(gradient, &turned, None)
    }

    /// That of the weight, `[out, in]`: one product per photo.
    fn weight_gradient(&self, input: &[f32], gradient: &[f32]) -> Vec<f32> {
        let Self {
            places,
            inputs,
            outputs,
            ..
        } = *self;
        let mut values = vec![0.0_f32; outputs * inputs];
        let block = CHANNELS.min(outputs.div_ceil(2));
        let tasks = values.chunks_mut(block * inputs).enumerate();
        each(tasks.collect(), |(index, values)| {
            let photos = input
                .chunks_exact(places * inputs)
                .zip(gradient.chunks_exact(places * outputs));
            for (photo, (input, gradient)) in photos.enumerate() {
                let input = of_channels(self.from, input, inputs, places).transposed();
                let gradient = of_channels(self.to, gradient, outputs, places);
                let count = values.len() / inputs;
                let gradient = Matrix {
                    values: &gradient.values[index * block * gradient.strides[0]..],
                    rows: count,
                    ..gradient
                };
                multiply(values, inputs, gradient, input, 1.0, photo > 0);
            }
        });
        values
    }

    /// That of the bias.
    fn bias_gradient(&self, gradient: &[f32]) -> Vec<f32> {
        match self.to {
            Layout::Tokens => {
                let mut totals = vec![0.0_f64; self.outputs];
                for row in gradient.chunks_exact(self.outputs) {
                    for (total, value) in totals.iter_mut().zip(row) {
                        *total += f64::from(*value);
                    }
                }
                totals.into_iter().map(|total| total as f32).collect()
            }
            Layout::Picture => sums_of_channels(gradient, self.outputs, self.places),
        }
    }
}

/// Sums of `[batch, channels, places]` over photos and places.
pub(super) fn sums_of_channels(values: &[f32], channels: usize, places: usize) -> Vec<f32> {
    let mut totals = vec![0.0_f64; channels];
    for (index, plane) in values.chunks_exact(places).enumerate() {
        totals[index % channels] += sum(plane, |value| value);
    }
    totals.into_iter().map(|total| total as f32).collect()
}

/// A photo as `[channels, places]`, whichever way it lies.
fn of_channels(layout: Layout, photo: &[f32], channels: usize, places: usize) -> Matrix<'_> {
    match layout {
        Layout::Tokens => Matrix::rows(photo, places, channels, channels).transposed(),
        Layout::Picture => Matrix::rows(photo, channels, places, places),
    }
}

/// `x·Wᵀ + b`, or `None` where burn's operators have to do it.
///
/// # Shapes
/// `input` `[…, in]`, `weight` `[out, in]`, `bias` `[out]`; the result is `[…, out]`.
pub fn linear<const D: usize>(
    input: &Tensor<D>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
) -> Option<Tensor<D>> {
    let mut shape = input.dims();
    let places = shape[..D - 1].iter().product();
    let map = ChannelMap {
        batch: 1,
        places,
        inputs: shape[D - 1],
        outputs: weight.dims()[0],
        from: Layout::Tokens,
        to: Layout::Tokens,
    };
    shape[D - 1] = map.outputs;
    mapped(map, shape, input, weight, bias)
}

/// A 1×1 convolution of a picture; `None` as of [`linear`].
///
/// # Shapes
/// `input` `[batch, in, height, width]`, `weight` `[out, in, 1, 1]`, `bias` `[out]`; the result is
/// `[batch, out, height, width]`.
pub(super) fn to_itself(
    input: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
) -> Option<Tensor<4>> {
    let [batch, inputs, height, width] = input.dims();
    let [outputs, ..] = weight.dims();
    let map = ChannelMap {
        batch,
        places: height * width,
        inputs,
        outputs,
        from: Layout::Picture,
        to: Layout::Picture,
    };
    mapped(map, [batch, outputs, height, width], input, weight, bias)
}

/// A 1×1 convolution of a picture, whose result is tokens; `None` as of [`linear`].
///
/// # Shapes
/// `input` `[batch, in, height, width]`, `weight` `[out, in, 1, 1]`, `bias` `[out]`; the result is
/// `[batch, height·width, out]`.
pub fn to_tokens(
    input: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
) -> Option<Tensor<3>> {
    let [batch, inputs, height, width] = input.dims();
    let [outputs, _, 1, 1] = weight.dims() else {
        return None;
    };
    let map = ChannelMap {
        batch,
        places: height * width,
        inputs,
        outputs,
        from: Layout::Picture,
        to: Layout::Tokens,
    };
    mapped(map, [batch, height * width, outputs], input, weight, bias)
}

/// A 1×1 convolution of tokens, whose result is a picture of `[height, width]`; `None` as of [`linear`].
///
/// # Shapes
/// `input` `[batch, height·width, in]`, `weight` `[out, in, 1, 1]`, `bias` `[out]`; the result is
/// `[batch, out, height, width]`.
pub fn to_picture(
    input: &Tensor<3>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    [height, width]: [usize; 2],
) -> Option<Tensor<4>> {
    let [batch, places, inputs] = input.dims();
    let [outputs, _, 1, 1] = weight.dims() else {
        return None;
    };
    if places != height * width {
        return None;
    }
    let map = ChannelMap {
        batch,
        places,
        inputs,
        outputs,
        from: Layout::Tokens,
        to: Layout::Picture,
    };
    mapped(map, [batch, outputs, height, width], input, weight, bias)
}

fn mapped<const D: usize, const W: usize, const R: usize>(
    map: ChannelMap,
    shape: [usize; R],
    input: &Tensor<D>,
    weight: &Tensor<W>,
    bias: Option<&Tensor<1>>,
) -> Option<Tensor<R>> {
    if weight.dims()[1] != map.inputs
        || map.batch * map.places * map.inputs * map.outputs == 0
        || bias.is_some_and(|bias| bias.dims() != [map.outputs])
    {
        return None;
    }
    // Weights that are held in half precision are cast where they are used, as everywhere.
    let (mut weight, mut bias) = (weight.clone(), bias.cloned());
    if input.device() == Device::flex() {
        weight = in_type(weight, input.dtype());
        bias = bias.map(|bias| in_type(bias, input.dtype()));
    }
    let operator = Mapped {
        map,
        input: input.dims(),
        weight: weight.dims(),
        output: shape,
    };
    let (input, weight) = (input.clone().into_dispatch(), weight.into_dispatch());
    match bias {
        None => apply(operator, [input, weight]),
        Some(bias) => apply(operator, [input, weight, bias.into_dispatch()]),
    }
}

/// With two inputs (input, weight) or three (and bias).
#[derive(Debug, Clone, Copy)]
struct Mapped<const D: usize, const W: usize, const R: usize> {
    map: ChannelMap,
    input: [usize; D],
    weight: [usize; W],
    output: [usize; R],
}

impl<const D: usize, const W: usize, const R: usize, const N: usize> Operator<N>
    for Mapped<D, W, R>
{
    fn forward(&self, inputs: [&[f32]; N]) -> Values {
        let values = self.map.map(inputs[0], inputs[1], inputs.get(2).copied());
        Values::new(values, self.output)
    }

    fn backward(
        &self,
        inputs: [&[f32]; N],
        gradient: &[f32],
        wanted: [bool; N],
    ) -> [Option<Values>; N] {
        std::array::from_fn(|index| {
            let map = &self.map;
            wanted[index].then(|| match index {
                0 => Values::new(map.input_gradient(inputs[1], gradient), self.input),
                1 => Values::new(map.weight_gradient(inputs[0], gradient), self.weight),
                _ => Values::new(map.bias_gradient(gradient), [map.outputs]),
            })
        })
    }
}
