//! Partial noising: which timesteps a noise strength visits (METHOD § 5.3).

/// Timesteps of a repair with noise strength λ, descending; empty where λ adds no noise.
///
/// `t_j = round(λT·(S_λ − j)/S_λ) − 1` for j in 0..S_λ, with `S_λ = max(1, round(λS))`, T training and S
/// inference timesteps. The step after the last leads to ᾱ = 1.
pub fn partial_timesteps(
    strength: f32,
    inference_steps: usize,
    train_timesteps: usize,
) -> Vec<usize> {
    let strength = f64::from(strength.clamp(0.0, 1.0));
    let noised = strength * train_timesteps as f64;
    if noised.round() < 1.0 {
        return Vec::new();
    }
    let steps =
        ((strength * inference_steps as f64).round() as usize).clamp(1, noised.round() as usize);
    let timestep = |j: usize| (noised * (steps - j) as f64 / steps as f64).round() as usize;
    (0..steps).map(|j| timestep(j).max(1) - 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_strength() {
        assert!(partial_timesteps(0.0, 20, 1000).is_empty());
        assert_eq!(partial_timesteps(1.0, 4, 1000), [999, 749, 499, 249]);
        assert_eq!(partial_timesteps(0.4, 4, 1000), [399, 199]);
        assert_eq!(partial_timesteps(0.01, 4, 1000), [9]);
        assert_eq!(partial_timesteps(1.0, 1, 1000), [999]);
    }

    #[test]
    fn timesteps_fall_and_stay_in_the_schedule() {
        for steps in [1, 3, 8, 20, 50, 1000] {
            for strength in [0.05, 0.33, 0.6, 0.8, 1.0] {
                let timesteps = partial_timesteps(strength, steps, 1000);
                assert!(
                    timesteps.windows(2).all(|pair| pair[0] > pair[1]),
                    "{timesteps:?}"
                );
                assert!(timesteps[0] < 1000);
            }
        }
    }
}
