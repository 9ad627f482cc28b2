//! Convolutions: those of one pixel are products of matrices, others gather a tile's pixels once for all of its output
//! channels.

use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::product::{After, Form, Sizes, Steps, product};
use super::tensors::{empty, spread, tensor, tile, value_at, values, vector_of, weights};

/// Pixels that a tile may see: more would not fit registers, and take long to compile.
const MOST_PLACES: usize = 512;

/// `torch.nn.functional.conv2d` with a square kernel and zeros around; `None` where burn has to do it.
///
/// # Shapes
/// `input` `[batch, in, height, width]`, `weight` `[out, in, kernel, kernel]`, `bias` `[out]`; the result
/// `[batch, out, height', width']`.
pub fn convolve(
    input: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    padding: (usize, usize),
    stride: usize,
) -> Option<Tensor<4>> {
    let [batch, inputs, height, width] = input.dims();
    let [outputs, of_weight, kernel, across] = weight.dims();
    let padded = [height, width].map(|side| side + padding.0 + padding.1);
    if inputs != of_weight
        || kernel != across
        || stride == 0
        || padded.iter().any(|&side| side < kernel)
        || [batch, inputs, outputs, kernel, height, width].contains(&0)
        || bias.is_some_and(|bias| bias.dims() != [outputs])
    {
        return None;
    }
    let [down, wide] = padded.map(|side| (side - kernel) / stride + 1);
    let pixels = values(input)?;
    let bias = match bias {
        None => None,
        Some(bias) => Some(weights(bias)?),
    };
    let shape = [batch, outputs, down, wide];
    if kernel == 1 && stride == 1 && padding == (0, 0) {
        let after = After {
            bias,
            ..After::default()
        };
        return Some(tensor(pointwise(pixels, weights(weight)?, after, shape)));
    }
    let client = pixels.client.clone();
    let vector = vector_of(&[outputs]);
    let [deep, long] = tile(&client, [outputs, wide], batch * down);
    if kernel * ((long - 1) * stride + kernel) > MOST_PLACES {
        return None;
    }
    // [in, kernel, kernel, out]: a vector holds what neighbouring output channels make of one pixel.
    let turned = weight.clone().permute([1, 2, 3, 0]);
    let factors = weights(&turned)?;
    let blocks = outputs.div_ceil(deep);
    let tiles = wide.div_ceil(long);
    let (count, dim) = spread(batch * blocks * down * tiles);
    let output = empty(&pixels, shape);
    let bias = bias.map(CubeTensor::into_buffer_arg).into();
    let sizes = ConvolutionSizesLaunch::new(
        batch as u32,
        inputs as u32,
        height as u32,
        width as u32,
        outputs as u32,
        down as u32,
        wide as u32,
        padding.0 as u32,
    );
    #[expect(
        unsafe_code,
        reason = "every index is clamped to the sizes given above"
    )]
    unsafe {
        gathered::launch_unchecked(
            &client,
            count,
            dim,
            vector,
            pixels.into_buffer_arg(),
            factors.into_buffer_arg(),
            bias,
            output.clone().into_buffer_arg(),
            sizes,
            kernel,
            stride,
            deep / vector,
            long,
        );
    }
    Some(tensor(output))
}

/// A convolution of single pixels: weights `[out, in, 1, 1]`, a result of `shape`.
pub(super) fn pointwise(
    pixels: CubeTensor,
    weight: CubeTensor,
    after: After,
    shape: [usize; 4],
) -> CubeTensor {
    let [batch, outputs, height, width] = shape;
    let inputs = pixels.meta.shape()[1];
    let plane = height * width;
    let of_photo = |channels: usize| Steps {
        row: plane,
        outer: channels * plane,
        inner: 0,
    };
    let left = Steps {
        row: inputs,
        ..Steps::default()
    };
    let sizes = Sizes {
        batch: [batch, 1],
        rows: outputs,
        columns: plane,
        depth: inputs,
        steps: [left, of_photo(inputs), of_photo(outputs)],
    };
    product(weight, pixels, &sizes, Form::Plain, after, shape)
}

#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct ConvolutionSizes {
    batch: u32,
    inputs: u32,
    height: u32,
    width: u32,
    outputs: u32,
    down: u32,
    across: u32,
    padding: u32,
}

