//! One probe per kind of operator and width.

use std::collections::BTreeMap;

use burn::tensor::{DType, Device, Tensor, TensorData, module::conv2d, ops::ConvOptions};
use half::f16;

use super::OperatorWidths;
use super::host::{self, Convolution};
use crate::Result;
use crate::nn::{
    Activation, Conv2d, Conv2dConfig, Embedding, GroupNorm, LayerNorm, Linear, as_f32, attend,
    pixel_shuffle, pixel_unshuffle, upsample_nearest_2x,
};
use crate::noise;
use crate::weights::{HalfStorage, HostTensor, Loader};

/// Side of the pictures: odd, so that no tile fits.
const SIDE: usize = 13;
/// Tokens of a sequence: likewise.
const TOKENS: usize = 77;
/// Places at which an output is compared.
const SAMPLES: usize = 24;
/// ε of the norms.
const EPS: f64 = 1e-5;

/// An operator at a width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    Convolution {
        outputs: usize,
        inputs: usize,
        kernel: usize,
        stride: usize,
    },
    /// One filter per channel, over zeros that are added at the right and below alone.
    Depthwise {
        channels: usize,
        kernel: usize,
        stride: usize,
    },
    Linear {
        outputs: usize,
        inputs: usize,
    },
    GroupNorm {
        channels: usize,
        groups: usize,
    },
    LayerNorm {
        width: usize,
    },
    Attention {
        width: usize,
    },
    Activation {
        activation: Activation,
        channels: usize,
    },
    Clamp {
        channels: usize,
    },
    /// Rows of a table by their numbers.
    Lookup {
        width: usize,
    },
    /// Weights that travel as f16, as this device holds them.
    Halves,
    Upsample {
        channels: usize,
    },
    Unshuffle {
        factor: usize,
    },
    Concatenation {
        channels: usize,
    },
}

impl std::fmt::Display for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Convolution {
                outputs,
                inputs,
                kernel,
                stride,
            } => write!(
                f,
                "{kernel}×{kernel} convolution of {inputs} to {outputs} channels, stride {stride}"
            ),
            Self::Depthwise {
                channels,
                kernel,
                stride,
            } => write!(
                f,
                "{kernel}×{kernel} convolution of {channels} groups, stride {stride}"
            ),
            Self::Linear { outputs, inputs } => write!(f, "linear map of {inputs} to {outputs}"),
            Self::GroupNorm { channels, groups } => {
                write!(f, "group norm of {channels} channels in {groups} groups")
            }
            Self::LayerNorm { width } => write!(f, "layer norm of width {width}"),
            Self::Attention { width } => write!(f, "attention of width {width}"),
            Self::Activation {
                activation,
                channels,
            } => write!(f, "{activation:?} of {channels} channels"),
            Self::Clamp { channels } => write!(f, "clamp of {channels} channels"),
            Self::Lookup { width } => write!(f, "lookup of vectors of width {width}"),
            Self::Halves => f.write_str("f16 weights"),
            Self::Upsample { channels } => write!(f, "upsampling of {channels} channels"),
            Self::Unshuffle { factor } => write!(f, "pixel unshuffle by {factor}"),
            Self::Concatenation { channels } => {
                write!(f, "concatenation of {channels} channels")
            }
        }
    }
}

/// Everything that a model of these widths does.
pub fn all(widths: &OperatorWidths) -> Vec<Probe> {
    let mut probes = Vec::new();
    for &[outputs, inputs, kernel] in &widths.convolutions {
        let convolution = |stride| Probe::Convolution {
            outputs,
            inputs,
            kernel,
            stride,
        };
        probes.push(convolution(1));
        if outputs == inputs && kernel == 3 {
            probes.push(convolution(2));
            probes.push(Probe::Upsample { channels: inputs });
        }
    }
    // The feature network's.
    for (kernel, stride) in [(3, 1), (3, 2), (5, 1), (5, 2)] {
        probes.push(Probe::Depthwise {
            channels: 144,
            kernel,
            stride,
        });
    }
    probes.push(Probe::Clamp { channels: 144 });
    for &[outputs, inputs] in &widths.linears {
        probes.push(Probe::Linear { outputs, inputs });
    }
    for &channels in &widths.norms {
        if channels.is_multiple_of(widths.groups.max(1)) {
            let groups = widths.groups.max(1);
            probes.push(Probe::GroupNorm { channels, groups });
        }
        probes.push(Probe::LayerNorm { width: channels });
        probes.push(Probe::Attention { width: channels });
        probes.push(Probe::Activation {
            activation: Activation::Silu,
            channels,
        });
        probes.push(Probe::Concatenation { channels });
    }
    // Those of text encoders, feed-forward layers and small autoencoders; their width does not matter.
    let widest = widths.norms.last().copied().unwrap_or(1);
    for activation in [Activation::Gelu, Activation::QuickGelu, Activation::Relu] {
        probes.push(Probe::Activation {
            activation,
            channels: widest,
        });
    }
    probes.push(Probe::Lookup { width: widest });
    probes.push(Probe::Halves);
    probes.push(Probe::Unshuffle {
        factor: widths.pixel_unshuffle,
    });
    probes
}

