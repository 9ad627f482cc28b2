//! Every constant of the method that a user may change, its default, and the check of its range.
//!
//! This is the only home of the defaults: the command's flags, the page and the tests read them here.
//! Nothing here depends on a class: the same numbers serve every product.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::prototypes::MOST_PROTOTYPES;

/// A constant outside its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("option `{name}` is {got}, but must be {expected}")]
pub struct OptionsError {
    /// Name of the option, as in JSON.
    pub name: &'static str,
    /// The refused value.
    pub got: String,
    /// The range, in words.
    pub expected: &'static str,
}

pub(crate) fn error(name: &'static str, got: String, expected: &'static str) -> OptionsError {
    OptionsError {
        name,
        got,
        expected,
    }
}

/// How many passes a scale takes. Both run through the same code: a plan is a list of passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// At most four passes a scale: cells of equal row and column parity together.
    #[default]
    Fast,
    /// One pass per cell, as in the paper.
    Faithful,
}

/// What a repaired photo is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compare {
    /// The photo `x` itself.
    Photo,
    /// `dec(enc(x))`, with the repair composited over it: cancels what the VAE alone loses.
    #[default]
    Roundtrip,
}

/// A property of a class: measured on its good photos, or said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// Measured on the good photos.
    #[default]
    Auto,
    /// It has it.
    Yes,
    /// It has it not.
    No,
}

/// All constants of a detection.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectOptions {
    /// Fast or faithful plans.
    pub mode: Mode,
    /// Seed of the noise fields.
    pub seed: u64,
    /// Longer side of the photo in pixels; `None`: the model's own (256 without a model).
    pub size: Option<usize>,
    /// Photos are judged in overlapping tiles of this many of their own pixels, each resized to `size`;
    /// `None`: whole.
    pub tile: Option<usize>,
    /// Memory that one batch of passes may take, in MiB.
    pub memory: MemoryBudget,
    /// Features and prototypes.
    pub features: FeatureOptions,
    /// Multi-scale and guided masks.
    pub masks: MaskOptions,
    /// Inpainting.
    pub repair: RepairOptions,
    /// Distances, normalisers, fusion.
    pub score: ScoreOptions,
}

/// Memory that one batch may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemoryBudget {
    /// MiB of activations, 1 or more. One pass runs even where it takes more.
    pub mib: usize,
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self { mib: 1024 }
    }
}

/// Constants of § 5.2: features per location and prototypes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureOptions {
    /// Longer side of the grid of locations.
    pub grid: usize,
    /// Share of the bank's variance that its subspace keeps, 0..1.
    pub subspace_variance: f32,
    /// Prototypes above which a coreset is taken.
    pub bank_capacity: usize,
    /// A place is like the same place of the other good photos, and is searched for near it.
    pub aligned: Choice,
    /// Quarter turns and flips of a good photo are good.
    pub turns: Choice,
    /// Radius of the limited search of aligned classes, in grid cells.
    pub aligned_radius: usize,
    /// A class is aligned where the limited search costs at most this factor.
    pub aligned_ratio: f32,
    /// A turn or flip is allowed where it costs at most this factor.
    pub turns_ratio: f32,
}

impl Default for FeatureOptions {
    fn default() -> Self {
        Self {
            grid: 32,
            subspace_variance: 0.99,
            bank_capacity: 8192,
            aligned: Choice::Auto,
            turns: Choice::Auto,
            aligned_radius: 4,
            aligned_ratio: 1.15,
            turns_ratio: 1.05,
        }
    }
}

