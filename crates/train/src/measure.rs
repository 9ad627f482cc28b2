//! What a trained model can do, in numbers.

use std::path::{Path, PathBuf};

use anomalysd_diffusion::vae::Vae;
use anomalysd_imaging::{DecodeLimits, Mask, Photo, decode, resize_lanczos};
use burn::tensor::{Device, Tensor, TensorData};

use crate::error::io;
use crate::pca::PatchPca;
use crate::{Result, TrainError};

/// Peak signal-to-noise ratio in dB of values in 0..1.
pub fn psnr(mean_squared_error: f64) -> f64 {
    -10.0 * mean_squared_error.max(1e-12).log10()
}

/// PSNR of several photos.
#[derive(Debug, Clone, PartialEq)]
pub struct Psnr {
    /// Per photo, dB.
    pub each: Vec<f64>,
    /// Their mean, dB; 0 without photos.
    pub mean: f64,
}

impl Psnr {
    fn of(errors: impl Iterator<Item = f64>) -> Self {
        let each: Vec<f64> = errors.map(psnr).collect();
        let mean = each.iter().sum::<f64>() / each.len().max(1) as f64;
        Self { each, mean }
    }

    /// What a linear projection reaches.
    pub fn of_pca(pca: &PatchPca, photos: &[Photo]) -> Self {
        Self::of(photos.iter().map(|photo| pca.reconstruction_error(photo)))
    }
}

/// PSNR of `dec(enc(x))` on photos whose sides the VAE's factor divides.
///
/// # Errors
/// Other sides.
pub fn vae_psnr(vae: &Vae, photos: &[Photo], device: &Device) -> Result<Psnr> {
    let errors = photos.iter().map(|photo| {
        let input = photos_tensor(std::slice::from_ref(photo), device);
        let output = photo_of(vae.dec(vae.enc(input)?)?, 0);
        let sum: f64 = photo
            .data
            .iter()
            .zip(&output.data)
            .map(|(a, b)| f64::from(a - b).powi(2))
            .sum();
        Ok(sum / photo.data.len() as f64)
    });
    Ok(Psnr::of(errors.collect::<Result<Vec<_>>>()?.into_iter()))
}

/// All photos below a folder, made squares with sides of `size`, ordered by path.
///
/// # Errors
/// Folders that cannot be listed; no photo.
pub fn read_probe(folder: &Path, size: usize) -> Result<Vec<Photo>> {
    let mut paths = Vec::new();
    collect(folder, &mut paths)?;
    paths.sort();
    let mut photos = Vec::new();
    for path in &paths {
        let bytes = std::fs::read(path).map_err(io("read", path))?;
        if let Ok(photo) = decode(&bytes, &DecodeLimits::default()) {
            photos.push(resize_lanczos(&photo, size, size));
        }
    }
    if photos.is_empty() {
        return Err(TrainError::NoPhotos {
            path: folder.to_owned(),
        });
    }
    Ok(photos)
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(io("list", folder))? {
        let path = entry.map_err(io("list", folder))?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

/// Photos of one size as `[count, 3, H, W]` in 0..1; an empty tensor for none.
pub fn photos_tensor(photos: &[Photo], device: &Device) -> Tensor<4> {
    let (width, height) = photos
        .first()
        .map_or((0, 0), |photo| (photo.width, photo.height));
    let mut data = Vec::with_capacity(photos.len() * 3 * width * height);
    photos
        .iter()
        .for_each(|photo| data.extend_from_slice(&photo.data));
    Tensor::from_data(
        TensorData::new(data, [photos.len(), 3, height, width]),
        device,
    )
}

/// Masks of one size as `[count, 1, H, W]`, 1 where set; an empty tensor for none.
pub fn mask_tensor(masks: impl Iterator<Item = Mask>, device: &Device) -> Tensor<4> {
    let (mut values, mut shape) = (Vec::new(), [0, 1, 0, 0]);
    for mask in masks {
        values.extend(mask.data.iter().map(|&set| f32::from(u8::from(set))));
        shape = [shape[0] + 1, 1, mask.height, mask.width];
    }
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// One photo of a `[batch, 3, H, W]` tensor.
pub fn photo_of(tensor: Tensor<4>, index: usize) -> Photo {
    let [_, _, height, width] = tensor.dims();
    let data = tensor
        .narrow(0, index, 1)
        .into_data()
        .try_to_vec::<f32>()
        .unwrap_or_default();
    Photo {
        width,
        height,
        data,
    }
}
