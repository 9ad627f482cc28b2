//! Pictures and verdicts of a map that JavaScript already has: pure functions, no engine.

use anomalysd_detect::DetectError;
use anomalysd_detect::ignore::{Place, without_small};
use anomalysd_detect::verdict::{Region, Verdict, regions, verdict};
use anomalysd_imaging::{DecodeLimits, Map, decode_mask, render};
use js_sys::{Object, Reflect};
use serde::Serialize;
use wasm_bindgen::{Clamped, JsValue, prelude::wasm_bindgen};

use crate::error::{Outcome, WebError};

fn map(values: Vec<f32>, width: usize, height: usize) -> Outcome<Map> {
    Map::from_vec(width, height, values).map_err(WebError::argument)
}

/// The map as colours whose opacity says how much of the photo they cover: `[height, width, 4]`.
///
/// # Errors
/// A map of another size than said.
#[wasm_bindgen(js_name = heatMap)]
pub fn heat_map(
    values: Vec<f32>,
    width: usize,
    height: usize,
    threshold: f32,
) -> Result<Clamped<Vec<u8>>, JsValue> {
    let map = map(values, width, height)?;
    Ok(Clamped(render::heat_map_rgba(&map, threshold)))
}

/// The outline of all places above the threshold, transparent elsewhere: `[height, width, 4]`.
///
/// # Errors
/// A map of another size than said.
#[wasm_bindgen]
pub fn contour(
    values: Vec<f32>,
    width: usize,
    height: usize,
    threshold: f32,
) -> Result<Clamped<Vec<u8>>, JsValue> {
    let map = map(values, width, height)?;
    Ok(Clamped(render::contour_rgba(&map, threshold)))
}

/// The places that a mask hides (white where), as a picture of any size.
///
/// # Errors
/// `bad-image`; a mask of more than 4,096 rectangles.
#[wasm_bindgen]
pub fn places(mask: &[u8]) -> Result<JsValue, JsValue> {
    let mask = decode_mask(mask, &DecodeLimits::default())
        .map_err(|error| WebError::from(DetectError::from(error)))?;
    let places = Place::of_mask(&mask).map_err(WebError::refused)?;
    Ok(plain(&places)?)
}

/// A colour scale with its numbers: `{ width, height, data }` of RGBA.
#[wasm_bindgen]
#[must_use]
pub fn legend(width: usize, threshold: f32) -> Object {
    let picture = render::legend(width, threshold);
    let data = js_sys::Uint8ClampedArray::from(&picture.to_rgba8()[..]);
    let object = Object::new();
    for (key, value) in [
        ("width", JsValue::from(picture.width as u32)),
        ("height", JsValue::from(picture.height as u32)),
        ("data", data.into()),
    ] {
        // Setting a property of a fresh plain object cannot fail.
        let _ = Reflect::set(&object, &key.into(), &value);
    }
    object
}

#[derive(Serialize)]
struct Judgement {
    verdict: Verdict,
    regions: Vec<Region>,
}

/// What the photo would come to at another threshold: `{ verdict, regions }`. `peak`: the highest value
/// of the map on any good photo. `smallest`: pixels of the smallest place that counts.
///
/// # Errors
/// A map of another size than said.
#[wasm_bindgen]
pub fn judge(
    values: Vec<f32>,
    width: usize,
    height: usize,
    score: f32,
    threshold: f32,
    peak: f32,
    smallest: usize,
) -> Result<JsValue, JsValue> {
    let map = without_small(&map(values, width, height)?, threshold, smallest);
    let verdict = verdict(score, threshold);
    let regions = regions(&map, threshold, peak, verdict);
    plain(&Judgement { verdict, regions }).map_err(JsValue::from)
}

/// A value as the JSON that the command writes, but as an object.
pub fn plain(value: &impl Serialize) -> Outcome<JsValue> {
    value
        .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
        .map_err(WebError::argument)
}
