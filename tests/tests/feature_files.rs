//! Files of feature networks: which network they hold, under which names, and what is refused.

use std::path::Path;

use anomalysd_detect::features::{AlexNetLpips, Dinov2, FeatureLayers, FeatureNetwork, Features};
use anomalysd_detect::score::{Displacement, feature_distance};
use anomalysd_diffusion::weights::{SafetensorsSource, TensorSource};
use anomalysd_imaging::{Map, Photo};
use anomalysd_tests::formula::{self, Named};
use burn::tensor::Device;

/// Waves of some length: smooth in a part of the photo, steep in another.
fn photo(width: usize, height: usize, length: f32) -> Photo {
    let value = |index: usize| {
        let (x, y) = (index % width, index / width);
        0.5 + 0.5 * ((x * x) as f32 / (length * width as f32) + y as f32 / length).sin()
    };
    Photo::from_vec(width, height, (0..3 * width * height).map(value).collect()).unwrap()
}

fn extract(network: &impl FeatureNetwork, photo: &Photo) -> FeatureLayers {
    pollster::block_on(network.extract(photo)).unwrap()
}

fn load(bytes: Vec<u8>) -> Result<Features<'static>, String> {
    Features::load("weights", bytes, &Device::flex()).map_err(|error| error.to_string())
}

/// The file is refused, and the reason says all of `words`.
#[track_caller]
fn refused(bytes: Vec<u8>, words: &[&str]) {
    let reason = load(bytes).expect_err("the file is refused");
    for word in words {
        assert!(reason.contains(word), "no `{word}` in: {reason}");
    }
}

/// A DINOv2 small of one layer, with registers.
fn dinov2() -> Vec<Named> {
    formula::dinov2(384, 1, 5, Some(4))
}

fn with(mut tensors: Vec<Named>, name: &str, shape: &[usize]) -> Vec<Named> {
    tensors.retain(|(other, _)| other != name);
    tensors.push((name.to_owned(), shape.to_vec()));
    tensors
}

fn without(tensors: &[Named], name: &str) -> Vec<Named> {
    let others = tensors.iter().filter(|(other, _)| other != name);
    others.cloned().collect()
}

#[test]
fn dinov2_is_read_under_every_name_that_transformers_gives_its_tensors() {
    let small = photo(42, 28, 9.0);
    let features = |tensors: &[Named], renamed: &dyn Fn(&str) -> String| {
        let make = |name: &str, shape: &[usize]| (renamed(name), formula::weight(name, shape));
        let network = load(formula::file_of(tensors, make)).unwrap();
        assert_eq!(network.name(), "dinov2-s");
        extract(&network, &small)
    };
    let stored = features(&dinov2(), &str::to_owned);
    // What transformers 5 holds in memory.
    let held = features(&dinov2(), &|name| {
        [
            ("attention.attention.query", "attention.q_proj"),
            ("attention.attention.key", "attention.k_proj"),
            ("attention.attention.value", "attention.v_proj"),
            ("attention.output.dense", "attention.o_proj"),
        ]
        .iter()
        .fold(name.to_owned(), |name, (from, to)| name.replace(from, to))
    });
    assert_eq!(held, stored);
    let head = with(dinov2(), "classifier.weight", &[10, 768]);
    let classifier = features(&with(head, "classifier.bias", &[10]), &|name| {
        if name.starts_with("classifier") {
            name.to_owned()
        } else {
            format!("dinov2_with_registers.{name}")
        }
    });
    assert_eq!(classifier, stored);
}

#[test]
fn the_width_of_its_tokens_is_a_dinov2s_name() {
    for (hidden, name) in [(384, "dinov2-s"), (768, "dinov2-b"), (1024, "dinov2-l")] {
        let network = load(formula::file(&formula::dinov2(hidden, 1, 2, None))).unwrap();
        assert_eq!(network.name(), name);
        let features = extract(&network, &photo(28, 14, 5.0));
        assert_eq!(features.layers[0].channels, hidden);
    }
    let other = formula::file(&formula::dinov2(64, 1, 2, None));
    refused(
        other,
        &["weights", "64", "dinov2-s (384)", "dinov2-l (1024)"],
    );
}

#[test]
fn dinov2_covers_photos_of_any_size_with_whole_patches() {
    let bytes = formula::file(&dinov2());
    let network = Dinov2::load("dinov2", bytes, &Device::flex()).unwrap();
    for (width, height, columns, rows) in [(96, 80, 7, 6), (76, 77, 5, 6), (20, 3, 1, 1)] {
        let features = extract(&network, &photo(width, height, 9.0));
        let layer = &features.layers[0];
        let shape = (layer.channels, layer.width, layer.height);
        assert_eq!(shape, (384, columns, rows), "{width}x{height}");
    }
}