/// Constants of §§ 5.1 and 5.2: which cells are repainted together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaskOptions {
    /// Cells per side of each scale; `None`: {2, 4, 8} fast, {1, 2, 4, 8} faithful.
    pub scales: Option<Vec<usize>>,
    /// Hidden border around the cores, in latent cells.
    pub halo: usize,
    /// A scale whose cells are smaller in either direction, in latent cells, is skipped.
    pub min_cell: usize,
    /// Run the prototype-guided pass.
    pub guided: bool,
    /// Quantile of the good photos' q above which a location seeds the guided mask.
    pub seed_quantile: f32,
    /// Quantile down to which seeds grow.
    pub grow_quantile: f32,
    /// Largest share of the photo that the guided cores take.
    pub max_share: f32,
    /// Share of a good photo that its guided cores are forced to when normalisers are measured.
    pub forced_share: f32,
}

impl Default for MaskOptions {
    fn default() -> Self {
        Self {
            scales: None,
            halo: 1,
            min_cell: 4,
            guided: true,
            seed_quantile: 0.999,
            grow_quantile: 0.99,
            max_share: 0.6,
            forced_share: 0.05,
        }
    }
}

/// Noise strength of the guided pass where it takes several steps.
pub const GUIDED_STRENGTH: f32 = 0.8;

/// Constants of §§ 5.3 and 5.4: how a hidden set is painted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RepairOptions {
    /// DDIM steps for the whole schedule; `None`: the model's own, else 8 fast, 20 faithful.
    pub inference_steps: Option<usize>,
    /// Noise strength λ by scale, 0..1. A scale not listed takes the next coarser one's.
    pub strength: BTreeMap<usize, f32>,
    /// Noise strength of the guided pass, 0..1. `None`: [`GUIDED_STRENGTH`], and 1 where one step paints it all.
    pub guided_strength: Option<f32>,
    /// Classifier-free guidance; at 1 the U-Net runs once a step.
    pub guidance_scale: f32,
    /// Good photos used as context; `None`: all where the model was trained for it, else none.
    pub references: Option<usize>,
    /// Lay the good photos over a photo, turned, scaled and shifted, before their latents become channels: for
    /// models that take them.
    pub registration: bool,
    /// What a repaired photo is compared with.
    pub compare: Compare,
    /// Add the median colour error of the visible surroundings to the painted pixels.
    pub drift_correction: bool,
    /// Distance to the hidden set within which drift is measured, in pixels.
    pub drift_radius: usize,
    /// Visible pixels under which drift is not corrected.
    pub drift_min_pixels: usize,
}

impl Default for RepairOptions {
    fn default() -> Self {
        Self {
            inference_steps: None,
            strength: BTreeMap::from([(1, 0.4), (2, 0.6), (4, 0.8), (8, 1.0)]),
            guided_strength: None,
            guidance_scale: 1.0,
            references: None,
            registration: true,
            compare: Compare::default(),
            drift_correction: true,
            drift_radius: 16,
            drift_min_pixels: 64,
        }
    }
}

/// Constants of § 6: from repairs to the anomaly map and the photo's score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScoreOptions {
    /// Share c of the photo's mean squared feature length that is added to every squared length before
    /// features are compared: a place that shows next to nothing says next to nothing.
    pub energy_floor: f32,
    /// Features are compared with the most alike painted place at most so many pixels away along each axis: a speckle or
    /// an edge that was painted a few pixels away is no defect.
    pub displacement: usize,
    /// Weight w₀ of the colour difference ΔE/100 beside the feature distance.
    pub colour_weight: f32,
    /// ΔE compares means of (2r + 1)² pixels.
    pub colour_radius: usize,
    /// Exponent of the mean over scales: −1 harmonic, 0 geometric, 1 arithmetic.
    pub mean_exponent: f32,
    /// Weight w of the repair against q̃ in the cores of the guided pass, 0..1.
    pub guided_weight: f32,
    /// Share α of the guided part in the fused map, 0..1.
    pub fusion_alpha: f32,
    /// Exponent of the mean of both parts: 0 geometric, 1 arithmetic. Drawn products choose 0: what both parts say counts
    /// more than what one of them says loudly.
    pub fusion_exponent: f32,
    /// The map is blurred by σ = min(H, W) / this; 0: not at all.
    pub blur_divisor: f32,
    /// Share of the highest feature cells whose mean is the photo's score.
    pub top_fraction: f32,
    /// At least so many feature cells.
    pub top_cells: usize,
    /// Normalisers: a location's mean is at least this share of the mean over locations.
    pub floor_share: f32,
    /// Normalisers: standard deviations added to the mean.
    pub std_multiple: f32,
    /// Normalisers: weight, in photos, of `synth_ratio` against the class's own ratio.
    pub shrink_photos: f32,
    /// Normalisers: standard deviation over mean, measured on drawn products.
    pub synth_ratio: f32,
}

