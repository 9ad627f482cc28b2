use super::font;
use crate::Photo;

/// Matplotlib's "inferno" at nine places: dark to bright in even steps of lightness, readable by the colour-blind.
const INFERNO: [[f32; 3]; 9] = [
    [0.001, 0.000, 0.014],
    [0.123, 0.047, 0.283],
    [0.342, 0.062, 0.429],
    [0.550, 0.134, 0.410],
    [0.736, 0.216, 0.330],
    [0.891, 0.351, 0.202],
    [0.978, 0.557, 0.035],
    [0.978, 0.785, 0.180],
    [0.988, 0.998, 0.645],
];

/// The colour of a value in 0..1, clamped.
pub fn colour_of(value: f32) -> [f32; 3] {
    let place = if value.is_nan() {
        0.0
    } else {
        value.clamp(0.0, 1.0)
    } * (INFERNO.len() - 1) as f32;
    let index = (place as usize).min(INFERNO.len() - 2);
    let weight = place - index as f32;
    [0, 1, 2].map(|channel| {
        INFERNO[index][channel] * (1.0 - weight) + INFERNO[index + 1][channel] * weight
    })
}

/// A horizontal colour scale of [`super::heat_map`] with its three numbers: 0, the threshold, and twice the threshold.
pub fn legend(width: usize, threshold: f32) -> Photo {
    let (bar, height) = (12, 12 + 4 + font::HEIGHT);
    let mut picture = Photo::from_fn(width.max(96), height, |_, _| [1.0; 3]);
    let width = picture.width;
    for y in 0..bar {
        for x in 0..width {
            picture.set_pixel(x, y, colour_of(x as f32 / (width - 1) as f32));
        }
    }
    for (value, place) in [(0.0, 0), (threshold, width / 2), (2.0 * threshold, width)] {
        let text = format!("{value:.3}");
        let length = font::width(&text);
        let x = place
            .saturating_sub(length / 2)
            .min(width.saturating_sub(length));
        font::draw(&mut picture, x, bar + 3, &text, [0.1; 3]);
    }
    picture
}
