use std::collections::BTreeMap;
use std::sync::Arc;

use anomalysd_imaging::Photo;
use proptest::prelude::*;

use super::*;
use crate::ignore::Place;
use crate::options::FeatureOptions;
use crate::prototypes::{Bank, Descriptors, Prototypes, Subspace, Turn};
use crate::repaint::{Contexts, Latents, Picture};
use crate::score::Normaliser;
use crate::verdict::CalibrationKind;

/// The same class, aligned and allowed to be turned: the bank holds all places of all turns.
fn aligned(name: &str) -> ClassModel {
    let class = class(name, false);
    let turned = |photo: &Descriptors| Descriptors {
        width: photo.height,
        height: photo.width,
        ..photo.clone()
    };
    let all: Vec<Descriptors> = class
        .good
        .iter()
        .flat_map(|photo| [photo.clone(), turned(photo)])
        .collect();
    ClassModel {
        pose: Pose {
            aligned: true,
            turns: vec![Turn::Right],
        },
        prototypes: Prototypes {
            bank: Bank::new(&all.iter().collect::<Vec<_>>()),
            radius: Some(FeatureOptions::default().aligned_radius),
            ..class.prototypes.clone()
        },
        ..class
    }
}

/// A good photo in 8 bits.
fn picture(width: usize, height: usize) -> Picture {
    Picture::from(&Photo::from_fn(width, height, |x, y| {
        [x as f32 / 15.0, y as f32 / 7.0, 0.3]
    }))
}

fn class(name: &str, coreset: bool) -> ClassModel {
    let photo = |shift: f32| Descriptors {
        width: 2,
        height: 3,
        dim: 2,
        data: (0..12).map(|i| (i as f32 + shift) / 16.0).collect(),
    };
    let good = vec![photo(0.0), photo(0.5)];
    let full = Bank::new(&good.iter().collect::<Vec<_>>());
    let located = Normaliser {
        mean: 0.5,
        std: 0.125,
        width: 2,
        height: 1,
        means: vec![0.25, 0.75],
    };
    let plain = Normaliser {
        width: 0,
        height: 0,
        means: Vec::new(),
        ..located.clone()
    };
    ClassModel {
        name: name.into(),
        prompts: Prompts::named("bottle"),
        prototypes: Prototypes {
            bank: if coreset { full.reduced(5) } else { full },
            subspace: Subspace {
                mean: vec![0.1, 0.2],
                basis: vec![1.0, 0.0],
            },
            radius: None,
        },
        pose: Pose::default(),
        good,
        latents: vec![Latents {
            channels: 2,
            height: 1,
            width: 2,
            data: vec![0.5, -1.0, 2.0, 0.0],
            picture: Some(Arc::new(picture(16, 8))),
        }],
        contexts: Some(Contexts {
            tokens: 1,
            width: 2,
            both: vec![1.0, 2.0],
            detail: vec![3.0, 4.0],
            empty: vec![5.0, 6.0],
        }),
        guide: (0.9, 0.8),
        normalisers: ClassNormalisers {
            features: located,
            scales: BTreeMap::from([(2, plain.clone())]),
            guided: Some(plain),
        },
        calibration: Calibration::new(
            CalibrationKind::LeaveOneOut,
            crate::options::Mode::Fast,
            vec![2.0, 1.0],
            &[3.0],
            "x".into(),
        ),
        ignored: vec![Place {
            x: 0.25,
            y: 0.5,
            width: 0.125,
            height: 0.5,
        }],
    }
}

fn profile() -> Profile {
    let weights = |name: &str| Weights {
        name: name.into(),
        fingerprint: format!("{name}-hash"),
    };
    Profile {
        model: Some(weights("mini")),
        features: weights("network"),
        options: DetectOptions::default(),
        classes: vec![class("a", false), class("b", true), aligned("c")],
        tuned: None,
    }
}

fn refusal(bytes: Vec<u8>) -> String {
    Profile::from_bytes(bytes).unwrap_err().to_string()
}

/// The file with its JSON changed.
fn with_json(change: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
    let bytes = profile().to_bytes().unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let text = header["__metadata__"][METADATA_KEY].as_str().unwrap();
    let mut json: serde_json::Value = serde_json::from_str(text).unwrap();
    change(&mut json);
    header["__metadata__"][METADATA_KEY] = json.to_string().into();
    let header = serde_json::to_vec(&header).unwrap();
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend(header);
    out.extend(&bytes[8 + length..]);
    out
}

