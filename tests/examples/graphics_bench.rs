//! Times the kernels for graphics processors beside burn's operators, at sizes of `mini` and of Stable Diffusion.
//!
//! `cargo build --release --workspace --examples`, then `target/release/examples/graphics_bench [RUNS]`; on a device
//! in software the last sizes take long, and `graphics_bench RUNS small` leaves them out.

use std::time::Instant;

use anomalysd_diffusion::kernels::{self, Prepared};
use anomalysd_diffusion::nn::attend_composed;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Distribution, Tensor, module};

/// Inputs, outputs, side of the kernel, side of the picture.
const CONVOLUTIONS: [[usize; 4]; 7] = [
    [64, 64, 3, 32],
    [96, 96, 3, 32],
    [192, 96, 3, 8],
    [64, 64, 1, 32],
    [320, 320, 3, 64],
    [1280, 1280, 3, 16],
    [640, 640, 1, 32],
];
/// Tokens, inputs, outputs.
const LINEARS: [[usize; 3]; 3] = [[1024, 64, 512], [256, 96, 96], [4096, 320, 2560]];
/// Queries, keys, width, heads.
const ATTENTIONS: [[usize; 4]; 3] = [
    [1024, 1024, 64, 4],
    [256, 1280, 96, 4],
    [4096, 4096, 320, 8],
];
/// Operations of what a small run still does.
const SMALL: f64 = 2e9;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let runs = arguments.next().map_or(Ok(3), |runs| runs.parse());
    let runs: usize = runs.expect("the number of runs");
    let most = match arguments.next().as_deref() {
        Some("small") => SMALL,
        _ => f64::MAX,
    };
    let gpu = Device::wgpu_options()
        .init()
        .expect("a GPU, or one in software");
    let normal = Distribution::Normal(0.0, 1.0);
    println!(
        "{:34} {:>10} {:>10} {:>10}",
        "", "ours, ms", "GFLOP/s", "burn's, ms"
    );
    let line = |name: String, flop: f64, ours: &dyn Fn() -> f32, burns: &dyn Fn() -> f32| {
        if flop <= most {
            let [ours, burns] = [ours, burns].map(|work| best(runs, work));
            println!(
                "{name:34} {:10.2} {:10.1} {:10.2}",
                ours * 1e3,
                flop / ours / 1e9,
                burns * 1e3
            );
        }
    };
    for [inputs, outputs, kernel, side] in CONVOLUTIONS {
        let input = Tensor::<4>::random([1, inputs, side, side], normal, &gpu);
        let weight = Tensor::<4>::random([outputs, inputs, kernel, kernel], normal, &gpu);
        let (padding, fresh) = ((kernel / 2, kernel / 2), Prepared::default());
        let options = ConvOptions::new_with_padding([1, 1], [padding; 2], [1, 1], 1);
        line(
            format!("{kernel}x{kernel}, {inputs} to {outputs} at {side}x{side}"),
            2.0 * (inputs * outputs * kernel * kernel * side * side) as f64,
            &|| {
                first(
                    kernels::convolve(&input, &weight, None, padding, 1, &fresh).expect("a kernel"),
                )
            },
            &|| {
                first(module::conv2d(
                    input.clone(),
                    weight.clone(),
                    None,
                    options.clone(),
                ))
            },
        );
    }
    for [tokens, inputs, outputs] in LINEARS {
        let input = Tensor::<3>::random([1, tokens, inputs], normal, &gpu);
        let weight = Tensor::<2>::random([outputs, inputs], normal, &gpu);
        line(
            format!("linear, {tokens} of {inputs} to {outputs}"),
            2.0 * (tokens * inputs * outputs) as f64,
            &|| first(kernels::linear(&input, &weight, None).expect("a kernel")),
            &|| {
                first(module::linear(
                    input.clone(),
                    weight.clone().transpose(),
                    None,
                ))
            },
        );
    }
    for [queries, keys, width, heads] in ATTENTIONS {
        let query = Tensor::<3>::random([1, queries, width], normal, &gpu);
        let key = Tensor::<3>::random([1, keys, width], normal, &gpu);
        line(
            format!("attention, {queries} of {keys}, {heads}x{}", width / heads),
            4.0 * (queries * keys * width) as f64,
            &|| first(kernels::attend(&query, &key, &key, heads, None).expect("a kernel")),
            &|| {
                let [key, value] = [key.clone(), key.clone()];
                first(attend_composed(query.clone(), key, value, heads, None))
            },
        );
    }
}

/// One value of a result, by which all of it is waited for.
fn first<const D: usize>(result: Tensor<D>) -> f32 {
    let count = result.dims().iter().product::<usize>();
    result.reshape([count]).narrow(0, 0, 1).into_scalar()
}

/// Seconds of the quickest of so many runs after one that compiles.
fn best(runs: usize, work: &dyn Fn() -> f32) -> f64 {
    work();
    let time = |_| {
        let began = Instant::now();
        work();
        began.elapsed().as_secs_f64()
    };
    (0..runs.max(1)).map(time).fold(f64::MAX, f64::min)
}
