//! The diffusion model as a repair: partial noising, masked latents, references, batches.

use std::cell::RefCell;
use std::sync::Arc;

use anomalysd_diffusion::model::InpaintModel;
use anomalysd_diffusion::noise;
use anomalysd_diffusion::scheduler::partial::PartialNoising;
use anomalysd_imaging::parallel::for_each_chunk;
use anomalysd_imaging::{Mask, Photo, Similarity, Target, pad_reflect};
use burn::tensor::{Tensor, TensorData};

use super::ready::{ReadyClass, Scene};
use super::transfer::{download, download_photos, repeat, upload_masks, upload_photo};
use super::{Contexts, Latents, PaintRequest, Prompt, Repair, RepairTraits, Tick};
use crate::DetectError;
use crate::control::Stage;
use crate::cost::{unet_bytes, vae_bytes};
use crate::masks::{Frame, Pass};

/// Paints hidden sets with a diffusion model.
#[derive(Debug, Clone, Copy)]
pub struct DiffusionRepair<'a> {
    model: &'a InpaintModel,
}

impl<'a> DiffusionRepair<'a> {
    /// The model that repaints.
    pub fn model(&self) -> &'a InpaintModel {
        self.model
    }

    /// A repair by this model.
    pub fn new(model: &'a InpaintModel) -> Self {
        Self { model }
    }

    fn frame(&self, photo: &Photo) -> Frame {
        let RepairTraits {
            factor, multiple, ..
        } = self.traits();
        Frame {
            width: photo.width,
            height: photo.height,
            factor,
            multiple,
        }
    }

    /// Masked latents `enc((1 − m)·x)` with a grey hole, one encode per pass: `[batch, C, h, w]`.
    fn masked_latents(
        &self,
        scene: &Scene,
        passes: &[Pass],
        chunk: usize,
    ) -> Result<Tensor<4>, DetectError> {
        let hidden: Vec<Mask> = passes
            .iter()
            .map(|pass| pass.padded_hidden(&scene.frame))
            .collect();
        let signed = scene.photo.clone() * 2.0 - 1.0;
        let encode = |masks: &[Mask]| {
            let visible = upload_masks(masks, &self.model.device).neg() + 1.0;
            Ok(self.model.vae.enc_signed(signed.clone() * visible)?)
        };
        let parts: Result<Vec<Tensor<4>>, DetectError> = hidden.chunks(chunk).map(encode).collect();
        Ok(Tensor::cat(parts?, 0))
    }

    /// The U-Net's prediction at one timestep, guided where the scale is not 1.
    fn predict(
        &self,
        sample: Tensor<4>,
        timestep: usize,
        class: &ReadyClass,
        request: &PaintRequest<'_>,
    ) -> Result<Tensor<4>, DetectError> {
        let predict = |prompt, sample: Tensor<4>| -> Result<Tensor<4>, DetectError> {
            let context = class.context(prompt, sample.dims()[0]);
            let references = class.references(self.model, prompt, timestep)?;
            let time = [timestep as f32];
            let (unet, config) = (&self.model.unet, &self.model.config);
            let output = unet.forward(sample.clone(), &time, context, references.as_deref())?;
            let scheduler = &self.model.scheduler;
            Ok(config.velocity(output, &sample, scheduler, &[timestep]))
        };
        let guidance = request.guidance_scale;
        if guidance == 1.0 {
            return predict(request.prompt, sample);
        }
        let with_text = predict(request.prompt, sample.clone())?;
        let without = predict(Prompt::Empty, sample)?;
        Ok(without.clone() + (with_text - without) * guidance)
    }

    /// Passes the good photos through the U-Net where a step needs it and none did before.
    async fn look_at_references(
        &self,
        class: &ReadyClass,
        request: &PaintRequest<'_>,
        timestep: usize,
        tick: Tick<'_>,
    ) -> Result<(), DetectError> {
        let unguided = (request.guidance_scale != 1.0).then_some(Prompt::Empty);
        for prompt in std::iter::once(request.prompt).chain(unguided) {
            if class.lacks(self.model, prompt, timestep) {
                class.references(self.model, prompt, timestep)?;
                tick(Stage::Class, 0).await?;
            }
        }
        Ok(())
    }

    /// ẑ of each pass, `[batch, C, h, w]`.
    async fn denoise(
        &self,
        scene: &Scene,
        class: &ReadyClass,
        request: &PaintRequest<'_>,
        tick: Tick<'_>,
    ) -> Result<Tensor<4>, DetectError> {
        let model = self.model;
        let device = &model.device;
        let batch = request.passes.len();
        let [_, channels, height, width] = scene.latents.dims();
        let strength = f64::from(request.strength);
        let plan = PartialNoising::new(&model.scheduler, strength, request.inference_steps)?;
        let stream = request.passes.first().map_or(0, |pass| pass.scale.stream());
        let values = noise::field(request.seed, stream, [channels, height, width]);
        let noise = Tensor::from_data(
            TensorData::new(values, [1, channels, height, width]),
            device,
        );
        let mut latents = repeat(
            &plan.start(&model.scheduler, scene.latents.clone(), noise),
            batch,
        );
        if plan.timesteps().is_empty() {
            return Ok(latents);
        }
        let chunk = self.vae_batch(scene, request.memory_mib);
        let masked = self.masked_latents(scene, request.passes, chunk)?;
        let masks: Vec<Mask> = request
            .passes
            .iter()
            .map(|pass| pass.latent_mask(&scene.frame))
            .collect();
        let hidden = upload_masks(&masks, device);
        let mut hints = vec![hidden.clone(), masked];
        if model.config.reference_latents {
            hints.push(class.reference_channels(model, request.best_reference, scene, &hidden));
        }
        let hints = Tensor::cat(hints, 1); // [B, 1 + C (+ C + 1), h, w]
        tick(Stage::Encode, batch).await?;
        for (index, &timestep) in plan.timesteps().iter().enumerate() {
            self.look_at_references(class, request, timestep, tick)
                .await?;
            let sample = Tensor::cat(vec![latents.clone(), hints.clone()], 1);
            let output = self.predict(sample, timestep, class, request)?;
            latents = plan.step(&model.scheduler, index, output, latents);
            tick(Stage::Denoise, batch).await?;
        }
        Ok(latents)
    }

    fn vae_batch(&self, scene: &Scene, memory_mib: usize) -> usize {
        let frame = &scene.frame;
        let bytes = vae_bytes(&self.model.vae, frame.padded_width(), frame.padded_height());
        batch_within(memory_mib, bytes)
    }
}