#[test]
fn a_profile_is_read_back_as_it_was_and_the_same_one_gives_the_same_bytes() {
    let (profile, again) = (profile(), profile());
    let bytes = profile.to_bytes().unwrap();
    assert_eq!(bytes, again.to_bytes().unwrap());
    let read = Profile::from_bytes(bytes.clone()).unwrap();
    assert_eq!(read.options, profile.options);
    for (read, class) in read.classes.iter().zip(&profile.classes) {
        assert_eq!(read.pose, class.pose);
        assert_eq!(read.prototypes, class.prototypes);
        assert_eq!(read.good, class.good);
        assert_eq!(read.latents, class.latents);
        assert_eq!(read.contexts, class.contexts);
        assert_eq!(read.normalisers, class.normalisers);
        assert_eq!(read.calibration, class.calibration);
    }
    assert_eq!(read.to_bytes().unwrap(), bytes);
    let bare = profile.without_references().to_bytes().unwrap();
    assert!(
        Profile::from_bytes(bare).unwrap().classes[0]
            .latents
            .is_empty()
    );
}

#[test]
fn constants_that_a_profile_does_not_name_are_what_they_were_when_it_was_made() {
    let mut expected = profile().options;
    let older = with_json(|json| {
        let options = &mut json["options"];
        let repair = options["repair"].as_object_mut().unwrap();
        assert_eq!(repair.remove("registration"), Some(true.into()));
        let score = options["score"].as_object_mut().unwrap();
        assert_eq!(score.remove("fusion_exponent"), Some(0.0.into()));
        assert_eq!(score.remove("energy_floor"), Some(1.0.into()));
        assert_eq!(score.remove("displacement"), Some(8.into()));
        // It was always named.
        json["options"]["repair"]["guided_strength"] = 0.5.into();
    });
    expected.repair.registration = false;
    expected.score.fusion_exponent = 1.0;
    expected.score.energy_floor = 0.0;
    expected.score.displacement = 0;
    expected.repair.guided_strength = Some(0.5);
    assert_eq!(Profile::from_bytes(older).unwrap().options, expected);
    // What it does name stays.
    let named = with_json(|json| json["options"]["score"]["energy_floor"] = 0.25.into());
    expected = profile().options;
    expected.score.energy_floor = 0.25;
    assert_eq!(Profile::from_bytes(named).unwrap().options, expected);
}

#[test]
fn a_coreset_of_as_many_prototypes_as_there_are_places_is_stored() {
    let mut profile = profile();
    let class = &mut profile.classes[0];
    let turned: Vec<Descriptors> = class
        .good
        .iter()
        .flat_map(|photo| {
            let mut turned = photo.clone();
            turned.data.iter_mut().for_each(|value| *value += 4.0);
            [photo.clone(), turned]
        })
        .collect();
    let places = class.prototypes.bank.count();
    class.pose.turns = vec![Turn::Around];
    class.prototypes.bank = Bank::new(&turned.iter().collect::<Vec<_>>()).reduced(places);
    assert_eq!(class.prototypes.bank.count(), places);
    let read = Profile::from_bytes(profile.to_bytes().unwrap()).unwrap();
    assert_eq!(read.classes[0].prototypes, profile.classes[0].prototypes);
}

