//! How each operator runs on a device, and what it should give at sampled places.

use std::ops::Index;

use burn::tensor::{DType, Device, Tensor, TensorData, module::max_pool2d, ops::MaxPoolOptions};
use half::f16;

use super::Expected;
use super::host::{self, Convolution};
use super::probes::{Probe, SIDE, TOKENS};
use crate::nn::{
    Activation, Conv2d, Conv2dConfig, Embedding, GroupNorm, InvertedResidual, LayerNorm, Linear,
    as_f32, attend, conv2d, geglu, mobile_padding, pixel_shuffle, pixel_unshuffle,
    upsample_nearest_2x,
};
use crate::noise;
use crate::weights::{HalfStorage, HostTensor, Loader, TensorSource};
use crate::{DiffusionError, Result};

/// Seeded numbers repeat after this prime, so that no two rows or channels begin alike and large inputs
/// cost no time.
const PERIOD: usize = 65_537;
/// Places at which an output is compared.
const SAMPLES: usize = 24;
/// ε of the norms.
const EPS: f64 = 1e-5;

/// What the device computed, flat, and some of what it should be.
pub type Answers = (Tensor<1>, Vec<Expected>);

/// Seeded numbers, of which only one period is held: the weights of a wide convolution would take
/// 118 MB of a browser's memory each time that they are copied. All of them are numbers that f16 has.
pub struct Drawn(Vec<f32>);

impl Drawn {
    /// `what` keeps the numbers of one probe apart.
    fn new(what: &str, count: usize) -> Self {
        let stream = noise::stream_of(what);
        let numbers = noise::field(1, stream, [1, 1, count.min(PERIOD)]);
        let rounded = |number: f32| f16::from_f32(number).to_f32();
        Self(numbers.into_iter().map(rounded).collect())
    }

    fn take(&self, count: usize) -> Vec<f32> {
        self.0.iter().copied().cycle().take(count).collect()
    }
}

impl Index<usize> for Drawn {
    type Output = f32;

    fn index(&self, index: usize) -> &f32 {
        &self.0[index % self.0.len()]
    }
}

/// The same numbers, all of them.
fn draw(what: &str, count: usize) -> Vec<f32> {
    Drawn::new(what, count).take(count)
}

fn upload<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let count = tensor.dims().iter().product::<usize>();
    tensor.reshape([count])
}

/// Places all over an output, its first and last among them; none repeats while there are enough.
fn places(count: usize) -> impl Iterator<Item = usize> {
    let last = count.saturating_sub(1);
    (0..SAMPLES).map(move |sample| sample * last / (SAMPLES - 1))
}

/// Tensors as a loader reads them, each made when it is read.
struct Weights<'a>(Vec<(&'static str, Vec<usize>, &'a Drawn)>);

fn weights<'a>(tensors: &[(&'static str, &[usize], &'a Drawn)]) -> Weights<'a> {
    let tensor = |(name, shape, drawn): &(&'static str, &[usize], &'a Drawn)| {
        (*name, shape.to_vec(), *drawn)
    };
    Weights(tensors.iter().map(tensor).collect())
}

impl Weights<'_> {
    fn find(&self, name: &str) -> Option<(&[usize], &Drawn)> {
        let found = self.0.iter().find(|(own, ..)| *own == name)?;
        Some((&found.1, found.2))
    }
}

impl TensorSource for Weights<'_> {
    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, ..)| (*name).to_owned()).collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.find(name).map(|(shape, _)| shape.to_vec())
    }

    fn read(&self, name: &str) -> Result<HostTensor> {
        let (shape, drawn) = self
            .find(name)
            .ok_or_else(|| DiffusionError::MissingTensor {
                name: name.to_owned(),
                expected: Vec::new(),
            })?;
        Ok(HostTensor {
            shape: shape.to_vec(),
            values: drawn.take(shape.iter().product()),
        })
    }

    fn read_half(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let Some((shape, drawn)) = self.find(name) else {
            return Ok(None);
        };
        let count: usize = shape.iter().product();
        let mut bytes = Vec::with_capacity(2 * count);
        for index in 0..count {
            bytes.extend_from_slice(&f16::from_f32(drawn[index]).to_le_bytes());
        }
        Ok(Some(bytes))
    }
}

/// Weights come to the device as those of a bundle do.
fn loader<'a>(source: &'a Weights<'_>, device: &Device) -> Loader<'a> {
    Loader::new(source, device).holding(HalfStorage::on_gpu(device))
}

