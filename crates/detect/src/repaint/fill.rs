//! The good photo that fills each place of a hole: the one that looks most like the photo around it.

use burn::tensor::{Device, Tensor, TensorData};

/// A visible cell d rows or columns away counts e^(−d/4) times what a neighbour counts: the next ones decide,
/// and in the middle of a large hole those at its border.
const REACH: f32 = 4.0;
/// Keeps 0/0 away where nothing is visible.
const LEAST: f64 = 1e-20;

/// Latents of good photos `[N, k, C, h, w]`, chosen cell by cell: `[B, C, h, w]`, where N is B or 1.
///
/// A cell takes the good photo whose squared distance to `latents` `[N, C, h, w]` is least over the visible cells
/// around it; `hidden` `[B, 1, h, w]` is 1 where nothing may be seen. With one good photo it is that photo.
pub fn fill(good: Tensor<5>, latents: Tensor<4>, hidden: &Tensor<4>) -> Tensor<4> {
    let [own, count, channels, height, width] = good.dims();
    let [batch, ..] = hidden.dims();
    let shape = [batch, channels, height, width];
    let share = shares(&good, latents, hidden);
    let photo = |index: usize| -> Tensor<4> {
        let one = good.clone().narrow(1, index, 1);
        one.reshape([own, channels, height, width])
    };
    if count == 1 {
        return photo(0).expand(shape);
    }
    (0..count).fold(Tensor::zeros(shape, &good.device()), |filled, index| {
        filled + photo(index) * share.clone().narrow(1, index, 1)
    })
}

/// How much of each good photo a cell takes, `[B, k, h, w]`: all of one, or equal shares of those that fit alike.
pub(super) fn shares(good: &Tensor<5>, latents: Tensor<4>, hidden: &Tensor<4>) -> Tensor<4> {
    let [own, count, _, height, width] = good.dims();
    let [batch, ..] = hidden.dims();
    if count == 1 {
        return hidden.ones_like();
    }
    let latents: Tensor<5> = latents.unsqueeze_dim(1);
    let apart = (good.clone() - latents).square().mean_dim(2);
    let apart: Tensor<4> = apart.reshape([own, count, height, width]);
    let visible = hidden.clone().neg() + 1.0;
    let likeness = pooled(apart * visible.clone()) / (pooled(visible) + LEAST);
    let best = likeness.clone().min_dim(1);
    let chosen = likeness.equal(best.expand([batch, count, height, width]));
    let chosen = chosen.float();
    chosen.clone() / chosen.sum_dim(1)
}

/// Sums over the surroundings of each cell.
fn pooled(values: Tensor<4>) -> Tensor<4> {
    let [_, _, height, width] = values.dims();
    let device = values.device();
    falloff(height, &device).matmul(values.matmul(falloff(width, &device)))
}

/// e^(−|i − j|/reach), `[1, 1, size, size]`.
fn falloff(size: usize, device: &Device) -> Tensor<4> {
    let at = |cell: usize| {
        let distance = (cell / size).abs_diff(cell % size);
        (-(distance as f32) / REACH).exp()
    };
    let values: Vec<f32> = (0..size * size).map(at).collect();
    Tensor::from_data(TensorData::new(values, [1, 1, size, size]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: Vec<f32>, shape: [usize; 4]) -> Tensor<4> {
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    #[test]
    fn each_half_of_a_hole_takes_the_photo_that_fits_beside_it() {
        // Two good photos of one channel: all 1, all 2; the photo is 1 on the left and 2 on the right.
        let (height, width) = (6, 16);
        let row = |of: &dyn Fn(usize) -> f32| -> Vec<f32> {
            (0..height * width).map(|at| of(at % width)).collect()
        };
        let mut good = row(&|_| 1.0);
        good.extend(row(&|_| 2.0));
        let good = of(good, [2, 1, height, width]).unsqueeze_dim(0);
        let photo = row(&|x| if x < 8 { 1.0 } else { 2.0 });
        let latents = of(photo.clone(), [1, 1, height, width]);
        let hidden = of(
            row(&|x| f32::from(u8::from((3..13).contains(&x)))),
            [1, 1, height, width],
        );
        let filled = fill(good, latents, &hidden);
        assert_eq!(filled.into_data().try_to_vec::<f32>().unwrap(), photo);
    }

    #[test]
    fn what_is_hidden_has_no_say_and_one_photo_is_itself() {
        let good = of((0..32).map(|v| v as f32).collect(), [2, 1, 4, 4]);
        let both: Tensor<5> = good.clone().unsqueeze_dim(0);
        let latents = of(vec![0.3; 16], [1, 1, 4, 4]);
        let mut other = vec![0.3; 16];
        other[5] = 900.0;
        let other = of(other, [1, 1, 4, 4]);
        let hidden: Vec<f32> = (0..16).map(|at| f32::from(u8::from(at == 5))).collect();
        let hidden = of(hidden, [1, 1, 4, 4]);
        let filled = fill(both.clone(), latents.clone(), &hidden);
        assert_eq!(
            filled.into_data(),
            fill(both.clone(), other, &hidden).into_data()
        );
        let one = both.clone().narrow(1, 1, 1);
        let filled = fill(one, latents.clone(), &hidden);
        assert_eq!(filled.into_data(), good.narrow(0, 1, 1).into_data());
        // Nothing visible at all: some of them, and no NaN.
        let all = Tensor::ones([1, 1, 4, 4], &Device::flex());
        let filled = fill(both, latents, &all);
        let values = filled.into_data().try_to_vec::<f32>().unwrap();
        assert!(values.iter().all(|value| (0.0..32.0).contains(value)));
    }
}
