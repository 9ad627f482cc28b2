//! EfficientNet-Lite0 up to block 10, with taps after blocks 2, 4 and 10.
//!
//! Source: the Python package `efficientnet_lite_pytorch` 0.1.0 (Apache-2.0), whose paddings are
//! those of an input of 224×224: (0, 1) for a strided 3×3, (1, 2) for a strided 5×5 convolution.

use anomalysd_diffusion::nn::{InvertedResidual, conv2d, mobile_padding};
use anomalysd_diffusion::weights::{Init, Loader, ReadAt};
use anomalysd_imaging::Photo;
use burn::tensor::{Device, Tensor};

use super::file::WeightsFile;
use super::{FeatureLayers, FeatureNetwork, layers, upload};
use crate::DetectError;

#[cfg(embedded_feature_network)]
const EMBEDDED: Option<&[u8]> = Some(include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/assets/efficientnet-lite0.safetensors"
)));
#[cfg(not(embedded_feature_network))]
const EMBEDDED: Option<&[u8]> = None;

/// The tensor that tells an EfficientNet of the package.
pub(super) const STEM: &str = "_conv_stem.weight";
/// Mean and scale of the input, as the package's training had them (127 and 128 of 255).
const MEAN: f64 = 0.498;
const SCALE: f64 = 0.502;
/// ε of the batch norms.
const NORM_EPS: f64 = 1e-3;
/// Blocks after which features are taken.
const TAPS: [usize; 3] = [2, 4, 10];

/// Kernel, stride, expansion, channels in and out of blocks 0 to 10.
const BLOCKS: [(usize, usize, usize, usize, usize); 11] = [
    (3, 1, 1, 32, 16),
    (3, 2, 6, 16, 24),
    (3, 1, 6, 24, 24),
    (5, 2, 6, 24, 40),
    (5, 1, 6, 40, 40),
    (3, 2, 6, 40, 80),
    (3, 1, 6, 80, 80),
    (3, 1, 6, 80, 80),
    (5, 1, 6, 80, 112),
    (5, 1, 6, 112, 112),
    (5, 1, 6, 112, 112),
];

/// A convolution with its batch norm folded into it.
#[derive(Debug, Clone)]
struct Convolution {
    weight: Tensor<4>,
    bias: Tensor<1>,
    stride: usize,
}

#[derive(Debug, Clone)]
struct Block {
    expand: Option<Convolution>,
    depthwise: Convolution,
    project: Convolution,
    skip: bool,
}

/// The network on a device. A clone shares the weights.
#[derive(Debug, Clone)]
pub struct EfficientNetLite0 {
    stem: Convolution,
    blocks: Vec<Block>,
    device: Device,
    fingerprint: String,
}

impl EfficientNetLite0 {
    /// Whether this build carries the weights.
    pub fn is_embedded() -> bool {
        EMBEDDED.is_some()
    }