impl Default for ScoreOptions {
    fn default() -> Self {
        Self {
            energy_floor: 1.0,
            displacement: 8,
            colour_weight: 0.5,
            colour_radius: 2,
            mean_exponent: -1.0,
            // Measured on drawn products: ½ costs 0.03 of image AUROC, since mini's repairs say less
            // than q̃ does.
            guided_weight: 0.1,
            fusion_alpha: 0.5,
            fusion_exponent: 0.0,
            blur_divisor: 64.0,
            top_fraction: 0.005,
            top_cells: 4,
            floor_share: 0.5,
            std_multiple: 2.0,
            shrink_photos: 4.0,
            synth_ratio: 0.6,
        }
    }
}

impl DetectOptions {
    /// Longer side of the photo in pixels, given the model's own where there is a model.
    pub fn longer_side(&self, model: Option<usize>) -> usize {
        self.size.or(model).unwrap_or(256)
    }

    /// Cells per side of each scale, in the order of the plan, given the model's own for fast mode
    /// where it has an opinion.
    pub fn scales(&self, model: Option<&[usize]>) -> Vec<usize> {
        match (&self.masks.scales, self.mode, model) {
            (Some(scales), ..) => scales.clone(),
            (None, Mode::Fast, Some(own)) => own.to_vec(),
            (None, Mode::Fast, None) => vec![2, 4, 8],
            (None, Mode::Faithful, _) => vec![1, 2, 4, 8],
        }
    }

    /// DDIM steps for the whole schedule, given the model's own for this mode where it has one.
    pub fn inference_steps(&self, model: Option<usize>) -> usize {
        let steps = match self.mode {
            Mode::Fast => model.unwrap_or(8),
            Mode::Faithful => 20,
        };
        self.repair.inference_steps.unwrap_or(steps)
    }

    /// Noise strength λ of a scale: its own, else that of the next coarser listed scale, else 1.
    pub fn strength(&self, scale: usize) -> f32 {
        let listed = self.repair.strength.range(..=scale).next_back();
        listed.map_or(1.0, |(_, strength)| *strength)
    }

    /// Noise strength of the guided pass, whose repair is shown, 0..1; `steps` of the whole schedule. Where one step paints it,
    /// and no other is given, it is 1: a step from less noise leaves some of it in the picture.
    pub fn guided_strength(&self, steps: usize) -> f32 {
        let by_steps = if steps == 1 { 1.0 } else { GUIDED_STRENGTH };
        self.repair.guided_strength.unwrap_or(by_steps)
    }

    /// Checks every constant.
    ///
    /// # Errors
    /// The first constant outside its range.
    pub fn validate(&self) -> Result<(), OptionsError> {
        if let Some(size) = self.size {
            check(
                "size",
                size,
                (64..=4096).contains(&size),
                "64 to 4096 pixels",
            )?;
        }
        if let Some(tile) = self.tile {
            check(
                "tile",
                tile,
                (64..=16_384).contains(&tile),
                "64 to 16384 pixels",
            )?;
        }
        check(
            "memory",
            self.memory.mib,
            self.memory.mib > 0,
            "at least 1 MiB",
        )?;
        self.features.validate()?;
        self.masks.validate()?;
        self.repair.validate()?;
        self.score.validate()
    }
}

