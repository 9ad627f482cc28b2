//! The pictures that `detect --out` writes beside each result.

use std::path::Path;

use anomalysd_detect::pipeline::Detection;
use anomalysd_detect::report::{DetectionResult, map_max};
use anomalysd_imaging::render::{Cell, contour, heat_map, overlay, panel};
use anomalysd_imaging::{Map, Mask, Photo, encode_png, encode_png_map16};
use base64::Engine as _;

use crate::error::Outcome;
use crate::output;

/// Opacity of the heat map over the photo.
const OPACITY: f32 = 0.75;
/// Height of the pictures in a panel.
const PANEL_HEIGHT: usize = 256;
/// Outline of regions.
const OUTLINE: [f32; 3] = [1.0, 0.25, 0.1];

/// Writes result.json, map, heat map, overlay, repaired photo and panel to a folder of this photo,
/// and names the files in the result.
pub fn write(folder: &Path, result: &mut DetectionResult, detection: &Detection) -> Outcome {
    output::folder(folder)?;
    let (photo, map) = (&detection.measurement.photo, &detection.scored.map);
    let threshold = detection.threshold;
    let overlaid = overlay(photo, map, threshold, OPACITY);
    output::write(
        &folder.join("map.png"),
        &encode_png_map16(map, map_max(detection)),
    )?;
    for (name, picture) in [
        ("heatmap.png", &heat_map(map, threshold)),
        ("overlay.png", &overlaid),
        ("repaired.png", &detection.repaired),
        ("panel.png", &story(detection, &overlaid)),
    ] {
        output::write(&folder.join(name), &encode_png(picture))?;
    }
    result.map.file = Some("map.png".into());
    result.repaired = Some("repaired.png".into());
    output::write_json(&folder.join("result.json"), result)
}

/// The values of a map, row by row, as base64 of little-endian f32.
pub fn base64(map: &Map) -> String {
    let bytes: Vec<u8> = map.data.iter().flat_map(|v| v.to_le_bytes()).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Photo, repaired photo and heat map side by side.
fn story(detection: &Detection, overlaid: &Photo) -> Photo {
    let photo = &detection.measurement.photo;
    let cell = |caption: String, picture: Photo| Cell { caption, picture };
    panel(
        &[vec![
            cell(
                format!("{} score {:.2}", detection.verdict, detection.score),
                outlined(photo, detection),
            ),
            cell("as it should look".into(), detection.repaired.clone()),
            cell(
                format!("heat map, threshold {:.2}", detection.threshold),
                overlaid.clone(),
            ),
        ]],
        PANEL_HEIGHT,
    )
}

/// The photo with boxes around its regions.
fn outlined(photo: &Photo, detection: &Detection) -> Photo {
    let mut boxes = Mask::new(photo.width, photo.height);
    for region in &detection.regions {
        let (right, bottom) = (region.x + region.width, region.y + region.height);
        for y in region.y.saturating_sub(3)..(bottom + 3).min(photo.height) {
            for x in region.x.saturating_sub(3)..(right + 3).min(photo.width) {
                boxes.data[y * photo.width + x] = true;
            }
        }
    }
    contour(photo, &boxes, OUTLINE)
}