impl Probe {
    /// Runs the operator on the device and samples it on the host.
    pub fn run(&self, device: &Device) -> Result<Answers> {
        match *self {
            Self::Convolution {
                outputs,
                inputs,
                kernel,
                stride,
                side,
            } => convolution([outputs, inputs, kernel], stride, side, device),
            Self::Block {
                inputs,
                wide,
                kernel,
                stride,
                side,
            } => Ok(block(inputs, wide, [kernel, stride], side, device)),
            Self::Window {
                outputs,
                inputs,
                kernel,
                stride,
                padding,
                side,
            } => Ok(window(
                [outputs, inputs, kernel],
                [stride, padding],
                side,
                device,
            )),
            Self::MaxPool { channels, side } => Ok(max_pool(channels, side, device)),
            Self::Choice { count, side } => Ok(choice(count, side, device)),
            Self::Linear {
                outputs,
                inputs,
                tokens,
            } => linear(outputs, inputs, tokens, device),
            Self::GroupNorm {
                channels,
                groups,
                side,
            } => group_norm(channels, groups, side, device),
            Self::LayerNorm { width, tokens } => layer_norm(width, tokens, device),
            Self::Attention {
                width,
                heads,
                tokens,
            } => Ok(attention(width, heads, tokens, device)),
            Self::Activation {
                activation,
                channels,
                side,
            } => Ok(activate(activation, channels, side, device)),
            Self::Clamp { channels, side } => Ok(clamp(channels, side, device)),
            Self::Gate { width, tokens } => Ok(gate(width, tokens, device)),
            Self::Lookup { width } => lookup(width, device),
            Self::Halves => Ok(halves(device)),
            Self::Upsample { channels, side } => Ok(upsample(channels, side, device)),
            Self::Unshuffle { factor, side } => Ok(unshuffle(factor, side, device)),
            Self::Concatenation { channels, side } => Ok(concatenation(channels, side, device)),
        }
    }
}

fn convolution(
    [outputs, inputs, kernel]: [usize; 3],
    stride: usize,
    side: usize,
    device: &Device,
) -> Result<Answers> {
    let input = draw("input", inputs * side * side);
    let weight = Drawn::new("weight", outputs * inputs * kernel * kernel);
    let bias = Drawn::new("bias", outputs);
    let source = weights(&[
        ("weight", &[outputs, inputs, kernel, kernel], &weight),
        ("bias", &[outputs], &bias),
    ]);
    let config = Conv2dConfig::square(inputs, outputs, kernel);
    let config = config.strided(stride, config.padding);
    let layer = Conv2d::load(&loader(&source, device), config)?;
    let computed = layer.forward(upload(&input, [1, inputs, side, side], device));
    let [_, _, height, width] = computed.dims();
    let host = Convolution {
        input: &input,
        weight: &weight,
        bias: &bias,
        inputs,
        kernel,
        side,
        stride,
    };
    let expected = places(outputs * height * width).map(|index| {
        let (row, column) = (index / width % height, index % width);
        (index, host.at(index / (height * width), row, column))
    });
    Ok((flat(computed), expected.collect()))
}

