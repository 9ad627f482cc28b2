//! An inpainting model, whole: what everything above this crate works with.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};

mod config;
mod embedded;

pub use config::{ModelConfig, ReferenceTime};
pub use embedded::{embedded_bytes, has_embedded};

pub(crate) use config::Networks;

use crate::checkpoint::{Digested, ModelParts, TEXT_ENCODER, UNET, VAE, combine, open_single_file};
use crate::clip::{ClipTextModel, Tokenizer};
use crate::scheduler::Ddim;
use crate::unet::UNet2DConditionModel;
use crate::vae::{AutoencoderKl, AutoencoderTiny, Vae, VaeNetwork};
use crate::weights::{
    HalfStorage, HostTensor, Loader, NamedTensor, SafetensorsSource, TensorSource, save_state,
};
use crate::{DiffusionError, Result};
use config::VaeConfig;

/// U-Net, autoencoder, text encoder, tokenizer and schedule of one model, on one device.
#[derive(Clone, Debug)]
pub struct InpaintModel {
    /// Predicts noise or velocity; its input is latents, mask, masked latents, and with
    /// `reference_latents` a good photo's latents and a flag.
    pub unet: UNet2DConditionModel,
    /// Photos to latents and back.
    pub vae: Vae,
    /// Token ids to text context.
    pub text: ClipTextModel,
    /// Prompts to token ids.
    pub tokenizer: Tokenizer,
    /// Noise schedule.
    pub scheduler: Ddim,
    /// What diffusers' files do not say.
    pub config: ModelConfig,
    /// SHA-256 over configurations and weights; the same for a folder and the bundle made from it.
    pub fingerprint: String,
    /// Where the weights are.
    pub device: Device,
}

impl InpaintModel {
    /// Reads all weights, one tensor at a time, onto `device`.
    ///
    /// # Errors
    /// Configurations that are not implemented or do not fit each other; missing, extra,
    /// misshapen or damaged tensors; whatever the source of the tensors reports.
    pub fn assemble(parts: &ModelParts, device: &Device) -> Result<Self> {
        Self::assemble_holding(parts, device, HalfStorage::Widened)
    }

    /// The same with weights that are stored as f16 held as `storage` says.
    ///
    /// # Errors
    /// As [`Self::assemble`].
    pub fn assemble_holding(
        parts: &ModelParts,
        device: &Device,
        storage: HalfStorage,
    ) -> Result<Self> {
        let networks = check_parts(parts)?;
        let mut digests = BTreeMap::new();
        let device_and_storage = (device, storage);
        let unet = component(parts, UNET, device_and_storage, &mut digests, |loader| {
            UNet2DConditionModel::load(&networks.unet, loader)
        })?;
        let unshuffle = parts.config.pixel_unshuffle;
        let vae = component(
            parts,
            VAE,
            device_and_storage,
            &mut digests,
            |loader| match &networks.vae {
                VaeConfig::Kl(config) => Vae::kl(AutoencoderKl::load(config, loader)?, unshuffle),
                VaeConfig::Tiny(config) => Ok(Vae::tiny(AutoencoderTiny::load(config, loader)?)),
            },
        )?;
        let text = component(
            parts,
            TEXT_ENCODER,
            device_and_storage,
            &mut digests,
            |loader| ClipTextModel::load(&networks.text, loader),
        )?;
        Ok(Self {
            unet,
            vae,
            text,
            tokenizer: networks.tokenizer,
            scheduler: networks.scheduler,
            config: parts.config.clone(),
            fingerprint: combine(parts, &digests)?,
            device: device.clone(),
        })
    }

    /// A model from networks in memory, for training. The fingerprint is of their present weights.
    ///
    /// # Errors
    /// Parts that do not fit each other; a device that cannot hand values back.
    pub fn from_networks(
        unet: UNet2DConditionModel,
        vae: Vae,
        text: ClipTextModel,
        tokenizer: Tokenizer,
        scheduler: Ddim,
        config: ModelConfig,
        device: &Device,
    ) -> Result<Self> {
        config.validate()?;
        let fingerprint = String::new();
        let mut model = Self {
            unet,
            vae,
            text,
            tokenizer,
            scheduler,
            config,
            fingerprint,
            device: device.clone(),
        };
        let parts = model.parts()?;
        check_parts(&parts)?;
        model.fingerprint = crate::checkpoint::fingerprint(&parts)?;
        Ok(model)
    }

