//! DINOv2: a vision transformer over patches of 14×14 pixels, with or without registers.
//!
//! Source: transformers 5.23, `models/dinov2` and `models/dinov2_with_registers` (Apache-2.0), whose
//! checkpoints' names these are. The one layer of features are the patch tokens after the last layer
//! norm: what AnomalyDINO (arXiv 2405.14529) compares.

use std::sync::Arc;

use anomalysd_diffusion::nn::{Conv2d, Conv2dConfig, LayerNorm, Linear, attend, gelu_exact};
use anomalysd_diffusion::weights::{Init, Loader, ReadAt, TensorSource};
use anomalysd_imaging::{Photo, resize_bicubic_planes, resize_lanczos};
use burn::tensor::{Device, Tensor, TensorData};

use super::file::WeightsFile;
use super::{FeatureLayers, FeatureNetwork, layers, per_channel, upload};
use crate::DetectError;
use crate::repaint::transfer::repeat;

/// The tensor that tells a DINOv2, below one of [`PREFIXES`].
pub(super) const STEM: &str = "embeddings.patch_embeddings.projection.weight";
/// Where a checkpoint has the network: at its root, or beside a classifier.
const PREFIXES: [&str; 3] = ["", "dinov2", "dinov2_with_registers"];
const POSITIONS: &str = "position_embeddings";
const REGISTERS: &str = "register_tokens";
/// Side of a patch in pixels.
const PATCH: usize = 14;
/// Width of an attention head in all sizes.
const HEAD: usize = 64;
/// Names by the width of the tokens.
const SIZES: [(usize, &str); 3] = [(384, "dinov2-s"), (768, "dinov2-b"), (1024, "dinov2-l")];
/// ε of the layer norms.
const NORM_EPS: f64 = 1e-6;
/// Mean and scale of the input: those of ImageNet.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const SCALE: [f32; 3] = [0.229, 0.224, 0.225];

/// The network on a device. A clone shares the weights.
#[derive(Debug, Clone)]
pub struct Dinov2 {
    name: &'static str,
    patch_embeddings: Conv2d,
    /// The class token at its place and the registers, `[1, 1 + registers, hidden]`.
    front: Tensor<3>,
    positions: Positions,
    encoder: Vec<EncoderLayer>,
    layernorm: LayerNorm,
    device: Device,
    fingerprint: String,
}

/// Embeddings of the patches' places as they were trained.
#[derive(Debug, Clone)]
struct Positions {
    /// `[hidden, side, side]`.
    planes: Arc<[f32]>,
    hidden: usize,
    side: usize,
    /// transformers antialiases them in the network with registers alone.
    antialias: bool,
}

#[derive(Debug, Clone)]
struct EncoderLayer {
    norm1: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    layer_scale1: Tensor<1>,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    layer_scale2: Tensor<1>,
    heads: usize,
}

/// Where a checkpoint has the network; `None` where it has none.
pub(super) fn prefix(source: &dyn TensorSource) -> Option<&'static str> {
    PREFIXES.into_iter().find(|prefix| match *prefix {
        "" => source.shape(STEM).is_some(),
        prefix => source.shape(&format!("{prefix}.{STEM}")).is_some(),
    })
}

impl Dinov2 {
    /// Reads the weights of a checkpoint in transformers' naming: `Dinov2Model` or
    /// `Dinov2WithRegistersModel`, or their classifiers, whose heads are passed over.
    ///
    /// # Errors
    /// A damaged file; a missing, misshapen or extra tensor; a value that is not finite; a width that
    /// is none of [small, base and large](Self::name_of); the SwiGLU layers of giant.
    pub fn load(
        what: &str,
        bytes: impl ReadAt + 'static,
        device: &Device,
    ) -> Result<Self, DetectError> {
        Self::from_file(&WeightsFile::open(what, bytes)?, device)
    }