fn block(
    inputs: usize,
    wide: usize,
    [kernel, stride]: [usize; 2],
    side: usize,
    device: &Device,
) -> Answers {
    let input = draw("input", inputs * side * side);
    let names = ["expand", "depthwise", "project"];
    let counts = [wide * inputs, wide * kernel * kernel, inputs * wide];
    let [expand, depthwise, project] = [0, 1, 2].map(|i| draw(names[i], counts[i]));
    let biases = ["expand bias", "depthwise bias", "project bias"];
    let counts = [wide, wide, inputs];
    let biases = [0, 1, 2].map(|i| draw(biases[i], counts[i]));
    let [of_expand, of_depthwise, of_project] = [
        (&expand, [wide, inputs, 1, 1], 0),
        (&depthwise, [wide, 1, kernel, kernel], 1),
        (&project, [inputs, wide, 1, 1], 2),
    ]
    .map(|(weight, shape, at)| {
        let bias: Tensor<1> = upload(&biases[at], [counts[at]], device);
        (upload::<4>(weight, shape, device), bias)
    });
    let [widens, skip] = [wide != inputs, stride == 1];
    let computed = InvertedResidual {
        expand: widens.then_some((&of_expand.0, &of_expand.1)),
        depthwise: (&of_depthwise.0, &of_depthwise.1),
        project: (&of_project.0, &of_project.1),
        stride,
        skip,
    }
    .forward(upload(&input, [1, inputs, side, side], device));
    let [_, _, height, width] = computed.dims();
    let (before, _) = mobile_padding(kernel, stride);
    let pixel = |channel: usize, y: usize, x: usize| input[(channel * side + y) * side + x];
    let limited = |sum: f64| sum.clamp(0.0, 6.0);
    let widened = |channel: usize, y: usize, x: usize| {
        if !widens {
            return f64::from(pixel(channel, y, x));
        }
        let weights = &expand[channel * inputs..][..inputs];
        let pixels: Vec<f32> = (0..inputs).map(|of| pixel(of, y, x)).collect();
        limited(host::dot(weights, &pixels) + f64::from(biases[0][channel]))
    };
    let middle = |channel: usize, row: usize, column: usize| {
        let mut sum = f64::from(biases[1][channel]);
        for dy in 0..kernel {
            for dx in 0..kernel {
                // Positions among the zeros around.
                let inside = |at: usize| at.checked_sub(before).filter(|at| *at < side);
                let (y, x) = (inside(row * stride + dy), inside(column * stride + dx));
                if let (Some(y), Some(x)) = (y, x) {
                    let filter = depthwise[(channel * kernel + dy) * kernel + dx];
                    sum += widened(channel, y, x) * f64::from(filter);
                }
            }
        }
        limited(sum)
    };
    let expected = places(inputs * height * width).map(|index| {
        let (output, row, column) = (
            index / (height * width),
            index / width % height,
            index % width,
        );
        let mut sum = f64::from(biases[2][output]);
        for channel in 0..wide {
            sum += middle(channel, row, column) * f64::from(project[output * wide + channel]);
        }
        if skip {
            sum += f64::from(pixel(output, row, column));
        }
        (index, sum)
    });
    (flat(computed), expected.collect())
}

fn window(
    [outputs, inputs, kernel]: [usize; 3],
    [stride, padding]: [usize; 2],
    side: usize,
    device: &Device,
) -> Answers {
    let input = draw("input", inputs * side * side);
    let weight = draw("weight", outputs * inputs * kernel * kernel);
    let picture = upload(&input, [1, inputs, side, side], device);
    let filters = upload(&weight, [outputs, inputs, kernel, kernel], device);
    let computed = conv2d(picture, filters, None, (padding, padding), stride);
    let [_, _, height, width] = computed.dims();
    let expected = places(outputs * height * width).map(|index| {
        let output = index / (height * width);
        let mut sum = 0.0;
        for channel in 0..inputs {
            for dy in 0..kernel {
                for dx in 0..kernel {
                    let y = (index / width % height) * stride + dy;
                    let x = (index % width) * stride + dx;
                    let inside = |at: usize| at.checked_sub(padding).filter(|at| *at < side);
                    if let (Some(y), Some(x)) = (inside(y), inside(x)) {
                        let pixel = input[(channel * side + y) * side + x];
                        let at = (output * inputs + channel) * kernel + dy;
                        sum += f64::from(pixel) * f64::from(weight[at * kernel + dx]);
                    }
                }
            }
        }
        (index, sum)
    });
    (flat(computed), expected.collect())
}

/// The least of `count` values at each place, in the channel that has it; 0 in the others.
fn choice(count: usize, side: usize, device: &Device) -> Answers {
    let input = draw("input", count * side * side);
    let values = upload(&input, [1, count, side, side], device);
    let least = values.clone().min_dim(1).expand([1, count, side, side]);
    let chosen = values.clone().equal(least).float();
    let share = chosen.clone() / chosen.sum_dim(1);
    let computed = values * share;
    let expected = places(count * side * side).map(|index| {
        let others = (0..count).map(|channel| input[channel * side * side + index % (side * side)]);
        let least = others.fold(f32::INFINITY, f32::min);
        let value = input[index];
        (
            index,
            if value == least {
                f64::from(value)
            } else {
                0.0
            },
        )
    });
    (flat(computed), expected.collect())
}

fn max_pool(channels: usize, side: usize, device: &Device) -> Answers {
    let input = draw("input", channels * side * side);
    let picture = upload(&input, [1, channels, side, side], device);
    let options = MaxPoolOptions::new([3, 3]).with_stride([2, 2]);
    let computed = max_pool2d(picture, options);
    let [_, _, height, width] = computed.dims();
    let expected = places(channels * height * width).map(|index| {
        let (channel, y, x) = (
            index / (height * width),
            index / width % height,
            index % width,
        );
        let rows = (0..3).flat_map(|dy| (0..3).map(move |dx| (2 * y + dy, 2 * x + dx)));
        let values = rows.map(|(y, x)| input[(channel * side + y) * side + x]);
        (index, f64::from(values.fold(f32::NEG_INFINITY, f32::max)))
    });
    (flat(computed), expected.collect())
}

