//! What is computed once: a class's contexts and references, a photo's latents.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use anomalysd_diffusion::model::{InpaintModel, ReferenceTime};
use anomalysd_diffusion::noise;
use anomalysd_diffusion::unet::{ReferenceOptions, ReferenceStates};
use anomalysd_imaging::{Photo, pad_reflect, resize_lanczos};
use burn::tensor::{Tensor, TensorData};

use super::fill::{fill, shares};
use super::transfer::{download_photos, repeat, upload_latents, upload_photo};
use super::{Contexts, Latents, Picture, Prompt, Tick};
use crate::DetectError;
use crate::control::Stage;
use crate::masks::Frame;

/// Longest side of a photo that options allow, in pixels.
const LARGEST_SIDE: usize = 4096;
/// Stream of the fixed noise that references get where they are noised.
const REFERENCE_NOISE: &str = "reference";

/// A photo on the device, encoded once for all passes.
#[derive(Debug)]
pub struct Scene {
    /// Its size and padding.
    pub frame: Frame,
    /// The padded photo, `[1, 3, H, W]`, 0..1.
    pub(super) photo: Tensor<4>,
    /// `enc(x)`, `[1, C, h, w]`.
    pub(super) latents: Tensor<4>,
    /// The good photos of a class as they lie over this photo, where that was found out.
    pub(super) registered: RefCell<Option<Laid>>,
}

/// Good photos as they lie over some photo.
#[derive(Debug)]
pub(super) struct Laid {
    /// [`ReadyClass::own`] of theirs.
    class: Rc<()>,
    /// `[k, C, h, w]`.
    latents: Tensor<4>,
    /// Of the photo's size.
    photos: Rc<Vec<Photo>>,
}

/// A class on the device. Reference states are computed when a timestep first needs them.
#[derive(Debug)]
pub struct ReadyClass {
    contexts: [Tensor<3>; 3],
    good: Vec<Latents>,
    states: RefCell<BTreeMap<(Prompt, usize), Rc<ReferenceStates>>>,
    photos: RefCell<Option<Pictures>>,
    /// What tells it from other classes.
    own: Rc<()>,
}

/// The good photos at one size.
#[derive(Debug)]
struct Pictures {
    /// Width and height in pixels.
    size: (usize, usize),
    photos: Rc<Vec<Photo>>,
}

/// At which timestep the good photos pass through the U-Net for a step at `timestep`.
fn reference_timestep(model: &InpaintModel, timestep: usize) -> usize {
    match model.config.reference_time {
        ReferenceTime::Same => timestep,
        ReferenceTime::Zero => 0,
    }
}

impl ReadyClass {
    /// # Errors
    /// [`DetectError::Profile`] where contexts or latents are not ones of this model's: they come
    /// from a profile, and what a device is fed has to fit.
    pub(super) fn new(
        contexts: &Contexts,
        good: &[Latents],
        model: &InpaintModel,
    ) -> Result<Self, DetectError> {
        check_contexts(contexts, model)?;
        good.iter().try_for_each(|one| check_latents(one, model))?;
        let upload = |prompt| {
            let values = contexts.get(prompt).to_vec();
            let shape = [1, contexts.tokens, contexts.width];
            Tensor::from_data(TensorData::new(values, shape), &model.device)
        };
        Ok(Self {
            contexts: [Prompt::Both, Prompt::Detail, Prompt::Empty].map(upload),
            good: good.to_vec(),
            states: RefCell::default(),
            photos: RefCell::default(),
            own: Rc::default(),
        })
    }

    /// A good photo's latents `[1, C, height, width]`.
    pub(super) fn latents(
        &self,
        index: usize,
        width: usize,
        height: usize,
        model: &InpaintModel,
    ) -> Tensor<4> {
        upload_latents(&self.good[index], width, height, &model.device)
    }

    /// The class's good photos as they lie over a photo, and their latents `[k, C, h, w]`.
    pub(super) fn laid(&self, photos: Vec<Photo>, latents: Tensor<4>) -> Laid {
        Laid {
            class: Rc::clone(&self.own),
            latents,
            photos: Rc::new(photos),
        }
    }

