//! Kernels against burn's operators, results and gradients, at odd sizes, batches of two, height ≠ width.
//!
//! Differences are relative to the largest value of the expected tensor.

mod convolutions;
mod layers;
mod maps;
mod rules;

use anomalysd_diffusion::kernels::{self, Prepared};
use anomalysd_diffusion::nn::GroupNorm;
use anomalysd_diffusion::noise;
use anomalysd_diffusion::weights::Loader;
use burn::module::{Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};

/// Largest difference of a result and of a gradient.
const TOLERANCE: f32 = 2e-5;

fn field<const D: usize>(stream: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    let values = noise::field(5, stream, [1, 1, shape.iter().product()]);
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec::<f32>().unwrap()
}

fn close<const D: usize>(what: &str, got: Tensor<D>, expected: Tensor<D>) {
    assert_eq!(got.dims(), expected.dims(), "{what}");
    let (got, expected) = (values(got), values(expected));
    let largest = expected
        .iter()
        .fold(1e-3_f32, |most, value| most.max(value.abs()));
    for (at, (got, expected)) in got.iter().zip(&expected).enumerate() {
        let error = (got - expected).abs() / largest;
        assert!(
            error < TOLERANCE,
            "{what} at {at}: {got} {expected}, {error} of {largest}"
        );
    }
}

/// Runs `kernel` and `plain` on a plain device and on both kinds of autodiff devices, with gradients of
/// all inputs.
fn agree<const N: usize, const D: usize, const R: usize>(
    what: &str,
    inputs: [Tensor<D>; N],
    kernel: impl Fn(&[Tensor<D>; N]) -> Option<Tensor<R>>,
    plain: impl Fn(&[Tensor<D>; N]) -> Tensor<R>,
) {
    close(what, kernel(&inputs).unwrap(), plain(&inputs));
    agree_trained(what, inputs, kernel, plain);
}

fn agree_trained<const N: usize, const D: usize, const R: usize>(
    what: &str,
    inputs: [Tensor<D>; N],
    kernel: impl Fn(&[Tensor<D>; N]) -> Option<Tensor<R>>,
    plain: impl Fn(&[Tensor<D>; N]) -> Tensor<R>,
) {
    let devices = [
        Device::flex().autodiff(),
        Device::flex().autodiff().gradient_checkpointing(),
    ];
    for device in devices {
        let inputs = inputs
            .clone()
            .map(|input| Tensor::from_data(input.into_data(), &device).require_grad());
        let run = |output: Tensor<R>| {
            let weights = field(99, output.dims(), &device);
            let gradients = (output.clone() * weights).sum().backward();
            let of_inputs = inputs.clone().map(|input| input.grad(&gradients).unwrap());
            (output.inner(), of_inputs)
        };
        let (got, of_kernel) = run(kernel(&inputs).unwrap());
        let (expected, of_plain) = run(plain(&inputs));
        close(what, got, expected);
        for (index, (got, expected)) in of_kernel.into_iter().zip(of_plain).enumerate() {
            close(&format!("{what}, gradient {index}"), got, expected);
        }
    }
}

/// A convolution whose weight was never seen before.
fn convolve(
    input: &Tensor<4>,
    weight: &Tensor<4>,
    bias: Option<&Tensor<1>>,
    padding: (usize, usize),
) -> Option<Tensor<4>> {
    kernels::convolve(input, weight, bias, padding, 1, &Prepared::default())
}

/// `[1, 1, 1, n]` as `[n]`.
fn row(tensor: &Tensor<4>) -> Tensor<1> {
    let count = tensor.dims().iter().product::<usize>();
    tensor.clone().reshape([count])
}

fn loaded_group_norm(weight: Tensor<1>, bias: Tensor<1>, groups: usize) -> GroupNorm {
    let random = Loader::random(1, &weight.device());
    let mut norm = GroupNorm::load(&random, weight.dims()[0], groups, 1e-5).unwrap();
    norm.weight = Param::initialized(ParamId::new(), weight);
    norm.bias = Param::initialized(ParamId::new(), bias);
    norm
}
