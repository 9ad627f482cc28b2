//! Linear maps and token embeddings.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};

use super::dispatch::{MAX_DISPATCH_FLOP, most_units, pieces};
use super::low_rank::LowRankLinear;
use super::norm::{as_f32, in_type};
use crate::weights::{Init, Loader};
use crate::{Result, kernels};

/// `y = x·Wᵀ + b`, as `torch.nn.Linear`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// A change that is being trained; none in a model that is only used.
    lora: Option<LowRankLinear>,
}

impl Linear {
    /// Reads (or draws) `weight` and, if `bias`, `bias`.
    ///
    /// # Errors
    /// Missing or misshapen tensors.
    pub fn load(loader: &Loader, inputs: usize, outputs: usize, bias: bool) -> Result<Self> {
        let init = Init::fan_in(inputs);
        Ok(Self {
            weight: loader.param("weight", [outputs, inputs], init)?,
            bias: bias
                .then(|| loader.param("bias", [outputs], init))
                .transpose()?,
            lora: LowRankLinear::load(loader, inputs, outputs),
        })
    }

    /// Fresh weights, drawn from `seed`.
    ///
    /// # Errors
    /// None in practice: drawing cannot fail.
    pub fn init(
        inputs: usize,
        outputs: usize,
        bias: bool,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        Self::load(&Loader::random(seed, device), inputs, outputs, bias)
    }

    /// # Shapes
    /// `[…, in]` to `[…, out]`, computed in the input's type.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        match &self.lora {
            None => self.own(input),
            Some(lora) => self.own(input.clone()) + lora.forward(input),
        }
    }

    /// The map without what is being trained.
    fn own<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let bias = self.bias.as_ref().map(Param::val);
        kernels::linear(&input, &self.weight.val(), bias.as_ref())
            .unwrap_or_else(|| self.forward_within(input, MAX_DISPATCH_FLOP))
    }

    /// The same in dispatches of at most `limit` floating-point operations.
    fn forward_within<const D: usize>(&self, input: Tensor<D>, limit: u64) -> Tensor<D> {
        let [outputs, inputs] = self.weight.dims();
        let mut shape = input.dims();
        let rows = shape[..D - 1].iter().product();
        let row_flop = 2 * inputs as u64 * outputs as u64;
        let weight = in_type(self.weight.val(), input.dtype());
        let bias = self.bias.as_ref().map(Param::val);
        let bias = bias.map(|bias| in_type(bias, input.dtype()));
        if most_units(row_flop, limit) >= rows {
            return burn::tensor::module::linear(input, weight.transpose(), bias);
        }
        let input: Tensor<2> = input.reshape([rows, inputs]);
        let parts = pieces(rows, row_flop, limit).map(|rows| {
            let part = input.clone().narrow(0, rows.start, rows.len());
            kernels::linear(&part, &weight, bias.as_ref()).unwrap_or_else(|| {
                burn::tensor::module::linear(part, weight.clone().transpose(), bias.clone())
            })
        });
        shape[D - 1] = outputs;
        Tensor::cat(parts.collect(), 0).reshape(shape)
    }
}

/// A table of vectors, as `torch.nn.Embedding`.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[count, width]`.
    pub weight: Param<Tensor<2>>,
    /// The rows after those of `weight`, where one tensor would be more than the device takes.
    #[module(skip)]
    rest: Vec<Tensor<2>>,
}

impl Embedding {
    /// Reads (or draws, with standard deviation `std`) the table.
    ///
    /// # Errors
    /// A missing or misshapen tensor.
    pub fn load(loader: &Loader, count: usize, width: usize, std: f64) -> Result<Self> {
        let (weight, rest) = loader.table("weight", [count, width], Init::Normal(std))?;
        Ok(Self { weight, rest })
    }

    /// # Shapes
    /// Indices `[batch, length]` below the count, to `[batch, length, width]`.
    pub fn forward(&self, indices: Tensor<2, Int>) -> Tensor<3> {
        let weight = self.weight.val();
        let look_up =
            |part: &Tensor<2>, rows| as_f32(burn::tensor::module::embedding(part.clone(), rows));
        if self.rest.is_empty() {
            return look_up(&weight, indices);
        }
        // Every part answers for its own rows, and with zero for those of others.
        let answer = |part: &Tensor<2>, start: i64| {
            let rows = indices.clone() - start;
            let own = rows.clone().clamp(0, part.dims()[0] as i64 - 1);
            let inside = rows.equal(own.clone()).float().unsqueeze_dim(2);
            look_up(part, own) * inside
        };
        let mut start = weight.dims()[0] as i64;
        let mut sum = answer(&weight, 0);
        for part in &self.rest {
            sum = sum + answer(part, start);
            start += part.dims()[0] as i64;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_map_in_pieces_is_the_same_map() {
        let device = Device::flex();
        let linear = Linear::init(6, 4, true, 1, &device).unwrap();
        let random = Loader::random(2, &device);
        let input: Tensor<3> = random
            .tensor("input", [2, 5, 6], Init::Normal(1.0))
            .unwrap();
        let values = |limit| {
            let output = linear.forward_within(input.clone(), limit);
            assert_eq!(output.dims(), [2, 5, 4]);
            output.into_data().try_to_vec::<f32>().unwrap()
        };
        let whole = values(u64::MAX);
        // A row: 2·6·4.
        for limit in [1, 3 * 48, 9 * 48] {
            for (piece, whole) in values(limit).iter().zip(&whole) {
                assert!((piece - whole).abs() <= 1e-6, "{piece} {whole} at {limit}");
            }
        }
    }

    #[test]
    fn a_table_in_parts_is_the_same_table() {
        let device = Device::flex();
        let random = Loader::random(3, &device);
        let whole = Embedding::load(&random, 7, 4, 1.0).unwrap();
        let table = whole.weight.val();
        let in_parts = Embedding {
            weight: Param::from_tensor(table.clone().narrow(0, 0, 3)),
            rest: vec![table.clone().narrow(0, 3, 3), table.narrow(0, 6, 1)],
        };
        let ids = Tensor::<1, Int>::from_ints([6, 0, 2, 3, 5, 4, 1, 6], &device).reshape([2, 4]);
        let values = |embedding: &Embedding| {
            let vectors = embedding.forward(ids.clone());
            vectors.into_data().try_to_vec::<f32>().unwrap()
        };
        assert_eq!(values(&in_parts), values(&whole));
    }
}