/// Passes of `bytes` each within a budget; 1 at least.
fn batch_within(memory_mib: usize, bytes: u64) -> usize {
    (((memory_mib as u64) << 20) / bytes.max(1)).clamp(1, 4096) as usize
}

impl Repair for DiffusionRepair<'_> {
    type Class = ReadyClass;
    type Scene = Scene;

    fn traits(&self) -> RepairTraits {
        let model = self.model;
        let factor = model.vae.factor();
        let levels = model.unet.config().block_out_channels.len();
        RepairTraits {
            factor,
            multiple: factor << (levels - 1),
            size: Some(model.config.image_size),
            inference_steps: model.config.inference_steps,
            scales: model.config.scales.clone(),
            references_by_default: model.config.reference_trained,
        }
    }

    fn steps(&self, strength: f32, inference_steps: usize) -> usize {
        let plan = PartialNoising::new(&self.model.scheduler, f64::from(strength), inference_steps);
        plan.map_or(0, |plan| plan.timesteps().len())
    }

    async fn contexts(&self, both: &str, detail: &str) -> Result<Contexts, DetectError> {
        let mut contexts = Contexts::default();
        for (prompt, text) in [
            (Prompt::Both, both),
            (Prompt::Detail, detail),
            (Prompt::Empty, ""),
        ] {
            let context = self.model.encode_text(&[text])?;
            [_, contexts.tokens, contexts.width] = context.dims();
            let values = download(context, "a text context").await?;
            match prompt {
                Prompt::Both => contexts.both = values,
                Prompt::Detail => contexts.detail = values,
                Prompt::Empty => contexts.empty = values,
            }
        }
        Ok(contexts)
    }

    async fn latents(&self, scene: &Scene, photo: &Photo) -> Result<Latents, DetectError> {
        let [_, channels, height, width] = scene.latents.dims();
        let data = download(scene.latents.clone(), "latents of a good photo").await?;
        let shown = self.model.config.reference_residual;
        Ok(Latents {
            channels,
            height,
            width,
            data,
            picture: shown.then(|| Arc::new(photo.into())),
        })
    }

    async fn class(
        &self,
        contexts: &Contexts,
        good: &[Latents],
    ) -> Result<ReadyClass, DetectError> {
        ReadyClass::new(contexts, good, self.model)
    }

    async fn open(&self, photo: &Photo) -> Result<Scene, DetectError> {
        let frame = self.frame(photo);
        let photo = upload_photo(&pad_reflect(photo, frame.multiple), &self.model.device);
        let latents = self.model.vae.enc(photo.clone())?;
        Ok(Scene {
            frame,
            photo,
            latents,
            registered: RefCell::default(),
        })
    }

    async fn register(
        &self,
        scene: &Scene,
        class: &ReadyClass,
        photo: &Photo,
        visible: &Mask,
        tick: Tick<'_>,
    ) -> Result<(), DetectError> {
        scene.registered.take();
        if !self.model.config.reference_latents {
            return Ok(());
        }
        let good = class.photos(self.model, &scene.frame, tick).await?;
        let good: &[Photo] = &good;
        let target = Target::new(photo, visible);
        let mut found: Vec<Option<Similarity>> = vec![None; good.len()];
        for_each_chunk(&mut found, 1, |index, slot| {
            slot[0] = target.register(&good[index]);
        });
        let [_, _, height, width] = scene.latents.dims();
        let (mut latents, mut photos) = (Vec::new(), Vec::new());
        for (index, (photo, how)) in good.iter().zip(found).enumerate() {
            let laid = how.map(|how| how.lay(photo));
            latents.push(match &laid {
                Some(laid) => {
                    let laid = pad_reflect(laid, scene.frame.multiple);
                    let laid = upload_photo(&laid, &self.model.device);
                    self.model.vae.enc(laid)?
                }
                None => class.latents(index, width, height, self.model),
            });
            photos.push(laid.unwrap_or_else(|| photo.clone()));
            tick(Stage::Encode, 0).await?;
        }
        if !latents.is_empty() {
            let laid = class.laid(photos, Tensor::cat(latents, 0));
            scene.registered.replace(Some(laid));
        }
        Ok(())
    }

    async fn details(
        &self,
        scene: &Scene,
        class: &ReadyClass,
        request: &PaintRequest<'_>,
        tick: Tick<'_>,
    ) -> Result<Option<Vec<Photo>>, DetectError> {
        let pastes = self.model.config.reference_residual && class.shows(request.best_reference);
        // Without noise nothing is painted.
        if !pastes || self.steps(request.strength, request.inference_steps) == 0 {
            return Ok(None);
        }
        let masks: Vec<Mask> = request
            .passes
            .iter()
            .map(|pass| pass.latent_mask(&scene.frame))
            .collect();
        let hidden = upload_masks(&masks, &self.model.device);
        let details = class.details(self.model, scene, &hidden, tick).await?;
        let Some(details) = details else {
            return Ok(None);
        };
        let Frame { width, height, .. } = scene.frame;
        Ok(Some(download_photos(details, width, height).await?))
    }

    fn release(&self, scene: &Scene) {
        scene.registered.take();
    }

    async fn round_trip(&self, scene: &Scene) -> Result<Photo, DetectError> {
        let decoded = self.model.vae.dec(scene.latents.clone())?;
        let Frame { width, height, .. } = scene.frame;
        let mut photos = download_photos(decoded, width, height).await?;
        photos.pop().ok_or(DetectError::NotFinite {
            what: "a decoded photo",
        })
    }

    fn batch_size(&self, scene: &Scene, memory_mib: usize) -> usize {
        let [_, _, height, width] = scene.latents.dims();
        batch_within(
            memory_mib,
            unet_bytes(self.model.unet.config(), width, height),
        )
    }

    async fn paint(
        &self,
        scene: &Scene,
        class: &ReadyClass,
        request: &PaintRequest<'_>,
        tick: Tick<'_>,
    ) -> Result<Vec<Photo>, DetectError> {
        let latents = self.denoise(scene, class, request, tick).await?;
        let Frame { width, height, .. } = scene.frame;
        let batch = latents.dims()[0];
        let chunk = self.vae_batch(scene, request.memory_mib);
        let mut photos = Vec::with_capacity(batch);
        for start in (0..batch).step_by(chunk) {
            let count = chunk.min(batch - start);
            let decoded = self
                .model
                .vae
                .dec(latents.clone().narrow(0, start, count))?;
            photos.extend(download_photos(decoded, width, height).await?);
            tick(Stage::Decode, count).await?;
        }
        Ok(photos)
    }
}