    /// [`super::Repair::details`], `[B, 3, H, W]`, for hidden cells `[B, 1, h, w]`: of the good photos as they lie over the
    /// scene, or as they are. `None` where any of them is known by its latents alone.
    pub(super) async fn details(
        &self,
        model: &InpaintModel,
        scene: &Scene,
        hidden: &Tensor<4>,
        tick: Tick<'_>,
    ) -> Result<Option<Tensor<4>>, DetectError> {
        if !self.good.iter().all(|good| good.picture.is_some()) {
            return Ok(None);
        }
        let known = {
            let registered = scene.registered.borrow();
            let laid = registered
                .as_ref()
                .filter(|laid| Rc::ptr_eq(&laid.class, &self.own));
            laid.map(|laid| (Rc::clone(&laid.photos), laid.latents.clone()))
        };
        let (photos, latents) = match known {
            Some(laid) => laid,
            None => {
                let photos = self.photos(model, &scene.frame, tick).await?;
                let [_, _, height, width] = scene.latents.dims();
                (photos, self.all_latents(width, height, model))
            }
        };
        let mut details = Vec::with_capacity(photos.len());
        for (index, photo) in photos.iter().enumerate() {
            let photo = pad_reflect(photo, scene.frame.multiple);
            let photo = upload_photo(&photo, &model.device);
            let decoded = model.vae.dec(latents.clone().narrow(0, index, 1))?;
            details.push(photo - decoded);
            tick(Stage::Decode, 0).await?;
        }
        let share = shares(&latents.unsqueeze_dim(0), scene.latents.clone(), hidden);
        let [batch, count, rows, columns] = share.dims();
        let [_, _, height, width] = scene.photo.dims();
        let cell = [height / rows, width / columns];
        // Each cell's share for all of its pixels.
        let share: Tensor<6> = share.reshape([batch, count, rows, 1, columns, 1]);
        let share = share.expand([batch, count, rows, cell[0], columns, cell[1]]);
        let share: Tensor<4> = share.reshape([batch, count, height, width]);
        let nothing = Tensor::zeros([batch, 3, height, width], &model.device);
        let all = details.into_iter().enumerate();
        Ok(Some(all.fold(nothing, |sum, (index, of_one)| {
            sum + of_one * share.clone().narrow(1, index, 1)
        })))
    }

    /// Latents of all good photos at one size, `[k, C, height, width]`.
    fn all_latents(&self, width: usize, height: usize, model: &InpaintModel) -> Tensor<4> {
        let all = 0..self.good.len();
        Tensor::cat(
            all.map(|index| self.latents(index, width, height, model))
                .collect(),
            0,
        )
    }

    /// The good photos at the size of a photo, in 8 bits: themselves, or `dec(z)` where they are known by their latents
    /// alone; made where they are needed first. Ticks after each that is.
    pub(super) async fn photos(
        &self,
        model: &InpaintModel,
        frame: &Frame,
        tick: Tick<'_>,
    ) -> Result<Rc<Vec<Photo>>, DetectError> {
        let (width, height) = (frame.latent_width(), frame.latent_height());
        let size = (frame.width, frame.height);
        if let Some(known) = self.photos.borrow().as_ref().filter(|own| own.size == size) {
            return Ok(Rc::clone(&known.photos));
        }
        let mut photos = Vec::with_capacity(self.good.len());
        for index in 0..self.good.len() {
            photos.push(match &self.good[index].picture {
                Some(own) => {
                    let own = Photo::from(own.as_ref());
                    if (own.width, own.height) == size {
                        own
                    } else {
                        resize_lanczos(&own, size.0, size.1).quantised()
                    }
                }
                None => {
                    let decoded = model.vae.dec(self.latents(index, width, height, model))?;
                    let decoded = download_photos(decoded, size.0, size.1).await?;
                    let one = decoded.first().map(Photo::quantised);
                    one.ok_or(DetectError::NotFinite {
                        what: "a decoded good photo",
                    })?
                }
            });
            tick(Stage::Class, 0).await?;
        }
        let photos = Rc::new(photos);
        self.photos.replace(Some(Pictures {
            size,
            photos: Rc::clone(&photos),
        }));
        Ok(photos)
    }

    /// Whether the most alike good photo is one of those that are shown to the model.
    pub(super) fn shows(&self, best: Option<usize>) -> bool {
        best.is_some_and(|index| index < self.good.len())
    }

    /// A context for a batch, `[batch, tokens, d]`.
    pub(super) fn context(&self, prompt: Prompt, batch: usize) -> Tensor<3> {
        let [both, detail, empty] = &self.contexts;
        let context = match prompt {
            Prompt::Both => both,
            Prompt::Detail => detail,
            Prompt::Empty => empty,
        };
        repeat(context, batch)
    }

    /// Channels of a good photo and the flag, `[B, C + 1, h, w]`: zeros without one. It lies as [`Scene::registered`]
    /// says, or as it is. The photo is the one that is most alike; for a model that pastes it, the one that fits best
    /// beside each place of `hidden` `[B, 1, h, w]`.
    pub(super) fn reference_channels(
        &self,
        model: &InpaintModel,
        best: Option<usize>,
        scene: &Scene,
        hidden: &Tensor<4>,
    ) -> Tensor<4> {
        let [_, channels, height, width] = scene.latents.dims();
        let (batch, device) = (hidden.dims()[0], &model.device);
        let Some(best) = best.filter(|_| self.shows(best)) else {
            return Tensor::zeros([batch, channels + 1, height, width], device);
        };
        let registered = scene.registered.borrow();
        let of_this = registered
            .as_ref()
            .filter(|laid| Rc::ptr_eq(&laid.class, &self.own));
        let registered = of_this.map(|laid| &laid.latents);
        let filled = if model.config.reference_residual {
            let good = match registered {
                Some(laid) => laid.clone(),
                None => self.all_latents(width, height, model),
            };
            fill(good.unsqueeze_dim(0), scene.latents.clone(), hidden)
        } else {
            let one = match registered {
                Some(laid) => laid.clone().narrow(0, best, 1),
                None => self.latents(best, width, height, model),
            };
            one.expand([batch, channels, height, width])
        };
        Tensor::cat(vec![filled, hidden.ones_like()], 1)
    }

