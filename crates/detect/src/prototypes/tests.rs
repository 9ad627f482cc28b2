//! Property 8 of the method's list, the parts of q, and how a class lies.

use proptest::prelude::*;

use anomalysd_imaging::Photo;

use super::*;
use crate::options::Choice;

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
    fn a_search_around_finds_no_nearer_than_a_free_one_and_as_near_when_it_reaches_everywhere(
        width in 2usize..8, height in 2usize..8, radius in 0usize..4, seed in 0u32..1000,
    ) {
        let photos: Vec<Descriptors> = (0..3).map(|i| descriptors(width, height, 8, seed + i)).collect();
        let bank = Bank::new(&[&photos[0], &photos[1]]);
        let free = bank.nearest(&photos[2]);
        for (near, free) in bank.nearest_around(&photos[2], radius).iter().zip(&free) {
            prop_assert!(*near >= free - 1e-6);
        }
        for (near, free) in bank.nearest_around(&photos[2], 8).iter().zip(&free) {
            prop_assert!((near - free).abs() < 1e-6);
        }
        prop_assert!(bank.nearest_around(&photos[0], 0).iter().all(|&d| d < 1e-6));
    }

    #[test]
    fn a_turn_is_undone_by_its_inverse(width in 1usize..9, height in 1usize..9) {
        let photo = Photo::from_fn(width, height, |x, y| [x as f32, y as f32, (x * y) as f32]);
        for (turn, back) in [
            (Turn::Right, Turn::Left),
            (Turn::Left, Turn::Right),
            (Turn::Around, Turn::Around),
            (Turn::Mirror, Turn::Mirror),
            (Turn::UpsideDown, Turn::UpsideDown),
        ] {
            prop_assert_eq!(&back.apply(&turn.apply(&photo)), &photo);
        }
        let twice = Turn::Right.apply(&Turn::Right.apply(&photo));
        prop_assert_eq!(&twice, &Turn::Around.apply(&photo));
        let flipped = Turn::Mirror.apply(&Turn::UpsideDown.apply(&photo));
        prop_assert_eq!(&flipped, &Turn::Around.apply(&photo));
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
    let prototypes = Prototypes::fit(
        &[std::slice::from_ref(&zero)],
        false,
        &FeatureOptions::default(),
    );
    assert!(prototypes.distances(&zero).q.data.iter().all(|q| *q == 0.0));
    assert_eq!(Bank::new(&[]).nearest(&zero), [0.0, 0.0]);
}

#[test]
fn the_grid_keeps_the_aspect() {
    assert_eq!(grid_of(256, 256, 32), (32, 32));
    assert_eq!(grid_of(256, 128, 32), (32, 16));
    assert_eq!(grid_of(3, 256, 32), (1, 32));
}

/// Descriptors that say where they are, moved by `shift` columns.
fn places(shift: usize, noise: u32) -> Descriptors {
    let (side, dim) = (8, 64);
    let mut photo = descriptors(side, side, dim, noise);
    for location in 0..side * side {
        let (x, y) = ((location % side + shift) % side, location / side);
        for (channel, value) in photo.data[location * dim..(location + 1) * dim]
            .iter_mut()
            .enumerate()
        {
            *value = 0.05 * *value + if channel == y * side + x { 1.0 } else { 0.0 };
        }
    }
    photo
}

#[test]
fn a_class_is_aligned_where_a_place_is_like_the_same_place_of_the_others() {
    // As much of these small pictures as the default is of real ones.
    let options = FeatureOptions {
        aligned_radius: 1,
        ..FeatureOptions::default()
    };
    let pose = |photos: &[Descriptors], options: &FeatureOptions| {
        let good: Vec<&Descriptors> = photos.iter().collect();
        Pose::measure(&good, &[], options)
    };
    let still = [places(0, 1), places(0, 2), places(0, 3)];
    assert!(pose(&still, &options).aligned);
    let moving = [places(0, 1), places(4, 2), places(2, 3)];
    assert!(!pose(&moving, &options).aligned);
    let said = FeatureOptions {
        aligned: Choice::Yes,
        ..options.clone()
    };
    assert!(pose(&moving, &said).aligned);
    let denied = FeatureOptions {
        aligned: Choice::No,
        ..options
    };
    assert!(!pose(&still, &denied).aligned);
}

#[test]
fn a_turn_is_allowed_where_the_turned_photo_is_as_near_to_the_others() {
    let good = [places(0, 1), places(0, 2)];
    let strange = |seed| descriptors(8, 8, 64, seed);
    let turned: Vec<Vec<(Turn, Descriptors)>> = (0..2)
        .map(|i| {
            vec![
                (Turn::Around, places(0, 10 + i)),
                (Turn::Mirror, strange(20 + i)),
            ]
        })
        .collect();
    let pose = |turns| {
        let options = FeatureOptions {
            turns,
            ..FeatureOptions::default()
        };
        Pose::measure(&good.each_ref(), &turned, &options).turns
    };
    assert_eq!(pose(Choice::Auto), [Turn::Around]);
    assert_eq!(pose(Choice::Yes), Turn::ALL);
    assert_eq!(pose(Choice::No), []);
    assert_eq!(
        Pose::of_one(true, &FeatureOptions::default()).turns,
        Turn::ALL
    );
    assert_eq!(
        Pose::of_one(false, &FeatureOptions::default()),
        Pose::default()
    );
}

#[test]
fn an_aligned_class_keeps_all_places_beyond_the_capacity() {
    let options = FeatureOptions {
        bank_capacity: 10,
        aligned_radius: 2,
        ..FeatureOptions::default()
    };
    let photo = [places(0, 1)];
    let aligned = Prototypes::fit(&[&photo], true, &options);
    assert_eq!((aligned.bank.count(), aligned.radius), (64, Some(2)));
    let free = Prototypes::fit(&[&photo], false, &options);
    assert_eq!((free.bank.count(), free.radius), (10, None));
    // A part in a strange place is strange only where places count.
    let moved = places(4, 1);
    let worst = |prototypes: &Prototypes| prototypes.distances(&moved).nearest.max();
    let all = Prototypes::fit(&[&photo], false, &FeatureOptions::default());
    assert!(worst(&aligned) > 10.0 * worst(&all));
}

#[test]
fn an_aligned_class_of_many_photos_keeps_whole_ones_at_even_distances() {
    assert_eq!(located(&[]), [0; 0]);
    assert_eq!(located(&[1024; 64]), (0..64).collect::<Vec<_>>());
    let of_65 = located(&[1024; 65]);
    assert_eq!((of_65.len(), of_65[0], of_65[63]), (64, 0, 63));
    assert_eq!(located(&[6 * 1024; 12]), [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]);
    // A photo too large to be kept with the other one, and one too large for itself.
    assert_eq!(located(&[100, MOST_PROTOTYPES]), [0]);
    assert_eq!(located(&[MOST_PROTOTYPES + 1]), [0; 0]);
    assert_eq!(located(&[usize::MAX, 1, 1]), [0; 0]);
    let large = [descriptors(256, 257, 3, 1)];
    let searched_freely = Prototypes::fit(&[&large], true, &FeatureOptions::default());
    assert_eq!(searched_freely.radius, None);
    assert_eq!(searched_freely.bank.count(), 8192);
}
