//! From surface to photo: light, shadow, focus, vignetting and sensor noise.

use anomalysd_imaging::Photo;

use super::canvas::{Canvas, Surface};
use super::math::{P, mix};
use super::noise;

/// One exposure: how the light falls and what the camera adds.
#[derive(Clone, Debug)]
pub(crate) struct Exposure {
    /// Unit vector towards the light; x right, y down, z towards the camera.
    pub light: [f32; 3],
    /// Share of the light that comes from everywhere, `0..1`.
    pub ambient: f32,
    /// Brightness, 1 keeps a flat matt surface at its albedo.
    pub gain: f32,
    /// Gain per channel: the colour of the light.
    pub tint: [f32; 3],
    /// Darkness of the shadow that the product throws, `0..1`.
    pub shadow: f32,
    /// Loss of light in the corners, `0..1`.
    pub vignette: f32,
    /// Weight of each neighbour in one pass of the focus blur, `0..0.33`.
    pub defocus: f32,
    /// Standard deviation of the sensor noise, of 1.
    pub noise: f32,
    /// True for a camera without colour.
    pub grey: bool,
    /// Names the noise of this exposure.
    pub seed: u32,
}

/// Photographs the canvas; `unit` is the number of pixels per unit of height.
pub(crate) fn photograph(canvas: &Canvas, unit: f32, exposure: &Exposure) -> Photo {
    let size = canvas.size;
    let mut planes = light(canvas, unit, exposure);
    if exposure.defocus > 0.0 {
        for plane in &mut planes {
            soften(plane, size, exposure.defocus);
        }
    }
    expose(planes, size, exposure)
}

fn light(canvas: &Canvas, unit: f32, exposure: &Exposure) -> [Vec<f32>; 3] {
    let size = canvas.size;
    let heights: Vec<f32> = canvas.pixels.iter().map(|s| s.height).collect();
    let hollow = {
        let mut around = heights.clone();
        blur(&mut around, size, size / 40 + 1);
        around
    };
    let shadow = thrown_shadow(canvas, exposure);
    let mut planes = [
        vec![0.0; size * size],
        vec![0.0; size * size],
        vec![0.0; size * size],
    ];
    let half = half_vector(exposure.light);
    for y in 0..size {
        let (up, down) = (y.saturating_sub(1) * size, (y + 1).min(size - 1) * size);
        for x in 0..size {
            let index = y * size + x;
            let (left, right) = (
                y * size + x.saturating_sub(1),
                y * size + (x + 1).min(size - 1),
            );
            let slope = [
                (0.5 * unit * (heights[right] - heights[left])).clamp(-1.6, 1.6),
                (0.5 * unit * (heights[down + x] - heights[up + x])).clamp(-1.6, 1.6),
            ];
            let depth = (hollow[index] - heights[index]) * 7.0;
            let open = 1.0 - depth.clamp(0.0, 0.55);
            let shade = 1.0 - shadow[index] * (1.0 - canvas.pixels[index].cover);
            let colour = lit(&canvas.pixels[index], slope, open * shade, half, exposure);
            for channel in 0..3 {
                planes[channel][index] = colour[channel];
            }
        }
    }
    planes
}

/// Display colour of one surface element; `open` is the share of the sky that it sees.
#[inline]
fn lit(surface: &Surface, slope: P, open: f32, half: [f32; 3], exposure: &Exposure) -> [f32; 3] {
    let inverse = 1.0 / (1.0 + slope[0] * slope[0] + slope[1] * slope[1]).sqrt();
    let normal = [-slope[0] * inverse, -slope[1] * inverse, inverse];
    let dot = |v: [f32; 3]| normal[0] * v[0] + normal[1] * v[1] + normal[2] * v[2];
    let key = (1.0 - exposure.ambient) / exposure.light[2];
    let diffuse = (exposure.ambient * open
        + key * dot(exposure.light).max(0.0) * (0.4 + 0.6 * open))
        * exposure.gain;
    let sharp = power8(dot(half).max(0.0));
    let highlight = surface.gloss * (0.25 * sharp * sharp + 0.75 * power8(sharp)) * exposure.gain;
    let mirrored = if surface.metal > 0.0 {
        surroundings(normal, exposure) * (0.35 + 0.65 * open)
    } else {
        0.0
    };
    let strength = mix(diffuse, mirrored, surface.metal);
    std::array::from_fn(|channel| {
        let albedo = surface.albedo[channel];
        let linear = albedo * albedo * strength + highlight * mix(0.8, albedo, surface.metal);
        let shown = (linear * exposure.tint[channel]).max(0.0).sqrt();
        mix(shown, albedo, surface.glow)
    })
}

/// Brightness that a mirror with this normal sees: a bright soft box towards the light, a weaker
/// one opposite, a dark floor.
#[inline]
fn surroundings(normal: [f32; 3], exposure: &Exposure) -> f32 {
    let light = exposure.light;
    let mirrored = [
        2.0 * normal[2] * normal[0],
        2.0 * normal[2] * normal[1],
        2.0 * normal[2] * normal[2] - 1.0,
    ];
    let toward = mirrored[0] * light[0] + mirrored[1] * light[1] + mirrored[2] * light[2];
    let away = -mirrored[0] * light[0] - mirrored[1] * light[1] + mirrored[2] * light[2];
    let box_light = toward.max(0.0) * toward.max(0.0);
    let fill = away.max(0.0);
    let sky = 0.5 + 0.5 * mirrored[2];
    (0.10 + 0.42 * sky + 0.95 * box_light * box_light + 0.22 * fill * fill) * exposure.gain
}

