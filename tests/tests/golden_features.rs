//! Feature networks against their references: EfficientNet-Lite0 against its Python package, block by
//! block (tests/golden/features.py), DINOv2 against transformers and LPIPS on AlexNet against the package
//! lpips (tests/golden/networks.py).

use std::path::Path;

use anomalysd_detect::features::{
    AlexNetLpips, Dinov2, EfficientNetLite0, FeatureLayers, FeatureNetwork,
};
use anomalysd_detect::score::{Displacement, feature_distance};
use anomalysd_diffusion::weights::{SafetensorsSource, TensorSource};
use anomalysd_imaging::{DecodeLimits, Photo, decode};
use anomalysd_tests::formula;
use anomalysd_tests::golden::compare;
use burn::tensor::Device;

/// Blocks after which features are taken, and their channels.
const TAPS: [(usize, usize); 3] = [(2, 24), (4, 40), (10, 112)];
/// Largest error, as a part of the largest value of the reference's tensor.
const TOLERANCE: f32 = 1e-4;

fn golden(file: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden/features")
        .join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn photo(name: &str) -> Photo {
    decode(&golden(&format!("{name}.png")), &DecodeLimits::default()).unwrap()
}

/// The network of this build. A build may lack it; where everything is required, the test fails.
fn network(device: &Device) -> Option<EfficientNetLite0> {
    let network = EfficientNetLite0::embedded(device).unwrap();
    if network.is_none() {
        assert!(
            std::env::var_os("ANOMALYSD_REQUIRE_GPU").is_none(),
            "this build lacks the feature network, which CI must have (`cargo xtask feature-network`)"
        );
        println!("skipped: this build lacks the feature network (`cargo xtask feature-network`)");
    }
    network
}

#[test]
fn features_equal_the_python_package() {
    let Some(network) = network(&Device::flex()) else {
        return;
    };
    let source = SafetensorsSource::new("features", golden("features.safetensors")).unwrap();
    for (name, width, height) in [("wide", 96, 80), ("square", 64, 64)] {
        let photo = photo(name);
        assert_eq!((photo.width, photo.height), (width, height));
        let features = pollster::block_on(network.extract(&photo)).unwrap();
        assert_eq!(features.layers.len(), TAPS.len());
        for (layer, (block, channels)) in features.layers.iter().zip(TAPS) {
            let name = format!("{name}.{block}");
            let described = source.read(&format!("{name}.shape")).unwrap().values;
            let shape: Vec<usize> = described.iter().map(|&value| value as usize).collect();
            assert_eq!(
                [layer.channels, layer.height, layer.width],
                shape[..3],
                "{name}"
            );
            assert_eq!(layer.channels, channels);
            assert_eq!(
                layer.data.len(),
                layer.channels * layer.height * layer.width
            );
            let kept: Vec<f32> = layer.data.iter().copied().step_by(shape[3]).collect();
            compare(&name, &kept, &source.read(&name).unwrap().values, TOLERANCE);
        }
    }
}

/// The upper left part of a photo.
fn cut(photo: &Photo, width: usize, height: usize) -> Photo {
    let rows =
        (0..3 * height).map(|row| (row / height * photo.height + row % height) * photo.width);
    let data = rows.flat_map(|start| photo.data[start..start + width].iter().copied());
    Photo::from_vec(width, height, data.collect()).unwrap()
}

fn extract(network: &impl FeatureNetwork, photo: &Photo) -> FeatureLayers {
    pollster::block_on(network.extract(photo)).unwrap()
}

#[test]
fn dinov2_equals_transformers_at_sizes_that_its_positions_are_not_of() {
    let source = SafetensorsSource::new("dinov2", golden("dinov2.safetensors")).unwrap();
    let photo = photo("wide");
    for (case, registers) in [("plain", None), ("registers", Some(4))] {
        let bytes = formula::file(&formula::dinov2(384, 12, 5, registers));
        let network = Dinov2::load(case, bytes, &Device::flex()).unwrap();
        assert_eq!(network.name(), "dinov2-s");
        for (width, height) in [(70, 70), (84, 56), (42, 70)] {
            let features = extract(&network, &cut(&photo, width, height));
            let [layer] = features.layers.as_slice() else {
                panic!("{} layers", features.layers.len());
            };
            let name = format!("{case}.{width}x{height}");
            let expected = source.read(&name).unwrap();
            let shape = [layer.channels, layer.height, layer.width];
            assert_eq!(shape.as_slice(), expected.shape, "{name}");
            compare(&name, &layer.data, &expected.values, TOLERANCE);
        }
    }
}

#[test]
fn alexnet_and_its_distance_equal_lpips() {
    let source = SafetensorsSource::new("lpips", golden("alexnet-lpips.safetensors")).unwrap();
    let read = |name: &str| source.read(name).unwrap().values;
    let bytes = formula::file(&formula::alexnet());
    let network = AlexNetLpips::load("alexnet", bytes, &Device::flex()).unwrap();
    assert_eq!(network.name(), "alexnet-lpips");
    let first = photo("wide");
    let (width, height) = (first.width, first.height);
    let mirrored = first
        .data
        .chunks_exact(width)
        .flat_map(|row| row.iter().rev().copied());
    let second = Photo::from_vec(width, height, mirrored.collect()).unwrap();
    let (first, second) = (extract(&network, &first), extract(&network, &second));
    assert_eq!(first.layers.len(), 5);
    for (index, layer) in first.layers.iter().enumerate() {
        let kept: Vec<f32> = layer.data.iter().copied().step_by(37).collect();
        let name = format!("tap.{index}");
        compare(&name, &kept, &read(&name), TOLERANCE);
        let alone = |features: &FeatureLayers| FeatureLayers {
            layers: vec![features.layers[index].clone()],
        };
        let map = feature_distance(
            &alone(&first),
            &alone(&second),
            width,
            height,
            0.0,
            Displacement::NONE,
        );
        let name = format!("distance.{index}");
        compare(&name, &map.data, &read(&name), TOLERANCE);
    }
    // LPIPS is the sum of its layers, the method's distance their mean.
    let map = feature_distance(&first, &second, width, height, 0.0, Displacement::NONE);
    let sum: Vec<f32> = map.data.iter().map(|value| 5.0 * value).collect();
    compare("distance", &sum, &read("distance"), TOLERANCE);
    let none = feature_distance(&first, &first, width, height, 0.0, Displacement::NONE);
    assert!(none.data.iter().all(|&value| value == 0.0));
}