impl FeatureOptions {
    fn validate(&self) -> Result<(), OptionsError> {
        check(
            "grid",
            self.grid,
            (4..=256).contains(&self.grid),
            "4 to 256 cells",
        )?;
        share("subspace_variance", self.subspace_variance)?;
        check(
            "bank_capacity",
            self.bank_capacity,
            (1..=MOST_PROTOTYPES).contains(&self.bank_capacity),
            "1 to 65536 prototypes",
        )?;
        check(
            "aligned_radius",
            self.aligned_radius,
            self.aligned_radius <= 64,
            "at most 64",
        )?;
        positive("aligned_ratio", self.aligned_ratio)?;
        positive("turns_ratio", self.turns_ratio)
    }
}

impl MaskOptions {
    fn validate(&self) -> Result<(), OptionsError> {
        for &scale in self.scales.iter().flatten() {
            check(
                "scales",
                scale,
                (1..=64).contains(&scale),
                "1 to 64 cells per side",
            )?;
        }
        if let Some(scales) = &self.scales {
            let mut unique = scales.clone();
            unique.sort_unstable();
            unique.dedup();
            let distinct = unique.len() == scales.len();
            check(
                "scales",
                format!("{scales:?}"),
                distinct,
                "without repetition",
            )?;
        }
        check("halo", self.halo, self.halo <= 8, "0 to 8 latent cells")?;
        check(
            "min_cell",
            self.min_cell,
            self.min_cell > 0,
            "at least 1 latent cell",
        )?;
        share("seed_quantile", self.seed_quantile)?;
        share("grow_quantile", self.grow_quantile)?;
        let ordered = self.grow_quantile <= self.seed_quantile;
        check(
            "grow_quantile",
            self.grow_quantile,
            ordered,
            "at most seed_quantile",
        )?;
        share("max_share", self.max_share)?;
        share("forced_share", self.forced_share)
    }
}

impl RepairOptions {
    fn validate(&self) -> Result<(), OptionsError> {
        if let Some(steps) = self.inference_steps {
            check(
                "inference_steps",
                steps,
                (1..=1000).contains(&steps),
                "1 to 1000",
            )?;
        }
        for (&scale, &strength) in &self.strength {
            check(
                "strength",
                scale,
                scale > 0,
                "given for scales of 1 and more",
            )?;
            share("strength", strength)?;
        }
        if let Some(strength) = self.guided_strength {
            share("guided_strength", strength)?;
        }
        let guidance = self.guidance_scale;
        check(
            "guidance_scale",
            guidance,
            (0.0..=50.0).contains(&guidance),
            "0 to 50",
        )?;
        check(
            "drift_radius",
            self.drift_radius,
            self.drift_radius <= 1024,
            "at most 1024 pixels",
        )
    }
}

impl ScoreOptions {
    fn validate(&self) -> Result<(), OptionsError> {
        for (name, exponent) in [
            ("mean_exponent", self.mean_exponent),
            ("fusion_exponent", self.fusion_exponent),
        ] {
            let allowed = (-16.0..=16.0).contains(&exponent);
            check(name, exponent, allowed, "-16 to 16")?;
        }
        share("guided_weight", self.guided_weight)?;
        share("fusion_alpha", self.fusion_alpha)?;
        share("top_fraction", self.top_fraction)?;
        check(
            "top_cells",
            self.top_cells,
            self.top_cells > 0,
            "at least 1",
        )?;
        check(
            "colour_radius",
            self.colour_radius,
            self.colour_radius <= 64,
            "at most 64 pixels",
        )?;
        check(
            "displacement",
            self.displacement,
            self.displacement <= 64,
            "at most 64 pixels",
        )?;
        for (name, value) in [
            ("energy_floor", self.energy_floor),
            ("colour_weight", self.colour_weight),
            ("floor_share", self.floor_share),
            ("std_multiple", self.std_multiple),
            ("shrink_photos", self.shrink_photos),
            ("synth_ratio", self.synth_ratio),
        ] {
            check(
                name,
                value,
                value.is_finite() && value >= 0.0,
                "a number of 0 or more",
            )?;
        }
        // A wider blur than the photo itself would ask for a kernel of any size.
        check(
            "blur_divisor",
            self.blur_divisor,
            self.blur_divisor == 0.0 || (1.0..=f32::MAX).contains(&self.blur_divisor),
            "0, or a number of 1 or more",
        )
    }
}

