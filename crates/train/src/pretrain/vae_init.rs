//! Weights with which an `AutoencoderKL` behind a pixel unshuffle begins as a linear projection.
//!
//! The residual branches begin at zero (their last convolution is), so the trunk passes through.
//! Each group of the last norm carries one component as the pair (+p, −p), because
//! silu(p) − silu(−p) = p exactly: the last convolution takes the difference. A second pair of
//! constants (+K, −K), large against everything else in the group, fixes the group's variance, so
//! that the norm is a fixed scale and brightness and contrast pass unchanged. All other channels
//! are random filters in pairs of opposite sign, so that the group's mean is zero: they are what
//! the residual branches begin to work with.

use std::collections::BTreeMap;

use anomalysd_diffusion::noise;
use anomalysd_diffusion::vae::AutoencoderKlConfig;
use anomalysd_diffusion::weights::HostTensor;

use crate::pca::PatchPca;

/// The constant that fixes the variance of a group.
const ANCHOR: f32 = 128.0;

/// Places in a group of channels.
const PLUS: usize = 0;
const MINUS: usize = 1;
const ANCHOR_PLUS: usize = 2;
const ANCHOR_MINUS: usize = 3;
const FREE: usize = 4;

/// Replaces the tensors of a freshly drawn network (names below `prefix`) so that it computes the
/// projection, with latents divided by `scale`.
pub fn start_linear(
    tensors: &mut BTreeMap<String, HostTensor>,
    prefix: &str,
    config: &AutoencoderKlConfig,
    pca: &PatchPca,
    scale: f32,
) {
    let layout = Layout::of(config);
    for (name, tensor) in tensors.iter_mut() {
        let Some(name) = name.strip_prefix(prefix) else {
            continue;
        };
        if name.contains(".conv2.") {
            tensor.values.fill(0.0);
        } else if name.ends_with("norm1.weight") || name.ends_with("conv_norm_out.weight") {
            layout.set_norm(tensor);
        }
    }
    let latents = config.latent_channels.min(pca.basis.len());
    if let Some(conv) = tensors.get_mut(&format!("{prefix}encoder.conv_in.weight")) {
        layout.fill_in(conv, |latent, input| {
            (latent < latents).then(|| pca.basis[latent][input] / scale)
        });
    }
    if let Some(bias) = tensors.get_mut(&format!("{prefix}encoder.conv_in.bias")) {
        layout.fill_bias(bias, |latent| {
            let along =
                |basis: &Vec<f32>| basis.iter().zip(&pca.mean).map(|(b, m)| b * m).sum::<f32>();
            pca.basis
                .get(latent)
                .map_or(0.0, |basis| -along(basis) / scale)
        });
    }
    if let Some(conv) = tensors.get_mut(&format!("{prefix}encoder.conv_out.weight")) {
        layout.fill_out(
            conv,
            |output, latent| if output == latent { 1.0 } else { 0.0 },
        );
    }
    if let Some(bias) = tensors.get_mut(&format!("{prefix}encoder.conv_out.bias")) {
        bias.values.fill(0.0);
    }
    if let Some(conv) = tensors.get_mut(&format!("{prefix}decoder.conv_in.weight")) {
        layout.fill_in(conv, |latent, input| {
            (latent < config.latent_channels).then_some(if latent == input { 1.0 } else { 0.0 })
        });
    }
    if let Some(bias) = tensors.get_mut(&format!("{prefix}decoder.conv_in.bias")) {
        layout.fill_bias(bias, |_| 0.0);
    }
    if let Some(conv) = tensors.get_mut(&format!("{prefix}decoder.conv_out.weight")) {
        layout.fill_out(conv, |output, latent| {
            pca.basis
                .get(latent)
                .map_or(0.0, |basis| basis[output] * scale)
        });
    }
    if let Some(bias) = tensors.get_mut(&format!("{prefix}decoder.conv_out.bias")) {
        bias.values.clone_from(&pca.mean);
    }
}

/// How the channels of the trunk are dealt: component j is in group j.
struct Layout {
    channels: usize,
    group: usize,
}

impl Layout {
    fn of(config: &AutoencoderKlConfig) -> Self {
        let channels = config.block_out_channels[0];
        Self {
            channels,
            group: channels / config.norm_num_groups,
        }
    }

    /// What the norm divides by, but for the small rest of the group.
    fn divisor(&self) -> f32 {
        ANCHOR * (2.0 / self.group as f32).sqrt()
    }

    /// Undoes the norm's scale; the anchors themselves are not passed on.
    fn set_norm(&self, weight: &mut HostTensor) {
        for (channel, value) in weight.values.iter_mut().enumerate() {
            let place = channel % self.group;
            *value = if place == ANCHOR_PLUS || place == ANCHOR_MINUS {
                0.0
            } else {
                self.divisor()
            };
        }
    }

    /// First convolution: `component(latent, input)` at the middle of the kernel of the pairs,
    /// zero at the anchors, opposite pairs of random filters elsewhere.
    fn fill_in(&self, conv: &mut HostTensor, component: impl Fn(usize, usize) -> Option<f32>) {
        let (inputs, kernel) = (conv.shape[1], conv.shape[2] * conv.shape[3]);
        let filter = inputs * kernel;
        for channel in 0..self.channels {
            let (group, place) = (channel / self.group, channel % self.group);
            let row = channel * filter;
            match place {
                PLUS | MINUS => {
                    if component(group, 0).is_none() {
                        // No component is left for this group: a free pair.
                        self.free(conv, channel, place == MINUS, filter);
                        continue;
                    }
                    conv.values[row..row + filter].fill(0.0);
                    let sign = if place == PLUS { 1.0 } else { -1.0 };
                    for input in 0..inputs {
                        conv.values[row + input * kernel + kernel / 2] =
                            sign * component(group, input).unwrap_or(0.0);
                    }
                }
                ANCHOR_PLUS | ANCHOR_MINUS => conv.values[row..row + filter].fill(0.0),
                _ => self.free(conv, channel, (place - FREE) % 2 == 1, filter),
            }
        }
    }

    /// A random filter, or the previous channel's with the other sign.
    fn free(&self, conv: &mut HostTensor, channel: usize, negated: bool, filter: usize) {
        let row = channel * filter;
        for i in 0..filter {
            conv.values[row + i] = if negated {
                -conv.values[row - filter + i]
            } else {
                (noise::normal(11, channel as u64, i as u64) / (filter as f64).sqrt()) as f32
            };
        }
    }

    fn fill_bias(&self, bias: &mut HostTensor, component: impl Fn(usize) -> f32) {
        for (channel, value) in bias.values.iter_mut().enumerate() {
            *value = match channel % self.group {
                PLUS => component(channel / self.group),
                MINUS => -component(channel / self.group),
                ANCHOR_PLUS => ANCHOR,
                ANCHOR_MINUS => -ANCHOR,
                _ => 0.0,
            };
        }
    }

    /// Last convolution: `component(output, latent)` times the difference of the latent's pair.
    fn fill_out(&self, conv: &mut HostTensor, component: impl Fn(usize, usize) -> f32) {
        let (outputs, inputs, kernel) =
            (conv.shape[0], conv.shape[1], conv.shape[2] * conv.shape[3]);
        conv.values.fill(0.0);
        for output in 0..outputs {
            for group in 0..inputs / self.group {
                let value = component(output, group);
                let at = |place: usize| {
                    (output * inputs + group * self.group + place) * kernel + kernel / 2
                };
                conv.values[at(PLUS)] = value;
                conv.values[at(MINUS)] = -value;
            }
        }
    }
}
