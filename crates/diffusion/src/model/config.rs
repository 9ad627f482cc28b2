//! Options of a model beyond diffusers' own, and the check that its parts fit each other.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::InpaintModel;
use crate::checkpoint::{ModelParts, SCHEDULER, TEXT_ENCODER, UNET, VAE, refuse_sdxl};
use crate::clip::{ClipTextConfig, Tokenizer};
use crate::config::value_error;
use crate::scheduler::{Ddim, DdimConfig, PredictionType};
use crate::unet::UNet2DConditionConfig;
use crate::vae::{AutoencoderKlConfig, AutoencoderTinyConfig, VaeNetwork};
use crate::{DiffusionError, Result};

const MODEL: &str = "model";

/// At which noise level the good photos pass through the U-Net as references.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceTime {
    /// Noised to the step's own timestep: what works on weights that never saw references.
    #[default]
    Same,
    /// Clean, at timestep 0: what `mini` and tuned weights were trained with.
    Zero,
}

/// What a model's `bundle.json` says beside diffusers' own configurations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelConfig {
    /// Name shown to people.
    pub name: String,
    /// Licence text.
    pub licence: String,
    /// Model card, Markdown.
    pub model_card: String,
    /// Longer side in pixels that photos are resized to.
    pub image_size: usize,
    /// Pixels are unshuffled by this factor around the autoencoder; 1 for none.
    pub pixel_unshuffle: usize,
    /// Trained with references: they are on by default.
    pub reference_trained: bool,
    /// At which noise level references are encoded.
    pub reference_time: ReferenceTime,
    /// b, added to the logits of reference keys with −ln k.
    pub reference_bias: f32,
    /// The U-Net also takes a good photo's latents and a flag as channels: 3C + 2 instead of 2C + 1.
    pub reference_latents: bool,
    /// The U-Net predicts what lies between the clean latents and those of the good photo pasted into
    /// the hole: [`ModelConfig::velocity`]. Needs `reference_latents` and v prediction.
    pub reference_residual: bool,
    /// Self-attentions over more tokens do without references.
    pub reference_max_tokens: usize,
    /// Steps that suit the model in fast mode, where it has an opinion.
    pub inference_steps: Option<usize>,
    /// Cells per side of the scales that a detection in fast mode paints, where the model has an
    /// opinion: those that find defects of drawn products with a pixel AUROC of 0.75 by themselves.
    /// May be empty: then the guided pass alone is painted.
    pub scales: Option<Vec<usize>>,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            name: "model".into(),
            licence: String::new(),
            model_card: String::new(),
            image_size: 512,
            pixel_unshuffle: 1,
            reference_trained: false,
            reference_time: ReferenceTime::Same,
            reference_bias: 0.0,
            reference_latents: false,
            reference_residual: false,
            reference_max_tokens: 1024,
            inference_steps: None,
            scales: None,
        }
    }
}

impl ModelConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`DiffusionError::ConfigValue`] that names the option and its value.
    pub fn validate(&self) -> Result<()> {
        if !(64..=4096).contains(&self.image_size) {
            return Err(value_error(
                MODEL,
                "image_size",
                self.image_size,
                "64 to 4096",
            ));
        }
        if !matches!(self.pixel_unshuffle, 1 | 2 | 4 | 8) {
            return Err(value_error(
                MODEL,
                "pixel_unshuffle",
                self.pixel_unshuffle,
                "1, 2, 4, 8",
            ));
        }
        if !(-100.0..=100.0).contains(&self.reference_bias) {
            return Err(value_error(
                MODEL,
                "reference_bias",
                self.reference_bias,
                "−100 to 100",
            ));
        }
        if self.reference_residual && !self.reference_latents {
            return Err(value_error(
                MODEL,
                "reference_residual",
                true,
                "false without reference_latents",
            ));
        }
        for cells in self.scales.iter().flatten() {
            if !(1..=64).contains(cells) {
                return Err(value_error(
                    MODEL,
                    "scales",
                    cells,
                    "1 to 64 cells per side",
                ));
            }
        }
        Ok(())
    }

    /// The options that change what the model computes.
    pub(crate) fn behaviour(&self) -> Value {
        let mut behaviour = json!({
            "image_size": self.image_size,
            "pixel_unshuffle": self.pixel_unshuffle,
            "reference_trained": self.reference_trained,
            "reference_time": self.reference_time,
            "reference_bias": self.reference_bias,
            "reference_latents": self.reference_latents,
            "reference_max_tokens": self.reference_max_tokens,
        });
        // Named only where it is on: fingerprints of models from before it stand.
        if self.reference_residual {
            behaviour["reference_residual"] = true.into();
        }
        behaviour
    }

    /// The U-Net's prediction from its output.
    ///
    /// Without `reference_residual` they are the same. With it the output is what is missing to v of a
    /// photo whose hole the good photo fills: `v = output − √(1 − ᾱ)·(m·r + (1 − m)·z)`, m being the mask,
    /// z the masked image latents and r the latents of the good photo, all of them channels of `input`
    /// `[B, 3C + 2, H/8, W/8]`. v is `√ᾱ·ε − √(1 − ᾱ)·x₀`, at the noisiest timestep the negative of the clean
    /// latents, so that an output of 0 pastes the good photo there. `output` is `[B, C, H/8, W/8]`;
    /// `timesteps` are one of each sample, or one of all.
    pub fn velocity(
        &self,
        output: Tensor<4>,
        input: &Tensor<4>,
        scheduler: &Ddim,
        timesteps: &[usize],
    ) -> Tensor<4> {
        if !self.reference_residual {
            return output;
        }
        let noise = |timestep: &usize| (1.0 - scheduler.alpha_prod(Some(*timestep))).sqrt() as f32;
        let levels: Vec<f32> = timesteps.iter().map(noise).collect();
        let levels = TensorData::new(levels, [timesteps.len(), 1, 1, 1]);
        let levels = Tensor::<4>::from_data(levels, (&input.device(), input.dtype()));
        let [_, channels, ..] = output.dims();
        let mask = input.clone().narrow(1, channels, 1);
        let masked = input.clone().narrow(1, channels + 1, channels);
        let good = input.clone().narrow(1, 2 * channels + 1, channels);
        output - (good * mask.clone() + masked * (mask.neg() + 1.0)) * levels
    }
}