fn linear(outputs: usize, inputs: usize, tokens: usize, device: &Device) -> Result<Answers> {
    let input = draw("input", tokens * inputs);
    let weight = Drawn::new("weight", outputs * inputs);
    let bias = Drawn::new("bias", outputs);
    let source = weights(&[
        ("weight", &[outputs, inputs], &weight),
        ("bias", &[outputs], &bias),
    ]);
    let layer = Linear::load(&loader(&source, device), inputs, outputs, true)?;
    let computed = layer.forward(upload(&input, [1, tokens, inputs], device));
    let expected = places(tokens * outputs).map(|index| {
        let (token, output) = (index / outputs, index % outputs);
        let row = &input[token * inputs..(token + 1) * inputs];
        let column: Vec<f32> = (0..inputs).map(|at| weight[output * inputs + at]).collect();
        (index, host::dot(row, &column) + f64::from(bias[output]))
    });
    Ok((flat(computed), expected.collect()))
}

fn group_norm(channels: usize, groups: usize, side: usize, device: &Device) -> Result<Answers> {
    let area = side * side;
    let input = draw("input", channels * area);
    let (weight, bias) = (Drawn::new("weight", channels), Drawn::new("bias", channels));
    let source = weights(&[
        ("weight", &[channels], &weight),
        ("bias", &[channels], &bias),
    ]);
    let layer = GroupNorm::load(&loader(&source, device), channels, groups, EPS)?;
    let computed = layer.forward(upload(&input, [1, channels, side, side], device));
    let size = channels / groups * area;
    let expected = places(channels * area).map(|index| {
        let (channel, group) = (index / area, index / size);
        let values = &input[group * size..(group + 1) * size];
        let normed = host::normalised(input[index], values, EPS);
        let (weight, bias) = (f64::from(weight[channel]), f64::from(bias[channel]));
        (index, normed * weight + bias)
    });
    Ok((flat(computed), expected.collect()))
}

fn layer_norm(width: usize, tokens: usize, device: &Device) -> Result<Answers> {
    let input = draw("input", tokens * width);
    let (weight, bias) = (Drawn::new("weight", width), Drawn::new("bias", width));
    let source = weights(&[("weight", &[width], &weight), ("bias", &[width], &bias)]);
    let layer = LayerNorm::load(&loader(&source, device), width, EPS)?;
    let computed = layer.forward(upload(&input, [1, tokens, width], device));
    let expected = places(tokens * width).map(|index| {
        let (token, column) = (index / width, index % width);
        let values = &input[token * width..(token + 1) * width];
        let normed = host::normalised(input[index], values, EPS);
        let (weight, bias) = (f64::from(weight[column]), f64::from(bias[column]));
        (index, normed * weight + bias)
    });
    Ok((flat(computed), expected.collect()))
}

fn attention(width: usize, heads: usize, tokens: usize, device: &Device) -> Answers {
    let [query, key, value] = ["query", "key", "value"].map(|what| draw(what, tokens * width));
    let load = |values: &[f32]| upload(values, [1, tokens, width], device);
    let computed = attend(load(&query), load(&key), load(&value), heads, None);
    let depth = width / heads;
    // One head's share of all rows.
    let share = |rows: &[f32], head: usize| -> Vec<f32> {
        let rows = rows.chunks_exact(width);
        rows.flat_map(|row| &row[head * depth..(head + 1) * depth])
            .copied()
            .collect()
    };
    let expected = places(tokens * width).map(|index| {
        let (token, column) = (index / width, index % width);
        let (head, column) = (column / depth, column % depth);
        let query = &query[token * width + head * depth..][..depth];
        let expected = host::attention(query, &share(&key, head), &share(&value, head), column);
        (index, expected)
    });
    (flat(computed), expected.collect())
}

fn activate(activation: Activation, channels: usize, side: usize, device: &Device) -> Answers {
    let input = draw("input", channels * side * side);
    let computed = activation.forward(upload(&input, [1, channels, side, side], device));
    let expected =
        places(input.len()).map(|index| (index, host::activation(activation, input[index])));
    (flat(computed), expected.collect())
}

fn clamp(channels: usize, side: usize, device: &Device) -> Answers {
    let input = draw("input", channels * side * side);
    let tensor: Tensor<4> = upload(&input, [1, channels, side, side], device);
    let expected =
        places(input.len()).map(|index| (index, f64::from(input[index].clamp(0.0, 0.5))));
    (flat(tensor.clamp(0.0, 0.5)), expected.collect())
}

