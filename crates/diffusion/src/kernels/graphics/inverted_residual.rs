//! A mobile network's block: 1×1 convolution to many channels, a convolution of each by itself, 1×1 back to few.
//!
//! Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018 (arXiv 1801.04381).

use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::convolution::pointwise;
use super::product::After;
use super::tensors::{empty, spread, tensor, tile, values};
use crate::nn::{InvertedResidual, mobile_padding};

/// The block's output `[batch, out, height', width']` of `input` `[batch, in, height, width]`; `None` where burn has
/// to compute it.
pub fn inverted_residual(input: &Tensor<4>, block: &InvertedResidual<'_>) -> Option<Tensor<4>> {
    let [batch, inputs, height, width] = input.dims();
    let [wide, own, kernel, columns] = block.depthwise.0.dims();
    let outputs = block.project.0.dims()[0];
    let expanded = block.expand.map_or([wide, inputs, 1, 1], |of| of.0.dims());
    let first = block.expand.map_or(wide, |of| of.1.dims()[0]);
    let biases = [
        first,
        block.depthwise.1.dims()[0],
        block.project.1.dims()[0],
    ];
    if [own, columns] != [1, kernel]
        || block.project.0.dims() != [outputs, wide, 1, 1]
        || expanded != [wide, inputs, 1, 1]
        || biases != [wide, wide, outputs]
        || (block.expand.is_none() && wide != inputs)
        || [batch, height, width, wide, outputs, kernel, block.stride].contains(&0)
    {
        return None;
    }
    let (before, after) = mobile_padding(kernel, block.stride);
    let padded = [height, width].map(|side| side + before + after);
    if padded.iter().any(|&side| side < kernel) {
        return None;
    }
    let [down, across] = padded.map(|side| (side - kernel) / block.stride + 1);
    if block.skip && [inputs, height, width] != [outputs, down, across] {
        return None;
    }
    let picture = values(input)?;
    let mut middle = picture.clone();
    if let Some((weight, bias)) = block.expand {
        let after = After {
            bias: Some(values(bias)?),
            limited: true,
            ..After::default()
        };
        middle = pointwise(middle, values(weight)?, after, [batch, wide, height, width]);
    }
    let (weight, bias) = block.depthwise;
    let middle = depthwise(
        middle,
        [values(weight)?, values(bias)?],
        [batch, wide, down, across],
        kernel,
        block.stride,
        before,
    );
    let (weight, bias) = block.project;
    let after = After {
        bias: Some(values(bias)?),
        added: block.skip.then_some(picture),
        ..After::default()
    };
    let output = pointwise(
        middle,
        values(weight)?,
        after,
        [batch, outputs, down, across],
    );
    Some(tensor(output))
}

/// Each channel by itself, limited to 0..6.
fn depthwise(
    input: CubeTensor,
    [weight, bias]: [CubeTensor; 2],
    shape: [usize; 4],
    kernel: usize,
    stride: usize,
    before: usize,
) -> CubeTensor {
    let [batch, channels, down, across] = shape;
    let of_input = input.meta.shape();
    let [height, width] = [of_input[2] as u32, of_input[3] as u32];
    let client = input.client.clone();
    let [_, long] = tile(&client, [channels, across], batch * down);
    let tiles = batch * channels * down * across.div_ceil(long);
    let (count, dim) = spread(tiles);
    let output = empty(&input, shape);
    #[expect(unsafe_code, reason = "every index is clamped to the sizes given here")]
    unsafe {
        each_channel::launch_unchecked(
            &client,
            count,
            dim,
            input.into_buffer_arg(),
            weight.into_buffer_arg(),
            bias.into_buffer_arg(),
            output.clone().into_buffer_arg(),
            (batch * channels) as u32,
            channels as u32,
            height,
            width,
            down as u32,
            across as u32,
            before as u32,
            kernel,
            stride,
            long,
        );
    }
    output
}

/// A unit has `long` neighbouring pixels of one channel.
#[cube(launch_unchecked)]
fn each_channel(
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    output: &mut [f32],
    pictures: u32,
    channels: u32,
    height: u32,
    width: u32,
    down: u32,
    across: u32,
    before: u32,
    #[comptime] kernel: usize,
    #[comptime] stride: usize,
    #[comptime] long: usize,
) {
    let tiles = across.div_ceil(comptime!(long as u32));
    let unit = ABSOLUTE_POS as u32;
    let x = unit % tiles * comptime!(long as u32);
    let y = unit / tiles % down;
    let picture = unit / (tiles * down);
    if picture >= pictures {
        terminate!();
    }
    let channel = picture % channels;
    let seen = comptime!((long - 1) * stride + kernel);
    let mut pixels = Array::<f32>::new(seen);
    let mut sums = Array::<f32>::new(long);
    #[unroll]
    for i in 0..long {
        sums[i] = bias[channel as usize];
    }
    for tap in 0..comptime!(kernel as u32) {
        // Beyond the upper edge this is a large number, and so outside, too.
        let row = y * comptime!(stride as u32) + tap - before;
        if row < height {
            let line = (picture * height + row) * width;
            #[unroll]
            for i in 0..seen {
                let at = x * comptime!(stride as u32) + i as u32 - before;
                let value = input[(line + select(at < width, at, 0u32)) as usize];
                pixels[i] = select(at < width, value, 0.0f32);
            }
            let taps = (channel * comptime!(kernel as u32) + tap) * comptime!(kernel as u32);
            #[unroll]
            for k in 0..kernel {
                let factor = weight[(taps + k as u32) as usize];
                #[unroll]
                for i in 0..long {
                    sums[i] += factor * pixels[comptime!(i * stride + k)];
                }
            }
        }
    }
    let line = (picture * down + y) * across + x;
    #[unroll]
    for i in 0..long {
        if x + (i as u32) < across {
            output[(line + i as u32) as usize] = sums[i].clamp(0.0f32, 6.0f32);
        }
    }
}
