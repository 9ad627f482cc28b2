//! How well a model repaints what it cannot see, by the code that a detection runs.

use std::path::Path;

use anomalysd_detect::masks::{Pass, Scale};
use anomalysd_detect::repaint::{DiffusionRepair, PaintRequest, Prompt, Repair, composite};
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_imaging::{Mask, Photo};

use crate::Result;
use crate::fill::{hidden_error, with_mean_colour};
use crate::measure::psnr;
use crate::sheet::write_sheet;

/// Cells per side of the measured hidden set: every other one is hidden.
const CELLS: usize = 4;

/// Means over photos, dB on the hidden pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Repaired {
    /// PSNR of the repair.
    pub psnr: f64,
    /// PSNR of the mean colour of what is visible.
    pub mean_colour: f64,
}

/// Repaints every other cell of each photo, with the second photo of the pair as reference, and
/// writes a sheet: photo, what is visible, reference, repair.
///
/// # Errors
/// The model's own; a sheet that cannot be written.
pub fn measure(
    model: &InpaintModel,
    pairs: &[(Photo, Photo)],
    sheet: Option<&Path>,
) -> Result<Repaired> {
    let (mut repair, mut plain) = (0.0, 0.0);
    let mut rows = Vec::new();
    for (photo, reference) in pairs {
        let hidden = Mask::from_fn(photo.width, photo.height, |x, y| {
            (x * CELLS / photo.width + y * CELLS / photo.height).is_multiple_of(2)
        });
        let painted = pollster::block_on(paint(model, photo, reference, &hidden))?;
        let filled = with_mean_colour(photo, &hidden);
        repair += psnr(hidden_error(photo, &painted, &hidden));
        plain += psnr(hidden_error(photo, &filled, &hidden));
        let weights: Vec<f32> = hidden
            .data
            .iter()
            .map(|&set| f32::from(u8::from(set)))
            .collect();
        let shown = composite(photo, &painted, &weights, [0.0; 3]);
        rows.push(vec![photo.clone(), filled, reference.clone(), shown]);
    }
    if let Some(path) = sheet {
        write_sheet(path, &rows)?;
    }
    let count = pairs.len().max(1) as f64;
    Ok(Repaired {
        psnr: repair / count,
        mean_colour: plain / count,
    })
}

async fn paint(
    model: &InpaintModel,
    photo: &Photo,
    reference: &Photo,
    hidden: &Mask,
) -> std::result::Result<Photo, anomalysd_detect::DetectError> {
    let repair = DiffusionRepair::new(model);
    let good = repair.open(reference).await?;
    let good = repair.latents(&good, reference).await?;
    let contexts = repair.contexts("", "").await?;
    let class = repair.class(&contexts, &[good]).await?;
    let scene = repair.open(photo).await?;
    let pass = Pass {
        scale: Scale::Grid(CELLS),
        index: 0,
        cores: hidden.clone(),
        hidden: hidden.clone(),
    };
    let request = PaintRequest {
        passes: std::slice::from_ref(&pass),
        strength: 1.0,
        inference_steps: model.config.inference_steps.unwrap_or(4),
        guidance_scale: 1.0,
        seed: 0,
        prompt: Prompt::Both,
        best_reference: Some(0),
        memory_mib: 1024,
    };
    let painted = repair
        .paint(&scene, &class, &request, &|_, _| {
            Box::pin(std::future::ready(Ok(())))
        })
        .await?;
    painted
        .into_iter()
        .next()
        .ok_or(anomalysd_detect::DetectError::NotFinite {
            what: "a repaired photo",
        })
}
