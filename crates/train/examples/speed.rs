//! Scratch: speed of a training step.
use burn::tensor::{Device, Distribution, Tensor, module::conv2d, ops::ConvOptions};
use std::time::Instant;
fn main() {
    let dev = Device::flex();
    let ad = Device::flex().autodiff();
    for (b, c, s) in [
        (8usize, 64usize, 32usize),
        (16, 96, 16),
        (16, 128, 16),
        (16, 128, 8),
        (4, 96, 32),
    ] {
        let x = Tensor::<4>::random([b, c, s, s], Distribution::Default, &dev);
        let w = Tensor::<4>::random([c, c, 3, 3], Distribution::Default, &dev);
        let opt = || ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        let flops = 2.0 * 9.0 * (c * c * s * s * b) as f64;
        let t = Instant::now();
        for _ in 0..5 {
            let y = conv2d(x.clone(), w.clone(), None, opt());
            let _ = y.slice([0..1, 0..1, 0..1, 0..1]).into_data();
        }
        let fwd = t.elapsed().as_secs_f64() / 5.0;
        let xa = Tensor::<4>::from_data(x.clone().into_data(), &ad).require_grad();
        let wa = Tensor::<4>::from_data(w.clone().into_data(), &ad).require_grad();
        let t = Instant::now();
        for _ in 0..3 {
            let y = conv2d(xa.clone(), wa.clone(), None, opt());
            let g = y.sum().backward();
            let _ = wa
                .grad(&g)
                .unwrap()
                .slice([0..1, 0..1, 0..1, 0..1])
                .into_data();
        }
        let all = t.elapsed().as_secs_f64() / 3.0;
        let t = Instant::now();
        for _ in 0..3 {
            let y = burn::tensor::activation::silu(burn::tensor::module::conv2d(
                xa.clone(),
                wa.clone().slice([0..c, 0..c, 1..2, 1..2]),
                None,
                ConvOptions::new([1, 1], [0, 0], [1, 1], 1),
            ));
            let g = y.sum().backward();
            let _ = wa
                .grad(&g)
                .unwrap()
                .slice([0..1, 0..1, 0..1, 0..1])
                .into_data();
        }
        let one = t.elapsed().as_secs_f64() / 3.0;
        // own im2col: 9 shifted slices, concat, matmul
        let t = Instant::now();
        for _ in 0..3 {
            let p = xa.clone().pad([(1, 1), (1, 1)], 0.0f32);
            let mut cols = vec![];
            for dy in 0..3 {
                for dx in 0..3 {
                    cols.push(p.clone().slice([0..b, 0..c, dy..dy + s, dx..dx + s]));
                }
            }
            let col = Tensor::cat(cols, 1).reshape([b, 9 * c, s * s]);
            let y = wa
                .clone()
                .permute([0, 2, 3, 1])
                .reshape([1, c, 9 * c])
                .matmul(col);
            let g = y.sum().backward();
            let _ = wa
                .grad(&g)
                .unwrap()
                .slice([0..1, 0..1, 0..1, 0..1])
                .into_data();
        }
        let im = t.elapsed().as_secs_f64() / 3.0;
        let t = Instant::now();
        for _ in 0..3 {
            let y = burn::tensor::activation::silu(xa.clone());
            let g = y.sum().backward();
            let _ = xa
                .grad(&g)
                .unwrap()
                .slice([0..1, 0..1, 0..1, 0..1])
                .into_data();
        }
        let si = t.elapsed().as_secs_f64() / 3.0;
        println!(
            "b{b} c{c} s{s}: fwd {:.1} ms {:.1} GF/s; fwd+bwd {:.1} ms {:.1} GF/s; 1x1+silu fb {:.1} ms; im2col fb {:.1} ms {:.1} GF/s; silu fb {:.1} ms",
            fwd * 1e3,
            flops / fwd / 1e9,
            all * 1e3,
            3.0 * flops / all / 1e9,
            one * 1e3,
            im * 1e3,
            3.0 * flops / im / 1e9,
            si * 1e3
        );
    }
}