fn half_vector(light: [f32; 3]) -> [f32; 3] {
    let sum = [light[0], light[1], light[2] + 1.0];
    let inverse = 1.0 / (sum[0] * sum[0] + sum[1] * sum[1] + sum[2] * sum[2]).sqrt();
    sum.map(|v| v * inverse)
}

#[inline]
fn power8(x: f32) -> f32 {
    let square = x * x;
    let fourth = square * square;
    fourth * fourth
}

/// The product's outline, moved away from the light and softened.
fn thrown_shadow(canvas: &Canvas, exposure: &Exposure) -> Vec<f32> {
    let size = canvas.size;
    if exposure.shadow <= 0.0 {
        return vec![0.0; size * size];
    }
    let reach = size as f32 * 0.05;
    let (dx, dy) = (
        (exposure.light[0] * reach) as isize,
        (exposure.light[1] * reach) as isize,
    );
    let last = size as isize - 1;
    let mut shadow: Vec<f32> = (0..size * size)
        .map(|index| {
            let x = ((index % size) as isize + dx).clamp(0, last) as usize;
            let y = ((index / size) as isize + dy).clamp(0, last) as usize;
            canvas.pixels[y * size + x].cover * exposure.shadow
        })
        .collect();
    blur(&mut shadow, size, size / 32 + 1);
    blur(&mut shadow, size, size / 48 + 1);
    shadow
}

/// Box mean of `2·radius + 1` pixels a side, borders repeated, in place.
pub(crate) fn blur(plane: &mut [f32], size: usize, radius: usize) {
    let inverse = 1.0 / (2 * radius + 1) as f32;
    let mut line = vec![0.0; size];
    for row in plane.chunks_exact_mut(size) {
        line.copy_from_slice(row);
        let mut sum = line[0] * (radius + 1) as f32
            + (1..=radius).map(|i| line[i.min(size - 1)]).sum::<f32>();
        for (x, out) in row.iter_mut().enumerate() {
            *out = sum * inverse;
            sum += line[(x + radius + 1).min(size - 1)] - line[x.saturating_sub(radius)];
        }
    }
    let source = plane.to_vec();
    let row = |y: usize| &source[y * size..(y + 1) * size];
    let mut sums: Vec<f32> = row(0).iter().map(|v| v * (radius + 1) as f32).collect();
    for y in 1..=radius {
        sums.iter_mut()
            .zip(row(y.min(size - 1)))
            .for_each(|(sum, v)| *sum += v);
    }
    for y in 0..size {
        let (enter, leave) = (
            row((y + radius + 1).min(size - 1)),
            row(y.saturating_sub(radius)),
        );
        let out = &mut plane[y * size..(y + 1) * size];
        for x in 0..size {
            out[x] = sums[x] * inverse;
            sums[x] += enter[x] - leave[x];
        }
    }
}

/// One pass of a three-pixel blur in each direction.
fn soften(plane: &mut [f32], size: usize, weight: f32) {
    let centre = 1.0 - 2.0 * weight;
    for row in plane.chunks_exact_mut(size) {
        let mut previous = row[0];
        for x in 0..size {
            let next = row[(x + 1).min(size - 1)];
            let current = row[x];
            row[x] = centre * current + weight * (previous + next);
            previous = current;
        }
    }
    let mut previous = plane[..size].to_vec();
    for y in 0..size {
        let below = (y + 1).min(size - 1) * size;
        for x in 0..size {
            let current = plane[y * size + x];
            let next = if below == y * size {
                current
            } else {
                plane[below + x]
            };
            plane[y * size + x] = centre * current + weight * (previous[x] + next);
            previous[x] = current;
        }
    }
}

/// Vignetting, noise and rounding to 8 bits.
fn expose(planes: [Vec<f32>; 3], size: usize, exposure: &Exposure) -> Photo {
    let area = size * size;
    let mut data = vec![0.0; 3 * area];
    let scale = 2.0 / size as f32;
    for index in 0..area {
        let (x, y) = (index % size, index / size);
        let (u, v) = (x as f32 * scale - 1.0, y as f32 * scale - 1.0);
        let fall = 1.0 - 0.5 * exposure.vignette * (u * u + v * v);
        let bits = noise::hash(x as i32, y as i32, exposure.seed);
        let more = noise::hash(x as i32, y as i32, exposure.seed ^ 0x5bd1_e995);
        let luminance = gaussian(bits) * exposure.noise;
        let mut colour: [f32; 3] = std::array::from_fn(|channel| planes[channel][index] * fall);
        if exposure.grey {
            colour = [0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]; 3];
        }
        for channel in 0..3 {
            let chroma = if exposure.grey {
                0.0
            } else {
                ((more >> (10 * channel) & 1023) as f32 * (1.0 / 512.0) - 1.0)
                    * 0.8
                    * exposure.noise
            };
            let level = (colour[channel] + luminance + chroma).clamp(0.0, 1.0);
            data[channel * area + index] = (level * 255.0 + 0.5).floor() * (1.0 / 255.0);
        }
    }
    Photo {
        width: size,
        height: size,
        data,
    }
}

/// About a standard normal number from 30 bits: the sum of three uniform ones.
#[inline]
fn gaussian(bits: u32) -> f32 {
    let sum = (bits & 1023) + (bits >> 10 & 1023) + (bits >> 20 & 1023);
    (sum as f32 - 1534.5) * (1.0 / 512.0)
}
