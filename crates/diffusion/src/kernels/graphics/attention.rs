//! Attention: a product for the scores, a softmax of their rows, and a product with the values.

use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::product::{After, Form, Sizes, Steps, product};
use super::tensors::{spread, sum_of, tensor, value_at, values, vector_of};
use crate::nn::KeyBias;
use crate::nn::dispatch::{MAX_DISPATCH_FLOP, most_units, pieces};

/// Largest score matrix that is held at once, in values: 64 MiB, half of what every device binds.
const MAX_SCORES: usize = 1 << 24;

/// `softmax(q·kᵀ/√d + bias)·v` per head; `None` where burn has to do it.
///
/// # Shapes
/// `query` `[batch, queries, heads·d]`, `key` and `value` `[batch, keys, heads·d]`; the result has the query's shape.
pub fn attend(
    query: &Tensor<3>,
    key: &Tensor<3>,
    value: &Tensor<3>,
    heads: usize,
    bias: Option<&KeyBias>,
) -> Option<Tensor<3>> {
    let [batch, queries, inner] = query.dims();
    let [of_keys, keys, width] = key.dims();
    if heads == 0
        || !inner.is_multiple_of(heads)
        || [of_keys, width] != [batch, inner]
        || value.dims() != key.dims()
        || [batch, queries, keys, inner].contains(&0)
        || bias.is_some_and(|bias| bias.keys > keys)
    {
        return None;
    }
    // Either of the two products of one query, and its scores.
    let query_flop = 2 * batch as u64 * keys as u64 * inner as u64;
    let piece = (MAX_SCORES / (batch * heads * keys))
        .min(most_units(query_flop, MAX_DISPATCH_FLOP))
        .max(1);
    if piece < queries {
        let parts = pieces(queries, query_flop, query_flop * piece as u64).map(|part| {
            let part = query.clone().narrow(1, part.start, part.len());
            attend(&part, key, value, heads, bias)
        });
        return Some(Tensor::cat(parts.collect::<Option<Vec<_>>>()?, 1));
    }
    let added = match bias {
        None => None,
        Some(bias) => {
            let photos = bias.bias.dims()[0];
            if bias.bias.dims() != [photos, 1, 1, 1] || (photos != 1 && photos != batch) {
                return None;
            }
            Some((values(&bias.bias)?, photos, bias.keys))
        }
    };
    let depth = inner / heads;
    let of_tokens = |tokens: usize| Steps {
        row: inner,
        outer: tokens * inner,
        inner: depth,
    };
    let of_scores = Steps {
        row: keys,
        outer: heads * queries * keys,
        inner: queries * keys,
    };
    let sizes = Sizes {
        batch: [batch, heads],
        rows: queries,
        columns: keys,
        depth,
        steps: [of_tokens(queries), of_tokens(keys), of_scores],
    };
    let after = After {
        scale: Some(1.0 / (depth as f32).sqrt()),
        ..After::default()
    };
    let scores = product(
        values(query)?,
        values(key)?,
        &sizes,
        Form::Transposed,
        after,
        [batch, heads, queries, keys],
    );
    let shares = softmax(scores, batch, added);
    let sizes = Sizes {
        batch: [batch, heads],
        rows: queries,
        columns: depth,
        depth: keys,
        steps: [of_scores, of_tokens(keys), of_tokens(queries)],
    };
    let output = product(
        shares,
        values(value)?,
        &sizes,
        Form::Plain,
        After::default(),
        [batch, queries, inner],
    );
    Some(tensor(output))
}

/// Softmax of each row of `[batch, heads, queries, keys]`, in place, after the bias of its last keys: the biases
/// (one for all photos or one each), how many they are, and of how many keys.
fn softmax(
    scores: CubeTensor,
    batch: usize,
    bias: Option<(CubeTensor, usize, usize)>,
) -> CubeTensor {
    let shape = scores.meta.shape();
    let [rows, keys] = [shape[0] * shape[1] * shape[2], shape[3]];
    let of_photo = rows / batch;
    let vector = vector_of(&[keys, keys - bias.as_ref().map_or(0, |bias| bias.2)]);
    let (count, dim) = spread(rows);
    let client = scores.client.clone();
    let (bias, photos, biased) = match bias {
        None => (None, 1, 0),
        Some((bias, photos, biased)) => (Some(bias.into_buffer_arg()), photos, biased),
    };
    let step = if photos == 1 { 0 } else { 1 };
    #[expect(unsafe_code, reason = "every row is within the scores")]
    unsafe {
        softmax_rows::launch_unchecked(
            &client,
            count,
            dim,
            vector,
            bias.into(),
            scores.clone().into_buffer_arg(),
            rows as u32,
            keys as u32,
            (keys - biased) as u32,
            of_photo as u32,
            step as u32,
        );
    }
    scores
}

#[cube(launch_unchecked)]
fn softmax_rows<N: Size>(
    bias: ComptimeOption<&[f32]>,
    scores: &mut [Vector<f32, N>],
    rows: u32,
    keys: u32,
    unbiased: u32,
    rows_of_photo: u32,
    photo_step: u32,
) {
    let row = ABSOLUTE_POS as u32;
    if row >= rows {
        terminate!();
    }
    let lanes = N::value();
    let vector = comptime!(lanes as u32);
    let length = keys / vector;
    let begin = row * length;
    let has_bias = bias.is_some();
    let added = value_at(&bias, row / rows_of_photo * photo_step);
    let first_biased = unbiased / vector;

    let mut highest = scores[begin as usize];
    if has_bias && first_biased == 0 {
        highest += Vector::new(added);
    }
    for i in 1..length {
        let mut score = scores[(begin + i) as usize];
        if has_bias && i >= first_biased {
            score += Vector::new(added);
        }
        highest = highest.max(score);
    }
    let mut most = highest.extract(0usize);
    #[unroll]
    for k in 1..comptime!(vector as usize) {
        most = most.max(highest.extract(k));
    }
    let mut sums = Vector::<f32, N>::new(0.0f32);
    for i in 0..length {
        let mut score = scores[(begin + i) as usize];
        if has_bias && i >= first_biased {
            score += Vector::new(added);
        }
        let share = (score - Vector::new(most)).exp();
        sums += share;
        scores[(begin + i) as usize] = share;
    }
    let factor = Vector::new(1.0f32 / sum_of::<N>(sums));
    for i in 0..length {
        scores[(begin + i) as usize] *= factor;
    }
}
