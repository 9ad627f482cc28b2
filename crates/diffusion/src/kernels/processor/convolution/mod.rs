//! Convolutions of step 1, and their gradients.
//!
//! burn's `flex` spends as long on copying a convolution's input as on multiplying it: here 3×3 ones go by
//! Winograd's tiles, and 1×1 ones are [maps of channels](super::channels). It computes a weight's gradient as a
//! convolution with the output's gradient as its kernel, and an input's as a transposed one: here the first is a
//! matrix product over all places of a photo, and the second the convolution with the weight turned about.

mod prepared;
mod weight_gradient;
mod winograd;

use burn::backend::flex::FlexTensor;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};

use super::channels::{sums_of_channels, to_itself};
use super::operator::{Operator, Values, apply, constant};
use prepared::For;
pub use prepared::Prepared;
use weight_gradient::weight_gradient;

/// `torch.nn.functional.conv2d` with step 1, or `None` where burn's own has to do it.
///
/// # Shapes
/// `input` `[batch, in, height, width]`, `weight` `[out, in, kernel, kernel]`, `bias` `[out]`; `padding`
/// before and after, less than the kernel. The result is `[batch, out, height', width']`. `prepared` belongs to the
/// layer whose weight it is.
pub fn convolve(
    input: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    padding: (usize, usize),
    prepared: &Prepared,
) -> Option<Tensor<4>> {
    let [batch, inputs, height, width] = input.dims();
    let [outputs, own_inputs, kernel, columns] = weight.dims();
    let padded = |side: usize| side + padding.0 + padding.1;
    if own_inputs != inputs
        || kernel != columns
        || kernel <= padding.0.max(padding.1)
        || kernel > padded(height.min(width))
        || batch * inputs * outputs * height * width == 0
        || bias.is_some_and(|bias| bias.dims() != [outputs])
    {
        return None;
    }
    if kernel == 1 {
        return to_itself(input, weight, bias);
    }
    let sizes = Sizes {
        batch,
        inputs,
        outputs,
        input: [height, width],
        output: [height, width].map(|side| padded(side) + 1 - kernel),
        kernel,
        padding,
    };
    let recorded = [input.device(), weight.device()];
    if !winograd::takes(&sizes) && !recorded.iter().any(Device::is_autodiff) {
        return None;
    }
    let (input, weight) = (
        input.clone().into_dispatch(),
        weight.clone().into_dispatch(),
    );
    // A weight that is trained is another one after every step.
    let kept = constant(weight.clone()).map(|weight| (prepared.clone(), weight));
    let convolution = Convolution { sizes, kept };
    match bias {
        None => apply(convolution, [input, weight]),
        Some(bias) => apply(convolution, [input, weight, bias.clone().into_dispatch()]),
    }
}

#[derive(Debug, Clone, Copy)]
struct Sizes {
    batch: usize,
    inputs: usize,
    outputs: usize,
    /// Height and width.
    input: [usize; 2],
    output: [usize; 2],
    kernel: usize,
    padding: (usize, usize),
}

impl Sizes {
    fn input_shape(&self) -> [usize; 4] {
        [self.batch, self.inputs, self.input[0], self.input[1]]
    }

    fn output_shape(&self) -> [usize; 4] {
        [self.batch, self.outputs, self.output[0], self.output[1]]
    }

    fn weight_shape(&self) -> [usize; 4] {
        [self.outputs, self.inputs, self.kernel, self.kernel]
    }
}

/// With two inputs (input, weight) or three (and bias).
#[derive(Debug, Clone)]
struct Convolution {
    sizes: Sizes,
    /// Where transforms of the weight are kept.
    kept: Option<(Prepared, FlexTensor)>,
}

impl Convolution {
    fn transformed(&self, what: For) -> Option<std::sync::Arc<Vec<f32>>> {
        let (prepared, weight) = self.kept.as_ref()?;
        prepared.of(weight, &self.sizes, what)
    }
}

impl<const N: usize> Operator<N> for Convolution {
    fn forward(&self, inputs: [&[f32]; N]) -> Values {
        let (input, bias) = (inputs[0], inputs.get(2).copied());
        match self.transformed(For::Output) {
            Some(weight) => winograd::convolve(&self.sizes, input, &weight, bias),
            None => forward(&self.sizes, input, inputs[1], bias),
        }
    }

    fn backward(
        &self,
        inputs: [&[f32]; N],
        gradient: &[f32],
        wanted: [bool; N],
    ) -> [Option<Values>; N] {
        let sizes = &self.sizes;
        let mut found = [const { None }; N];
        for (index, found) in found
            .iter_mut()
            .enumerate()
            .filter(|(index, _)| wanted[*index])
        {
            *found = Some(match index {
                0 => match self.transformed(For::InputGradient) {
                    Some(weight) => winograd::convolve(&backwards(sizes), gradient, &weight, None),
                    None => forward(&backwards(sizes), gradient, &turned(sizes, inputs[1]), None),
                },
                1 => weight_gradient(sizes, inputs[0], gradient),
                _ => bias_gradient(sizes, gradient),
            });
        }
        found
    }
}

fn forward(sizes: &Sizes, input: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Values {
    if winograd::takes(sizes) {
        let weight = winograd::transform_weights(weight, sizes.outputs, sizes.inputs);
        return winograd::convolve(sizes, input, &weight, bias);
    }
    let bias = bias.map(|bias| of_slice(bias, [sizes.outputs]));
    let input = of_slice(input, sizes.input_shape());
    let weight = of_slice(weight, sizes.weight_shape());
    by_burn(input, weight, bias, sizes.padding, sizes.output_shape())
}

fn of_slice<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
}

fn by_burn(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    padding: (usize, usize),
    shape: [usize; 4],
) -> Values {
    let options = ConvOptions::new_with_padding([1; 2], [padding; 2], [1, 1], 1);
    let output = burn::tensor::module::conv2d(input, weight, bias, options);
    // f32 goes in, so f32 comes out.
    let values = output.into_data().try_to_vec::<f32>().unwrap_or_default();
    Values::new(values, shape)
}

/// The weight turned about and its channels exchanged: convolved with it, the output's gradient is the input's.
fn turned(sizes: &Sizes, weight: &[f32]) -> Vec<f32> {
    let places = sizes.kernel * sizes.kernel;
    let mut turned = vec![0.0_f32; weight.len()];
    for (index, kernel) in weight.chunks_exact(places).enumerate() {
        let (output, input) = (index / sizes.inputs, index % sizes.inputs);
        let to = &mut turned[(input * sizes.outputs + output) * places..][..places];
        to.iter_mut()
            .zip(kernel.iter().rev())
            .for_each(|(to, from)| *to = *from);
    }
    turned
}

/// Sizes of that convolution.
fn backwards(sizes: &Sizes) -> Sizes {
    let rest = sizes.kernel - 1;
    Sizes {
        inputs: sizes.outputs,
        outputs: sizes.inputs,
        input: sizes.output,
        output: sizes.input,
        padding: (rest - sizes.padding.0, rest - sizes.padding.1),
        ..*sizes
    }
}

fn bias_gradient(sizes: &Sizes, gradient: &[f32]) -> Values {
    let plane = sizes.output[0] * sizes.output[1];
    let totals = sums_of_channels(gradient, sizes.outputs, plane);
    Values::new(totals, [sizes.outputs])
}