/// A unit has `deep` vectors of output channels of `long` neighbouring pixels.
///
/// All taps of a channel are one pass of the loop, without a branch: a device in software, whose units run side by side
/// in vectors, mixes every sum with what it was wherever units may part.
#[cube(launch_unchecked)]
fn gathered<N: Size>(
    input: &[f32],
    weight: &[Vector<f32, N>],
    bias: ComptimeOption<&[f32]>,
    output: &mut [f32],
    sizes: ConvolutionSizes,
    #[comptime] kernel: usize,
    #[comptime] stride: usize,
    #[comptime] deep: usize,
    #[comptime] long: usize,
) {
    let lanes = N::value();
    let vector = comptime!(lanes as u32);
    let channels = comptime!(deep as u32 * vector);
    let tiles = sizes.across.div_ceil(comptime!(long as u32));
    let blocks = sizes.outputs.div_ceil(channels);
    // Neighbouring units have neighbouring pixels and the same weights.
    let unit = ABSOLUTE_POS as u32;
    let x = unit % tiles * comptime!(long as u32);
    let y = unit / tiles % sizes.down;
    let block = unit / (tiles * sizes.down);
    let photo = block / blocks;
    if photo >= sizes.batch {
        terminate!();
    }
    let channel = block % blocks * channels;

    // Pixels of a picture that the tile sees, and whether they are within it.
    let seen = comptime!((long - 1) * stride + kernel);
    let mut place = Array::<u32>::new(comptime!(kernel * seen));
    let mut within = Array::<bool>::new(comptime!(kernel * seen));
    #[unroll]
    for tap in 0..kernel {
        // Beyond the upper or the left edge these are large numbers, and so outside, too.
        let row = y * comptime!(stride as u32) + tap as u32 - sizes.padding;
        #[unroll]
        for i in 0..seen {
            let column = x * comptime!(stride as u32) + i as u32 - sizes.padding;
            let inside = row < sizes.height && column < sizes.width;
            within[comptime!(tap * seen + i)] = inside;
            let at = row * sizes.width + column;
            place[comptime!(tap * seen + i)] = select(inside, at, 0u32);
        }
    }
    let mut factors = Array::<u32>::new(deep);
    #[unroll]
    for j in 0..deep {
        let own = (channel + comptime!(j as u32 * vector)).min(sizes.outputs - vector);
        factors[j] = own / vector;
    }
    let mut sums = Array::<Vector<f32, N>>::new(deep * long);
    #[unroll]
    for i in 0..comptime!(deep * long) {
        sums[i] = Vector::new(0.0f32);
    }
    let mut pixels = Array::<f32>::new(seen);
    let plane = sizes.height * sizes.width;
    let of_tap = sizes.outputs / vector;
    for input_channel in 0..sizes.inputs {
        let picture = (photo * sizes.inputs + input_channel) * plane;
        let taps = input_channel * comptime!((kernel * kernel) as u32) * of_tap;
        #[unroll]
        for tap in 0..kernel {
            #[unroll]
            for i in 0..seen {
                let value = input[(picture + place[comptime!(tap * seen + i)]) as usize];
                pixels[i] = select(within[comptime!(tap * seen + i)], value, 0.0f32);
            }
            #[unroll]
            for k in 0..kernel {
                #[unroll]
                for j in 0..deep {
                    let at = taps + comptime!((tap * kernel + k) as u32) * of_tap + factors[j];
                    let factor = weight[at as usize];
                    #[unroll]
                    for i in 0..long {
                        let pixel = Vector::new(pixels[comptime!(i * stride + k)]);
                        sums[j * long + i] += factor * pixel;
                    }
                }
            }
        }
    }
    #[unroll]
    for j in 0..deep {
        #[unroll]
        for c in 0..comptime!(vector as usize) {
            let own = channel + comptime!(j as u32 * vector + c as u32);
            if own < sizes.outputs {
                let add = value_at(&bias, own);
                let line = ((photo * sizes.outputs + own) * sizes.down + y) * sizes.across + x;
                #[unroll]
                for i in 0..long {
                    if x + (i as u32) < sizes.across {
                        output[(line + i as u32) as usize] = sums[j * long + i].extract(c) + add;
                    }
                }
            }
        }
    }
}
