//! One probe per kind of operator and width, and one per kind and size of the model's pictures.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{DType, Device, Tensor, TensorData, module::conv2d, ops::ConvOptions};
use half::f16;

use super::host::{self, Convolution};
use super::levels::LevelWidths;
use super::{Expected, OperatorWidths};
use crate::Result;
use crate::nn::{
    Activation, Conv2d, Conv2dConfig, Embedding, GroupNorm, LayerNorm, Linear, as_f32, attend,
    pixel_shuffle, pixel_unshuffle, upsample_nearest_2x,
};
use crate::noise;
use crate::weights::{HalfStorage, HostTensor, Loader};

/// Side of the pictures that every width is tried on: odd, so that no tile fits.
const SIDE: usize = 13;
/// Tokens of their sequences: likewise.
const TOKENS: usize = 77;
/// Operations of one probe at the model's own sizes, unless every width that the model has there needs
/// more.
const MAX_FLOP: u64 = 100_000_000;
/// Values of a picture in those probes that compute next to nothing.
const MAX_VALUES: usize = 1 << 22;
/// Seeded numbers repeat after this prime, so that no two rows or channels begin alike and large inputs
/// cost no time.
const PERIOD: usize = 65_537;
/// Channels, kernel, stride of the feature network's depthwise convolutions, and the photo's side over
/// that of their input.
const FEATURE_DEPTHWISE: [[usize; 4]; 5] = [
    [32, 3, 1, 2],
    [96, 3, 2, 2],
    [144, 3, 1, 4],
    [144, 5, 2, 4],
    [240, 5, 1, 8],
];
/// Outputs, inputs, kernel and stride of its first convolution, which sees the whole photo.
const FEATURE_STEM: [usize; 4] = [32, 3, 3, 2];
/// Places at which an output is compared.
const SAMPLES: usize = 24;
/// ε of the norms.
const EPS: f64 = 1e-5;

/// An operator at a width and a size: pictures are `[1, channels, side, side]`, sequences
/// `[1, tokens, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    Convolution {
        outputs: usize,
        inputs: usize,
        kernel: usize,
        stride: usize,
        side: usize,
    },
    /// One filter per channel, over zeros that are added at the right and below alone.
    Depthwise {
        channels: usize,
        kernel: usize,
        stride: usize,
        side: usize,
    },
    Linear {
        outputs: usize,
        inputs: usize,
        tokens: usize,
    },
    GroupNorm {
        channels: usize,
        groups: usize,
        side: usize,
    },
    LayerNorm {
        width: usize,
        tokens: usize,
    },
    /// Of all tokens over all tokens.
    Attention {
        width: usize,
        heads: usize,
        tokens: usize,
    },
    Activation {
        activation: Activation,
        channels: usize,
        side: usize,
    },
    Clamp {
        channels: usize,
        side: usize,
    },
    /// Rows of a table by their numbers.
    Lookup {
        width: usize,
    },
    /// Weights that travel as f16, as this device holds them.
    Halves,
    /// From this side to twice as much.
    Upsample {
        channels: usize,
        side: usize,
    },
    /// Of three channels of this side, a multiple of the factor.
    Unshuffle {
        factor: usize,
        side: usize,
    },
    /// Of two pictures of as many channels each.
    Concatenation {
        channels: usize,
        side: usize,
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
                ..
            } => write!(
                f,
                "{kernel}×{kernel} convolution of {inputs} to {outputs} channels, stride {stride}"
            ),
            Self::Depthwise {
                channels,
                kernel,
                stride,
                ..
            } => write!(
                f,
                "{kernel}×{kernel} convolution of {channels} groups, stride {stride}"
            ),
            Self::Linear {
                outputs, inputs, ..
            } => write!(f, "linear map of {inputs} to {outputs}"),
            Self::GroupNorm {
                channels, groups, ..
            } => write!(f, "group norm of {channels} channels in {groups} groups"),
            Self::LayerNorm { width, .. } => write!(f, "layer norm of width {width}"),
            Self::Attention { width, heads, .. } => {
                write!(f, "attention of width {width} in {heads} heads")
            }
            Self::Activation {
                activation,
                channels,
                ..
            } => write!(f, "{activation:?} of {channels} channels"),
            Self::Clamp { channels, .. } => write!(f, "clamp of {channels} channels"),
            Self::Lookup { width } => write!(f, "lookup of vectors of width {width}"),
            Self::Halves => f.write_str("f16 weights"),
            Self::Upsample { channels, .. } => write!(f, "upsampling of {channels} channels"),
            Self::Unshuffle { factor, .. } => write!(f, "pixel unshuffle by {factor}"),
            Self::Concatenation { channels, .. } => {
                write!(f, "concatenation of {channels} channels")
            }
        }?;
        match self {
            Self::Convolution { side, .. }
            | Self::Depthwise { side, .. }
            | Self::GroupNorm { side, .. }
            | Self::Activation { side, .. }
            | Self::Clamp { side, .. }
            | Self::Upsample { side, .. }
            | Self::Unshuffle { side, .. }
            | Self::Concatenation { side, .. } => write!(f, ", {side}×{side} pixels"),
            Self::Linear { tokens, .. }
            | Self::LayerNorm { tokens, .. }
            | Self::Attention { tokens, .. } => write!(f, ", {tokens} tokens"),
            Self::Lookup { .. } | Self::Halves => Ok(()),
        }
    }
}

