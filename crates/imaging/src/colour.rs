use crate::filter::box_mean_photo;
use crate::parallel::for_each_chunk;
use crate::{Map, Photo};

/// sRGB to CIELAB under D65, planar `[3, H, W]`: L 0..100, a and b about −110..110.
pub fn srgb_to_lab(photo: &Photo) -> Vec<f32> {
    let area = photo.width * photo.height;
    let mut lab = vec![0.0; 3 * area];
    for at in 0..area {
        let colour = lab_of([
            photo.data[at],
            photo.data[area + at],
            photo.data[2 * area + at],
        ]);
        for channel in 0..3 {
            lab[channel * area + at] = colour[channel];
        }
    }
    lab
}

fn lab_of(srgb: [f32; 3]) -> [f32; 3] {
    let [r, g, b] = srgb.map(|v| {
        if v <= 0.04045 {
            v / 12.92
        } else {
            ((v + 0.055) / 1.055).powf(2.4)
        }
    });
    let xyz = [
        (0.412_456_4 * r + 0.357_576_1 * g + 0.180_437_5 * b) / 0.950_47,
        0.212_672_9 * r + 0.715_152_2 * g + 0.072_175 * b,
        (0.019_333_9 * r + 0.119_192 * g + 0.950_304_1 * b) / 1.088_83,
    ];
    let [x, y, z] = xyz.map(|t: f32| {
        if t > 0.008_856_452 {
            t.cbrt()
        } else {
            t * 7.787_037 + 4.0 / 29.0
        }
    });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// The CIELAB distance (CIE 1976) of the means over squares of `2 · radius + 1` pixels; 0 where they are equal.
/// Both photos have the same size.
pub fn delta_e(a: &Photo, b: &Photo, radius: usize) -> Map {
    debug_assert_eq!((a.width, a.height), (b.width, b.height));
    let (first, second) = (box_mean_photo(a, radius), box_mean_photo(b, radius));
    let mut distances = Map::new(a.width, a.height);
    for_each_chunk(&mut distances.data, a.width, |y, row| {
        for (x, distance) in row.iter_mut().enumerate() {
            let [one, other] = [&first, &second].map(|photo| lab_of(photo.pixel(x, y)));
            let squares = one
                .iter()
                .zip(other)
                .map(|(one, other)| (one - other) * (one - other));
            *distance = squares.sum::<f32>().sqrt();
        }
    });
    distances
}
