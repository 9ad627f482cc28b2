//! 3×3 convolutions of step 1 by Winograd's F(2×2, 3×3): 16 multiplications for four values where the
//! definition takes 36.
//!
//! A picture is cut into tiles of 2×2 results, each of which depends on 4×4 values. For each of 16 places in
//! a transformed tile, `M = U·V` over the channels is one matrix product: U the transformed weights
//! `[out, in]`, V the transformed tiles `[in, tiles]`. Blocks of whole rows of tiles, of several pictures where they
//! are small, are one task each. What is summed up for one result, and in which order, is the same in every block.
//!
//! [`tiles`] transforms; here pictures are cut into blocks and put together again.
//!
//! Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015 (arXiv 1509.09308).

mod tiles;

use super::super::matmul::{Matrix, multiply};
use super::super::operator::Values;
use super::super::threads::{each, scratch, vectorised, zeros};
use super::Sizes;
use tiles::{load, results_of, separate, spread, store, store_pairs, tiles_of};

/// Places of a transformed tile.
const PLACES: usize = 16;
/// Tiles of a task: as many columns as a matrix product needs to be quick.
const TILES: usize = 64;
/// Tiles of a picture below which the definition is quicker.
const FEWEST_TILES: usize = 16;
/// Tiles of a row that are transformed at once: one vector of AVX-512, two of AVX2. In a browser a vector has four, and
/// every other number costs bytes.
const LANES: usize = if cfg!(target_family = "wasm") { 4 } else { 16 };
/// The same where rows are shorter.
const FEWER_LANES: usize = if cfg!(target_family = "wasm") { 4 } else { 8 };
const FEWEST_LANES: usize = 4;
/// Channels in or out below which the definition is quicker.
const FEWEST_CHANNELS: usize = 16;

/// Whether a convolution is computed here.
pub(super) fn takes(sizes: &Sizes) -> bool {
    let [height, width] = sizes.input;
    sizes.kernel == 3
        && sizes.padding == (1, 1)
        && sizes.inputs.min(sizes.outputs) >= FEWEST_CHANNELS
        && height.div_ceil(2) * width.div_ceil(2) >= FEWEST_TILES
}

/// Values of a transformed weight.
pub(super) fn transformed_values(sizes: &Sizes) -> usize {
    PLACES * sizes.outputs * sizes.inputs
}

/// `input` `[batch, in, height, width]` with a weight of [`transform_weights`] and `bias` `[out]`.
pub(super) fn convolve(
    sizes: &Sizes,
    input: &[f32],
    weights: &[f32],
    bias: Option<&[f32]>,
) -> Values {
    let [height, width] = sizes.input;
    let layer = Layer {
        photos: input,
        weights,
        bias,
        inputs: sizes.inputs,
        outputs: sizes.outputs,
        grid: Grid::new(sizes.batch, height, width),
    };
    let Grid {
        rows_per_block,
        photos_per_block,
        ..
    } = layer.grid;
    let (blocks, runs) = (layer.grid.blocks(), sizes.batch.div_ceil(photos_per_block));
    let block = 2 * rows_per_block * width;
    let mut values = zeros(sizes.batch * sizes.outputs * height * width);
    // Rows of every channel of every photo of a block.
    let mut rows: Vec<Vec<&mut [f32]>> = Vec::new();
    rows.resize_with(runs * blocks, || {
        Vec::with_capacity(photos_per_block * sizes.outputs)
    });
    for (index, plane) in values.chunks_mut(height * width).enumerate() {
        let run = index / sizes.outputs / photos_per_block;
        for (number, part) in plane.chunks_mut(block).enumerate() {
            rows[run * blocks + number].push(part);
        }
    }
    each(rows.into_iter().enumerate().collect(), |(task, rows)| {
        layer.block(
            task / blocks * photos_per_block,
            task % blocks * rows_per_block,
            rows,
        );
    });
    Values::new(values, sizes.output_shape())
}

/// A picture's size, and its tiles.
#[derive(Debug, Clone, Copy)]
struct Grid {
    height: usize,
    width: usize,
    /// Rows of tiles.
    rows: usize,
    /// Tiles of a row.
    columns: usize,
    /// Rows of tiles of a photo in a block.
    rows_per_block: usize,
    /// Photos of a block.
    photos_per_block: usize,
}

