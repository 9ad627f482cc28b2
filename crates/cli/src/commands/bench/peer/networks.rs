//! Each network alone: one pass on the same numbers.

use anomalysd_detect::features::Features;
use anomalysd_diffusion::noise;
use burn::tensor::Tensor;
use serde_json::json;

use super::tensors::{Tensors, values};
use super::{Bench, timed};
use crate::commands::bench::row::Row;
use crate::error::Outcome;

/// Rows that need more than the U-Net.
pub const VAE_ROWS: [&str; 4] = [
    "VAE encode",
    "VAE decode",
    "features",
    "decoder training step",
];
/// What the ratios are to be at most.
const UNET_GOAL: f64 = 0.8;
/// That of a U-Net of Stable Diffusion's width, whose time is spent in large products.
const WIDE_UNET_GOAL: f64 = 1.3;
const VAE_GOAL: f64 = 1.0;
const FEATURES_GOAL: f64 = 1.0;
/// Channels of the outermost level from which a U-Net counts as wide.
const WIDE: usize = 320;
/// The timestep of a step: any would do.
pub const TIMESTEP: f32 = 501.0;

/// What the networks see.
pub struct Inputs {
    pub side: usize,
    pub photo: Tensor<4>,
    pub latents: Tensor<4>,
    pub sample: Tensor<4>,
    pub context: Tensor<3>,
}

impl Bench<'_> {
    /// Numbers of the shapes that a detection has, from the counter-based noise.
    pub(super) fn inputs(&self) -> Outcome<Inputs> {
        let model = self.model;
        let multiple = model.vae.factor() << (model.unet.config().block_out_channels.len() - 1);
        let asked = self.args.method.size.unwrap_or(model.config.image_size);
        let side = asked.div_ceil(multiple) * multiple;
        let cells = side / model.vae.factor();
        let field = |stream, [channels, height, width]: [usize; 3]| {
            let values = noise::field(
                self.args.method.options().seed,
                stream,
                [channels, height, width],
            );
            let data = burn::tensor::TensorData::new(values, [1, channels, height, width]);
            Tensor::<4>::from_data(data, &model.device)
        };
        Ok(Inputs {
            side,
            photo: (field(1, [3, side, side]) * 0.2 + 0.5).clamp(0.0, 1.0),
            latents: field(2, [model.vae.latent_channels(), cells, cells]),
            sample: field(3, [model.unet.config().in_channels, cells, cells]),
            context: model.encode_text(&[crate::commands::bench::PROMPT])?,
        })
    }

    /// One row per network.
    pub(super) fn networks(&mut self) -> Outcome<Vec<Row>> {
        let inputs = self.inputs()?;
        let side = inputs.side;
        let model = self.model;
        let mut given = Tensors::default();
        given.put_tensor("photo", &inputs.photo)?;
        given.put_tensor("latents", &inputs.latents)?;
        given.put_tensor("sample", &inputs.sample)?;
        given.put_tensor("context", &inputs.context)?;
        given.put("timestep", &[1], vec![TIMESTEP]);
        let wide = model.unet.config().block_out_channels.first() >= Some(&WIDE);
        let unet_goal = if wide { WIDE_UNET_GOAL } else { UNET_GOAL };
        let network = self.features;
        let unet = || {
            let context = inputs.context.clone();
            let output = model
                .unet
                .forward(inputs.sample.clone(), &[TIMESTEP], context, None)?;
            Ok(vec![output])
        };
        let encode = || Ok(vec![model.vae.enc(inputs.photo.clone())?]);
        let decode = || Ok(vec![model.vae.dec(inputs.latents.clone())?]);
        let features = || {
            Ok(match network {
                Features::EfficientNetLite0(network) => network.taps(inputs.photo.clone(), 3),
                _ => Vec::new(),
            })
        };
        type Work<'w> = &'w dyn Fn() -> Outcome<Vec<Tensor<4>>>;
        let mut works: Vec<(&str, &str, f64, Work<'_>)> = vec![
            ("U-Net step", "unet", unet_goal, &unet),
            ("VAE encode", "encode", VAE_GOAL, &encode),
            ("VAE decode", "decode", VAE_GOAL, &decode),
        ];
        if matches!(network, Features::EfficientNetLite0(_)) {
            works.push(("features", "features", FEATURES_GOAL, &features));
        }
        let mut rows = Vec::new();
        for (name, asked, goal, work) in works {
            if !self.wants(name) {
                continue;
            }
            rows.push(self.alternate(
                (&format!("{name} {side}x{side}"), goal),
                json!({"op": "network", "network": asked}),
                &given,
                &|| timed(|| work()?.into_iter().try_for_each(finish)),
                &|| {
                    let mut results = Tensors::default();
                    for (index, output) in work()?.into_iter().enumerate() {
                        let shape = output.dims();
                        results.put(index.to_string(), &shape, values(output)?);
                    }
                    Ok(results)
                },
            )?);
        }
        Ok(rows)
    }
}

/// What was asked of the device has been computed when a value of it is there.
fn finish(output: Tensor<4>) -> Outcome {
    values(output.narrow(0, 0, 1).narrow(1, 0, 1).narrow(2, 0, 1)).map(drop)
}
