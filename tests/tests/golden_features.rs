//! EfficientNet-Lite0 against its Python package, block by block: tests/golden/features.py.

use std::path::Path;

use anomalysd_detect::features::{EfficientNetLite0, FeatureNetwork};
use anomalysd_diffusion::weights::{SafetensorsSource, TensorSource};
use anomalysd_imaging::{DecodeLimits, Photo, decode};
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