impl Grid {
    fn new(batch: usize, height: usize, width: usize) -> Self {
        let (rows, columns) = (height.div_ceil(2), width.div_ceil(2));
        let wanted = TILES.div_ceil(columns.max(1));
        // Two tasks at least, so that a second thread has something to do.
        let (rows_per_block, photos_per_block) = match batch {
            1 => (wanted.min(rows.div_ceil(2)).max(1), 1),
            _ => (
                wanted.min(rows),
                (TILES / (rows * columns).max(1)).clamp(1, batch.div_ceil(2)),
            ),
        };
        Self {
            height,
            width,
            rows,
            columns,
            rows_per_block,
            photos_per_block,
        }
    }

    fn blocks(&self) -> usize {
        self.rows.div_ceil(self.rows_per_block)
    }
}

/// `G·g·Gᵀ` of each of `[out, in, 3, 3]`: `[16, out, in]`.
pub(super) fn transform_weights(weight: &[f32], outputs: usize, inputs: usize) -> Vec<f32> {
    let mut transformed = vec![0.0_f32; PLACES * outputs * inputs];
    // Rows of every place of an output.
    let mut rows: Vec<Vec<&mut [f32]>> = Vec::new();
    rows.resize_with(outputs, || Vec::with_capacity(PLACES));
    for place in transformed.chunks_mut(outputs * inputs) {
        for (rows, row) in rows.iter_mut().zip(place.chunks_mut(inputs)) {
            rows.push(row);
        }
    }
    let tasks = rows.into_iter().zip(weight.chunks(9 * inputs));
    each(tasks.collect(), |(mut places, kernels)| {
        vectorised!({
            for (block, kernels) in kernels.chunks(9 * LANES).enumerate() {
                let (kernels, _) = kernels.as_chunks::<9>();
                let mut g = [[0.0_f32; LANES]; 9];
                for (lane, kernel) in kernels.iter().enumerate() {
                    for (place, value) in kernel.iter().enumerate() {
                        g[place][lane] = *value;
                    }
                }
                let [g0, g1, g2, g3, g4, g5, g6, g7, g8] = &g;
                let columns = [spread(g0, g3, g6), spread(g1, g4, g7), spread(g2, g5, g8)];
                for row in 0..4 {
                    let [a, b, c] = [&columns[0][row], &columns[1][row], &columns[2][row]];
                    for (column, values) in spread(a, b, c).iter().enumerate() {
                        let to = &mut places[4 * row + column][block * LANES..];
                        store(values, &mut to[..kernels.len()]);
                    }
                }
            }
        });
    });
    transformed
}

/// A convolution, ready to be computed block by block.
struct Layer<'a> {
    /// `[batch, in, height, width]`.
    photos: &'a [f32],
    /// `[16, out, in]`.
    weights: &'a [f32],
    bias: Option<&'a [f32]>,
    inputs: usize,
    outputs: usize,
    grid: Grid,
}

