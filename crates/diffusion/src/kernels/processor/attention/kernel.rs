//! Some queries of one head at a time: their scores stay in the cache, are weighed there, and are gone.
//!
//! A row of scores is held whole, so its softmax is that of the definition and needs no second look.
//! Heads are columns of their tensor and are read and written in place.

use super::super::exponential::exp;
use super::super::matmul::{Matrix, multiply};
use super::super::operator::Values;
use super::super::threads::{each, max, sum, sum2, vectorised, zeros};

/// Scores that are held at a time: half a MiB.
const SCORES: usize = 1 << 17;

#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) heads: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
    /// Heads times their width.
    pub(super) inner: usize,
    /// Keys at the end that get the bias.
    pub(super) biased: usize,
}

impl Sizes {
    fn width(&self) -> usize {
        self.inner / self.heads
    }

    fn scale(&self) -> f32 {
        1.0 / (self.width() as f32).sqrt()
    }

    /// Queries of a block. Two blocks at least, so that a second thread has something to do.
    fn block(&self) -> usize {
        (SCORES / self.keys)
            .clamp(16, 128)
            .min(self.queries.div_ceil(2))
            .max(1)
    }

    fn bias(&self, bias: &[f32], photo: usize) -> f32 {
        match bias {
            [] => 0.0,
            [shared] => *shared,
            each => each[photo],
        }
    }
}

/// One head of one photo: a matrix within `[batch, rows, inner]`.
fn head<'a>(
    sizes: &Sizes,
    values: &'a [f32],
    photo: usize,
    head: usize,
    rows: usize,
) -> Matrix<'a> {
    let start = photo * rows * sizes.inner + head * sizes.width();
    Matrix::rows(&values[start..], rows, sizes.width(), sizes.inner)
}

/// Rows `start..start + rows` of a head.
fn part<'a>(whole: Matrix<'a>, start: usize, rows: usize) -> Matrix<'a> {
    Matrix {
        values: &whole.values[start * whole.strides[0]..],
        rows,
        ..whole
    }
}

/// `[batch, queries, inner]`. `bias` is empty, one value, or one for each photo.
pub(super) fn forward(
    sizes: Sizes,
    query: &[f32],
    key: &[f32],
    value: &[f32],
    bias: &[f32],
) -> Vec<f32> {
    let Sizes {
        heads,
        queries,
        keys,
        inner,
        ..
    } = sizes;
    let block = sizes.block();
    let mut output = zeros(sizes.batch * queries * inner);
    let mut tasks = Vec::new();
    for (photo, whole) in output.chunks_mut(queries * inner).enumerate() {
        for (index, rows) in whole.chunks_mut(block * inner).enumerate() {
            tasks.push((photo, index * block, rows));
        }
    }
    each(tasks, |(photo, start, output)| {
        let rows = output.len() / inner;
        let mut scores = vec![0.0_f32; rows * keys];
        let mut sums = vec![0.0_f32; rows];
        for at in 0..heads {
            let part = part(head(&sizes, query, photo, at, queries), start, rows);
            let key = head(&sizes, key, photo, at, keys);
            multiply(
                &mut scores,
                keys,
                part,
                key.transposed(),
                sizes.scale(),
                false,
            );
            let bias = sizes.bias(bias, photo);
            for (row, sum) in scores.chunks_mut(keys).zip(&mut sums) {
                *sum = weigh(row, sizes.biased, bias);
            }
            let value = head(&sizes, value, photo, at, keys);
            let output = &mut output[at * sizes.width()..];
            let scores = Matrix::rows(&scores, rows, keys, keys);
            multiply(output, inner, scores, value, 1.0, false);
            for (row, sum) in output.chunks_mut(inner).zip(&sums) {
                let factor = sum.recip();
                row[..sizes.width()]
                    .iter_mut()
                    .for_each(|value| *value *= factor);
            }
        }
    });
    output
}

/// `exp(score − largest)` in place; their sum.
fn weigh(row: &mut [f32], biased: usize, bias: f32) -> f32 {
    let own = row.len() - biased;
    vectorised!({
        if biased > 0 {
            row[own..].iter_mut().for_each(|score| *score += bias);
        }
        let largest = max(row);
        row.iter_mut()
            .for_each(|score| *score = exp(*score - largest));
        sum(row, |weight| weight) as f32
    })
}