/// Everything that a model of these widths does, at all of its widths and at all of its sizes.
pub fn all(widths: &OperatorWidths) -> Vec<Probe> {
    let mut probes = at_widths(widths);
    probes.extend(at_sizes(widths));
    probes
}

/// Every width, on small pictures.
pub fn at_widths(widths: &OperatorWidths) -> Vec<Probe> {
    let (side, tokens) = (SIDE, TOKENS);
    let mut probes = Vec::new();
    for &[outputs, inputs, kernel] in &widths.convolutions {
        let convolution = |stride| Probe::Convolution {
            outputs,
            inputs,
            kernel,
            stride,
            side,
        };
        probes.push(convolution(1));
        if outputs == inputs && kernel == 3 {
            probes.push(convolution(2));
            probes.push(Probe::Upsample {
                channels: inputs,
                side,
            });
        }
    }
    // The feature network's.
    for (kernel, stride) in [(3, 1), (3, 2), (5, 1), (5, 2)] {
        probes.push(Probe::Depthwise {
            channels: 144,
            kernel,
            stride,
            side,
        });
    }
    probes.push(Probe::Clamp {
        channels: 144,
        side,
    });
    for &[outputs, inputs] in &widths.linears {
        probes.push(Probe::Linear {
            outputs,
            inputs,
            tokens,
        });
    }
    for &channels in &widths.norms {
        if channels.is_multiple_of(widths.groups.max(1)) {
            let groups = widths.groups.max(1);
            probes.push(Probe::GroupNorm {
                channels,
                groups,
                side,
            });
        }
        probes.push(Probe::LayerNorm {
            width: channels,
            tokens,
        });
        probes.push(Probe::Attention {
            width: channels,
            heads: 1,
            tokens,
        });
        probes.push(Probe::Activation {
            activation: Activation::Silu,
            channels,
            side,
        });
        probes.push(Probe::Concatenation { channels, side });
    }
    // Those of text encoders, feed-forward layers and small autoencoders; their width does not matter.
    let widest = widths.norms.last().copied().unwrap_or(1);
    for activation in [Activation::Gelu, Activation::QuickGelu, Activation::Relu] {
        probes.push(Probe::Activation {
            activation,
            channels: widest,
            side,
        });
    }
    probes.push(Probe::Lookup { width: widest });
    probes.push(Probe::Halves);
    probes.push(Probe::Unshuffle {
        factor: widths.pixel_unshuffle,
        side: 3 * widths.pixel_unshuffle,
    });
    probes
}

/// Every kind of operator on pictures as large as the model's own.
///
/// Widths are the business of [`at_widths`], so one will do here for each kind, and it is chosen to be
/// cheap, since a software device computes as little as 0.1 GFLOP per second: the largest one within
/// [`MAX_FLOP`], as `mini` has for all. Stable Diffusion has none for some kinds at its larger sides: there
/// its cheapest convolution runs (3 to 128 channels on a photo), its cheapest linear map, and attention for
/// one of its heads. Operators that only move or map values run for as many channels as make
/// [`MAX_VALUES`].
pub fn at_sizes(widths: &OperatorWidths) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (&side, level) in widths.levels.range(1..) {
        at_level(&mut probes, side, level);
    }
    // A kernel and stride that no side could afford run where they are cheapest.
    let levels = widths.levels.range(1..);
    let mut left: Vec<Probe> = levels
        .flat_map(|(side, level)| convolutions(*side, level))
        .collect();
    left.sort_by_key(Probe::flop);
    let mut kinds: BTreeSet<[usize; 2]> = probes.iter().filter_map(Probe::window).collect();
    left.retain(|probe| probe.window().is_some_and(|window| kinds.insert(window)));
    probes.extend(left);
    if let photo @ 1.. = widths.photo_side {
        let [outputs, inputs, kernel, stride] = FEATURE_STEM;
        probes.push(Probe::Convolution {
            outputs,
            inputs,
            kernel,
            stride,
            side: photo,
        });
        for [channels, kernel, stride, over] in FEATURE_DEPTHWISE {
            let side = photo / over;
            probes.push(Probe::Depthwise {
                channels: some(channels, side),
                kernel,
                stride,
                side,
            });
        }
        for [channels, over] in [[3, 1], [32, 2]] {
            let side = photo / over;
            let channels = some(channels, side);
            probes.push(Probe::Clamp { channels, side });
        }
        let factor = widths.pixel_unshuffle.max(1);
        let side = photo / factor * factor;
        probes.push(Probe::Unshuffle { factor, side });
    }
    probes
}

