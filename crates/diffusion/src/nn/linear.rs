//! Linear maps and token embeddings.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor};

use crate::Result;
use crate::weights::{Init, Loader};

/// `y = x·Wᵀ + b`, as `torch.nn.Linear`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
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
    /// `[…, in]` to `[…, out]`.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let bias = self.bias.as_ref().map(Param::val);
        burn::tensor::module::linear(input, self.weight.val().transpose(), bias)
    }
}

/// A table of vectors, as `torch.nn.Embedding`.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[count, width]`.
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    /// Reads (or draws, with standard deviation `std`) the table.
    ///
    /// # Errors
    /// A missing or misshapen tensor.
    pub fn load(loader: &Loader, count: usize, width: usize, std: f64) -> Result<Self> {
        Ok(Self {
            weight: loader.param("weight", [count, width], Init::Normal(std))?,
        })
    }

    /// # Shapes
    /// Indices `[batch, length]` below the count, to `[batch, length, width]`.
    pub fn forward(&self, indices: Tensor<2, Int>) -> Tensor<3> {
        burn::tensor::module::embedding(self.weight.val(), indices)
    }
}