    /// The file of the weights of this build; `None` where it was made without them.
    pub fn embedded_bytes() -> Option<&'static [u8]> {
        EMBEDDED
    }

    /// The weights of this build; `None` where it was made without them.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn embedded(device: &Device) -> Result<Option<Self>, DetectError> {
        EMBEDDED
            .map(|bytes| Self::load("efficientnet-lite0", bytes, device))
            .transpose()
    }

    /// Reads the weights from the bytes of a safetensors file with the package's own names.
    ///
    /// # Errors
    /// A damaged file; a missing, misshapen or extra tensor; a value that is not finite.
    pub fn load(
        what: &str,
        bytes: impl ReadAt + 'static,
        device: &Device,
    ) -> Result<Self, DetectError> {
        Self::from_file(&WeightsFile::open(what, bytes)?, device)
    }

    pub(super) fn from_file(file: &WeightsFile, device: &Device) -> Result<Self, DetectError> {
        let loader = Loader::new(&file.source, device);
        let stem = convolution(&loader, "_conv_stem", "_bn0", [32, 3, 3, 3], 2)?;
        let mut blocks = Vec::with_capacity(BLOCKS.len());
        for (index, &(kernel, stride, expansion, inputs, outputs)) in BLOCKS.iter().enumerate() {
            let block = loader.prefix(format!("_blocks.{index}"));
            let wide = inputs * expansion;
            let expand = (expansion > 1)
                .then(|| convolution(&block, "_expand_conv", "_bn0", [wide, inputs, 1, 1], 1));
            let shape = [wide, 1, kernel, kernel];
            blocks.push(Block {
                expand: expand.transpose()?,
                depthwise: convolution(&block, "_depthwise_conv", "_bn1", shape, stride)?,
                project: convolution(&block, "_project_conv", "_bn2", [outputs, wide, 1, 1], 1)?,
                skip: stride == 1 && inputs == outputs,
            });
        }
        file.refuse_unknown(&loader, |_| false)?;
        Ok(Self {
            stem,
            blocks,
            device: device.clone(),
            fingerprint: file.fingerprint.clone(),
        })
    }

    /// Features of photos after the first `count` taps, from fine to coarse, as tensors: what a
    /// training loss differentiates.
    ///
    /// # Shapes
    /// Photos `[B, 3, H, W]` in 0..1 to `[B, 24, H/4, W/4]`, `[B, 40, H/8, W/8]` and `[B, 112, H/16, W/16]`,
    /// rounded up.
    pub fn taps(&self, photos: Tensor<4>, count: usize) -> Vec<Tensor<4>> {
        let mut x = relu6(self.stem.forward((photos - MEAN) / SCALE));
        let mut taps = Vec::with_capacity(count);
        for (index, block) in self.blocks.iter().enumerate() {
            if taps.len() == count {
                break;
            }
            x = block.forward(x);
            if TAPS.contains(&index) {
                taps.push(x.clone());
            }
        }
        taps
    }
}

impl FeatureNetwork for EfficientNetLite0 {
    fn name(&self) -> &str {
        "efficientnet-lite0"
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    async fn extract(&self, photo: &Photo) -> Result<FeatureLayers, DetectError> {
        let taps = self.taps(upload(photo, &self.device), TAPS.len());
        layers(taps).await
    }
}

impl Block {
    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let block = InvertedResidual {
            expand: self.expand.as_ref().map(Convolution::parts),
            depthwise: self.depthwise.parts(),
            project: self.project.parts(),
            stride: self.depthwise.stride,
            skip: self.skip,
        };
        block.forward(input)
    }
}

impl Convolution {
    fn parts(&self) -> (&Tensor<4>, &Tensor<1>) {
        (&self.weight, &self.bias)
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let [_, _, kernel, _] = self.weight.dims();
        let padding = mobile_padding(kernel, self.stride);
        let (weight, bias) = (self.weight.clone(), self.bias.clone());
        conv2d(input, weight, Some(bias), padding, self.stride)
    }
}

fn relu6(x: Tensor<4>) -> Tensor<4> {
    x.clamp(0.0, 6.0)
}

/// `γ/√(var + ε)·w` and `β − γ·mean/√(var + ε)`.
fn convolution(
    loader: &Loader,
    name: &str,
    norm: &str,
    shape: [usize; 4],
    stride: usize,
) -> Result<Convolution, DetectError> {
    let weight: Tensor<4> = loader
        .prefix(name)
        .tensor("weight", shape, Init::fan_in(1))?;
    let norm = loader.prefix(norm);
    let part = |part: &str| norm.tensor::<1>(part, [shape[0]], Init::fan_in(1));
    let scale = part("weight")? / (part("running_var")? + NORM_EPS).sqrt();
    let bias = part("bias")? - part("running_mean")? * scale.clone();
    Ok(Convolution {
        weight: weight * scale.reshape([shape[0], 1, 1, 1]),
        bias,
        stride,
    })
}
