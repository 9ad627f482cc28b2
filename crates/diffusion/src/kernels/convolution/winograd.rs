//! 3×3 convolutions of step 1 by Winograd's F(2×2, 3×3): 16 multiplications for four values where the
//! definition takes 36.
//!
//! A picture is cut into tiles of 2×2 results, each of which depends on 4×4 values. For each of 16 places in
//! a transformed tile, `M = U·V` over the channels is one matrix product: U the transformed weights
//! `[out, in]`, V the transformed tiles `[in, tiles]`. Blocks of whole rows of tiles are one task each; how
//! they are cut follows from the picture's size alone.
//!
//! Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015 (arXiv 1509.09308).

use super::super::matmul::{Matrix, multiply};
use super::super::operator::Values;
use super::super::threads::{each, vectorised};
use super::Sizes;

/// Places of a transformed tile.
const PLACES: usize = 16;
/// Tiles of a task, at least: as many columns a matrix product needs to be quick.
const TILES: usize = 64;
/// Tiles of a picture below which the definition is quicker.
const FEWEST_TILES: usize = 64;
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

/// `input` `[batch, in, height, width]` with `weight` `[out, in, 3, 3]` and `bias` `[out]`.
pub(super) fn convolve(
    sizes: &Sizes,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Values {
    let [height, width] = sizes.input;
    let layer = Layer {
        photos: input,
        weights: &transform_weights(weight, sizes.outputs, sizes.inputs),
        bias,
        inputs: sizes.inputs,
        outputs: sizes.outputs,
        grid: Grid::new(height, width),
    };
    let blocks = layer.grid.blocks();
    let block = 2 * layer.grid.rows_per_block * width;
    let mut values = vec![0.0_f32; sizes.batch * sizes.outputs * height * width];
    // Rows of every channel of a block of a photo.
    let mut rows: Vec<Vec<&mut [f32]>> = Vec::new();
    rows.resize_with(sizes.batch * blocks, || Vec::with_capacity(sizes.outputs));
    for (index, plane) in values.chunks_mut(height * width).enumerate() {
        let photo = index / sizes.outputs;
        for (number, part) in plane.chunks_mut(block).enumerate() {
            rows[photo * blocks + number].push(part);
        }
    }
    each(rows.into_iter().enumerate().collect(), |(task, rows)| {
        layer.block(task / blocks, task % blocks, rows);
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
    /// Rows of tiles of a task.
    rows_per_block: usize,
}

impl Grid {
    fn new(height: usize, width: usize) -> Self {
        let (rows, columns) = (height.div_ceil(2), width.div_ceil(2));
        let wanted = TILES.div_ceil(columns.max(1));
        // Two tasks at least, so that a second thread has something to do.
        let rows_per_block = wanted.min(rows.div_ceil(2)).max(1);
        Self {
            height,
            width,
            rows,
            columns,
            rows_per_block,
        }
    }

    fn blocks(&self) -> usize {
        self.rows.div_ceil(self.rows_per_block)
    }
}

/// `G·g·Gᵀ` of each of `[out, in, 3, 3]`: `[out, 16, in]`.
fn transform_weights(weight: &[f32], outputs: usize, inputs: usize) -> Vec<f32> {
    let mut by_output = vec![0.0_f32; PLACES * outputs * inputs];
    let tasks = by_output.chunks_mut(PLACES * inputs).enumerate();
    each(tasks.collect(), |(output, places): (usize, &mut [f32])| {
        let kernels = &weight[output * inputs * 9..(output + 1) * inputs * 9];
        vectorised(|| {
            for (input, g) in kernels.chunks_exact(9).enumerate() {
                // Rows: g₀, (g₀ + g₁ + g₂)/2, (g₀ − g₁ + g₂)/2, g₂.
                let mut rows = [[0.0_f32; 3]; 4];
                for column in 0..3 {
                    let [a, b, c] = [g[column], g[3 + column], g[6 + column]];
                    rows[0][column] = a;
                    rows[1][column] = 0.5 * (a + b + c);
                    rows[2][column] = 0.5 * (a - b + c);
                    rows[3][column] = c;
                }
                for (row, [a, b, c]) in rows.into_iter().enumerate() {
                    let of_row = [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c];
                    for (column, value) in of_row.into_iter().enumerate() {
                        places[(4 * row + column) * inputs + input] = value;
                    }
                }
            }
        });
    });
    by_output
}

/// A convolution, ready to be computed block by block.
struct Layer<'a> {
    /// `[batch, in, height, width]`.
    photos: &'a [f32],
    /// `[out, 16, in]`.
    weights: &'a [f32],
    bias: Option<&'a [f32]>,
    inputs: usize,
    outputs: usize,
    grid: Grid,
}

impl Layer<'_> {
    /// Computes the rows of one block of a photo.
    fn block(&self, photo: usize, block: usize, rows_of: Vec<&mut [f32]>) {
        let Grid {
            rows,
            columns,
            rows_per_block,
            ..
        } = self.grid;
        let first = block * rows_per_block;
        let count = rows_per_block.min(rows - first);
        let tiles = count * columns;
        let mut transformed = vec![0.0_f32; PLACES * self.inputs * tiles];
        let mut products = vec![0.0_f32; PLACES * self.outputs * tiles];
        vectorised(|| self.transform(photo, first, count, &mut transformed));
        for place in 0..PLACES {
            self.product(place, tiles, &transformed, &mut products);
        }
        vectorised(|| self.write(count, &products, rows_of));
    }

    /// `Bᵀ·d·B` of the block's tiles: `[16, in, tiles]`.
    #[inline(always)]
    fn transform(&self, photo: usize, first: usize, count: usize, transformed: &mut [f32]) {
        let Grid {
            height,
            width,
            columns,
            ..
        } = self.grid;
        let tiles = count * columns;
        let length = columns + 1;
        let rows = 2 * count + 2;
        // Values at odd places of a row (its border's first), then those at even places.
        let mut split = vec![0.0_f32; 2 * length * rows];
        let mut lines = vec![0.0_f32; 2 * length];
        for input in 0..self.inputs {
            let plane =
                &self.photos[(photo * self.inputs + input) * height * width..][..height * width];
            for row in 0..rows {
                let (before, after) = split[2 * length * row..][..2 * length].split_at_mut(length);
                match (2 * first + row).checked_sub(1).filter(|y| *y < height) {
                    Some(y) => {
                        let line = &plane[y * width..][..width];
                        before[0] = 0.0;
                        for (value, pair) in after.iter_mut().zip(line.chunks(2)) {
                            *value = pair[0];
                        }
                        for (value, pair) in before[1..].iter_mut().zip(line.chunks_exact(2)) {
                            *value = pair[1];
                        }
                        // Beyond the border: nothing after the last pair, and half of it where the width is odd.
                        after[columns] = 0.0;
                        if width % 2 == 1 {
                            before[columns] = 0.0;
                        }
                    }
                    None => {
                        before.fill(0.0);
                        after.fill(0.0);
                    }
                }
            }
            for row in 0..count {
                let four = &split[2 * length * 2 * row..][..8 * length];
                let [a, b, c, d] = [0, 1, 2, 3].map(|at| &four[2 * length * at..][..2 * length]);
                for at in 0..4 {
                    for (index, value) in lines.iter_mut().enumerate() {
                        *value = match at {
                            0 => a[index] - c[index],
                            1 => b[index] + c[index],
                            2 => c[index] - b[index],
                            _ => b[index] - d[index],
                        };
                    }
                    let (odd, even) = lines.split_at(length);
                    let place = |column: usize| {
                        ((4 * at + column) * self.inputs + input) * tiles + row * columns
                    };
                    let results = [0, 1, 2, 3].map(place);
                    for (index, value) in
                        transformed[results[0]..][..columns].iter_mut().enumerate()
                    {
                        *value = odd[index] - odd[index + 1];
                    }
                    for (index, value) in
                        transformed[results[1]..][..columns].iter_mut().enumerate()
                    {
                        *value = even[index] + odd[index + 1];
                    }
                    for (index, value) in
                        transformed[results[2]..][..columns].iter_mut().enumerate()
                    {
                        *value = odd[index + 1] - even[index];
                    }
                    for (index, value) in
                        transformed[results[3]..][..columns].iter_mut().enumerate()
                    {
                        *value = even[index] - even[index + 1];
                    }
                }
            }
        }
    }

    /// `M = U·V` of one place: `[out, tiles]`.
    fn product(&self, place: usize, tiles: usize, transformed: &[f32], products: &mut [f32]) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let weights = &self.weights[place * inputs..];
        let weights = Matrix::rows(weights, outputs, inputs, PLACES * inputs);
        let tiled = &transformed[place * inputs * tiles..][..inputs * tiles];
        let tiled = Matrix::rows(tiled, inputs, tiles, tiles);
        let product = &mut products[place * outputs * tiles..][..outputs * tiles];
        multiply(product, tiles, weights, tiled, 1.0, false);
    }

    /// `Aᵀ·M·A` and the bias, written to the block's rows of each channel.
    #[inline(always)]
    fn write(&self, count: usize, products: &[f32], rows_of: Vec<&mut [f32]>) {
        let Grid { width, columns, .. } = self.grid;
        let tiles = count * columns;
        let mut sums = vec![0.0_f32; 4 * columns];
        for (output, rows) in rows_of.into_iter().enumerate() {
            let bias = self.bias.map_or(0.0, |bias| bias[output]);
            // Of an odd height, the last row of tiles has one row of values.
            for (index, to) in rows.chunks_exact_mut(width).enumerate() {
                let (row, half) = (index / 2, index % 2);
                let line = |place: usize| {
                    &products[(place * self.outputs + output) * tiles + row * columns..][..columns]
                };
                for (column, sums) in sums.chunks_exact_mut(columns).enumerate() {
                    let [a, b, c, d] = [0, 1, 2, 3].map(|at| line(4 * at + column));
                    if half == 0 {
                        for (index, sum) in sums.iter_mut().enumerate() {
                            *sum = a[index] + b[index] + c[index];
                        }
                    } else {
                        for (index, sum) in sums.iter_mut().enumerate() {
                            *sum = b[index] - c[index] - d[index];
                        }
                    }
                }
                let (a, rest) = sums.split_at(columns);
                let (b, rest) = rest.split_at(columns);
                let (c, d) = rest.split_at(columns);
                let mut pairs = to.chunks_exact_mut(2);
                for (index, pair) in (&mut pairs).enumerate() {
                    pair[0] = a[index] + b[index] + c[index] + bias;
                    pair[1] = b[index] - c[index] - d[index] + bias;
                }
                if let [last] = pairs.into_remainder() {
                    let index = columns - 1;
                    *last = a[index] + b[index] + c[index] + bias;
                }
            }
        }
    }
}