/// What the device computed, flat, and some of what it should be: index and value.
type Answers = (Tensor<1>, Vec<(usize, f64)>);

/// Seeded numbers on the host; `what` keeps those of one probe apart.
fn draw(what: &str, count: usize) -> Vec<f32> {
    noise::field(1, noise::stream_of(what), [1, 1, count])
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

/// Tensors as a loader reads them.
fn weights(tensors: &[(&str, &[usize], &[f32])]) -> BTreeMap<String, HostTensor> {
    let tensor = |(name, shape, values): &(&str, &[usize], &[f32])| {
        let tensor = HostTensor {
            shape: shape.to_vec(),
            values: values.to_vec(),
        };
        ((*name).to_owned(), tensor)
    };
    tensors.iter().map(tensor).collect()
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
            } => convolution([outputs, inputs, kernel], stride, device),
            Self::Depthwise {
                channels,
                kernel,
                stride,
            } => Ok(depthwise(channels, kernel, stride, device)),
            Self::Linear { outputs, inputs } => linear(outputs, inputs, device),
            Self::GroupNorm { channels, groups } => group_norm(channels, groups, device),
            Self::LayerNorm { width } => layer_norm(width, device),
            Self::Attention { width } => Ok(attention(width, device)),
            Self::Activation {
                activation,
                channels,
            } => Ok(activate(activation, channels, device)),
            Self::Clamp { channels } => Ok(clamp(channels, device)),
            Self::Lookup { width } => lookup(width, device),
            Self::Halves => Ok(halves(device)),
            Self::Upsample { channels } => Ok(upsample(channels, device)),
            Self::Unshuffle { factor } => Ok(unshuffle(factor, device)),
            Self::Concatenation { channels } => Ok(concatenation(channels, device)),
        }
    }
}

fn convolution(
    [outputs, inputs, kernel]: [usize; 3],
    stride: usize,
    device: &Device,
) -> Result<Answers> {
    let input = draw("input", inputs * SIDE * SIDE);
    let weight = draw("weight", outputs * inputs * kernel * kernel);
    let bias = draw("bias", outputs);
    let source = weights(&[
        ("weight", &[outputs, inputs, kernel, kernel], &weight),
        ("bias", &[outputs], &bias),
    ]);
    let config = Conv2dConfig::square(inputs, outputs, kernel);
    let config = config.strided(stride, config.padding);
    let layer = Conv2d::load(&Loader::new(&source, device), config)?;
    let computed = layer.forward(upload(&input, [1, inputs, SIDE, SIDE], device));
    let [_, _, height, width] = computed.dims();
    let host = Convolution {
        input: &input,
        weight: &weight,
        bias: &bias,
        inputs,
        kernel,
        side: SIDE,
        stride,
    };
    let expected = places(outputs * height * width).map(|index| {
        let (row, column) = (index / width % height, index % width);
        (index, host.at(index / (height * width), row, column))
    });
    Ok((flat(computed), expected.collect()))
}

fn depthwise(channels: usize, kernel: usize, stride: usize, device: &Device) -> Answers {
    let input = draw("input", channels * SIDE * SIDE);
    let weight = draw("weight", channels * kernel * kernel);
    // As the feature network's: more zeros after than before, in a step of their own.
    let padding = kernel / 2;
    let picture = upload(&input, [1, channels, SIDE, SIDE], device);
    let picture = picture.pad([(padding - 1, padding + 1); 2], 0.0);
    let options = ConvOptions::new([stride; 2], [0; 2], [1, 1], channels);
    let filters = upload(&weight, [channels, 1, kernel, kernel], device);
    let computed = conv2d(picture, filters, None, options);
    let [_, _, height, width] = computed.dims();
    let area = SIDE * SIDE;
    let expected = places(channels * height * width).map(|index| {
        let channel = index / (height * width);
        let mut sum = 0.0;
        for dy in 0..kernel {
            for dx in 0..kernel {
                let y = (index / width % height) * stride + dy;
                let x = (index % width) * stride + dx;
                // Positions in the padded picture, whose first zeros are one fewer.
                let inside = |at: usize| at.checked_sub(padding - 1).filter(|at| *at < SIDE);
                if let (Some(y), Some(x)) = (inside(y), inside(x)) {
                    let pixel = input[channel * area + y * SIDE + x];
                    let filter = weight[(channel * kernel + dy) * kernel + dx];
                    sum += f64::from(pixel) * f64::from(filter);
                }
            }
        }
        (index, sum)
    });
    (flat(computed), expected.collect())
}