/// The autoencoder's configuration, by class.
#[derive(Debug)]
pub(crate) enum VaeConfig {
    Kl(AutoencoderKlConfig),
    Tiny(AutoencoderTinyConfig),
}

impl VaeConfig {
    fn latent_channels(&self) -> usize {
        match self {
            Self::Kl(config) => config.latent_channels,
            Self::Tiny(config) => config.latent_channels,
        }
    }
}

/// The parsed configurations of a model.
#[derive(Debug)]
pub(crate) struct Networks {
    pub unet: UNet2DConditionConfig,
    pub vae: VaeConfig,
    pub text: ClipTextConfig,
    pub tokenizer: Tokenizer,
    pub scheduler: Ddim,
}

impl Networks {
    /// Parses every configuration and checks that they fit each other.
    pub(crate) fn read(parts: &ModelParts) -> Result<Self> {
        let unet = parts.config_json(UNET)?;
        refuse_sdxl(UNET, parts.configs.get(UNET).unwrap_or(&Value::Null))?;
        let vae = parts.config_json(VAE)?;
        let class = parts
            .configs
            .get(VAE)
            .and_then(|config| config.get("_class_name")?.as_str());
        let networks = Self {
            unet: UNet2DConditionConfig::from_json(&unet)?,
            vae: match class {
                Some("AutoencoderTiny") => VaeConfig::Tiny(AutoencoderTinyConfig::from_json(&vae)?),
                _ => VaeConfig::Kl(AutoencoderKlConfig::from_json(&vae)?),
            },
            text: ClipTextConfig::from_json(&parts.config_json(TEXT_ENCODER)?)?,
            tokenizer: Tokenizer::new(parts.tokenizer.clone())?,
            scheduler: Ddim::new(DdimConfig::from_json(&parts.config_json(SCHEDULER)?)?)?,
        };
        networks.check(&parts.config)?;
        Ok(networks)
    }

    /// The configurations of a model in memory.
    pub(crate) fn of(model: &InpaintModel) -> Self {
        Self {
            unet: model.unet.config().clone(),
            vae: match &model.vae.network {
                VaeNetwork::Kl(network) => VaeConfig::Kl(network.config().clone()),
                VaeNetwork::Tiny(network) => VaeConfig::Tiny(network.config().clone()),
            },
            text: model.text.config().clone(),
            tokenizer: model.tokenizer.clone(),
            scheduler: model.scheduler.clone(),
        }
    }

    /// diffusers' JSON of each component, every option spelled out.
    pub(crate) fn to_json(&self) -> Result<BTreeMap<String, Value>> {
        let (vae, vae_class) = match &self.vae {
            VaeConfig::Kl(config) => (serde_json::to_value(config), "AutoencoderKL"),
            VaeConfig::Tiny(config) => (serde_json::to_value(config), "AutoencoderTiny"),
        };
        let configs = [
            (
                UNET,
                serde_json::to_value(&self.unet),
                "_class_name",
                "UNet2DConditionModel",
            ),
            (VAE, vae, "_class_name", vae_class),
            (
                TEXT_ENCODER,
                serde_json::to_value(&self.text),
                "model_type",
                "clip_text_model",
            ),
            (
                SCHEDULER,
                serde_json::to_value(self.scheduler.config()),
                "_class_name",
                "DDIMScheduler",
            ),
        ];
        let mut all = BTreeMap::new();
        for (name, config, key, class) in configs {
            let mut config = config.map_err(|error| DiffusionError::ConfigJson {
                component: MODEL,
                reason: error.to_string(),
            })?;
            config[key] = class.into();
            all.insert(name.to_owned(), config);
        }
        Ok(all)
    }

