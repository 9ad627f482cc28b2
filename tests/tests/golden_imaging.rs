//! Resizing and blurring against Pillow, torch and scipy: tests/golden/imaging.py.

use std::path::Path;

use anomalysd_diffusion::weights::{HostTensor, SafetensorsSource, TensorSource};
use anomalysd_imaging::{
    Map, Photo, gaussian_blur, resize_bicubic_planes, resize_bilinear_map, resize_bilinear_planes,
    resize_lanczos,
};

/// Largest difference of values in 0..1 that f32 sums in another order may make.
const ROUNDING: f32 = 2e-6;

struct Golden(SafetensorsSource);

impl Golden {
    fn open() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/imaging/imaging.safetensors");
        let bytes =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(SafetensorsSource::new("imaging", bytes).unwrap())
    }

    /// The tensors below a prefix with the width and height of their names.
    fn sizes(&self, prefix: &str, count: usize) -> Vec<(usize, usize, HostTensor)> {
        let size = |name: &str| -> Option<(usize, usize)> {
            let (width, height) = name.strip_prefix(prefix)?.split_once('x')?;
            Some((width.parse().ok()?, height.parse().ok()?))
        };
        let found: Vec<_> = self
            .0
            .names()
            .iter()
            .filter_map(|name| {
                let (width, height) = size(name)?;
                let tensor = self.0.read(name).unwrap();
                assert_eq!(tensor.shape, [3, height, width]);
                Some((width, height, tensor))
            })
            .collect();
        assert_eq!(found.len(), count, "{prefix}");
        found
    }

    fn photo(&self) -> Photo {
        let HostTensor { shape, values } = self.0.read("photo").unwrap();
        Photo::from_vec(shape[2], shape[1], values).unwrap()
    }
}

fn largest_difference(got: &[f32], expected: impl ExactSizeIterator<Item = f32>) -> f32 {
    assert_eq!(got.len(), expected.len());
    // NaN is the largest of all.
    got.iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .max_by(f32::total_cmp)
        .unwrap_or(0.0)
}

#[test]
fn lanczos_equals_pillow_in_f32() {
    let golden = Golden::open();
    let photo = golden.photo();
    for (width, height, expected) in golden.sizes("lanczos.", 9) {
        let resized = resize_lanczos(&photo, width, height);
        assert_eq!((resized.width, resized.height), (width, height));
        // Pillow lets f32 overshoot 0..1.
        let expected = expected.values.iter().map(|value| value.clamp(0.0, 1.0));
        let error = largest_difference(&resized.data, expected);
        assert!(error <= ROUNDING, "{width}x{height}: {error:e}");
    }
}

/// On 8-bit photos Pillow rounds and clamps between the two directions, too; that alone is the difference: half a level
/// each for two roundings, the first of them amplified by the negative lobes (Σ|weights| < 2).
#[test]
fn lanczos_in_two_steps_is_near_pillow_in_8_bits() {
    let golden = Golden::open();
    let photo = golden.photo();
    for (width, height, expected) in golden.sizes("lanczos.levels.", 9) {
        let between = resize_lanczos(&photo, width, photo.height);
        let resized = resize_lanczos(&between, width, height);
        let expected = expected.values.iter().map(|level| level / 255.0);
        let error = largest_difference(&resized.data, expected) * 255.0;
        assert!(error <= 1.5, "{width}x{height}: {error} levels");
    }
}

#[test]
fn bilinear_equals_torch() {
    let golden = Golden::open();
    let photo = golden.photo();
    for (width, height, expected) in golden.sizes("bilinear.", 9) {
        let resized =
            resize_bilinear_planes(&photo.data, 3, photo.height, photo.width, height, width);
        let error = largest_difference(&resized, expected.values.iter().copied());
        assert!(error <= ROUNDING, "{width}x{height}: {error:e}");

        let map = Map::from_vec(photo.width, photo.height, photo.plane(2).to_vec()).unwrap();
        let resized = resize_bilinear_map(&map, width, height);
        assert_eq!((resized.width, resized.height), (width, height));
        let expected = expected.values[2 * width * height..].iter().copied();
        let error = largest_difference(&resized.data, expected);
        assert!(error <= ROUNDING, "map {width}x{height}: {error:e}");
    }
}

#[test]
fn bicubic_equals_torch_with_and_without_antialiasing() {
    let golden = Golden::open();
    let photo = golden.photo();
    for (prefix, antialias) in [("bicubic.", false), ("antialiased.", true)] {
        for (width, height, expected) in golden.sizes(prefix, 4) {
            let from = [photo.height, photo.width];
            let resized = resize_bicubic_planes(&photo.data, 3, from, [height, width], antialias);
            let error = largest_difference(&resized, expected.values.iter().copied());
            assert!(error <= ROUNDING, "{prefix}{width}x{height}: {error:e}");
        }
    }
}

#[test]
fn gaussian_blur_equals_scipy_with_mirrored_borders() {
    let golden = Golden::open();
    let photo = golden.photo();
    let area = photo.width * photo.height;
    for sigma in ["0.4", "1.0", "2.3", "12.0"] {
        let expected = golden.0.read(&format!("gaussian.{sigma}")).unwrap();
        for channel in 0..3 {
            let map = Map::from_vec(photo.width, photo.height, photo.plane(channel).to_vec());
            let blurred = gaussian_blur(&map.unwrap(), sigma.parse().unwrap());
            let expected = &expected.values[channel * area..(channel + 1) * area];
            let error = largest_difference(&blurred.data, expected.iter().copied());
            assert!(error <= ROUNDING, "σ = {sigma}: {error:e}");
        }
    }
}
