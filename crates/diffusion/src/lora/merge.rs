//! Weights with the products of a LoRA's matrices added as they are read.

use std::rc::Rc;

use crate::Result;
use crate::weights::{Change, HostTensor, TensorSource};

/// What is added to a weight: `factor · up · down`.
pub(super) struct Product {
    /// Where both are.
    pub(super) lora: Rc<dyn TensorSource>,
    /// Name of `[r, inputs…]`.
    pub(super) down: String,
    /// Name of `[outputs, r]`.
    pub(super) up: String,
    /// Strength.
    pub(super) factor: f32,
}

/// Checks that a pair fits its weight; returns its rank, or a sentence that says why it does not.
pub(super) fn check(
    source: &dyn TensorSource,
    (down, up): (&str, &str),
    weight: &str,
    shape: &[usize],
) -> std::result::Result<usize, String> {
    let of = |name: &str| source.shape(name).unwrap_or_default();
    let (down_shape, up_shape) = (of(down), of(up));
    let rank = down_shape.first().copied().unwrap_or(0);
    let outputs = shape.first().copied().unwrap_or(0);
    let inputs: usize = shape.iter().skip(1).product();
    let fits_down =
        rank > 0 && inputs > 0 && down_shape.iter().skip(1).product::<usize>() == inputs;
    // A 1×1 convolution `[outputs, r, 1, 1]`, or a matrix.
    let is_matrix = up_shape.len() >= 2 && up_shape[2..].iter().all(|side| *side == 1);
    let fits_up = is_matrix && up_shape[..2] == [outputs, rank];
    if shape.len() < 2 || !fits_down || !fits_up {
        return Err(format!(
            "`{down}` {down_shape:?} and `{up}` {up_shape:?} do not fit `{weight}` {shape:?}: it is a LoRA of another architecture"
        ));
    }
    Ok(rank)
}

impl Change for Product {
    fn add_to(&self, values: &mut [f32]) -> Result<()> {
        let (down, up) = (self.lora.read(&self.down)?, self.lora.read(&self.up)?);
        add_product(values, &up, &down, self.factor);
        Ok(())
    }
}

/// `weight += factor · up · down`, row by row.
fn add_product(weight: &mut [f32], up: &HostTensor, down: &HostTensor, factor: f32) {
    let rank = down.shape[0];
    let inputs = down.values.len() / rank;
    for (row, up) in weight
        .chunks_exact_mut(inputs)
        .zip(up.values.chunks_exact(rank))
    {
        for (up, down) in up.iter().zip(down.values.chunks_exact(inputs)) {
            let strength = factor * up;
            for (value, down) in row.iter_mut().zip(down) {
                *value += strength * down;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use safetensors::Dtype;
    use safetensors::tensor::TensorView;

    use super::*;
    use crate::weights::SafetensorsSource;

    fn pair(down: &[usize], up: &[usize]) -> SafetensorsSource {
        let bytes = |shape: &[usize]| vec![0; 4 * shape.iter().product::<usize>()];
        let (of_down, of_up) = (bytes(down), bytes(up));
        let view =
            |shape: &[usize], bytes| TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap();
        let views = [("down", view(down, &of_down)), ("up", view(up, &of_up))];
        SafetensorsSource::new("pair", safetensors::serialize(views, None).unwrap()).unwrap()
    }

    #[test]
    fn pairs_that_fit_no_weight_are_refused_and_none_divides_by_zero() {
        let rank = |down: &[usize], up: &[usize], weight: &[usize]| {
            check(&pair(down, up), ("down", "up"), "w", weight)
        };
        assert_eq!(rank(&[2, 3], &[5, 2], &[5, 3]), Ok(2));
        assert_eq!(rank(&[2, 3, 3, 3], &[5, 2, 1, 1], &[5, 3, 3, 3]), Ok(2));
        for (down, up, weight) in [
            (&[0, 3][..], &[5, 0][..], &[5, 3][..]),
            (&[2, 0], &[5, 2], &[5, 0]),
            (&[2, 3], &[5, 3], &[5, 3]),
            (&[2, 3], &[5, 2, 3, 3], &[5, 3]),
            (&[2, 3], &[2], &[5, 3]),
            (&[2], &[5, 2], &[5]),
        ] {
            assert!(
                rank(down, up, weight).is_err(),
                "{down:?} {up:?} {weight:?}"
            );
        }
    }
}