/// What is done with pictures of one side.
fn at_level(probes: &mut Vec<Probe>, side: usize, level: &LevelWidths) {
    let tokens = side * side;
    probes.extend(affordable(convolutions(side, level)));
    let linears = level.linears.iter();
    let linears = linears.map(|&[outputs, inputs]| Probe::Linear {
        outputs,
        inputs,
        tokens,
    });
    probes.extend(affordable(linears.collect()));
    let attention = |width, heads| Probe::Attention {
        width,
        heads,
        tokens,
    };
    // The narrowest of each number of groups, whole groups of it.
    let mut seen = BTreeSet::new();
    for &[channels, groups] in &level.group_norms {
        let groups = groups.max(1);
        if channels.is_multiple_of(groups) && seen.insert(groups) {
            let size = channels / groups;
            let groups = groups.min(MAX_VALUES / (size * tokens).max(1)).max(1);
            probes.push(Probe::GroupNorm {
                channels: groups * size,
                groups,
                side,
            });
        }
    }
    if let Some(&width) = level.layer_norms.first() {
        probes.push(Probe::LayerNorm { width, tokens });
    }
    if let Some(&[width, heads]) = level.attentions.first() {
        let whole = attention(width, heads);
        probes.push(match whole.flop() {
            ..=MAX_FLOP => whole,
            _ => attention(width / heads, 1),
        });
    }
    let widths = level.group_norms.iter().map(|[channels, _]| *channels);
    let widths = widths.chain(level.convolutions.iter().map(|[outputs, ..]| *outputs));
    for activation in [Activation::Silu, Activation::Gelu, Activation::Relu] {
        if let Some(channels) = widths.clone().next() {
            probes.push(Probe::Activation {
                activation,
                channels: some(channels, side),
                side,
            });
        }
    }
    if let Some(&channels) = level.upsamplings.first() {
        let channels = some(channels, 2 * side);
        probes.push(Probe::Upsample { channels, side });
    }
    if let Some(&channels) = level.concatenations.first() {
        let channels = some(channels, side);
        probes.push(Probe::Concatenation { channels, side });
    }
}

/// As many of `channels` as make a picture of at most [`MAX_VALUES`].
fn some(channels: usize, side: usize) -> usize {
    channels.min(MAX_VALUES / (side * side).max(1)).max(1)
}

fn convolutions(side: usize, level: &LevelWidths) -> Vec<Probe> {
    let all = level.convolutions.iter();
    all.map(|&[outputs, inputs, kernel, stride]| Probe::Convolution {
        outputs,
        inputs,
        kernel,
        stride,
        side,
    })
    .collect()
}

/// For each kernel and stride the most expensive probe within [`MAX_FLOP`]; without any, the cheapest of
/// all.
fn affordable(mut probes: Vec<Probe>) -> Vec<Probe> {
    probes.sort_by_key(Probe::flop);
    let within = probes.iter().filter(|probe| probe.flop() <= MAX_FLOP);
    let chosen: BTreeMap<_, _> = within.map(|probe| (probe.window(), *probe)).collect();
    if chosen.is_empty() {
        probes.truncate(1);
        return probes;
    }
    chosen.into_values().collect()
}

/// What the device computed, flat, and some of what it should be.
type Answers = (Tensor<1>, Vec<Expected>);

