//! What a step of the U-Net learns from: a photo, good photos beside it, a hole, a prompt, a timestep.

use anomalysd_dataset::synth::Product;
use anomalysd_diffusion::clip::{Tokenizer, train_vocabulary};
use anomalysd_imaging::{Mask, Photo};
use rand_chacha::rand_core::RngCore;

use super::super::{Pictures, holes};
use super::{TOKENS, UnetOptions};
use crate::Result;
use crate::photos::{below, sample_rng, unit};

/// Byte-pair merges learnt from the prompts of drawn products.
const MERGES: usize = 400;
/// The timestep at which no signal is left.
pub(super) const NOISIEST: usize = 999;

/// Both levels of METHOD § 2 for a drawn product.
pub(super) fn prompts(product: &Product) -> [String; 2] {
    let name = product.name();
    [
        format!("A perfect {name}."),
        format!("A {name} with {}.", product.parts()),
    ]
}

/// The tokenizer: learnt from the prompts that training uses, so it is the same for every run.
pub(super) fn tokenizer(pictures: &Pictures) -> Result<Tokenizer> {
    let texts: Vec<String> = (0..400)
        .flat_map(|seed| prompts(&pictures.product(seed)))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    Ok(train_vocabulary(&texts, MERGES, TOKENS)?)
}

/// One training sample.
pub(super) struct Sample {
    pub(super) number: u64,
    pub(super) target: Photo,
    /// Good photos, as many in every sample of a step; they fill the hole in the input channels.
    pub(super) references: Vec<Photo>,
    pub(super) hidden: Mask,
    pub(super) in_channels: bool,
    /// How many of the references the attentions see.
    pub(super) attended: usize,
    pub(super) has_reference: bool,
    pub(super) timestep: usize,
    pub(super) ids: Vec<u32>,
}

/// Draws the sample of a number: the same on every thread.
pub(super) struct Source {
    pub(super) pictures: Pictures,
    pub(super) tokenizer: Tokenizer,
    pub(super) options: UnetOptions,
    pub(super) seed: u64,
    pub(super) cell: usize,
}

impl Source {
    pub(super) fn sample(&self, index: u64) -> Sample {
        let options = &self.options;
        let mut rng = sample_rng(self.seed, "pretrain unet", index);
        let photo = self
            .pictures
            .photograph(options.size, options.photo_share, &mut rng);
        let attended = self.attended(index / options.batch as u64);
        let count = attended.max(1);
        let (target, references, text, has_reference) = match photo {
            Some(photo) => (photo.clone(), vec![photo; count], String::new(), false),
            None => {
                let product = self.pictures.product(rng.next_u64());
                let looseness = looseness(options.aligned_share, &mut rng);
                let mut drawn = instances(&product, 1 + count, (options.size, looseness), &mut rng);
                let target = drawn.swap_remove(count);
                (target, drawn, text(&product, &mut rng), true)
            }
        };
        let hidden = holes::draw(&target, self.cell, &mut rng);
        let timestep = if unit(&mut rng) < options.pure_noise_share {
            NOISIEST
        } else {
            below(&mut rng, 1000)
        };
        Sample {
            number: index,
            in_channels: has_reference && unit(&mut rng) < options.channel_share,
            has_reference,
            timestep,
            // A prompt that the tokenizer refuses cannot occur: every byte is in its alphabet.
            ids: self.tokenizer.encode(&text).unwrap_or_default(),
            target,
            references,
            attended,
            hidden,
        }
    }

    /// How many good photos the attentions of a step see: none, or one to four.
    pub(super) fn attended(&self, step: u64) -> usize {
        let mut rng = sample_rng(self.seed, "pretrain unet references", step);
        if unit(&mut rng) >= self.options.attention_share {
            return 0;
        }
        [1, 1, 2, 4][below(&mut rng, 4)]
    }
}

/// How loosely the instances of a product lie: 1 as drawn, near 0 as in a fixture in `share` of the cases.
fn looseness(share: f32, rng: &mut impl RngCore) -> f32 {
    // A run without such products draws the numbers that it drew before there were any.
    if share > 0.0 && unit(rng) < share {
        unit(rng).powi(2)
    } else {
        1.0
    }
}

/// Instances of a product: whole, or the same part of all at twice the resolution.
pub(super) fn instances(
    product: &Product,
    count: usize,
    (size, looseness): (usize, f32),
    rng: &mut impl RngCore,
) -> Vec<Photo> {
    let seeds: Vec<u64> = (0..count).map(|_| rng.next_u64()).collect();
    if unit(rng) < 0.5 {
        let whole = |seed| product.aligned_instance(seed, size, looseness);
        return seeds.into_iter().map(whole).collect();
    }
    let (x, y) = (below(rng, size + 1), below(rng, size + 1));
    let part = |seed| {
        let whole = product.aligned_instance(seed, 2 * size, looseness);
        whole.crop(x, y, size, size)
    };
    seeds.into_iter().map(part).collect()
}

/// Level 1, level 2 or both; the empty text in one of ten.
pub(super) fn text(product: &Product, rng: &mut impl RngCore) -> String {
    let [object, detail] = prompts(product);
    match unit(rng) {
        share if share < 0.1 => String::new(),
        share if share < 0.325 => object,
        share if share < 0.55 => detail,
        _ => format!("{object} {detail}"),
    }
}

/// Pairs of instances that training never sees: photo and reference.
pub(super) fn held_out(pictures: &Pictures, seed: u64) -> Vec<(Photo, Photo)> {
    (0..8)
        .map(|index| {
            let mut rng = sample_rng(seed, "pretrain unet held out", index);
            let product = pictures.product(rng.next_u64());
            let mut draw = || product.instance(rng.next_u64(), 256);
            (draw(), draw())
        })
        .collect()
}