#[test]
fn other_weights_and_unknown_classes_are_refused_by_name() {
    let profile = profile();
    let features = profile.features.clone();
    assert!(profile.check(profile.model.as_ref(), &features).is_ok());
    let other = Weights {
        name: "sd".into(),
        fingerprint: "sd-hash".into(),
    };
    let error = profile
        .check(Some(&other), &features)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("mini-hash") && error.contains("sd-hash"),
        "{error}"
    );
    let error = profile
        .check(profile.model.as_ref(), &other)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("network-hash") && error.contains("sd-hash"),
        "{error}"
    );
    assert!(profile.check(None, &features).is_err());
    let error = profile.class("d").unwrap_err().to_string();
    assert!(
        error.contains("`d`") && error.contains("a, b, c"),
        "{error}"
    );
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    type Change = Box<dyn Fn(&mut serde_json::Value)>;
    let cases: [(&str, Change, &str); 12] = [
        (
            "schema",
            Box::new(|json| json["schema"] = "anomalysd.profile.v9".into()),
            "v9",
        ),
        (
            "capacity",
            Box::new(|json| json["options"]["features"]["bank_capacity"] = 4.into()),
            "prototypes",
        ),
        (
            "huge capacity",
            Box::new(|json| json["options"]["features"]["bank_capacity"] = 10_000_000.into()),
            "capacity",
        ),
        (
            "grid",
            Box::new(|json| json["classes"][0]["grids"][0] = vec![9, 9].into()),
            "grid",
        ),
        (
            "references",
            Box::new(|json| json["classes"][0]["references"] = 2.into()),
            "references.1",
        ),
        (
            "extra",
            Box::new(|json| json["classes"][0]["references"] = 0.into()),
            "belongs to nothing",
        ),
        (
            "option",
            Box::new(|json| json["options"]["score"]["fusion_alpha"] = 7.into()),
            "fusion_alpha",
        ),
        (
            "order",
            Box::new(|json| json["classes"][0]["calibration"]["scores"] = vec![2, 1].into()),
            "ascending",
        ),
        (
            "turns",
            Box::new(|json| json["classes"][2]["pose"]["turns"] = serde_json::json!([])),
            "holds 24 of 12 places",
        ),
        (
            "no model",
            Box::new(|json| json["model"] = serde_json::Value::Null),
            "text contexts, but no model",
        ),
        (
            "no contexts",
            Box::new(|json| json["classes"][1]["contexts"] = false.into()),
            "class `b` has a model, but no text contexts",
        ),
        (
            "twice",
            Box::new(|json| json["classes"][1]["name"] = "a".into()),
            "twice",
        ),
    ];
    for (name, change, words) in cases {
        let error = refusal(with_json(change));
        assert!(error.contains(words), "{name}: {error}");
    }
}

#[test]
fn references_and_contexts_that_do_not_fit_each_other_are_refused() {
    let latents = |channels, width| Latents {
        channels,
        height: 1,
        width,
        data: vec![0.5; channels * width],
        picture: None,
    };
    for (references, words) in [
        (vec![latents(2, 2), latents(3, 2)], "2 and 3 channels"),
        (vec![latents(1, 4097)], "classes.0.references.0"),
        (vec![latents(0, 4)], "classes.0.references.0"),
    ] {
        let mut profile = profile();
        profile.classes[0].latents = references;
        let error = refusal(profile.to_bytes().unwrap());
        assert!(error.contains(words), "{error}");
    }
    for (picture, words) in [
        (picture(4097, 1), "shape [3, 1, 4097]"),
        (picture(0, 0), "shape [3, 0, 0]"),
    ] {
        let mut profile = profile();
        profile.classes[0].latents[0].picture = Some(Arc::new(picture));
        let error = refusal(profile.to_bytes().unwrap());
        assert!(error.contains("classes.0.pictures.0"), "{error}");
        assert!(error.contains(words), "{error}");
    }
    let mut profile = profile();
    profile.classes[0].contexts = Some(Contexts::default());
    let error = refusal(profile.to_bytes().unwrap());
    assert!(error.contains("classes.0.contexts"), "{error}");
}

#[test]
fn nan_is_refused() {
    let mut broken = profile();
    broken.classes[0].good[1].data[3] = f32::NAN;
    let error = refusal(broken.to_bytes().unwrap());
    assert!(error.contains("classes.0.good.1"), "{error}");
}

proptest! {
    /// Whatever happens to the bytes, there is an answer and no panic.
    #[test]
    fn cut_or_changed_bytes_never_panic(cut in 0usize..6000, at in 0usize..6000, to in any::<u8>()) {
        let bytes = profile().to_bytes().unwrap();
        let short = bytes[..cut.min(bytes.len() - 1)].to_vec();
        prop_assert!(Profile::from_bytes(short).is_err());
        let mut changed = bytes.clone();
        let at = at % changed.len();
        changed[at] = to;
        if let Ok(profile) = Profile::from_bytes(changed) {
            prop_assert!(profile.classes.iter().all(|class| class.prototypes.bank.count() > 0));
        }
    }
}
