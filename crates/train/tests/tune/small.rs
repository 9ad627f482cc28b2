//! A very small model, photos of a nut and a bottle, and what is tuned on them.

use super::*;
use crate::common::until;

/// Two levels, 4 latent channels at one eighth, everything drawn from `seed`.
pub fn small_model(seed: u64) -> InpaintModel {
    let device = Device::flex();
    let tokenizer = train_vocabulary(&["a perfect nut with intact edges"], 20, 40).unwrap();
    let text = ClipTextConfig {
        vocab_size: tokenizer.spec().vocab.len(),
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        max_position_embeddings: 40,
        ..ClipTextConfig::default()
    };
    let unet = json!({
        "in_channels": 14, "out_channels": 4, "cross_attention_dim": 16, "attention_head_dim": 2,
        "block_out_channels": [16, 16], "layers_per_block": 1, "norm_num_groups": 4,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    });
    let vae = json!({
        "in_channels": 192, "out_channels": 192, "block_out_channels": [32], "layers_per_block": 1,
        "norm_num_groups": 4, "latent_channels": 4, "mid_block_add_attention": false,
        "down_block_types": ["DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D"],
    });
    let unet = UNet2DConditionConfig::from_json(&unet.to_string()).unwrap();
    let vae = AutoencoderKlConfig::from_json(&vae.to_string()).unwrap();
    InpaintModel::from_networks(
        UNet2DConditionModel::init(&unet, seed, &device).unwrap(),
        Vae::kl(AutoencoderKl::init(&vae, seed, &device).unwrap(), 8).unwrap(),
        ClipTextModel::init(&text, seed, &device).unwrap(),
        tokenizer,
        Ddim::new(DdimConfig::default()).unwrap(),
        ModelConfig {
            name: "small".into(),
            image_size: 64,
            pixel_unshuffle: 8,
            reference_latents: true,
            ..ModelConfig::default()
        },
        &device,
    )
    .unwrap()
}

pub fn class(family: Family, name: &str, count: u64, turns: Vec<Turn>) -> TuneClass {
    let product = Product::draw(family, 3);
    let photos = (0..count).map(|seed| {
        let photo = product.instance(seed, 64);
        // Of another shape than the other class's.
        let photo = if count == 1 {
            photo.crop(0, 0, 64, 48)
        } else {
            photo
        };
        GoodPhoto {
            foreground: foreground(&photo, ForegroundMode::Auto),
            photo,
        }
    });
    TuneClass {
        name: name.into(),
        prompts: Prompts::named(name),
        photos: photos.collect(),
        turns,
    }
}

pub fn classes() -> Vec<TuneClass> {
    vec![
        class(Family::Nut, "metal_nut", 3, vec![Turn::Right, Turn::Mirror]),
        class(Family::Bottle, "bottle", 1, Vec::new()),
    ]
}

pub fn options() -> Options {
    let mut options = Options {
        seed: 7,
        checkpoint_every: 0,
        ..Options::default()
    };
    options.unet.max_train_steps = STEPS;
    options.unet.learning_rate = Some(1e-2);
    options.unet.lr_warmup_steps = 5;
    options.unet.rank = 4;
    options.unet.lora_convolutions = true;
    options.decoder.max_train_steps = DECODER_STEPS;
    options.decoder.learning_rate = 3e-3;
    options.decoder.lr_warmup_steps = 5;
    options.decoder.balance_steps = 10;
    options
}

/// What a tuning is given, but for its folder.
pub struct Given {
    /// To begin with.
    pub model: InpaintModel,
    parts: ModelParts,
    /// With their photos.
    pub classes: Vec<TuneClass>,
    detection: DetectOptions,
}

impl Given {
    /// The small model on a device.
    pub fn on(device: &Device, classes: Vec<TuneClass>) -> Self {
        let parts = small_model(3).parts().unwrap();
        Self {
            model: InpaintModel::assemble(&parts, device).unwrap(),
            parts,
            classes,
            detection: DetectOptions::default(),
        }
    }

    /// The small model on the processor.
    pub fn new(classes: Vec<TuneClass>) -> Self {
        Self::on(&Device::flex(), classes)
    }

    /// The task in a folder.
    pub fn task<'a>(
        &'a self,
        work: &'a Path,
        resume: bool,
        stops: &'a dyn Fn() -> bool,
    ) -> Task<'a> {
        Task {
            model: &self.model,
            parts: &self.parts,
            classes: &self.classes,
            scales: &[2, 4],
            detection: &self.detection,
            work,
            resume,
            stops,
        }
    }
}

/// Nobody wants to stop.
pub fn never() -> bool {
    false
}

/// Tunes until the end or until the stage and step `stop_at`.
pub fn tune(
    options: &Options,
    work: &Path,
    resume: bool,
    stop_at: Option<(&str, u64)>,
) -> (Result<Tuned, TrainError>, Vec<Progress>) {
    let given = Given::new(classes());
    let task = given.task(work, resume, &never);
    let mut seen = Vec::new();
    let result = run(&task, options, &mut until(stop_at, &mut seen));
    (result, seen)
}
