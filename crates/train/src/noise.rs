//! Noise of training samples: each sample's own, whatever was drawn before it and by which thread.

use anomalysd_diffusion::noise;
use burn::tensor::{Device, Tensor, TensorData};

/// Standard normal noise for a batch of latents. A sample's part depends on the run's seed, the
/// purpose and the sample's number alone.
///
/// # Shapes
/// `shape` is `[channels, height, width]`; result `[samples, channels, height, width]`.
pub fn of_samples(
    seed: u64,
    purpose: &str,
    samples: &[u64],
    shape: [usize; 3],
    device: &Device,
) -> Tensor<4> {
    let seed = seed ^ noise::stream_of(purpose);
    let values: Vec<f32> = samples
        .iter()
        .flat_map(|&sample| noise::field(seed, sample, shape))
        .collect();
    let [channels, height, width] = shape;
    let shape = [samples.len(), channels, height, width];
    Tensor::from_data(TensorData::new(values, shape), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_belongs_to_seed_purpose_and_sample() {
        let draw = |seed, purpose, samples: &[u64]| {
            let noise = of_samples(seed, purpose, samples, [2, 3, 5], &Device::flex());
            assert_eq!(noise.dims(), [samples.len(), 2, 3, 5]);
            noise.into_data().try_to_vec::<f32>().unwrap()
        };
        let both = draw(1, "a", &[8, 9]);
        assert_eq!(both[..30], draw(1, "a", &[8]));
        assert_eq!(both[30..], draw(1, "a", &[9]));
        assert_ne!(both[..30], both[30..]);
        assert_ne!(both, draw(2, "a", &[8, 9]));
        assert_ne!(both, draw(1, "b", &[8, 9]));
    }
}
