//! Hidden sets to train on: the mixture of METHOD § 3.

use anomalysd_imaging::{ForegroundMode, Mask, Photo, dilate, foreground};
use rand_chacha::rand_core::RngCore;

use crate::photos::{below, between, unit};

/// Smallest share of the photo that a hole takes.
pub(crate) const SMALLEST: f32 = 0.02;

/// A hidden set for `photo`: rectangles on the product, a fast pass of a grid, or a blob.
/// `cell` is the side of a latent cell in pixels.
pub fn draw(photo: &Photo, cell: usize, rng: &mut impl RngCore) -> Mask {
    let (width, height) = (photo.width, photo.height);
    let near = || dilate(&foreground(photo, ForegroundMode::Auto), 2 * cell, 2 * cell);
    for _ in 0..8 {
        let mask = match unit(rng) {
            share if share < 0.4 => rectangles(&near(), rng),
            share if share < 0.8 => grid(width, height, cell, rng),
            _ => blob(width, height, rng),
        };
        if mask.count() as f32 >= SMALLEST * (width * height) as f32 {
            return mask;
        }
    }
    grid(width, height, cell, rng)
}

/// One to four rectangles of 5 to 50 % of the photo, of which what lies in `near` is hidden: the
/// product, dilated by two cells.
pub(crate) fn rectangles(near: &Mask, rng: &mut impl RngCore) -> Mask {
    let (width, height) = (near.width, near.height);
    let mut mask = Mask::new(width, height);
    for _ in 0..=below(rng, 4) {
        let area = between(rng, 0.05, 0.3) * (width * height) as f32;
        let aspect = between(rng, 0.5, 2.0);
        let w = ((area * aspect).sqrt() as usize).clamp(1, width);
        let h = ((area / aspect).sqrt() as usize).clamp(1, height);
        let (x, y) = (below(rng, width - w + 1), below(rng, height - h + 1));
        for row in y..y + h {
            mask.data[row * width + x..row * width + x + w].fill(true);
        }
    }
    mask.data
        .iter_mut()
        .zip(&near.data)
        .for_each(|(hidden, product)| *hidden &= product);
    mask
}

/// The cells of equal parity of a 2×2 or 4×4 grid, or one of its cells, with a halo.
fn grid(width: usize, height: usize, cell: usize, rng: &mut impl RngCore) -> Mask {
    let n_cells = [2, 4][below(rng, 2)];
    let (row, column) = (below(rng, n_cells), below(rng, n_cells));
    let single = unit(rng) < 0.25;
    let hides = |r: usize, c: usize| {
        if single {
            (r, c) == (row, column)
        } else {
            r % 2 == row % 2 && c % 2 == column % 2
        }
    };
    let cores = Mask::from_fn(width, height, |x, y| {
        hides(y * n_cells / height, x * n_cells / width)
    });
    dilate(&cores, cell, cell)
}

/// A union of discs.
pub(crate) fn blob(width: usize, height: usize, rng: &mut impl RngCore) -> Mask {
    let side = width.min(height) as f32;
    let centre = [between(rng, 0.1, 0.9), between(rng, 0.1, 0.9)];
    let discs: Vec<[f32; 3]> = (0..=below(rng, 5))
        .map(|_| {
            [
                centre[0] * width as f32 + between(rng, -0.15, 0.15) * side,
                centre[1] * height as f32 + between(rng, -0.15, 0.15) * side,
                between(rng, 0.04, 0.16) * side,
            ]
        })
        .collect();
    Mask::from_fn(width, height, |x, y| {
        discs.iter().any(|[cx, cy, radius]| {
            let (dx, dy) = (x as f32 - cx, y as f32 - cy);
            dx * dx + dy * dy < radius * radius
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photos::sample_rng;

    #[test]
    fn every_hole_hides_enough_and_leaves_something() {
        let photo = Photo::from_fn(64, 64, |x, y| {
            let inside = (16..48).contains(&x) && (16..48).contains(&y);
            [if inside { 0.9 } else { 0.1 }; 3]
        });
        for index in 0..200 {
            let mask = draw(&photo, 8, &mut sample_rng(1, "test", index));
            let share = mask.count() as f32 / 4096.0;
            assert!((SMALLEST..1.0).contains(&share), "{index}: {share}");
        }
    }
}
