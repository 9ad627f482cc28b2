//! Known answers: does a device compute what it should?
//!
//! In a browser, a shader or pipeline that fails to compile is skipped without an error and leaves
//! whatever was in the buffer. Before a new device is trusted, every kind of operator that a model
//! uses runs at each of the model's widths on small pictures, and at one width on pictures as large as
//! the model's own, and is compared, at sampled places, with plain loops in f64 on the host. Loops at
//! sampled places cost next to nothing at any width, so the same check serves `mini` and Stable
//! Diffusion.
//!
//! Deliberately absent: whole networks, whose answers are golden tests' business, and every width at
//! every size, which would take minutes on a software device.

mod host;
mod levels;
mod operators;
mod probes;

use std::collections::BTreeSet;

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::checkpoint::{ModelParts, TEXT_ENCODER, UNET, VAE};
use crate::{DiffusionError, Result};
pub use levels::{LevelWidths, Levels};
use probes::Probe;

/// Largest difference to the host's numbers, relative to the largest of them: far above rounding in
/// f32, far below what a wrong kernel does.
const TOLERANCE: f64 = 1e-3;
/// Of larger outputs, the device picks the sampled places itself: a browser's module should not hold
/// 128 MiB only for this.
const MAX_READ: usize = 1 << 22;

/// Where a value is in an output, and what it should be.
type Expected = (usize, f64);

/// Widths and sizes at which a model uses each kind of operator.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperatorWidths {
    /// Outputs, inputs and kernel side of convolutions.
    pub convolutions: BTreeSet<[usize; 3]>,
    /// Outputs and inputs of linear maps.
    pub linears: BTreeSet<[usize; 2]>,
    /// Channels of norms.
    pub norms: BTreeSet<usize>,
    /// Groups of the group norms.
    pub groups: usize,
    /// Pixels are unshuffled by this factor; 1 for none.
    pub pixel_unshuffle: usize,
    /// Side of the photos that the model was made for, in pixels.
    pub photo_side: usize,
    /// What the networks do with pictures of each side that they have.
    pub levels: Levels,
}

impl OperatorWidths {
    /// Read off a model's tensors and configuration, without reading a weight.
    ///
    /// # Errors
    /// A component that the model lacks, or a configuration that is not implemented.
    pub fn of(parts: &ModelParts) -> Result<Self> {
        let groups = parts
            .configs
            .get(UNET)
            .and_then(|config| config.get("norm_num_groups"))
            .and_then(serde_json::Value::as_u64);
        let mut widths = Self {
            groups: groups.map_or(32, |groups| groups as usize),
            pixel_unshuffle: parts.config.pixel_unshuffle,
            photo_side: parts.config.image_size,
            levels: levels::read(parts)?,
            ..Self::default()
        };
        for component in [UNET, VAE, TEXT_ENCODER] {
            let source = parts.source(component)?;
            for name in source.names() {
                // A table of tokens is looked up in, not multiplied with.
                if name.contains("embedding.weight") {
                    continue;
                }
                match source.shape(&name).as_deref() {
                    Some(&[outputs, inputs, kernel, _]) => {
                        widths.convolutions.insert([outputs, inputs, kernel]);
                    }
                    Some(&[outputs, inputs]) => {
                        widths.linears.insert([outputs, inputs]);
                    }
                    Some(&[channels]) if name.contains("norm") => {
                        widths.norms.insert(channels);
                    }
                    _ => {}
                }
            }
        }
        Ok(widths)
    }
}

/// Runs every operator once.
///
/// # Errors
/// [`DiffusionError::WrongNumbers`] for the first operator whose numbers are wrong; a device that
/// does not hand values back.
pub async fn check(widths: &OperatorWidths, device: &Device) -> Result<()> {
    for probe in probes::all(widths) {
        let (computed, expected) = probe.run(device)?;
        compare(&probe, &sample(computed, &expected).await?, &expected)?;
    }
    Ok(())
}

/// The values at the expected places, in their order.
async fn sample(computed: Tensor<1>, expected: &[Expected]) -> Result<Vec<f32>> {
    let count = computed.dims()[0];
    if count <= MAX_READ {
        return Ok(at(&read(computed).await?, expected));
    }
    let places: Vec<i32> = expected.iter().map(|(index, _)| *index as i32).collect();
    let shape = [places.len()];
    let places = TensorData::new(places, shape);
    let places = Tensor::from_data(places, (&computed.device(), DType::I32));
    read(computed.select(0, places)).await
}

fn at(values: &[f32], expected: &[Expected]) -> Vec<f32> {
    let value = |(index, _): &Expected| values.get(*index).copied().unwrap_or(f32::NAN);
    expected.iter().map(value).collect()
}

