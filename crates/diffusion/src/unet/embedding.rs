//! Sinusoidal embedding of the timestep and the small network after it.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use crate::Result;
use crate::nn::{Activation, Linear};
use crate::weights::Loader;

/// diffusers' `Timesteps`: sines and cosines of the timestep at geometrically spaced frequencies.
///
/// # Shapes
/// One row of `width` numbers per timestep.
pub(super) fn sinusoids(
    timesteps: &[f32],
    width: usize,
    flip_sin_to_cos: bool,
    freq_shift: f64,
    device: &Device,
) -> Tensor<2> {
    let half = width / 2;
    let mut values = Vec::with_capacity(timesteps.len() * width);
    for timestep in timesteps {
        let angles: Vec<f64> = (0..half)
            .map(|i| {
                let exponent = -(10_000f64.ln()) * i as f64 / (half as f64 - freq_shift);
                // PyTorch rounds frequency and product to f32 before it takes the sine.
                f64::from(*timestep * exponent.exp() as f32)
            })
            .collect();
        let sines = angles.iter().map(|angle| angle.sin() as f32);
        let cosines = angles.iter().map(|angle| angle.cos() as f32);
        if flip_sin_to_cos {
            values.extend(cosines.chain(sines));
        } else {
            values.extend(sines.chain(cosines));
        }
        values.extend(std::iter::repeat_n(0.0, width % 2));
    }
    Tensor::from_data(TensorData::new(values, [timesteps.len(), width]), device)
}

/// diffusers' `TimestepEmbedding`.
#[derive(Module, Debug)]
pub(super) struct TimestepEmbedding {
    linear_1: Linear,
    linear_2: Linear,
    #[module(skip)]
    activation: Activation,
}

impl TimestepEmbedding {
    pub(super) fn load(
        loader: &Loader,
        inputs: usize,
        outputs: usize,
        activation: Activation,
    ) -> Result<Self> {
        Ok(Self {
            linear_1: Linear::load(&loader.prefix("linear_1"), inputs, outputs, true)?,
            linear_2: Linear::load(&loader.prefix("linear_2"), outputs, outputs, true)?,
            activation,
        })
    }

    pub(super) fn forward(&self, sinusoids: Tensor<2>) -> Tensor<2> {
        self.linear_2
            .forward(self.activation.forward(self.linear_1.forward(sinusoids)))
    }
}
