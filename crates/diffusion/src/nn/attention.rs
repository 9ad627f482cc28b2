//! Multi-head scaled dot-product attention.

use burn::tensor::{Tensor, activation};

use super::dispatch::{MAX_DISPATCH_FLOP, most_units};
use super::norm::{as_f32, in_type};
use crate::kernels;

/// Largest score matrix that is held at once, in values. Queries are cut into pieces beyond it, so
/// that self-attention over 4,096 tokens needs tens of MiB instead of half a GiB.
const MAX_SCORES: usize = 1 << 24;

/// A bias of the logits of the last keys: those of the reference photos.
#[derive(Debug, Clone)]
pub struct KeyBias {
    /// How many keys at the end it is added to.
    pub keys: usize,
    /// `[1 or batch, 1, 1, 1]`.
    pub bias: Tensor<4>,
}

/// `softmax(q·kᵀ/√d + bias)·v` per head; the softmax is computed in f32.
///
/// # Shapes
/// `query` `[batch, queries, heads·d]`, `key` and `value` `[batch, keys, heads·d]`; the result has
/// the query's shape.
pub fn attend(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    heads: usize,
    bias: Option<&KeyBias>,
) -> Tensor<3> {
    kernels::attend(&query, &key, &value, heads, bias)
        .unwrap_or_else(|| attend_composed(query, key, value, heads, bias))
}

/// The same by burn's operators.
///
/// # Shapes
/// As [`attend`].
pub fn attend_composed(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    heads: usize,
    bias: Option<&KeyBias>,
) -> Tensor<3> {
    let [batch, queries, inner] = query.dims();
    let keys = key.dims()[1];
    let scale = 1.0 / ((inner / heads) as f64).sqrt();
    let query = split_heads(query, heads) * scale;
    let key = split_heads(key, heads).swap_dims(2, 3); // [B, heads, d, keys]
    let value = split_heads(value, heads);
    // Either of the two products: scores, and what they weigh.
    let query_flop = 2 * batch as u64 * keys as u64 * inner as u64;
    let piece = (MAX_SCORES / (batch * heads * keys).max(1))
        .min(most_units(query_flop, MAX_DISPATCH_FLOP))
        .clamp(1, queries.max(1));
    let output = if piece >= queries {
        attend_heads(query, key, value, bias)
    } else {
        let pieces = (0..queries).step_by(piece).map(|start| {
            let part = query.clone().narrow(2, start, piece.min(queries - start));
            attend_heads(part, key.clone(), value.clone(), bias)
        });
        Tensor::cat(pieces.collect(), 2)
    };
    output.swap_dims(1, 2).reshape([batch, queries, inner])
}

/// `[B, heads, queries, d]` against `[B, heads, d, keys]` and `[B, heads, keys, d]`.
fn attend_heads(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    bias: Option<&KeyBias>,
) -> Tensor<4> {
    let dtype = query.dtype();
    let scores = as_f32(query.matmul(key)); // [B, heads, queries, keys]
    let scores = match bias {
        None => scores,
        Some(bias) => biased(scores, bias),
    };
    in_type(activation::softmax(scores, 3), dtype).matmul(value)
}

/// Adds the bias to the last columns, through a row that is 1 there and 0 elsewhere.
fn biased(scores: Tensor<4>, bias: &KeyBias) -> Tensor<4> {
    let [_, _, _, keys] = scores.dims();
    let device = scores.device();
    let own = Tensor::<4>::zeros([1, 1, 1, keys - bias.keys], &device);
    let last = Tensor::<4>::ones([1, 1, 1, bias.keys], &device);
    scores + Tensor::cat(vec![own, last], 3) * bias.bias.clone()
}

/// `[B, N, heads·d]` to `[B, heads, N, d]`.
fn split_heads(tensor: Tensor<3>, heads: usize) -> Tensor<4> {
    let [batch, length, inner] = tensor.dims();
    tensor
        .reshape([batch, length, heads, inner / heads])
        .swap_dims(1, 2)
}
