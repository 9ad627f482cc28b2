//! Attention without its score matrix in memory.

mod kernel;

use burn::tensor::Tensor;

use super::operator::{Operator, Values, apply};
use crate::nn::KeyBias;
use kernel::Sizes;

/// `softmax(q·kᵀ/√d + bias)·v` per head, or `None` where burn's operators have to do it.
///
/// # Shapes
/// `query` `[batch, queries, heads·d]`, `key` and `value` `[batch, keys, heads·d]`; the result has the
/// query's shape.
pub fn attend(
    query: &Tensor<3>,
    key: &Tensor<3>,
    value: &Tensor<3>,
    heads: usize,
    bias: Option<&KeyBias>,
) -> Option<Tensor<3>> {
    let [batch, queries, inner] = query.dims();
    let [_, keys, _] = key.dims();
    if heads == 0
        || !inner.is_multiple_of(heads)
        || key.dims() != [batch, keys, inner]
        || value.dims() != [batch, keys, inner]
        || batch * queries * keys * inner == 0
    {
        return None;
    }
    let sizes = Sizes {
        batch,
        heads,
        queries,
        keys,
        inner,
        biased: bias.map_or(0, |bias| bias.keys),
    };
    let tensors = [query, key, value].map(|tensor| tensor.clone().into_dispatch());
    let [query, key, value] = tensors;
    match bias {
        None => apply(Attention(sizes), [query, key, value]),
        Some(bias) => {
            let [rows, ..] = bias.bias.dims();
            if bias.keys > keys || bias.bias.dims() != [rows, 1, 1, 1] || rows != 1 && rows != batch
            {
                return None;
            }
            let bias = bias.bias.clone().into_dispatch();
            apply(Biased(sizes), [query, key, value, bias])
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Attention(Sizes);

impl Operator<3> for Attention {
    fn forward(&self, [query, key, value]: [&[f32]; 3]) -> Values {
        let Sizes {
            batch,
            queries,
            inner,
            ..
        } = self.0;
        let output = kernel::forward(self.0, query, key, value, &[]);
        Values::new(output, [batch, queries, inner])
    }

    fn backward(
        &self,
        [query, key, value]: [&[f32]; 3],
        gradient: &[f32],
        _wanted: [bool; 3],
    ) -> [Option<Values>; 3] {
        let [query, key, value, _] =
            kernel::backward(self.0, query, key, value, &[], gradient).map(Some);
        [query, key, value]
    }
}

/// The same with a bias of the last keys, which has a gradient, too.
#[derive(Debug, Clone, Copy)]
struct Biased(Sizes);

impl Operator<4> for Biased {
    fn forward(&self, [query, key, value, bias]: [&[f32]; 4]) -> Values {
        let Sizes {
            batch,
            queries,
            inner,
            ..
        } = self.0;
        let output = kernel::forward(self.0, query, key, value, bias);
        Values::new(output, [batch, queries, inner])
    }

    fn backward(
        &self,
        [query, key, value, bias]: [&[f32]; 4],
        gradient: &[f32],
        _wanted: [bool; 4],
    ) -> [Option<Values>; 4] {
        kernel::backward(self.0, query, key, value, bias, gradient).map(Some)
    }
}
