//! Known answers: does a device compute what it should?
//!
//! In a browser, a shader or pipeline that fails to compile is skipped without an error and leaves
//! whatever was in the buffer. Before a new device is trusted, every kind of operator that a model
//! uses runs once at the model's own widths and is compared, at sampled places, with plain loops in
//! f64 on the host. Loops at sampled places cost next to nothing at any width, so the same check
//! serves `mini` and Stable Diffusion.
//!
//! Deliberately absent: whole networks, whose answers are golden tests' business, and large pictures,
//! which would take minutes on a software device.

mod host;
mod probes;

use std::collections::BTreeSet;

use burn::tensor::{Device, Tensor};

use crate::checkpoint::{ModelParts, TEXT_ENCODER, UNET, VAE};
use crate::{DiffusionError, Result};
use probes::Probe;

/// Largest difference to the host's numbers, relative to the largest of them: far above rounding in
/// f32, far below what a wrong kernel does.
const TOLERANCE: f64 = 1e-3;

/// Widths at which a model uses each kind of operator.
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
}

impl OperatorWidths {
    /// Read off a model's tensors and configuration, without reading a weight.
    ///
    /// # Errors
    /// A component that the model lacks.
    pub fn of(parts: &ModelParts) -> Result<Self> {
        let groups = parts
            .configs
            .get(UNET)
            .and_then(|config| config.get("norm_num_groups"))
            .and_then(serde_json::Value::as_u64);
        let mut widths = Self {
            groups: groups.map_or(32, |groups| groups as usize),
            pixel_unshuffle: parts.config.pixel_unshuffle,
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
        compare(&probe, &read(computed).await?, &expected)?;
    }
    Ok(())
}

fn compare(probe: &Probe, computed: &[f32], expected: &[(usize, f64)]) -> Result<()> {
    let largest = expected
        .iter()
        .fold(0.0f64, |largest, (_, value)| largest.max(value.abs()));
    for (index, expected) in expected {
        let got = computed
            .get(*index)
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
        pollster::block_on(check(&widths, &Device::flex())).unwrap();
        let gpu = Device::wgpu_options()
            .graphics_api(burn::tensor::wgpu::WgpuBackend::Vulkan)
            .init();
        match gpu {
            Ok(gpu) => pollster::block_on(check(&widths, &gpu)).unwrap(),
            Err(error) => assert!(
                std::env::var_os("ANOMALYSD_REQUIRE_GPU").is_none(),
                "{error}"
            ),
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
        };
        pollster::block_on(check(&widths, &Device::flex())).unwrap();
    }

    #[test]
    fn every_wrong_operator_is_found_and_named() {
        let widths = OperatorWidths {
            convolutions: [[8, 6, 3]].into(),
            linears: [[8, 6]].into(),
            norms: [8].into(),
            groups: 4,
            pixel_unshuffle: 2,
        };
        for probe in probes::all(&widths) {
            let (computed, expected) = probe.run(&Device::flex()).unwrap();
            let good = pollster::block_on(read(computed)).unwrap();
            compare(&probe, &good, &expected).unwrap();
            let skipped = vec![0.0; good.len()];
            let shifted: Vec<f32> = good.iter().skip(1).chain(&good[..1]).copied().collect();
            let broken = vec![f32::NAN; good.len()];
            for wrong in [skipped, shifted, broken] {
                let error = compare(&probe, &wrong, &expected).unwrap_err().to_string();
                assert!(error.contains(&probe.to_string()), "{error}");
            }
        }
    }
}