/// Compares values at the expected places.
fn compare(probe: &Probe, computed: &[f32], expected: &[Expected]) -> Result<()> {
    let largest = expected
        .iter()
        .fold(0.0f64, |largest, (_, value)| largest.max(value.abs()));
    for (sample, (index, expected)) in expected.iter().enumerate() {
        let got = computed
            .get(sample)
            .map_or(f64::NAN, |value| f64::from(*value));
        let difference = (got - expected).abs();
        if difference.is_nan() || difference > TOLERANCE * largest {
            return Err(DiffusionError::WrongNumbers {
                operator: probe.to_string(),
                index: *index,
                got,
                expected: *expected,
            });
        }
    }
    Ok(())
}

async fn read(tensor: Tensor<1>) -> Result<Vec<f32>> {
    let failed = |reason: String| DiffusionError::Unsupported {
        what: "the device".into(),
        reason: format!("does not hand values back: {reason}"),
    };
    let data = tensor
        .into_data_async()
        .await
        .map_err(|error| failed(format!("{error:?}")))?;
    data.convert::<f32>()
        .try_to_vec()
        .map_err(|error| failed(format!("{error:?}")))
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;
    use crate::checkpoint::open_single_file;
    use crate::model::embedded_bytes;
    use crate::weights::SafetensorsSource;

    fn widths_of_mini() -> Option<OperatorWidths> {
        let source = SafetensorsSource::new("mini", embedded_bytes()?).unwrap();
        let parts = open_single_file("mini", source).unwrap();
        Some(OperatorWidths::of(&parts).unwrap())
    }

    #[test]
    fn the_widths_of_mini_are_read_off_its_tensors() {
        let Some(widths) = widths_of_mini() else {
            return;
        };
        assert!(widths.convolutions.contains(&[64, 38, 3]));
        assert!(widths.norms.contains(&96));
        assert_eq!(widths.pixel_unshuffle, 8);
    }

    #[test]
    fn the_cpu_and_software_vulkan_know_all_answers() {
        let Some(widths) = widths_of_mini() else {
            return;
        };
        check_on_both(&widths);
    }

    fn check_on_both(widths: &OperatorWidths) {
        pollster::block_on(check(widths, &Device::flex())).unwrap();
        // Once per process: a second opening is refused.
        static GPU: OnceLock<std::result::Result<Device, String>> = OnceLock::new();
        let gpu = GPU.get_or_init(|| {
            Device::wgpu_options()
                .graphics_api(burn::tensor::wgpu::WgpuBackend::Vulkan)
                .init()
                .map_err(|error| error.to_string())
        });
        match gpu {
            Ok(gpu) => pollster::block_on(check(widths, gpu)).unwrap(),
            Err(error) => assert!(
                std::env::var_os("ANOMALYSD_REQUIRE_GPU").is_none(),
                "{error}"
            ),
        }
    }

    /// Of Stable Diffusion's autoencoder, at the photo's own size.
    fn photo_level() -> LevelWidths {
        LevelWidths {
            convolutions: [[128, 3, 3, 1], [128, 128, 3, 1], [128, 128, 3, 2]].into(),
            group_norms: [[128, 32], [256, 32]].into(),
            ..LevelWidths::default()
        }
    }

    /// Of its U-Net, at the side of the latents.
    fn latent_level() -> LevelWidths {
        LevelWidths {
            convolutions: [[4, 320, 3, 1], [320, 320, 3, 1], [320, 320, 3, 2]].into(),
            linears: [[320, 320], [2560, 320]].into(),
            group_norms: [[320, 32]].into(),
            layer_norms: [320].into(),
            attentions: [[320, 8]].into(),
            upsamplings: [320].into(),
            concatenations: [320].into(),
        }
    }

    #[test]
    fn every_kind_of_operator_runs_at_the_sizes_of_mini() {
        let Some(widths) = widths_of_mini() else {
            return;
        };
        assert_eq!(
            widths.levels.keys().copied().collect::<Vec<_>>(),
            [8, 16, 32]
        );
        let probes = probes::at_sizes(&widths);
        // 32 latents to a side, 16² tokens one level below, 256 pixels: how a probe's name begins and ends.
        for (kind, size) in [
            ("3×3 convolution of", "stride 1, 32×32 pixels"),
            ("3×3 convolution of", "stride 2, 32×32 pixels"),
            ("1×1 convolution of", "stride 1, 32×32 pixels"),
            ("3×3 convolution of", "stride 1, 16×16 pixels"),
            ("3×3 convolution of 3 to 32", "stride 2, 256×256 pixels"),
            ("block of", "by 32, 3×3, stride 1, 128×128 pixels"),
            ("block of 16", "by 96, 3×3, stride 2, 128×128 pixels"),
            ("block of 24", "by 144, 5×5, stride 2, 64×64 pixels"),
            ("block of 40", "by 240, 5×5, stride 1, 32×32 pixels"),
            ("gate of", "256 tokens"),
            ("linear map", "256 tokens"),
            ("layer norm", "256 tokens"),
            ("attention", "in 4 heads, 256 tokens"),
            ("group norm", "in 16 groups, 32×32 pixels"),
            ("group norm", "in 12 groups, 32×32 pixels"),
            ("Silu", "32×32 pixels"),
            ("Gelu", "16×16 pixels"),
            ("Relu", "32×32 pixels"),
            ("upsampling", "16×16 pixels"),
            ("concatenation", "32×32 pixels"),
            ("clamp of 3", "256×256 pixels"),
            ("clamp of 32", "128×128 pixels"),
            ("pixel unshuffle by 8", "256×256 pixels"),
            ("11×11 convolution", "stride 4, padding 2, 256×256 pixels"),
            ("14×14 convolution", "stride 14, padding 0, 256×256 pixels"),
            ("maxima of 64", "64×64 pixels"),
        ] {
            let mut names = probes.iter().map(Probe::to_string);
            let found = names.any(|name| name.starts_with(kind) && name.ends_with(size));
            assert!(found, "no {kind} … {size} among {probes:#?}");
        }
        // A software device has 0.1 to 0.5 GFLOP per second.
        let flop: u64 = probes.iter().map(Probe::flop).sum();
        assert!(flop < 1_000_000_000, "{flop}");
    }

    #[test]
    fn what_goes_wrong_beyond_small_pictures_is_found_at_the_sizes_of_mini() {
        let Some(widths) = widths_of_mini() else {
            return;
        };
        let answers = |probe: Probe| {
            let (computed, expected) = probe.run(&Device::flex()).unwrap();
            let values = pollster::block_on(read(computed)).unwrap();
            (probe, values, expected)
        };
        // A grid of workgroups that ends where the largest of the small outputs does.
        let small: Vec<_> = probes::at_widths(&widths)
            .into_iter()
            .map(answers)
            .collect();
        let end = small.iter().map(|(_, values, _)| values.len()).max();
        let end = end.unwrap();
        let cut = |values: &[f32]| -> Vec<f32> {
            let values = values.iter().enumerate();
            values
                .map(|(index, value)| if index < end { *value } else { 0.0 })
                .collect()
        };
        for (probe, values, expected) in small {
            compare(&probe, &at(&cut(&values), &expected), &expected).unwrap();
        }
        let mut found = BTreeSet::new();
        for (probe, values, expected) in probes::at_sizes(&widths).into_iter().map(answers) {
            compare(&probe, &at(&values, &expected), &expected).unwrap();
            let compared = compare(&probe, &at(&cut(&values), &expected), &expected);
            // Of a larger one, the sampled places beyond the end may be zeros in any case (Relu).
            assert!(compared.is_ok() || values.len() > end, "{probe}");
            if compared.is_err() {
                found.insert(probe.to_string());
            }
        }
        for kind in [
            "convolution",
            "group norm",
            "clamp",
            "unshuffle",
            "upsampling",
        ] {
            let named = found.iter().any(|probe| probe.contains(kind));
            assert!(named, "no {kind} among {found:?}");
        }
    }

    #[test]
    fn stable_diffusions_widths_cost_no_more_than_a_moment() {
        let widths = OperatorWidths {
            convolutions: [[1280, 1280, 3], [320, 9, 3]].into(),
            linears: [[10240, 1280]].into(),
            norms: [1280].into(),
            groups: 32,
            pixel_unshuffle: 1,
            photo_side: 512,
            levels: [(512, photo_level()), (64, latent_level())].into(),
        };
        let probes = probes::at_sizes(&widths);
        for wanted in ["stride 1, 64×64 pixels", "stride 2, 64×64 pixels"] {
            let mut names = probes.iter().map(Probe::to_string);
            assert!(names.any(|name| name.ends_with(wanted)), "{probes:#?}");
        }
        let flop: u64 = probes.iter().map(Probe::flop).sum();
        assert!(flop < 10_000_000_000, "{flop}");
        check_on_both(&widths);
    }

    #[test]
    fn every_wrong_operator_is_found_and_named() {
        let widths = OperatorWidths {
            convolutions: [[8, 6, 3]].into(),
            linears: [[8, 6]].into(),
            norms: [8].into(),
            groups: 4,
            pixel_unshuffle: 2,
            photo_side: 64,
            levels: [(32, latent_level())].into(),
        };
        for probe in probes::all(&widths) {
            let (computed, expected) = probe.run(&Device::flex()).unwrap();
            let good = pollster::block_on(read(computed)).unwrap();
            compare(&probe, &at(&good, &expected), &expected).unwrap();
            let skipped = vec![0.0; good.len()];
            let shifted: Vec<f32> = good.iter().skip(1).chain(&good[..1]).copied().collect();
            let broken = vec![f32::NAN; good.len()];
            for wrong in [skipped, shifted, broken] {
                let error = compare(&probe, &at(&wrong, &expected), &expected)
                    .unwrap_err()
                    .to_string();
                assert!(error.contains(&probe.to_string()), "{error}");
            }
        }
    }
}