fn gate(width: usize, tokens: usize, device: &Device) -> Answers {
    let both = draw("both", tokens * 2 * width);
    let computed = geglu(upload(&both, [1, tokens, 2 * width], device));
    let expected = places(tokens * width).map(|index| {
        let first = index / width * 2 * width + index % width;
        let gate = host::activation(Activation::Gelu, both[first + width]);
        (index, f64::from(both[first]) * gate)
    });
    (flat(computed), expected.collect())
}

fn lookup(width: usize, device: &Device) -> Result<Answers> {
    let table = Drawn::new("table", TOKENS * width);
    let source = weights(&[("weight", &[TOKENS, width], &table)]);
    let layer = Embedding::load(&loader(&source, device), TOKENS, width, 1.0)?;
    // Every row once, out of order.
    let rows: Vec<usize> = (0..TOKENS).map(|token| token * 5 % TOKENS).collect();
    let ids: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
    let ids = Tensor::from_data(TensorData::new(ids, [1, TOKENS]), (device, DType::I32));
    let expected = places(TOKENS * width).map(|index| {
        let (token, column) = (index / width, index % width);
        (index, f64::from(table[rows[token] * width + column]))
    });
    Ok((flat(layer.forward(ids)), expected.collect()))
}

/// Numbers of all sizes that f16 has, subnormal ones too, an odd number of them. Each is divided by what
/// it should be, since beside the largest a small one that is lost would not show.
fn halves(device: &Device) -> Answers {
    let values: Vec<f16> = (0..SIDE * SIDE)
        .map(|index| f16::from_f32((index as f32 - 84.5) * (-(index as f32) / 8.0).exp2()))
        .collect();
    let count = values.len();
    let bytes = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let tensor: Tensor<1> = HalfStorage::on_gpu(device).upload(bytes, [count], device);
    // A zero stays one; all others come to their place, so that no two are alike.
    let place = |index: usize| (index + 1) as f32;
    let factors: Vec<f32> = values
        .iter()
        .enumerate()
        .map(|(index, value)| match value.to_f32() {
            0.0 => 1.0,
            value => place(index) / value,
        })
        .collect();
    let computed = as_f32(tensor) * upload(&factors, [count], device);
    let expected = places(count).map(|index| {
        let wanted = if values[index] == f16::ZERO {
            0.0
        } else {
            place(index)
        };
        (index, f64::from(wanted))
    });
    (computed, expected.collect())
}

fn upsample(channels: usize, side: usize, device: &Device) -> Answers {
    let input = draw("input", channels * side * side);
    let doubled = 2 * side;
    let tensor = upload(&input, [1, channels, side, side], device);
    let computed = upsample_nearest_2x(tensor, [doubled, doubled]);
    let expected = places(channels * doubled * doubled).map(|index| {
        let (channel, y, x) = (
            index / (doubled * doubled),
            index / doubled % doubled,
            index % doubled,
        );
        let from = (channel * side + y / 2) * side + x / 2;
        (index, f64::from(input[from]))
    });
    (flat(computed), expected.collect())
}

/// Unshuffle and shuffle, which undoes it, with a factor between them so that neither may be skipped.
fn unshuffle(factor: usize, side: usize, device: &Device) -> Answers {
    let input = draw("input", 3 * side * side);
    let tensor = upload(&input, [1, 3, side, side], device);
    let computed = pixel_shuffle(pixel_unshuffle(tensor, factor) * 3.0, factor);
    let expected = places(input.len()).map(|index| (index, 3.0 * f64::from(input[index])));
    (flat(computed), expected.collect())
}

/// Two pictures joined, cut in their middle, scaled and added up.
fn concatenation(channels: usize, side: usize, device: &Device) -> Answers {
    let area = side * side;
    let [first, second] = ["first", "second"].map(|what| draw(what, channels * area));
    let load = |values: &[f32]| upload(values, [1, channels, side, side], device);
    let joined = Tensor::cat(vec![load(&first), load(&second)], 1);
    let half = channels.div_ceil(2);
    let computed = joined.narrow(1, half, channels) * 2.0 + load(&first);
    let expected = places(channels * area).map(|index| {
        let from = index + half * area;
        let joined = first.get(from).or_else(|| second.get(from - first.len()));
        let joined = joined.copied().unwrap_or(f32::NAN);
        (index, 2.0 * f64::from(joined) + f64::from(first[index]))
    });
    (flat(computed), expected.collect())
}
