//! Photos in and pictures out.

use anomalysd_imaging::{DecodeLimits, Photo, decode};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::ImageData;

use crate::error::{Outcome, WebError};

/// A photo from the bytes of its file (decoded here, as the command does it) or from `ImageData`.
pub fn photo(source: &JsValue) -> Outcome<Photo> {
    if let Some(bytes) = source.dyn_ref::<Uint8Array>() {
        return Ok(decode(&bytes.to_vec(), &DecodeLimits::default())?);
    }
    if let Some(image) = source.dyn_ref::<ImageData>() {
        let (width, height) = (image.width() as usize, image.height() as usize);
        return Ok(Photo::from_rgba8(width, height, &image.data())?);
    }
    Err(WebError::argument(
        "a photo is neither a Uint8Array nor ImageData",
    ))
}

/// Several of them.
pub fn photos(sources: &Array) -> Outcome<Vec<Photo>> {
    sources.iter().map(|source| photo(&source)).collect()
}