    pub(super) fn from_file(file: &WeightsFile, device: &Device) -> Result<Self, DetectError> {
        let all = Loader::new(&file.source, device);
        let loader = match prefix(&file.source) {
            Some("") => all.clone(),
            Some(prefix) => all.prefix(prefix),
            None => return Err(file.refused(format!("is no DINOv2: it lacks `{STEM}`"))),
        };
        let (hidden, name) = size(file, &loader)?;
        let embeddings = loader.prefix("embeddings");
        let patches = Conv2dConfig {
            inputs: 3,
            outputs: hidden,
            kernel: PATCH,
            stride: PATCH,
            padding: (0, 0),
            bias: true,
        };
        let projection = embeddings.prefix("patch_embeddings").prefix("projection");
        let with_registers = embeddings.has(REGISTERS);
        let (class, positions) = Positions::load(file, &embeddings, hidden, with_registers)?;
        let mut front = vec![class];
        if with_registers {
            front.push(registers(file, &embeddings, hidden)?);
        }
        let encoder = loader.prefix("encoder").prefix("layer");
        let mut layers = Vec::new();
        // One at least, so that what is missing is named.
        while layers.is_empty() || encoder.has(&format!("{}.norm1.weight", layers.len())) {
            layers.push(EncoderLayer::load(
                file,
                &encoder.prefix(layers.len()),
                hidden,
            )?);
        }
        let network = Self {
            name,
            patch_embeddings: Conv2d::load(&projection, patches)?,
            front: Tensor::cat(front, 1),
            positions,
            encoder: layers,
            layernorm: LayerNorm::load(&loader.prefix("layernorm"), hidden, NORM_EPS)?,
            device: device.clone(),
            fingerprint: file.fingerprint.clone(),
        };
        let mask = embeddings.name("mask_token");
        file.refuse_unknown(&all, |name| name == mask || name.starts_with("classifier."))?;
        Ok(network)
    }

    /// `dinov2-s`, `dinov2-b` or `dinov2-l` by the width of the tokens: 384, 768, 1024.
    pub fn name_of(hidden: usize) -> Option<&'static str> {
        let found = SIZES.into_iter().find(|(size, _)| *size == hidden);
        found.map(|(_, name)| name)
    }

    /// Patch tokens after the last layer norm.
    ///
    /// # Shapes
    /// Photos `[B, 3, H, W]` in 0..1, sides multiples of 14, to `[B, hidden, H/14, W/14]`.
    fn patch_tokens(&self, photos: Tensor<4>) -> Tensor<4> {
        let [batch, _, height, width] = photos.dims();
        let (rows, columns) = (height / PATCH, width / PATCH);
        let hidden = self.positions.hidden;
        let mean = per_channel(MEAN, &self.device);
        let scale = per_channel(SCALE, &self.device);
        let patches = self.patch_embeddings.forward((photos - mean) / scale)
            + self.positions.at(rows, columns, &self.device); // [B, hidden, rows, columns]
        let patches = patches
            .reshape([batch, hidden, rows * columns])
            .swap_dims(1, 2);
        let front = repeat(&self.front, batch);
        let [_, before, _] = front.dims();
        let mut tokens = Tensor::cat(vec![front, patches], 1); // [B, 1 + registers + patches, hidden]
        for layer in &self.encoder {
            tokens = layer.forward(tokens);
        }
        self.layernorm
            .forward(tokens.narrow(1, before, rows * columns))
            .swap_dims(1, 2)
            .reshape([batch, hidden, rows, columns])
    }
}

/// Width of the tokens and the name that goes with it.
fn size(file: &WeightsFile, loader: &Loader) -> Result<(usize, &'static str), DetectError> {
    let swiglu =
        ["weights_in", "gate_proj"].map(|name| format!("encoder.layer.0.mlp.{name}.weight"));
    if swiglu.iter().any(|name| loader.has(name)) {
        return Err(file.refused(
            "is a DINOv2 with SwiGLU layers (giant), which is not supported: take small, base or large",
        ));
    }
    let shape = file.source.shape(&loader.name(STEM));
    let hidden = shape.and_then(|shape| shape.first().copied()).unwrap_or(0);
    let Some(name) = Dinov2::name_of(hidden) else {
        let known = SIZES.map(|(hidden, name)| format!("{name} ({hidden})"));
        return Err(file.refused(format!(
            "is a DINOv2 with tokens of {hidden} numbers, which is none of {}",
            known.join(", ")
        )));
    };
    Ok((hidden, name))
}

/// The registers, `[1, count, hidden]`.
fn registers(
    file: &WeightsFile,
    embeddings: &Loader,
    hidden: usize,
) -> Result<Tensor<3>, DetectError> {
    let shape = file.source.shape(&embeddings.name(REGISTERS));
    // Another rank, or none at all, is refused as another shape.
    let count = shape.and_then(|shape| shape.get(1).copied());
    let shape = [1, count.unwrap_or(1).max(1), hidden];
    Ok(embeddings.tensor(REGISTERS, shape, Init::Zeros)?)
}