    /// Whether the good photos have yet to pass through the U-Net before
    /// [`Self::references`] can answer.
    pub(super) fn lacks(&self, model: &InpaintModel, prompt: Prompt, timestep: usize) -> bool {
        let key = (prompt, reference_timestep(model, timestep));
        !self.good.is_empty() && !self.states.borrow().contains_key(&key)
    }

    /// Keys and values of the good photos at a timestep, computed where they are needed first;
    /// `None` without good photos.
    pub(super) fn references(
        &self,
        model: &InpaintModel,
        prompt: Prompt,
        timestep: usize,
    ) -> Result<Option<Rc<ReferenceStates>>, DetectError> {
        let Some(first) = self.good.first() else {
            return Ok(None);
        };
        let timestep = reference_timestep(model, timestep);
        if let Some(states) = self.states.borrow().get(&(prompt, timestep)) {
            return Ok(Some(Rc::clone(states)));
        }
        let same = model.config.reference_time == ReferenceTime::Same;
        let shape = [first.channels, first.height, first.width];
        let states = Rc::new(self.compute(model, prompt, timestep, same, shape)?);
        self.states
            .borrow_mut()
            .insert((prompt, timestep), Rc::clone(&states));
        Ok(Some(states))
    }

    /// One pass of the U-Net over the good photos: own latents, empty mask.
    fn compute(
        &self,
        model: &InpaintModel,
        prompt: Prompt,
        timestep: usize,
        noised: bool,
        [channels, height, width]: [usize; 3],
    ) -> Result<ReferenceStates, DetectError> {
        let device = &model.device;
        let good: Vec<Tensor<4>> = self
            .good
            .iter()
            .map(|latents| upload_latents(latents, width, height, device))
            .collect();
        let count = good.len();
        let clean = Tensor::cat(good, 0);
        let sample = if noised {
            let values = noise::field(
                0,
                noise::stream_of(REFERENCE_NOISE),
                [channels, height, width],
            );
            let noise = Tensor::from_data(
                TensorData::new(values, [1, channels, height, width]),
                device,
            );
            model
                .scheduler
                .add_noise(clean.clone(), repeat(&noise, count), &[timestep])
        } else {
            clean.clone()
        };
        let mask = Tensor::zeros([count, 1, height, width], device);
        let mut parts = vec![sample, mask, clean];
        if model.config.reference_latents {
            parts.push(Tensor::zeros([count, channels + 1, height, width], device));
        }
        let options = ReferenceOptions {
            max_tokens: model.config.reference_max_tokens,
            bias: model.config.reference_bias,
            per_photo: count,
        };
        let context = self.context(prompt, count);
        let sample = Tensor::cat(parts, 1);
        Ok(model
            .unet
            .reference_states(sample, &[timestep as f32], context, options)?)
    }
}

fn refuse<T>(reason: String) -> Result<T, DetectError> {
    Err(DetectError::Profile { reason })
}

fn check_contexts(contexts: &Contexts, model: &InpaintModel) -> Result<(), DetectError> {
    let own = [
        model.tokenizer.spec().max_length,
        model.unet.config().context_width(),
    ];
    let given = [contexts.tokens, contexts.width];
    let filled = [Prompt::Both, Prompt::Detail, Prompt::Empty]
        .iter()
        .all(|prompt| contexts.get(*prompt).len() == own[0] * own[1]);
    if given != own || !filled {
        return refuse(format!(
            "its text contexts are {} tokens of {} numbers, the model's are {} of {}",
            given[0], given[1], own[0], own[1]
        ));
    }
    Ok(())
}

fn check_latents(latents: &Latents, model: &InpaintModel) -> Result<(), DetectError> {
    let Latents {
        channels,
        height,
        width,
        ref data,
        ref picture,
    } = *latents;
    let own = model.vae.latent_channels();
    // A longer side has 4,096 pixels at most, padded to what the levels of the U-Net divide by.
    let levels = model.unet.config().block_out_channels.len();
    let most = LARGEST_SIDE / model.vae.factor() + (1 << levels);
    if channels != own || !(1..=most).contains(&height) || !(1..=most).contains(&width) {
        return refuse(format!(
            "its references are latents of {channels}x{height}x{width}, the model's have {own} channels and at most {most} cells a side"
        ));
    }
    let factor = model.vae.factor();
    if let Some(Picture {
        width: columns,
        height: rows,
        data,
    }) = picture.as_deref()
    {
        let cells = [columns.div_ceil(factor), rows.div_ceil(factor)];
        let fits = (1..=width).contains(&cells[0]) && (1..=height).contains(&cells[1]);
        if !fits || data.len() != 3 * columns * rows {
            return refuse(format!(
                "a good photo of {columns}x{rows} pixels holds {} numbers and has latents of {width}x{height} cells",
                data.len()
            ));
        }
    }
    if data.len() != channels * height * width {
        return refuse(format!(
            "its references of {channels}x{height}x{width} hold {} numbers",
            data.len()
        ));
    }
    Ok(())
}