fn share(name: &'static str, value: f32) -> Result<(), OptionsError> {
    check(name, value, (0.0..=1.0).contains(&value), "0 to 1")
}

fn positive(name: &'static str, value: f32) -> Result<(), OptionsError> {
    check(
        name,
        value,
        value.is_finite() && value > 0.0,
        "a number above 0",
    )
}

fn check(
    name: &'static str,
    got: impl ToString,
    good: bool,
    expected: &'static str,
) -> Result<(), OptionsError> {
    if good {
        return Ok(());
    }
    Err(error(name, got.to_string(), expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_survive_json() {
        let options = DetectOptions::default();
        options.validate().unwrap();
        let json = serde_json::to_string(&options).unwrap();
        assert_eq!(
            serde_json::from_str::<DetectOptions>(&json).unwrap(),
            options
        );
        assert_eq!(
            serde_json::from_str::<DetectOptions>("{}").unwrap(),
            options
        );
    }

    #[test]
    fn a_value_out_of_range_is_named() {
        let mut options = DetectOptions::default();
        options.score.fusion_alpha = 1.5;
        let error = options.validate().unwrap_err();
        assert_eq!(
            error.to_string(),
            "option `fusion_alpha` is 1.5, but must be 0 to 1"
        );
        options.score.fusion_alpha = f32::NAN;
        assert!(options.validate().is_err());
        options.score.fusion_alpha = 0.5;
        for (divisor, fine) in [
            (0.0, true),
            (1.0, true),
            (1e9, true),
            (0.5, false),
            (1e-30, false),
            (-1.0, false),
            (f32::NAN, false),
            (f32::INFINITY, false),
        ] {
            options.score.blur_divisor = divisor;
            assert_eq!(options.validate().is_ok(), fine, "{divisor}");
        }
        assert!(serde_json::from_str::<DetectOptions>(r#"{"sede": 1}"#).is_err());
    }

    #[test]
    fn strength_of_an_unlisted_scale_is_the_next_coarser_ones() {
        let mut options = DetectOptions::default();
        assert_eq!(options.strength(1), 0.4);
        assert_eq!(options.strength(6), 0.8);
        assert_eq!(options.strength(16), 1.0);
        options.repair.strength = BTreeMap::from([(4, 0.7)]);
        assert_eq!(options.strength(2), 1.0);
    }

    #[test]
    fn one_guided_step_begins_at_pure_noise_unless_something_else_is_given() {
        let mut options = DetectOptions::default();
        assert_eq!(
            [1, 2].map(|steps| options.guided_strength(steps)),
            [1.0, 0.8]
        );
        options.repair.guided_strength = Some(0.5);
        assert_eq!(options.guided_strength(1), 0.5);
    }

    #[test]
    fn the_mode_sets_scales_and_steps() {
        let mut options = DetectOptions::default();
        assert_eq!(
            (options.scales(None), options.inference_steps(Some(4))),
            (vec![2, 4, 8], 4)
        );
        assert_eq!(options.scales(Some(&[])), [0; 0]);
        options.mode = Mode::Faithful;
        assert_eq!(
            (options.scales(Some(&[])), options.inference_steps(Some(4))),
            (vec![1, 2, 4, 8], 20)
        );
        options.masks.scales = Some(vec![2, 4]);
        assert_eq!(options.scales(Some(&[])), [2, 4]);
    }
}