impl Layer<'_> {
    /// Computes a block: rows of tiles from `first` on, of photos from `photo` on. `rows_of` holds theirs channel by
    /// channel, photo by photo.
    fn block(&self, photo: usize, first: usize, rows_of: Vec<&mut [f32]>) {
        let Grid {
            rows,
            columns,
            rows_per_block,
            ..
        } = self.grid;
        let part = Part {
            photo,
            photos: rows_of.len() / self.outputs,
            first,
            count: rows_per_block.min(rows - first),
            tiles: rows_of.len() / self.outputs * rows_per_block.min(rows - first) * columns,
        };
        let sizes = [self.inputs, self.outputs].map(|channels| PLACES * channels * part.tiles);
        scratch(sizes, |[transformed, products]| {
            vectorised!({
                if columns <= FEWEST_LANES {
                    self.transform::<FEWEST_LANES>(part, transformed);
                } else if columns <= FEWER_LANES {
                    self.transform::<FEWER_LANES>(part, transformed);
                } else {
                    self.transform::<LANES>(part, transformed);
                }
            });
            for place in 0..PLACES {
                self.product(place, part.tiles, transformed, products);
            }
            vectorised!({
                if columns <= FEWEST_LANES {
                    self.write::<FEWEST_LANES>(part, products, rows_of);
                } else if columns <= FEWER_LANES {
                    self.write::<FEWER_LANES>(part, products, rows_of);
                } else {
                    self.write::<LANES>(part, products, rows_of);
                }
            });
        });
    }

    /// `Bᵀ·d·B` of the block's tiles: `[16, in, tiles]`.
    #[inline(always)]
    fn transform<const N: usize>(&self, part: Part, transformed: &mut [f32]) {
        let Grid {
            height,
            width,
            columns,
            ..
        } = self.grid;
        let Part {
            first,
            count,
            tiles,
            ..
        } = part;
        // Values at odd places of a row, its border's first, then those at even places; zeros beyond both borders.
        let length = columns.next_multiple_of(N) + N;
        let mut split = vec![0.0_f32; 2 * length * (2 * count + 2)];
        for input in 0..self.inputs {
            for photo in 0..part.photos {
                let plane = (part.photo + photo) * self.inputs + input;
                let plane = &self.photos[plane * height * width..][..height * width];
                for (row, split) in split.chunks_exact_mut(2 * length).enumerate() {
                    let (odd, even) = split.split_at_mut(length);
                    match (2 * first + row).checked_sub(1).filter(|y| *y < height) {
                        Some(y) => separate(&plane[y * width..][..width], &mut odd[1..], even),
                        None => split.fill(0.0),
                    }
                }
                for row in 0..count {
                    let four = &split[2 * length * 2 * row..][..8 * length];
                    let row = (photo * count + row) * columns;
                    for from in (0..columns).step_by(N) {
                        let lanes = N.min(columns - from);
                        let places = tiles_of::<N>(four, length, from);
                        for (place, values) in places.iter().enumerate() {
                            let to = (place * self.inputs + input) * tiles + row + from;
                            store(values, &mut transformed[to..][..lanes]);
                        }
                    }
                }
            }
        }
    }

    /// `M = U·V` of one place: `[out, tiles]`.
    fn product(&self, place: usize, tiles: usize, transformed: &[f32], products: &mut [f32]) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let weights = &self.weights[place * outputs * inputs..];
        let weights = Matrix::rows(weights, outputs, inputs, inputs);
        let tiled = &transformed[place * inputs * tiles..][..inputs * tiles];
        let tiled = Matrix::rows(tiled, inputs, tiles, tiles);
        let product = &mut products[place * outputs * tiles..][..outputs * tiles];
        multiply(product, tiles, weights, tiled, 1.0, false);
    }

    /// `Aᵀ·M·A` and the bias, written to the block's rows of each channel.
    #[inline(always)]
    fn write<const N: usize>(&self, part: Part, products: &[f32], rows_of: Vec<&mut [f32]>) {
        let Grid { width, columns, .. } = self.grid;
        for (index, rows) in rows_of.into_iter().enumerate() {
            let (photo, output) = (index / self.outputs, index % self.outputs);
            let bias = self.bias.map_or(0.0, |bias| bias[output]);
            // Of an odd height, the last row of tiles has one row of values.
            for (row, pair) in rows.chunks_mut(2 * width).enumerate() {
                let (upper, lower) = pair.split_at_mut(width);
                let row = (photo * part.count + row) * columns;
                for from in (0..columns).step_by(N) {
                    let lanes = N.min(columns - from);
                    let mut places = [[0.0_f32; N]; PLACES];
                    for (place, values) in places.iter_mut().enumerate() {
                        let at = (place * self.outputs + output) * part.tiles + row + from;
                        load(&products[at..][..lanes], values);
                    }
                    let [above, below] = results_of(&places, bias);
                    store_pairs(&above, &mut upper[2 * from..]);
                    if !lower.is_empty() {
                        store_pairs(&below, &mut lower[2 * from..]);
                    }
                }
            }
        }
    }
}

/// The tiles of a block.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// The first photo.
    photo: usize,
    photos: usize,
    /// The first row of tiles of each.
    first: usize,
    /// Rows of tiles of each.
    count: usize,
    tiles: usize,
}