    fn check(&self, config: &ModelConfig) -> Result<()> {
        let channels = self.vae.latent_channels();
        let expected = if config.reference_latents {
            3 * channels + 2
        } else {
            2 * channels + 1
        };
        let found = self.unet.in_channels;
        if found != expected {
            let kind = if found == channels {
                "a text-to-image U-Net"
            } else {
                "not an inpainting U-Net"
            };
            return Err(DiffusionError::Unsupported {
                what: UNET.into(),
                reason: format!(
                    "has {found} input channels: {kind}; inpainting with {channels} latent channels needs {expected}"
                ),
            });
        }
        let predicts = self.scheduler.config().prediction_type;
        if config.reference_residual && predicts != PredictionType::VPrediction {
            return Err(value_error(
                MODEL,
                "reference_residual",
                true,
                "false unless v is predicted",
            ));
        }
        if self.unet.out_channels != channels {
            let supported = format!("{channels}, the autoencoder's latent_channels");
            return Err(value_error(
                "UNet2DConditionModel",
                "out_channels",
                self.unet.out_channels,
                supported,
            ));
        }
        if self.unet.context_width() != self.text.hidden_size {
            let supported = format!("{}, the text encoder's hidden_size", self.text.hidden_size);
            return Err(value_error(
                "UNet2DConditionModel",
                "cross_attention_dim",
                self.unet.context_width(),
                supported,
            ));
        }
        let tokens = self.tokenizer.spec();
        if tokens.max_id() as usize >= self.text.vocab_size {
            let supported = format!("above the tokenizer's largest id, {}", tokens.max_id());
            return Err(value_error(
                "CLIPTextModel",
                "vocab_size",
                self.text.vocab_size,
                supported,
            ));
        }
        if tokens.max_length > self.text.max_position_embeddings {
            let supported = format!(
                "at least the tokenizer's model_max_length, {}",
                tokens.max_length
            );
            return Err(value_error(
                "CLIPTextModel",
                "max_position_embeddings",
                self.text.max_position_embeddings,
                supported,
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn a_silent_network_pastes_the_good_photo_into_the_hole() {
        let plain = |values: Vec<f32>, channels| {
            let data = TensorData::new(values, [1, channels, 1, 2]);
            Tensor::<4>::from_data(data, &Device::flex())
        };
        let config = |reference_residual| ModelConfig {
            reference_latents: true,
            reference_residual,
            ..ModelConfig::default()
        };
        // Two cells, the first hidden: noised, mask, masked latents, good photo, flag.
        let input = Tensor::cat(
            vec![
                plain(vec![9.0, 9.0], 1),
                plain(vec![1.0, 0.0], 1),
                plain(vec![0.5, 2.0], 1),
                plain(vec![3.0, 4.0], 1),
                plain(vec![1.0, 1.0], 1),
            ],
            1,
        );
        let output = plain(vec![0.0, 0.25], 1);
        let values = |of: Tensor<4>| of.into_data().try_to_vec::<f32>().unwrap();
        // v at the noisiest timestep: the clean latents are its negative.
        let scheduler = Ddim::new(DdimConfig {
            prediction_type: PredictionType::VPrediction,
            rescale_betas_zero_snr: true,
            ..DdimConfig::default()
        });
        let scheduler = scheduler.unwrap();
        let pasted = config(true).velocity(output.clone(), &input, &scheduler, &[999]);
        assert_eq!(values(pasted), [-3.0, -1.75]);
        // With less noise, v has less of the photo.
        let level = (1.0 - scheduler.alpha_prod(Some(300))).sqrt() as f32;
        assert!((0.1..0.9).contains(&level), "{level}");
        let pasted = config(true).velocity(output.clone(), &input, &scheduler, &[300]);
        assert_eq!(values(pasted), [-3.0 * level, 0.25 - 2.0 * level]);
        let own = config(false).velocity(output.clone(), &input, &scheduler, &[999]);
        assert_eq!(values(own), values(output));
    }

    #[test]
    fn a_residual_needs_the_photo_it_adds_to_and_is_part_of_the_fingerprint_where_it_is_on() {
        let mut config = ModelConfig::default();
        assert!(config.behaviour().get("reference_residual").is_none());
        config.reference_residual = true;
        assert!(config.validate().is_err());
        config.reference_latents = true;
        assert!(config.validate().is_ok());
        assert_eq!(config.behaviour()["reference_residual"], true);
    }
}