fn linear(outputs: usize, inputs: usize, device: &Device) -> Result<Answers> {
    let input = draw("input", TOKENS * inputs);
    let weight = draw("weight", outputs * inputs);
    let bias = draw("bias", outputs);
    let source = weights(&[
        ("weight", &[outputs, inputs], &weight),
        ("bias", &[outputs], &bias),
    ]);
    let layer = Linear::load(&Loader::new(&source, device), inputs, outputs, true)?;
    let computed = layer.forward(upload(&input, [1, TOKENS, inputs], device));
    let expected = places(TOKENS * outputs).map(|index| {
        let (token, output) = (index / outputs, index % outputs);
        let row = &input[token * inputs..(token + 1) * inputs];
        let column = &weight[output * inputs..(output + 1) * inputs];
        (index, host::dot(row, column) + f64::from(bias[output]))
    });
    Ok((flat(computed), expected.collect()))
}

fn group_norm(channels: usize, groups: usize, device: &Device) -> Result<Answers> {
    let area = SIDE * SIDE;
    let input = draw("input", channels * area);
    let (weight, bias) = (draw("weight", channels), draw("bias", channels));
    let source = weights(&[
        ("weight", &[channels], &weight),
        ("bias", &[channels], &bias),
    ]);
    let layer = GroupNorm::load(&Loader::new(&source, device), channels, groups, EPS)?;
    let computed = layer.forward(upload(&input, [1, channels, SIDE, SIDE], device));
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

fn layer_norm(width: usize, device: &Device) -> Result<Answers> {
    let input = draw("input", TOKENS * width);
    let (weight, bias) = (draw("weight", width), draw("bias", width));
    let source = weights(&[("weight", &[width], &weight), ("bias", &[width], &bias)]);
    let layer = LayerNorm::load(&Loader::new(&source, device), width, EPS)?;
    let computed = layer.forward(upload(&input, [1, TOKENS, width], device));
    let expected = places(TOKENS * width).map(|index| {
        let (token, column) = (index / width, index % width);
        let values = &input[token * width..(token + 1) * width];
        let normed = host::normalised(input[index], values, EPS);
        let (weight, bias) = (f64::from(weight[column]), f64::from(bias[column]));
        (index, normed * weight + bias)
    });
    Ok((flat(computed), expected.collect()))
}

fn attention(width: usize, device: &Device) -> Answers {
    let [query, key, value] = ["query", "key", "value"].map(|what| draw(what, TOKENS * width));
    let load = |values: &[f32]| upload(values, [1, TOKENS, width], device);
    let computed = attend(load(&query), load(&key), load(&value), 1, None);
    let expected = places(TOKENS * width).map(|index| {
        let (token, column) = (index / width, index % width);
        let row = &query[token * width..(token + 1) * width];
        (index, host::attention(row, &key, &value, column))
    });
    (flat(computed), expected.collect())
}

fn activate(activation: Activation, channels: usize, device: &Device) -> Answers {
    let input = draw("input", channels * SIDE * SIDE);
    let computed = activation.forward(upload(&input, [1, channels, SIDE, SIDE], device));
    let expected =
        places(input.len()).map(|index| (index, host::activation(activation, input[index])));
    (flat(computed), expected.collect())
}

fn clamp(channels: usize, device: &Device) -> Answers {
    let input = draw("input", channels * SIDE * SIDE);
    let tensor: Tensor<4> = upload(&input, [1, channels, SIDE, SIDE], device);
    let expected =
        places(input.len()).map(|index| (index, f64::from(input[index].clamp(0.0, 0.5))));
    (flat(tensor.clamp(0.0, 0.5)), expected.collect())
}

fn lookup(width: usize, device: &Device) -> Result<Answers> {
    let table = draw("table", TOKENS * width);
    let source = weights(&[("weight", &[TOKENS, width], &table)]);
    let layer = Embedding::load(&Loader::new(&source, device), TOKENS, width, 1.0)?;
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

fn upsample(channels: usize, device: &Device) -> Answers {
    let input = draw("input", channels * SIDE * SIDE);
    let side = 2 * SIDE;
    let tensor = upload(&input, [1, channels, SIDE, SIDE], device);
    let computed = upsample_nearest_2x(tensor, [side, side]);
    let expected = places(channels * side * side).map(|index| {
        let (channel, y, x) = (index / (side * side), index / side % side, index % side);
        let from = (channel * SIDE + y / 2) * SIDE + x / 2;
        (index, f64::from(input[from]))
    });
    (flat(computed), expected.collect())
}

/// Unshuffle and shuffle, which undoes it, with a factor between them so that neither may be skipped.
fn unshuffle(factor: usize, device: &Device) -> Answers {
    let side = 3 * factor;
    let input = draw("input", 3 * side * side);
    let tensor = upload(&input, [1, 3, side, side], device);
    let computed = pixel_shuffle(pixel_unshuffle(tensor, factor) * 3.0, factor);
    let expected = places(input.len()).map(|index| (index, 3.0 * f64::from(input[index])));
    (flat(computed), expected.collect())
}

/// Two pictures joined, cut in their middle, scaled and added up.
fn concatenation(channels: usize, device: &Device) -> Answers {
    let area = SIDE * SIDE;
    let [first, second] = ["first", "second"].map(|what| draw(what, channels * area));
    let load = |values: &[f32]| upload(values, [1, channels, SIDE, SIDE], device);
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
