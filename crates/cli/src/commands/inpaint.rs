//! `inpaint`: the plain diffusers job.

use anomalysd_diffusion::inpaint::{Inpaint, InpaintInputs, InpaintOptions};
use anomalysd_diffusion::noise;
use anomalysd_imaging::{
    Photo, encode_png, fit_longer_side, pad_reflect, pad_reflect_mask, resize_bilinear_map,
    resize_lanczos,
};
use burn::tensor::{Tensor, TensorData};

use crate::args::InpaintArgs;
use crate::engine::Engine;
use crate::error::{CliError, Outcome};
use crate::{output, photos};

/// Noise of this command; the detection's streams are others.
const STREAM: &str = "inpaint";

/// Repaints a photo where its mask is white.
pub fn run(args: &InpaintArgs, quiet: bool) -> Outcome {
    output::check_file(&args.out)?;
    let photo = photos::read(&args.image)?;
    let mask = photos::read_mask(&args.mask, false, &photo)?;
    if let Some(size) = args.size
        && !(64..=4096).contains(&size)
    {
        return Err(CliError::Input(format!(
            "--size is {size}, expected 64 to 4096 pixels"
        )));
    }
    if !(1..=1000).contains(&args.inference_steps) {
        return Err(CliError::Input(format!(
            "--inference-steps is {}, expected 1 to 1000",
            args.inference_steps
        )));
    }
    let engine = Engine::load(&args.engine)?;
    let Some(model) = &engine.model else {
        return Err(CliError::Input(
            "--model none: inpainting needs a model".into(),
        ));
    };
    let longer = args.size.unwrap_or(model.config.image_size);
    let (width, height) = fit_longer_side(photo.width, photo.height, longer);
    let small = resize_lanczos(&photo, width, height);
    let soft = anomalysd_imaging::Map::from_fn(mask.width, mask.height, |x, y| {
        f32::from(u8::from(mask.at(x, y)))
    });
    let soft = resize_bilinear_map(&soft, width, height);
    let small_mask = anomalysd_imaging::Mask::from_fn(width, height, |x, y| soft.at(x, y) >= 0.5);
    let factor = model.vae.factor();
    let multiple = factor << (model.unet.config().block_out_channels.len() - 1);
    let padded = pad_reflect(&small, multiple);
    let padded_mask = pad_reflect_mask(&small_mask, multiple);
    let (w, h) = (padded.width, padded.height);
    let device = &engine.chosen.device;
    let plane = padded_mask
        .data
        .iter()
        .map(|hidden| f32::from(u8::from(*hidden)))
        .collect();
    let shape = [model.vae.latent_channels(), h / factor, w / factor];
    let field = noise::field(args.seed, noise::stream_of(STREAM), shape);
    let guided = args.guidance_scale > 1.0;
    let inputs = InpaintInputs {
        photos: Tensor::from_data(TensorData::new(padded.data.clone(), [1, 3, h, w]), device),
        mask: Tensor::from_data(TensorData::new::<f32, _>(plane, [1, 1, h, w]), device),
        prompt_embeds: model.encode_text(&[&args.prompt])?,
        negative_prompt_embeds: if guided {
            Some(model.encode_text(&[&args.negative_prompt])?)
        } else {
            None
        },
        noise: Tensor::from_data(
            TensorData::new(field, [1, shape[0], shape[1], shape[2]]),
            device,
        ),
    };
    let options = InpaintOptions {
        num_inference_steps: args.inference_steps,
        strength: args.strength,
        guidance_scale: args.guidance_scale,
    };
    let inpaint = Inpaint {
        unet: &model.unet,
        vae: &model.vae,
        scheduler: &model.scheduler,
        config: &model.config,
    };
    let done = inpaint.run(inputs, options)?;
    let data = done
        .photos
        .into_data()
        .try_to_vec::<f32>()
        .map_err(|error| CliError::Internal(format!("reading the photo back: {error:?}")))?;
    let painted = Photo::from_vec(w, h, data)
        .map_err(|error| CliError::Internal(error.to_string()))?
        .crop(0, 0, width, height);
    output::write(&args.out, &encode_png(&painted))?;
    if !quiet {
        eprintln!("{}: {width}x{height}", args.out.display());
    }
    Ok(())
}
