//! LPIPS on AlexNet: the taps after its five rectifiers, and how much each of their channels counts.
//!
//! Source: the Python package `lpips` 0.1.4 (BSD-2-Clause), version 0.1 of its weights; AlexNet as
//! torchvision names it. Its distance, for one tap and place, is `Σ_c w_c (a_c − b_c)²` of vectors
//! of length 1.

use std::sync::Arc;

use anomalysd_diffusion::nn::{Conv2d, Conv2dConfig};
use anomalysd_diffusion::weights::{Init, Loader, ReadAt, SafetensorsSource, TensorSource};
use anomalysd_imaging::{Photo, resize_lanczos};
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor, activation::relu, module::max_pool2d};

use super::file::WeightsFile;
use super::{Comparison, FeatureLayers, FeatureNetwork, layers, per_channel, upload};
use crate::DetectError;

/// The tensor that tells an AlexNet.
pub(super) const STEM: &str = "features.0.weight";
/// LPIPS' linear weights: the package's `lpips/weights/v0.1/alex.pth`, converted.
const LINEAR: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/assets/lpips-lin-alex.safetensors"
));
/// Shift and scale of the input in −1..1.
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];
/// The shortest side of a photo that leaves the last tap one place.
const LEAST_SIDE: usize = 31;

/// A convolution of torchvision's `features`; each is followed by a rectifier, the tap.
struct Layer {
    /// Index in `features`.
    index: usize,
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    /// A pool of 3×3 with a step of 2 comes first.
    pooled: bool,
}

const LAYERS: [Layer; 5] = [
    layer(0, [3, 64], [11, 4, 2], false),
    layer(3, [64, 192], [5, 1, 2], true),
    layer(6, [192, 384], [3, 1, 1], true),
    layer(8, [384, 256], [3, 1, 1], false),
    layer(10, [256, 256], [3, 1, 1], false),
];

const fn layer(
    index: usize,
    [inputs, outputs]: [usize; 2],
    [kernel, stride, padding]: [usize; 3],
    pooled: bool,
) -> Layer {
    Layer {
        index,
        inputs,
        outputs,
        kernel,
        stride,
        padding,
        pooled,
    }
}

/// The network on a device. A clone shares the weights.
#[derive(Debug, Clone)]
pub struct AlexNetLpips {
    convolutions: Vec<Conv2d>,
    /// w of each tap.
    channel_weights: Vec<Arc<[f32]>>,
    device: Device,
    fingerprint: String,
}

impl AlexNetLpips {
    /// Reads AlexNet in torchvision's naming, whose classifier is passed over, and LPIPS' linear
    /// weights where the file has them (`lin0.model.1.weight` to `lin4.model.1.weight`): they replace
    /// those that are compiled in.
    ///
    /// # Errors
    /// A damaged file; a missing, misshapen or extra tensor; a value that is not finite; a linear
    /// weight below 0.
    pub fn load(
        what: &str,
        bytes: impl ReadAt + 'static,
        device: &Device,
    ) -> Result<Self, DetectError> {
        Self::from_file(&WeightsFile::open(what, bytes)?, device)
    }

    pub(super) fn from_file(file: &WeightsFile, device: &Device) -> Result<Self, DetectError> {
        let loader = Loader::new(&file.source, device);
        let features = loader.prefix("features");
        let mut convolutions = Vec::with_capacity(LAYERS.len());
        for layer in &LAYERS {
            let config = Conv2dConfig {
                inputs: layer.inputs,
                outputs: layer.outputs,
                kernel: layer.kernel,
                stride: layer.stride,
                padding: (layer.padding, layer.padding),
                bias: true,
            };
            convolutions.push(Conv2d::load(&features.prefix(layer.index), config)?);
        }
        let own = (0..LAYERS.len()).any(|tap| loader.has(&linear(tap)));
        let channel_weights = if own {
            channel_weights(&file.source, &loader)?
        } else {
            let compiled_in = SafetensorsSource::new("lpips-lin-alex", LINEAR)?;
            channel_weights(&compiled_in, &Loader::new(&compiled_in, device))?
        };
        file.refuse_unknown(&loader, |name| name.starts_with("classifier."))?;
        Ok(Self {
            convolutions,
            channel_weights,
            device: device.clone(),
            fingerprint: file.fingerprint.clone(),
        })
    }

    /// The outputs of the five rectifiers, from fine to coarse.
    ///
    /// # Shapes
    /// Photos `[B, 3, H, W]` in 0..1, sides of at least 31, to `[B, C, H', W']` with 64, 192, 384, 256
    /// and 256 channels; the first has `(H − 7)/4 + 1` rows, the second half of them, the others a quarter.
    fn taps(&self, photos: Tensor<4>) -> Vec<Tensor<4>> {
        let shift = per_channel(SHIFT, &self.device);
        let scale = per_channel(SCALE, &self.device);
        let mut x = (photos * 2.0 - 1.0 - shift) / scale;
        let mut taps = Vec::with_capacity(LAYERS.len());
        for (layer, convolution) in LAYERS.iter().zip(&self.convolutions) {
            if layer.pooled {
                x = max_pool2d(x, MaxPoolOptions::new([3, 3]).with_stride([2, 2]));
            }
            x = relu(convolution.forward(x));
            taps.push(x.clone());
        }
        taps
    }
}

impl FeatureNetwork for AlexNetLpips {
    fn name(&self) -> &str {
        "alexnet-lpips"
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    /// Five layers as [`Self::taps`] has them. A side under 31 pixels is resized to 31: of a
    /// shorter one the pools leave nothing.
    async fn extract(&self, photo: &Photo) -> Result<FeatureLayers, DetectError> {
        let (width, height) = (photo.width.max(LEAST_SIDE), photo.height.max(LEAST_SIDE));
        let resized = resize_lanczos(photo, width, height);
        let mut found = layers(self.taps(upload(&resized, &self.device))).await?;
        for (layer, weights) in found.layers.iter_mut().zip(&self.channel_weights) {
            layer.comparison = Comparison::Weighted(weights.clone());
        }
        Ok(found)
    }
}

fn linear(tap: usize) -> String {
    format!("lin{tap}.model.1.weight")
}

/// LPIPS' linear weights, one number per channel of each tap.
fn channel_weights(
    source: &SafetensorsSource,
    loader: &Loader,
) -> Result<Vec<Arc<[f32]>>, DetectError> {
    let weights = |(tap, layer): (usize, &Layer)| {
        let name = linear(tap);
        // Checks name, shape and numbers; the host compares, so that the device's copy is dropped.
        loader
            .tensor(&name, [1, layer.outputs, 1, 1], Init::Zeros)
            .map(drop::<Tensor<4>>)?;
        let values = source.read(&name)?.values;
        if values.iter().any(|value| *value < 0.0) {
            return Err(DetectError::FeatureWeights {
                reason: format!("`{name}` has a weight below 0: a distance would be negative"),
            });
        }
        Ok(values.into())
    };
    LAYERS.iter().enumerate().map(weights).collect()
}