/// Gradients of query, key, value and bias. Scores are computed again, head by head.
pub(super) fn backward(
    sizes: Sizes,
    query: &[f32],
    key: &[f32],
    value: &[f32],
    bias: &[f32],
    gradient: &[f32],
) -> [Values; 4] {
    let Sizes {
        batch,
        heads,
        queries,
        keys,
        inner,
        ..
    } = sizes;
    let width = sizes.width();
    // Heads one after the other, so that each is one task's own.
    let mut of_query = vec![0.0_f32; batch * queries * inner];
    let mut of_key = vec![0.0_f32; batch * keys * inner];
    let mut of_value = vec![0.0_f32; batch * keys * inner];
    let mut of_bias = vec![0.0_f32; batch * heads];
    let tasks = of_query
        .chunks_mut(queries * width)
        .zip(of_key.chunks_mut(keys * width))
        .zip(of_value.chunks_mut(keys * width))
        .zip(&mut of_bias)
        .enumerate();
    each(
        tasks.collect(),
        |(index, (((of_query, of_key), of_value), of_bias))| {
            let (photo, at) = (index / heads, index % heads);
            let [query, gradient] =
                [query, gradient].map(|values| head(&sizes, values, photo, at, queries));
            let [key, value] = [key, value].map(|values| head(&sizes, values, photo, at, keys));
            let bias = sizes.bias(bias, photo);
            let block = sizes.block();
            let mut weights = vec![0.0_f32; block * keys];
            let mut changes = vec![0.0_f32; block * keys];
            for (number, of_query) in of_query.chunks_mut(block * width).enumerate() {
                let rows = of_query.len() / width;
                let query = part(query, number * block, rows);
                let gradient = part(gradient, number * block, rows);
                let (weights, changes) = (&mut weights[..rows * keys], &mut changes[..rows * keys]);
                multiply(weights, keys, query, key.transposed(), sizes.scale(), false);
                multiply(changes, keys, gradient, value.transposed(), 1.0, false);
                for (weights, changes) in weights.chunks_mut(keys).zip(changes.chunks_mut(keys)) {
                    let factor = weigh(weights, sizes.biased, bias).recip();
                    *of_bias += through_softmax(weights, changes, factor, sizes.biased);
                }
                let weights = Matrix::rows(weights, rows, keys, keys);
                let changes = Matrix::rows(changes, rows, keys, keys);
                multiply(of_value, width, weights.transposed(), gradient, 1.0, true);
                multiply(
                    of_key,
                    width,
                    changes.transposed(),
                    query,
                    sizes.scale(),
                    true,
                );
                multiply(of_query, width, changes, key, sizes.scale(), false);
            }
        },
    );
    let of_bias = match bias.len() {
        0 | 1 => vec![of_bias.iter().sum()],
        _ => of_bias
            .chunks(heads)
            .map(|photo| photo.iter().sum())
            .collect(),
    };
    let photos = of_bias.len();
    [
        Values::new(beside(&of_query, sizes, queries), [batch, queries, inner]),
        Values::new(beside(&of_key, sizes, keys), [batch, keys, inner]),
        Values::new(beside(&of_value, sizes, keys), [batch, keys, inner]),
        Values::new(of_bias, [photos, 1, 1, 1]),
    ]
}

/// Weights get their sum 1, and their gradients become those of the scores; the sum of the last `biased`.
fn through_softmax(weights: &mut [f32], changes: &mut [f32], factor: f32, biased: usize) -> f32 {
    let own = weights.len() - biased;
    vectorised!({
        weights.iter_mut().for_each(|weight| *weight *= factor);
        let mean = sum2(weights, changes, |weight, change| weight * change) as f32;
        for (change, weight) in changes.iter_mut().zip(&*weights) {
            *change = weight * (*change - mean);
        }
        sum(&changes[own..], |change| change) as f32
    })
}

/// `[batch, heads, rows, width]` to `[batch, rows, heads·width]`.
fn beside(values: &[f32], sizes: Sizes, rows: usize) -> Vec<f32> {
    let (inner, width) = (sizes.inner, sizes.width());
    let mut output = vec![0.0_f32; values.len()];
    let photos = output
        .chunks_mut(rows * inner)
        .zip(values.chunks(rows * inner));
    each(photos.collect(), |(output, values)| {
        for (at, head) in values.chunks(rows * width).enumerate() {
            for (to, from) in output.chunks_mut(inner).zip(head.chunks(width)) {
                to[at * width..][..width].copy_from_slice(from);
            }
        }
    });
    output
}
