use crate::pad::reflect;
use crate::parallel::for_each_chunk;
use crate::{Map, Photo};

/// Convolves the rows of planes of `width` with a symmetric kernel, mirrored at the borders, and transposes them.
fn rows_then_transpose(plane: &[f32], width: usize, height: usize, kernel: &[f32]) -> Vec<f32> {
    let reach = kernel.len() / 2;
    let mut columns = vec![0.0f32; plane.len()];
    for_each_chunk(&mut columns, height, |x, out| {
        let sources: Vec<usize> = (0..kernel.len())
            .map(|tap| reflect(x as isize + tap as isize - reach as isize, width))
            .collect();
        for (y, value) in out.iter_mut().enumerate() {
            let row = &plane[y * width..(y + 1) * width];
            *value = sources
                .iter()
                .zip(kernel)
                .map(|(&source, weight)| weight * row[source])
                .sum();
        }
    });
    columns
}

fn separable(plane: &[f32], width: usize, height: usize, kernel: &[f32]) -> Vec<f32> {
    let columns = rows_then_transpose(plane, width, height, kernel);
    rows_then_transpose(&columns, height, width, kernel)
}

/// Gaussian blur with mirrored borders, cut at 4 σ; σ in pixels, 0 or less leaves the map as it is.
pub fn gaussian_blur(map: &Map, sigma: f32) -> Map {
    if sigma.is_nan() || sigma <= 0.0 || map.data.is_empty() {
        return map.clone();
    }
    let reach = (4.0 * sigma + 0.5) as isize;
    let raw: Vec<f32> = (-reach..=reach)
        .map(|d| (-0.5 * (d as f32 / sigma).powi(2)).exp())
        .collect();
    let sum: f32 = raw.iter().sum();
    let kernel: Vec<f32> = raw.iter().map(|weight| weight / sum).collect();
    Map {
        data: separable(&map.data, map.width, map.height, &kernel),
        ..*map
    }
}

/// The mean of the square of `2 · radius + 1` pixels around each pixel, mirrored at the borders.
pub fn box_mean_photo(photo: &Photo, radius: usize) -> Photo {
    let kernel = vec![1.0 / (2 * radius + 1) as f32; 2 * radius + 1];
    let data = (0..3)
        .flat_map(|channel| separable(photo.plane(channel), photo.width, photo.height, &kernel))
        .collect();
    Photo { data, ..*photo }
}
