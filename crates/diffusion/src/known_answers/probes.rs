//! Which operators are tried: one probe per kind of operator and width, and one per kind and size of
//! the model's pictures.

use std::collections::{BTreeMap, BTreeSet};

use super::OperatorWidths;
use super::levels::LevelWidths;
use crate::nn::Activation;

/// Side of the pictures that every width is tried on: odd, so that no tile fits.
pub const SIDE: usize = 13;
/// Tokens of their sequences: likewise.
pub const TOKENS: usize = 77;
/// Operations of one probe at the model's own sizes, unless every width that the model has there needs
/// more.
const MAX_FLOP: u64 = 100_000_000;
/// Values of a picture in those probes that compute next to nothing.
const MAX_VALUES: usize = 1 << 22;
/// Channels in and between, kernel, stride of the feature network's blocks, and the photo's side over that of their
/// input.
const FEATURE_BLOCKS: [[usize; 5]; 5] = [
    [32, 32, 3, 1, 2],
    [16, 96, 3, 2, 2],
    [24, 144, 3, 1, 4],
    [24, 144, 5, 2, 4],
    [40, 240, 5, 1, 8],
];
/// Outputs, inputs, kernel and stride of its first convolution, which sees the whole photo.
const FEATURE_STEM: [usize; 4] = [32, 3, 3, 2];
/// Kernel, stride and padding of the first layers of AlexNet and of DINOv2, and of AlexNet's second.
const FEATURE_WINDOWS: [[usize; 3]; 3] = [[11, 4, 2], [14, 14, 0], [5, 1, 2]];

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
    /// A mobile network's block, as many channels out as in, which are added where its step is 1.
    Block {
        inputs: usize,
        wide: usize,
        kernel: usize,
        stride: usize,
        side: usize,
    },
    /// Of windows that are no centred 3×3 or 1×1: those of feature networks that a person brings.
    Window {
        outputs: usize,
        inputs: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        side: usize,
    },
    /// The largest of each 3×3 at stride 2.
    MaxPool {
        channels: usize,
        side: usize,
    },
    /// The least of several values at each place, chosen by what equals it.
    Choice {
        count: usize,
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
    /// One half of each token, times GELU of the other.
    Gate {
        width: usize,
        tokens: usize,
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
            Self::Block {
                inputs,
                wide,
                kernel,
                stride,
                ..
            } => write!(
                f,
                "block of {inputs} channels by {wide}, {kernel}×{kernel}, stride {stride}"
            ),
            Self::Window {
                outputs,
                inputs,
                kernel,
                stride,
                padding,
                ..
            } => write!(
                f,
                "{kernel}×{kernel} convolution of {inputs} to {outputs} channels, stride {stride}, padding {padding}"
            ),
            Self::MaxPool { channels, .. } => write!(f, "maxima of {channels} channels"),
            Self::Choice { count, .. } => write!(f, "choice among {count}"),
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
            Self::Gate { width, .. } => write!(f, "gate of width {width}"),
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
            | Self::Window { side, .. }
            | Self::MaxPool { side, .. }
            | Self::Choice { side, .. }
            | Self::Block { side, .. }
            | Self::GroupNorm { side, .. }
            | Self::Activation { side, .. }
            | Self::Clamp { side, .. }
            | Self::Upsample { side, .. }
            | Self::Unshuffle { side, .. }
            | Self::Concatenation { side, .. } => write!(f, ", {side}×{side} pixels"),
            Self::Linear { tokens, .. }
            | Self::LayerNorm { tokens, .. }
            | Self::Gate { tokens, .. }
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
        probes.push(Probe::Block {
            inputs: 24,
            wide: 144,
            kernel,
            stride,
            side,
        });
    }
    probes.push(Probe::Clamp {
        channels: 144,
        side,
    });
    // Those of networks that a person may bring: AlexNet and DINOv2.
    for [kernel, stride, padding] in FEATURE_WINDOWS {
        probes.push(Probe::Window {
            outputs: 32,
            inputs: 3,
            kernel,
            stride,
            padding,
            side: 3 * SIDE,
        });
    }
    probes.push(Probe::MaxPool { channels: 64, side });
    probes.push(Probe::Choice { count: 4, side });
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
        probes.push(Probe::Gate {
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
        for [inputs, wide, kernel, stride, over] in FEATURE_BLOCKS {
            let side = photo / over;
            let of = |part: usize| Probe::Block {
                inputs: inputs.div_ceil(part),
                wide: wide / inputs * inputs.div_ceil(part),
                kernel,
                stride,
                side,
            };
            // Of a large photo fewer channels.
            let parts = (0..).map(|halved| 1 << halved);
            let affordable = |part: &usize| of(*part).flop() <= MAX_FLOP || *part >= inputs;
            probes.extend(parts.into_iter().find(affordable).map(of));
        }
        for [kernel, stride, padding] in FEATURE_WINDOWS {
            probes.push(Probe::Window {
                outputs: 8,
                inputs: 3,
                kernel,
                stride,
                padding,
                side: photo,
            });
        }
        let side = photo / 4;
        let channels = some(64, side);
        probes.push(Probe::MaxPool { channels, side });
        let side = photo / widths.pixel_unshuffle.max(1);
        probes.push(Probe::Choice { count: 4, side });
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
        probes.push(Probe::Gate {
            width: some(width, side),
            tokens,
        });
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
            }
            | Self::Window {
                outputs,
                inputs,
                kernel,
                stride,
                side,
                ..
            } => {
                let side = side.div_ceil(stride);
                product(&[2, outputs, inputs, kernel, kernel, side, side])
            }
            Self::Block {
                inputs,
                wide,
                kernel,
                stride,
                side,
            } => {
                let expand = match wide == inputs {
                    true => 0,
                    false => product(&[2, inputs, wide, side, side]),
                };
                let side = side.div_ceil(stride);
                expand + product(&[2, wide, kernel * kernel + inputs, side, side])
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
}
