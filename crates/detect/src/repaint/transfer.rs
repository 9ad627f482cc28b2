//! Photos, masks and latents to the device and back.

use anomalysd_imaging::{Mask, Photo, resize_bilinear_planes};
use burn::tensor::{Device, Tensor, TensorData};

use super::Latents;
use crate::DetectError;

/// Photos of one size as `[batch, 3, H, W]`, 0..1.
pub(crate) fn upload_photo(photo: &Photo, device: &Device) -> Tensor<4> {
    let data = TensorData::new(photo.data.clone(), [1, 3, photo.height, photo.width]);
    Tensor::from_data(data, device)
}

/// Masks of one size as `[batch, 1, H, W]`, 1 where set.
pub(crate) fn upload_masks(masks: &[Mask], device: &Device) -> Tensor<4> {
    let [width, height] = masks
        .first()
        .map_or([0, 0], |mask| [mask.width, mask.height]);
    let values = masks
        .iter()
        .flat_map(|mask| &mask.data)
        .map(|&set| f32::from(u8::from(set)));
    let data = TensorData::new(values.collect(), [masks.len(), 1, height, width]);
    Tensor::from_data(data, device)
}

/// Latents as `[1, C, h, w]`, resized bilinearly where they are of another size: as a detection shows
/// references to the U-Net.
pub fn upload_latents(
    latents: &Latents,
    width: usize,
    height: usize,
    device: &Device,
) -> Tensor<4> {
    let channels = latents.channels;
    let values = if (latents.width, latents.height) == (width, height) {
        latents.data.clone()
    } else {
        let [from_height, from_width] = [latents.height, latents.width];
        resize_bilinear_planes(
            &latents.data,
            channels,
            from_height,
            from_width,
            height,
            width,
        )
    };
    Tensor::from_data(
        TensorData::new(values, [1, channels, height, width]),
        device,
    )
}

/// A tensor's numbers, all finite.
pub(crate) async fn download<const D: usize>(
    tensor: Tensor<D>,
    what: &'static str,
) -> Result<Vec<f32>, DetectError> {
    let failed = |reason: String| DetectError::Device { what, reason };
    let data = tensor
        .into_data_async()
        .await
        .map_err(|error| failed(format!("{error:?}")))?;
    let values: Vec<f32> = data
        .convert::<f32>()
        .try_to_vec()
        .map_err(|error| failed(format!("{error:?}")))?;
    if values.iter().any(|value| !value.is_finite()) {
        return Err(DetectError::NotFinite { what });
    }
    Ok(values)
}

/// The upper left `width` × `height` pixels of `[batch, 3, H, W]`, one photo each.
pub(crate) async fn download_photos(
    tensor: Tensor<4>,
    width: usize,
    height: usize,
) -> Result<Vec<Photo>, DetectError> {
    let cropped = tensor.narrow(2, 0, height).narrow(3, 0, width);
    let values = download(cropped, "a decoded photo").await?;
    let photo = |data: &[f32]| Photo {
        width,
        height,
        data: data.to_vec(),
    };
    Ok(values.chunks_exact(3 * width * height).map(photo).collect())
}

/// `[1, …]` repeated for a batch.
pub(crate) fn repeat<const D: usize>(tensor: &Tensor<D>, batch: usize) -> Tensor<D> {
    let mut shape = tensor.dims();
    shape[0] = batch;
    tensor.clone().expand(shape)
}
