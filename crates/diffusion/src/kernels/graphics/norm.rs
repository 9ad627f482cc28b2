//! Norms of groups of channels, and of tokens.

use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

use super::tensors::{MOST_CUBES, empty, spread, sum_of, tensor, values, vector_of, weights};

/// Values of a group from which on more units share it.
const LARGE_GROUP: usize = 1 << 16;

/// `torch.nn.functional.group_norm`, then SiLU where that follows; `None` where burn has to do it.
///
/// # Shapes
/// `input` `[batch, channels, height, width]`, `weight` and `bias` `[channels]`; `groups` divide the channels.
pub fn group_norm(
    input: &Tensor<4>,
    weight: &Tensor<1>,
    bias: &Tensor<1>,
    groups: usize,
    eps: f64,
    then_silu: bool,
) -> Option<Tensor<4>> {
    let [batch, channels, height, width] = input.dims();
    let cubes = batch * groups;
    if groups == 0
        || !channels.is_multiple_of(groups)
        || cubes > MOST_CUBES
        || [batch, channels, height, width].contains(&0)
        || weight.dims() != [channels]
        || bias.dims() != [channels]
    {
        return None;
    }
    let picture = values(input)?;
    let plane = height * width;
    let own = channels / groups;
    let vector = vector_of(&[plane]);
    let units = if own * plane >= LARGE_GROUP { 256 } else { 64 };
    let client = picture.client.clone();
    let output = empty(&picture, input.dims());
    #[expect(unsafe_code, reason = "a cube stays within its own group")]
    unsafe {
        normalise_group::launch_unchecked(
            &client,
            CubeCount::Static(cubes as u32, 1, 1),
            CubeDim::new_1d(units as u32),
            vector,
            picture.into_buffer_arg(),
            weights(weight)?.into_buffer_arg(),
            weights(bias)?.into_buffer_arg(),
            output.clone().into_buffer_arg(),
            own as u32,
            groups as u32,
            plane as u32,
            eps as f32,
            units,
            then_silu,
        );
    }
    Some(tensor(output))
}

/// A cube has one group of one photo.
#[cube(launch_unchecked)]
fn normalise_group<N: Size>(
    input: &[Vector<f32, N>],
    weight: &[f32],
    bias: &[f32],
    output: &mut [Vector<f32, N>],
    channels: u32,
    groups: u32,
    plane: u32,
    eps: f32,
    #[comptime] units: usize,
    #[comptime] then_silu: bool,
) {
    let lanes = N::value();
    let vector = comptime!(lanes as u32);
    let lines = plane / vector;
    let length = channels * lines;
    let begin = CUBE_POS_X * length;
    let first = CUBE_POS_X % groups * channels;
    let mut shared = Shared::<[f32]>::new_slice(units);
    let count = f32::cast_from(channels * plane);

    let mut sums = Vector::<f32, N>::new(0.0f32);
    for i in range_stepped(UNIT_POS_X, length, comptime!(units as u32)) {
        sums += input[(begin + i) as usize];
    }
    shared[UNIT_POS_X as usize] = sum_of::<N>(sums);
    sync_cube();
    let mut sum = 0.0f32;
    for i in 0..comptime!(units as u32) {
        sum += shared[i as usize];
    }
    sync_cube();
    let mean = Vector::new(sum / count);

    let mut squares = Vector::<f32, N>::new(0.0f32);
    for i in range_stepped(UNIT_POS_X, length, comptime!(units as u32)) {
        let centred = input[(begin + i) as usize] - mean;
        squares += centred * centred;
    }
    shared[UNIT_POS_X as usize] = sum_of::<N>(squares);
    sync_cube();
    let mut square = 0.0f32;
    for i in 0..comptime!(units as u32) {
        square += shared[i as usize];
    }
    let factor = 1.0f32 / (square / count + eps).sqrt();

    for i in range_stepped(UNIT_POS_X, length, comptime!(units as u32)) {
        let channel = (first + i / lines) as usize;
        let centred = input[(begin + i) as usize] - mean;
        let scale = Vector::new(weight[channel] * factor);
        let mut value = centred * scale + Vector::new(bias[channel]);
        if then_silu {
            let one = Vector::new(1.0f32);
            let minus = Vector::<f32, N>::new(0.0f32) - value;
            value /= one + minus.exp();
        }
        output[(begin + i) as usize] = value;
    }
}

/// `torch.nn.functional.layer_norm` over the last dimension; `None` where burn has to do it.
///
/// # Shapes
/// `input` `[…, width]`, `weight` and `bias` `[width]`.
pub fn layer_norm<const D: usize>(
    input: &Tensor<D>,
    weight: &Tensor<1>,
    bias: &Tensor<1>,
    eps: f64,
) -> Option<Tensor<D>> {
    let dims = input.dims();
    let width = dims[D - 1];
    let all: usize = dims.iter().product();
    if all == 0 || weight.dims() != [width] || bias.dims() != [width] {
        return None;
    }
    let tokens = values(input)?;
    let vector = vector_of(&[width]);
    let rows = all / width;
    let (count, dim) = spread(rows);
    let client = tokens.client.clone();
    let output = empty(&tokens, dims);
    #[expect(unsafe_code, reason = "every row is within the input")]
    unsafe {
        normalise_rows::launch_unchecked(
            &client,
            count,
            dim,
            vector,
            tokens.into_buffer_arg(),
            weights(weight)?.into_buffer_arg(),
            weights(bias)?.into_buffer_arg(),
            output.clone().into_buffer_arg(),
            rows as u32,
            width as u32,
            eps as f32,
        );
    }
    Some(tensor(output))
}

/// A unit has one row.
#[cube(launch_unchecked)]
fn normalise_rows<N: Size>(
    input: &[Vector<f32, N>],
    weight: &[Vector<f32, N>],
    bias: &[Vector<f32, N>],
    output: &mut [Vector<f32, N>],
    rows: u32,
    width: u32,
    eps: f32,
) {
    let row = ABSOLUTE_POS as u32;
    if row >= rows {
        terminate!();
    }
    let lanes = N::value();
    let vector = comptime!(lanes as u32);
    let length = width / vector;
    let begin = row * length;
    let count = f32::cast_from(width);
    let mut sums = Vector::<f32, N>::new(0.0f32);
    for i in 0..length {
        sums += input[(begin + i) as usize];
    }
    let sum = sum_of::<N>(sums);
    let mean = Vector::new(sum / count);
    let mut squares = Vector::<f32, N>::new(0.0f32);
    for i in 0..length {
        let centred = input[(begin + i) as usize] - mean;
        squares += centred * centred;
    }
    let square = sum_of::<N>(squares);
    let factor = Vector::new(1.0f32 / (square / count + eps).sqrt());
    for i in 0..length {
        let centred = input[(begin + i) as usize] - mean;
        let scaled = weight[i as usize] * factor;
        output[(begin + i) as usize] = centred * scaled + bias[i as usize];
    }
}