#[test]
fn a_dinov2_that_is_not_whole_or_another_one_is_refused_by_name() {
    let tensors = dinov2();
    for (name, _) in &tensors {
        let fewer = formula::file(&without(&tensors, name));
        match name.as_str() {
            // Without registers it is another network, which has none; the mask is not needed.
            "embeddings.register_tokens" | "embeddings.mask_token" => drop(load(fewer).unwrap()),
            "embeddings.patch_embeddings.projection.weight" => {
                refused(fewer, &["none of the networks", "torchvision", name]);
            }
            name => refused(fewer, &[name, "missing"]),
        }
    }
    let layers = formula::dinov2(384, 2, 5, None);
    let torn = without(&layers, "encoder.layer.1.norm1.weight");
    refused(
        formula::file(&torn),
        &["unknown tensor", "encoder.layer.1."],
    );
    let more = with(dinov2(), "pooler.dense.weight", &[1]);
    refused(
        formula::file(&more),
        &["unknown tensor", "pooler.dense.weight"],
    );
    for (name, shape) in [
        ("embeddings.position_embeddings", vec![1, 7, 384]),
        ("embeddings.position_embeddings", vec![1, 1, 384]),
        ("embeddings.position_embeddings", vec![26 * 384]),
        ("embeddings.register_tokens", vec![4 * 384]),
        ("embeddings.register_tokens", vec![1, 0, 384]),
        (
            "embeddings.patch_embeddings.projection.weight",
            vec![384, 3, 16, 16],
        ),
        ("embeddings.patch_embeddings.projection.weight", vec![]),
        ("encoder.layer.0.mlp.fc1.weight", vec![7, 384]),
        ("encoder.layer.0.mlp.fc1.weight", vec![0, 384]),
    ] {
        let short = name.rsplit_once(".weight").map_or(name, |(short, _)| short);
        let said = if shape.is_empty() {
            "tokens of 0"
        } else {
            short
        };
        // An MLP of another width is found where its second half does not fit.
        let said = said.replace("fc1", "fc");
        refused(formula::file(&with(dinov2(), name, &shape)), &[&said]);
    }
    for name in ["weights_in", "gate_proj"] {
        let giant = format!("encoder.layer.0.mlp.{name}.weight");
        refused(
            formula::file(&with(dinov2(), &giant, &[8, 384])),
            &["giant"],
        );
    }
    let whole = formula::file(&tensors);
    for end in [0, 7, whole.len() / 2, whole.len() - 1] {
        refused(whole[..end].to_vec(), &["weights"]);
    }
    refused(b"\x80\x02}q\x00.".to_vec(), &["pickle"]);
}

#[test]
fn an_alexnet_that_is_not_whole_or_another_network_is_refused_by_name() {
    let tensors = formula::alexnet();
    for (name, _) in &tensors {
        let fewer = formula::file(&without(&tensors, name));
        match name.as_str() {
            "features.0.weight" => refused(fewer, &["none of the networks"]),
            name => refused(fewer, &[name, "missing"]),
        }
    }
    let vgg = with(formula::alexnet(), "features.0.weight", &[64, 3, 3, 3]);
    refused(formula::file(&vgg), &["features.0.weight", "[64, 3, 3, 3]"]);
    let more = with(formula::alexnet(), "features.12.weight", &[1]);
    refused(
        formula::file(&more),
        &["unknown tensor", "features.12.weight"],
    );
    let some = with(formula::alexnet(), "lin0.model.1.weight", &[1, 64, 1, 1]);
    let positive = |name: &str, shape: &[usize]| {
        let values = formula::weight(name, shape);
        let made = values.iter().map(|value| {
            if name.starts_with("lin") {
                value.abs()
            } else {
                *value
            }
        });
        (name.to_owned(), made.collect())
    };
    refused(
        formula::file_of(&some, positive),
        &["lin1.model.1.weight", "missing"],
    );
    let whole = with(formula::alexnet(), "classifier.6.bias", &[1000]);
    assert_eq!(load(formula::file(&whole)).unwrap().name(), "alexnet-lpips");
}

#[test]
fn linear_weights_of_a_file_replace_those_that_are_compiled_in() {
    let asset = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/detect/assets/lpips-lin-alex.safetensors");
    let lin = SafetensorsSource::new("lin", std::fs::read(asset).unwrap()).unwrap();
    let mut tensors = formula::alexnet();
    for name in lin.names() {
        let shape = lin.shape(&name).unwrap();
        tensors.push((name, shape));
    }
    let own = |value: Option<f32>| {
        let make = |name: &str, shape: &[usize]| {
            let values = match value {
                Some(value) if name.starts_with("lin") => vec![value; shape.iter().product()],
                None if name.starts_with("lin") => lin.read(name).unwrap().values,
                _ => formula::weight(name, shape),
            };
            (name.to_owned(), values)
        };
        AlexNetLpips::load("own", formula::file_of(&tensors, make), &Device::flex())
    };
    let (width, height) = (64, 48);
    let photos = [9.0, 5.0].map(|length| photo(width, height, length));
    let distance = |network: &AlexNetLpips| -> Map {
        let layers = photos.each_ref().map(|photo| extract(network, photo));
        feature_distance(
            &layers[0],
            &layers[1],
            width,
            height,
            0.0,
            Displacement::NONE,
        )
    };
    let halves = distance(&own(Some(0.5)).unwrap());
    let ones = distance(&own(Some(1.0)).unwrap());
    assert!(ones.max() > 0.0);
    for (half, one) in halves.data.iter().zip(&ones.data) {
        assert!(
            (2.0 * half - one).abs() <= 1e-6 * ones.max(),
            "{half} {one}"
        );
    }
    let bytes = formula::file(&formula::alexnet());
    let compiled_in = distance(&AlexNetLpips::load("bare", bytes, &Device::flex()).unwrap());
    assert_eq!(distance(&own(None).unwrap()), compiled_in);
    assert_ne!(ones, compiled_in);
    let error = own(Some(-0.5)).unwrap_err().to_string();
    assert!(error.contains("lin0.model.1.weight"), "{error}");
}

/// Of a side under 31 pixels, AlexNet's pools leave nothing.
#[test]
fn alexnet_takes_photos_of_any_size() {
    let bytes = formula::file(&formula::alexnet());
    let network = AlexNetLpips::load("alexnet", bytes, &Device::flex()).unwrap();
    for (width, height, first, last) in [(1, 1, (7, 7), (1, 1)), (30, 80, (7, 19), (1, 4))] {
        let features = extract(&network, &photo(width, height, 5.0));
        let size = |index: usize| {
            let layer = &features.layers[index];
            (layer.width, layer.height)
        };
        assert_eq!((size(0), size(4)), (first, last), "{width}x{height}");
    }
}