impl FeatureNetwork for Dinov2 {
    fn name(&self) -> &str {
        self.name
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    /// One layer `[hidden, H/14, W/14]`. A photo whose sides are no multiples of 14 is resized to the
    /// nearest ones, so that the patches cover it exactly.
    async fn extract(&self, photo: &Photo) -> Result<FeatureLayers, DetectError> {
        let side = |pixels: usize| ((pixels + PATCH / 2) / PATCH).max(1) * PATCH;
        let resized = resize_lanczos(photo, side(photo.width), side(photo.height));
        let tokens = self.patch_tokens(upload(&resized, &self.device));
        layers(vec![tokens]).await
    }
}

impl Positions {
    /// The class token at its place, `[1, 1, hidden]`, and the places of the patches.
    fn load(
        file: &WeightsFile,
        embeddings: &Loader,
        hidden: usize,
        antialias: bool,
    ) -> Result<(Tensor<3>, Self), DetectError> {
        let class: Tensor<3> = embeddings.tensor("cls_token", [1, 1, hidden], Init::Zeros)?;
        let name = embeddings.name(POSITIONS);
        let shape = file.source.shape(&name);
        // Another rank, or none at all, is refused as another shape.
        let count = shape.and_then(|shape| shape.get(1).copied());
        let count = count.unwrap_or(1).max(1);
        let places: Tensor<3> = embeddings.tensor(POSITIONS, [1, count, hidden], Init::Zeros)?;
        let side = (count - 1).isqrt();
        if side == 0 || side * side + 1 != count {
            return Err(file.refused(format!(
                "has {count} places in `{name}`, expected those of a square and the class token's",
            )));
        }
        // From the file again: in a browser a device is not read back without waiting.
        let values = file.source.read(&name)?.values;
        let area = side * side;
        let planes = (0..hidden * area)
            .map(|index| values[(1 + index % area) * hidden + index / area])
            .collect();
        let own = Self {
            planes,
            hidden,
            side,
            antialias,
        };
        Ok((class + places.narrow(1, 0, 1), own))
    }

    /// # Shapes
    /// `[1, hidden, rows, columns]`.
    fn at(&self, rows: usize, columns: usize, device: &Device) -> Tensor<4> {
        let side = [self.side, self.side];
        let to = [rows, columns];
        let planes = resize_bicubic_planes(&self.planes, self.hidden, side, to, self.antialias);
        let shape = [1, self.hidden, rows, columns];
        Tensor::from_data(TensorData::new(planes, shape), device)
    }
}

impl EncoderLayer {
    fn load(file: &WeightsFile, loader: &Loader, hidden: usize) -> Result<Self, DetectError> {
        let attention = loader.prefix("attention");
        // As checkpoints have it; what transformers 5 holds in memory has other names.
        let linear = |stored: &str, held: &str| {
            let held_so = attention.has(&format!("{held}.weight"));
            let name = if held_so { held } else { stored };
            Linear::load(&attention.prefix(name), hidden, hidden, true)
        };
        let norm = |name: &str| LayerNorm::load(&loader.prefix(name), hidden, NORM_EPS);
        let scale = |name: &str| loader.prefix(name).tensor("lambda1", [hidden], Init::Ones);
        let mlp = loader.prefix("mlp");
        let shape = file.source.shape(&mlp.name("fc1.weight"));
        let inner = shape.and_then(|shape| shape.first().copied());
        let inner = inner.filter(|&inner| inner > 0).unwrap_or(4 * hidden);
        Ok(Self {
            norm1: norm("norm1")?,
            query: linear("attention.query", "q_proj")?,
            key: linear("attention.key", "k_proj")?,
            value: linear("attention.value", "v_proj")?,
            output: linear("output.dense", "o_proj")?,
            layer_scale1: scale("layer_scale1")?,
            norm2: norm("norm2")?,
            fc1: Linear::load(&mlp.prefix("fc1"), hidden, inner, true)?,
            fc2: Linear::load(&mlp.prefix("fc2"), inner, hidden, true)?,
            layer_scale2: scale("layer_scale2")?,
            heads: hidden / HEAD,
        })
    }

    /// # Shapes
    /// `[B, tokens, hidden]` to the same.
    fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let normed = self.norm1.forward(tokens.clone());
        let query = self.query.forward(normed.clone());
        let key = self.key.forward(normed.clone());
        let value = self.value.forward(normed);
        let attended = self
            .output
            .forward(attend(query, key, value, self.heads, None));
        let tokens = tokens + attended * self.layer_scale1.clone().unsqueeze();
        let inner = gelu_exact(self.fc1.forward(self.norm2.forward(tokens.clone())));
        tokens + self.fc2.forward(inner) * self.layer_scale2.clone().unsqueeze()
    }
}