/// Seeded numbers on the host; `what` keeps those of one probe apart.
fn draw(what: &str, count: usize) -> Vec<f32> {
    let stream = noise::stream_of(what);
    let numbers = noise::field(1, stream, [1, 1, count.min(PERIOD)]);
    numbers.into_iter().cycle().take(count).collect()
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
    /// Floating-point operations of products; what has none counts as nothing.
    pub fn flop(&self) -> u64 {
        let product = |factors: &[usize]| factors.iter().map(|factor| *factor as u64).product();
        match *self {
            Self::Convolution {
                outputs,
                inputs,
                kernel,
                stride,
                side,
            } => {
                let side = side.div_ceil(stride);
                product(&[2, outputs, inputs, kernel, kernel, side, side])
            }
            Self::Depthwise {
                channels,
                kernel,
                stride,
                side,
            } => {
                let side = side.div_ceil(stride);
                product(&[2, channels, kernel, kernel, side, side])
            }
            Self::Linear {
                outputs,
                inputs,
                tokens,
            } => product(&[2, outputs, inputs, tokens]),
            Self::Attention { width, tokens, .. } => product(&[4, tokens, tokens, width]),
            _ => 0,
        }
    }

    /// Kernel and stride of a convolution.
    fn window(&self) -> Option<[usize; 2]> {
        match *self {
            Self::Convolution { kernel, stride, .. } => Some([kernel, stride]),
            _ => None,
        }
    }

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
            Self::Depthwise {
                channels,
                kernel,
                stride,
                side,
            } => Ok(depthwise(channels, kernel, stride, side, device)),
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
    let weight = draw("weight", outputs * inputs * kernel * kernel);
    let bias = draw("bias", outputs);
    let source = weights(&[
        ("weight", &[outputs, inputs, kernel, kernel], &weight),
        ("bias", &[outputs], &bias),
    ]);
    let config = Conv2dConfig::square(inputs, outputs, kernel);
    let config = config.strided(stride, config.padding);
    let layer = Conv2d::load(&Loader::new(&source, device), config)?;
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

fn depthwise(
    channels: usize,
    kernel: usize,
    stride: usize,
    side: usize,
    device: &Device,
) -> Answers {
    let input = draw("input", channels * side * side);
    let weight = draw("weight", channels * kernel * kernel);
    // As the feature network's: more zeros after than before, in a step of their own.
    let padding = kernel / 2;
    let picture = upload(&input, [1, channels, side, side], device);
    let picture = picture.pad([(padding - 1, padding + 1); 2], 0.0);
    let options = ConvOptions::new([stride; 2], [0; 2], [1, 1], channels);
    let filters = upload(&weight, [channels, 1, kernel, kernel], device);
    let computed = conv2d(picture, filters, None, options);
    let [_, _, height, width] = computed.dims();
    let area = side * side;
    let expected = places(channels * height * width).map(|index| {
        let channel = index / (height * width);
        let mut sum = 0.0;
        for dy in 0..kernel {
            for dx in 0..kernel {
                let y = (index / width % height) * stride + dy;
                let x = (index % width) * stride + dx;
                // Positions in the padded picture, whose first zeros are one fewer.
                let inside = |at: usize| at.checked_sub(padding - 1).filter(|at| *at < side);
                if let (Some(y), Some(x)) = (inside(y), inside(x)) {
                    let pixel = input[channel * area + y * side + x];
                    let filter = weight[(channel * kernel + dy) * kernel + dx];
                    sum += f64::from(pixel) * f64::from(filter);
                }
            }
        }
        (index, sum)
    });
    (flat(computed), expected.collect())
}

fn linear(outputs: usize, inputs: usize, tokens: usize, device: &Device) -> Result<Answers> {
    let input = draw("input", tokens * inputs);
    let weight = draw("weight", outputs * inputs);
    let bias = draw("bias", outputs);
    let source = weights(&[
        ("weight", &[outputs, inputs], &weight),
        ("bias", &[outputs], &bias),
    ]);
    let layer = Linear::load(&Loader::new(&source, device), inputs, outputs, true)?;
    let computed = layer.forward(upload(&input, [1, tokens, inputs], device));
    let expected = places(tokens * outputs).map(|index| {
        let (token, output) = (index / outputs, index % outputs);
        let row = &input[token * inputs..(token + 1) * inputs];
        let column = &weight[output * inputs..(output + 1) * inputs];
        (index, host::dot(row, column) + f64::from(bias[output]))
    });
    Ok((flat(computed), expected.collect()))
}

fn group_norm(channels: usize, groups: usize, side: usize, device: &Device) -> Result<Answers> {
    let area = side * side;
    let input = draw("input", channels * area);
    let (weight, bias) = (draw("weight", channels), draw("bias", channels));
    let source = weights(&[
        ("weight", &[channels], &weight),
        ("bias", &[channels], &bias),
    ]);
    let layer = GroupNorm::load(&Loader::new(&source, device), channels, groups, EPS)?;
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
    let (weight, bias) = (draw("weight", width), draw("bias", width));
    let source = weights(&[("weight", &[width], &weight), ("bias", &[width], &bias)]);
    let layer = LayerNorm::load(&Loader::new(&source, device), width, EPS)?;
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