    /// The model in one safetensors file, as [`write_single_file`](crate::checkpoint::write_single_file) writes it.
    ///
    /// # Errors
    /// As [`open_single_file`] and [`InpaintModel::assemble`].
    pub fn from_single_file(
        bytes: impl AsRef<[u8]> + Send + Sync + 'static,
        device: &Device,
    ) -> Result<Self> {
        let what = "model";
        Self::assemble(
            &open_single_file(what, SafetensorsSource::new(what, bytes)?)?,
            device,
        )
    }

    /// `mini`, the model that is compiled in.
    ///
    /// # Errors
    /// [`DiffusionError::Unsupported`] where this build was made without it.
    pub fn embedded(device: &Device) -> Result<Self> {
        let bytes = embedded_bytes().ok_or_else(|| DiffusionError::Unsupported {
            what: "mini".into(),
            reason: "is not compiled into this build: crates/diffusion/assets/mini.safetensors was not there".into(),
        })?;
        Self::from_single_file(bytes, device)
    }

    /// The text context of each prompt.
    ///
    /// # Shapes
    /// `[prompts, 77, d]` for Stable Diffusion; in general `[prompts, max_length, hidden_size]`.
    ///
    /// # Errors
    /// No prompts, or one that the tokenizer refuses.
    pub fn encode_text(&self, prompts: &[&str]) -> Result<Tensor<3>> {
        let ids = prompts
            .iter()
            .map(|prompt| self.tokenizer.encode(prompt))
            .collect::<Result<Vec<_>>>()?;
        self.text.encode(&ids, &self.device)
    }

    /// The model taken apart, for writing. Reads all weights back: native or flex devices only.
    ///
    /// # Errors
    /// A device that cannot hand values back.
    pub fn parts(&self) -> Result<ModelParts> {
        let vae = match &self.vae.network {
            VaeNetwork::Kl(network) => save_state(network),
            VaeNetwork::Tiny(network) => save_state(network),
        };
        let states = [
            (UNET, save_state(&self.unet)?),
            (VAE, vae?),
            (TEXT_ENCODER, save_state(&self.text)?),
        ];
        Ok(ModelParts {
            config: self.config.clone(),
            configs: Networks::of(self).to_json()?,
            tokenizer: self.tokenizer.spec().clone(),
            tensors: states
                .into_iter()
                .map(|(name, state)| (name.to_owned(), in_memory(state)))
                .collect(),
        })
    }
}

/// Checks configurations and tokenizer of a model against each other, without reading weights.
///
/// # Errors
/// What is missing, not implemented, or does not fit, by name.
pub(crate) fn check_parts(parts: &ModelParts) -> Result<Networks> {
    parts.config.validate()?;
    for component in [UNET, VAE, TEXT_ENCODER] {
        parts.source(component)?;
    }
    Networks::read(parts)
}

fn component<T>(
    parts: &ModelParts,
    name: &'static str,
    (device, storage): (&Device, HalfStorage),
    digests: &mut BTreeMap<&str, crate::checkpoint::Digests>,
    load: impl FnOnce(&Loader) -> Result<T>,
) -> Result<T> {
    let digested = Digested::new(parts.source(name)?);
    let source = Named {
        name,
        source: &digested,
    };
    let loader = Loader::new(&source, device).holding(storage);
    let network = load(&loader.prefix(name))?;
    let unused = loader.unused();
    if let Some(first) = unused.first() {
        return Err(DiffusionError::Unsupported {
            what: format!("tensor `{first}`"),
            reason: format!(
                "is in the weights but not in the architecture that the configuration describes ({} such)",
                unused.len()
            ),
        });
    }
    digests.insert(name, digested.finish()?);
    Ok(network)
}

/// A component's tensors as `component.name`, so that errors say which component it is.
struct Named<'a> {
    name: &'static str,
    source: &'a dyn TensorSource,
}

impl Named<'_> {
    fn inner<'n>(&self, name: &'n str) -> &'n str {
        name.strip_prefix(self.name)
            .and_then(|rest| rest.strip_prefix('.'))
            .unwrap_or(name)
    }
}

impl TensorSource for Named<'_> {
    fn names(&self) -> Vec<String> {
        self.source
            .names()
            .into_iter()
            .map(|name| format!("{}.{name}", self.name))
            .collect()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.source.shape(self.inner(name))
    }

    fn read(&self, name: &str) -> Result<HostTensor> {
        self.source.read(self.inner(name))
    }

    fn read_half(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.source.read_half(self.inner(name))
    }
}

fn in_memory(state: Vec<NamedTensor>) -> Box<dyn TensorSource> {
    let tensor = |(name, shape, values)| (name, HostTensor { shape, values });
    Box::new(
        state
            .into_iter()
            .map(tensor)
            .collect::<BTreeMap<String, HostTensor>>(),
    )
}
