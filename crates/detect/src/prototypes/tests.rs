//! Property 8 of the method's list, and the parts of q.

use proptest::prelude::*;

use super::*;

/// Unit vectors from a counter.
fn descriptors(width: usize, height: usize, dim: usize, seed: u32) -> Descriptors {
    let value = |i: u32| {
        let hash = (i ^ seed.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b);
        (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35) as f32 / u32::MAX as f32 - 0.5
    };
    let mut data: Vec<f32> = (0..(width * height * dim) as u32).map(value).collect();
    for vector in data.chunks_exact_mut(dim) {
        let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|v| *v /= norm);
    }
    Descriptors {
        width,
        height,
        dim,
        data,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_fitted_photo_is_at_no_distance_and_more_prototypes_never_raise_it(
        width in 2usize..8, height in 2usize..8, dim in 3usize..40, seed in 0u32..1000,
    ) {
        let photos: Vec<Descriptors> = (0..3).map(|i| descriptors(width, height, dim, seed + i)).collect();
        let few = Bank::new(&[&photos[0]]);
        let more = Bank::new(&[&photos[0], &photos[1]]);
        prop_assert!(few.nearest(&photos[0]).iter().all(|&d| d < 1e-6));
        for (a, b) in more.nearest(&photos[2]).iter().zip(few.nearest(&photos[2])) {
            prop_assert!(*a <= b + 1e-6);
        }
    }

    #[test]
    fn the_coreset_is_deterministic_and_within_twice_the_best_radius(
        n in 4usize..9, seed in 0u32..1000,
    ) {
        let points = descriptors(n, 1, 3, seed);
        let chosen = coreset(&points.data, 3, 2);
        prop_assert_eq!(&chosen, &coreset(&points.data, 3, 2));
        let mut best = f32::INFINITY;
        for a in 0..n {
            for b in 0..a {
                best = best.min(radius(&points.data, 3, &[a, b]));
            }
        }
        prop_assert!(radius(&points.data, 3, &chosen) <= 2.0 * best + 1e-5);
    }
}

#[test]
fn the_subspace_holds_what_it_was_fitted_on_and_not_what_stands_on_it() {
    let mut data = Vec::new();
    for i in 0..20 {
        let t = i as f32 * 0.3;
        data.extend([t.cos(), t.sin(), 0.0, 0.5]);
    }
    let subspace = Subspace::fit(&data, 4, 0.999);
    assert_eq!(subspace.basis.len(), 2 * 4);
    let inside = Descriptors {
        width: 1,
        height: 1,
        dim: 4,
        data: vec![0.6, -0.8, 0.0, 0.5],
    };
    assert!(subspace.residual(&inside)[0] < 1e-6);
    let outside = Descriptors {
        data: vec![0.6, -0.8, 0.3, 0.5],
        ..inside
    };
    assert!((subspace.residual(&outside)[0] - 0.09).abs() < 1e-5);
}

#[test]
fn zero_features_and_an_empty_bank_give_finite_numbers() {
    let zero = Descriptors {
        width: 2,
        height: 1,
        dim: 3,
        data: vec![0.0; 6],
    };
    let prototypes = Prototypes::fit(&[&zero], &FeatureOptions::default());
    assert!(prototypes.distances(&zero).q.data.iter().all(|q| *q == 0.0));
    assert_eq!(Bank::new(&[]).nearest(&zero), [0.0, 0.0]);
}

#[test]
fn the_grid_keeps_the_aspect() {
    assert_eq!(grid_of(256, 256, 32), (32, 32));
    assert_eq!(grid_of(256, 128, 32), (32, 16));
    assert_eq!(grid_of(3, 256, 32), (1, 32));
}
