//! One flag per constant of the method.

use std::collections::BTreeMap;
use std::str::FromStr;

use anomalysd_detect::options::{Choice, Compare, DetectOptions, GUIDED_STRENGTH, Mode};
use clap::{Args, ValueEnum};

/// Fast or faithful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// Four passes a scale.
    Fast,
    /// One pass per cell.
    Faithful,
}

/// What a repair is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompareArg {
    /// The photo itself.
    Photo,
    /// The photo after encoding and decoding.
    Roundtrip,
}

/// A property of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChoiceArg {
    /// Measured on the good photos.
    Auto,
    /// Every class has it.
    Yes,
    /// No class has it.
    No,
}

impl From<ChoiceArg> for Choice {
    fn from(choice: ChoiceArg) -> Self {
        match choice {
            ChoiceArg::Auto => Self::Auto,
            ChoiceArg::Yes => Self::Yes,
            ChoiceArg::No => Self::No,
        }
    }
}

/// Noise strengths: one for all scales (`0.8`), or by scale (`2=0.6,4=0.8`).
#[derive(Debug, Clone, PartialEq)]
pub struct Strengths(BTreeMap<usize, f32>);

impl FromStr for Strengths {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let entry = |part: &str| {
            let (scale, strength) = part.split_once('=').unwrap_or(("1", part));
            let scale = scale.trim().parse::<usize>();
            let strength = strength.trim().parse::<f32>();
            match (scale, strength) {
                (Ok(scale), Ok(strength)) => Ok((scale, strength)),
                _ => Err(format!("`{part}` is neither STRENGTH nor SCALE=STRENGTH")),
            }
        };
        text.split(',')
            .map(entry)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// The text of a flag with the default that the library holds.
macro_rules! with_default {
    ($text:literal, $($path:ident).+) => {
        format!(concat!($text, " [default: {}]"), DetectOptions::default().$($path).+)
    };
}

fn strengths_help() -> String {
    let own = DetectOptions::default().repair.strength;
    let listed: Vec<String> = own.iter().map(|(n, s)| format!("{n}={s}")).collect();
    format!(
        "Noise strength λ, for all scales or by scale [default: {}]",
        listed.join(",")
    )
}

fn guided_strength_help() -> String {
    format!(
        "Noise strength of the guided pass [default: 1 where one step paints it all, else {GUIDED_STRENGTH}]"
    )
}

/// Constants of the method; what is not given keeps its default.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Method")]
pub struct MethodArgs {
    /// At most four passes a scale, or one per cell as in the paper [default: fast]
    #[arg(long, value_enum)]
    pub mode: Option<ModeArg>,
    #[arg(long, help = with_default!("Seed of the noise", seed))]
    seed: Option<u64>,
    /// Longer side of a photo in pixels [default: the model's own, else 256]
    #[arg(long)]
    pub size: Option<usize>,
    /// Judge a large photo in overlapping tiles of this many of its pixels, each at the model's size; for fit and detect alike
    #[arg(long, value_name = "PIXELS")]
    tile: Option<usize>,
    #[arg(long, help = with_default!("Memory of one batch of passes, in MiB", memory.mib))]
    memory_mib: Option<usize>,
    /// Cells per side of each scale [default: the model's own, else 2,4,8 fast, 1,2,4,8 faithful]
    #[arg(long, value_delimiter = ',')]
    scales: Option<Vec<usize>>,
    #[arg(long, help = strengths_help())]
    strength: Option<Strengths>,
    #[arg(long, help = guided_strength_help())]
    guided_strength: Option<f32>,
    /// Denoising steps of the whole schedule [default: the model's own, else 8 fast, 20 faithful]
    #[arg(long)]
    inference_steps: Option<usize>,
    #[arg(long, help = with_default!("Classifier-free guidance", repair.guidance_scale))]
    guidance_scale: Option<f32>,
    /// Good photos used as context [default: all where the model was trained for it, else 0]
    #[arg(long)]
    references: Option<usize>,
    /// Good photos as they are: do not turn, scale and shift them to lie as the photo does
    #[arg(long)]
    no_registration: bool,
    /// What a repair is compared with [default: roundtrip]
    #[arg(long, value_enum)]
    compare: Option<CompareArg>,
    /// No pass guided by the prototypes
    #[arg(long)]
    no_guided: bool,
    /// Leave the colour of painted pixels as it is
    #[arg(long)]
    no_drift_correction: bool,
    #[arg(long, help = with_default!("Distance within which colour drift is measured, in pixels", repair.drift_radius))]
    drift_radius: Option<usize>,
    #[arg(long, help = with_default!("Visible pixels under which drift is not corrected", repair.drift_min_pixels))]
    drift_min_pixels: Option<usize>,
    #[arg(long, help = with_default!("Hidden border around the cores, in latent cells", masks.halo))]
    halo: Option<usize>,
    #[arg(long, help = with_default!("Smallest cell of a scale, in latent cells", masks.min_cell))]
    min_cell: Option<usize>,
    #[arg(long, help = with_default!("Quantile of good photos' q that seeds the guided mask", masks.seed_quantile))]
    seed_quantile: Option<f32>,
    #[arg(long, help = with_default!("Quantile down to which seeds grow", masks.grow_quantile))]
    grow_quantile: Option<f32>,
    #[arg(long, help = with_default!("Largest share of the guided cores", masks.max_share))]
    max_share: Option<f32>,
    #[arg(long, help = with_default!("Share of guided cores forced on good photos", masks.forced_share))]
    forced_share: Option<f32>,
    #[arg(long, help = with_default!("Share α of the guided part in the fused map", score.fusion_alpha))]
    fusion_alpha: Option<f32>,
    #[arg(long, allow_negative_numbers = true, help = with_default!("Exponent of the mean of both parts: 0 geometric, 1 arithmetic", score.fusion_exponent))]
    fusion_exponent: Option<f32>,
    #[arg(long, help = with_default!("Weight of the repair in the cores of the guided pass", score.guided_weight))]
    guided_weight: Option<f32>,
    #[arg(long, allow_negative_numbers = true, help = with_default!("Exponent of the mean over scales: -1 harmonic, 1 arithmetic", score.mean_exponent))]
    mean_exponent: Option<f32>,
    #[arg(long, help = with_default!("Share of the photo's mean squared feature length that is added to every place's", score.energy_floor))]
    energy_floor: Option<f32>,
    #[arg(long, help = with_default!("Pixels by which the repair may show something elsewhere", score.displacement))]
    displacement: Option<usize>,
    #[arg(long, help = with_default!("Weight of the colour difference", score.colour_weight))]
    colour_weight: Option<f32>,
    #[arg(long, help = with_default!("Colours are compared as means of (2r+1)² pixels", score.colour_radius))]
    colour_radius: Option<usize>,
    #[arg(long, help = with_default!("The map is blurred by σ = side / this; 0: not at all", score.blur_divisor))]
    blur_divisor: Option<f32>,
    #[arg(long, help = with_default!("Share of the highest cells whose mean is the score", score.top_fraction))]
    top_fraction: Option<f32>,
    #[arg(long, help = with_default!("At least so many cells", score.top_cells))]
    top_cells: Option<usize>,
    #[arg(long, help = with_default!("Normalisers: least share of the mean at a location", score.floor_share))]
    floor_share: Option<f32>,
    #[arg(long, help = with_default!("Normalisers: standard deviations above the mean", score.std_multiple))]
    std_multiple: Option<f32>,
    #[arg(long, help = with_default!("Normalisers: weight of the drawn products' ratio, in photos", score.shrink_photos))]
    shrink_photos: Option<f32>,
    #[arg(long, help = with_default!("Normalisers: standard deviation over mean on drawn products", score.synth_ratio))]
    synth_ratio: Option<f32>,
    #[arg(long, help = with_default!("Longer side of the grid of feature cells", features.grid))]
    grid: Option<usize>,
    #[arg(long, help = with_default!("Share of variance that the subspace keeps", features.subspace_variance))]
    subspace_variance: Option<f32>,
    #[arg(long, help = with_default!("Prototypes above which a coreset is taken", features.bank_capacity))]
    bank_capacity: Option<usize>,
    /// Photos of a class always show the product in the same place (with one good photo, auto is no)
    #[arg(long, value_enum, value_name = "WHEN")]
    aligned: Option<ChoiceArg>,
    /// A good photo, turned or flipped, is good (with one good photo, auto is yes for textures)
    #[arg(long, value_enum, value_name = "WHEN")]
    turns: Option<ChoiceArg>,
    #[arg(long, help = with_default!("Radius of the limited search of aligned classes, in cells", features.aligned_radius))]
    aligned_radius: Option<usize>,
    #[arg(long, help = with_default!("Aligned where the limited search costs at most this factor", features.aligned_ratio))]
    aligned_ratio: Option<f32>,
    #[arg(long, help = with_default!("A turn is allowed where it costs at most this factor", features.turns_ratio))]
    turns_ratio: Option<f32>,
}

/// Sets what was given.
macro_rules! set {
    ($args:ident, $options:ident, $($flag:ident => $($path:ident).+),+ $(,)?) => {
        $(if let Some(value) = &$args.$flag { $options.$($path).+ = value.clone().into(); })+
    };
}

impl MethodArgs {
    /// The defaults with everything that was given.
    pub fn options(&self) -> DetectOptions {
        self.over(DetectOptions::default())
    }

    /// `options` with everything that was given.
    pub fn over(&self, mut options: DetectOptions) -> DetectOptions {
        set!(self, options,
            seed => seed,
            size => size,
            tile => tile,
            memory_mib => memory.mib,
            scales => masks.scales,
            guided_strength => repair.guided_strength,
            inference_steps => repair.inference_steps,
            guidance_scale => repair.guidance_scale,
            references => repair.references,
            drift_radius => repair.drift_radius,
            drift_min_pixels => repair.drift_min_pixels,
            halo => masks.halo,
            min_cell => masks.min_cell,
            seed_quantile => masks.seed_quantile,
            grow_quantile => masks.grow_quantile,
            max_share => masks.max_share,
            forced_share => masks.forced_share,
            fusion_alpha => score.fusion_alpha,
            fusion_exponent => score.fusion_exponent,
            guided_weight => score.guided_weight,
            mean_exponent => score.mean_exponent,
            energy_floor => score.energy_floor,
            displacement => score.displacement,
            colour_weight => score.colour_weight,
            colour_radius => score.colour_radius,
            blur_divisor => score.blur_divisor,
            top_fraction => score.top_fraction,
            top_cells => score.top_cells,
            floor_share => score.floor_share,
            std_multiple => score.std_multiple,
            shrink_photos => score.shrink_photos,
            synth_ratio => score.synth_ratio,
            grid => features.grid,
            subspace_variance => features.subspace_variance,
            bank_capacity => features.bank_capacity,
            aligned => features.aligned,
            turns => features.turns,
            aligned_radius => features.aligned_radius,
            aligned_ratio => features.aligned_ratio,
            turns_ratio => features.turns_ratio,
        );
        if let Some(mode) = self.mode {
            options.mode = match mode {
                ModeArg::Fast => Mode::Fast,
                ModeArg::Faithful => Mode::Faithful,
            };
        }
        if let Some(compare) = self.compare {
            options.repair.compare = match compare {
                CompareArg::Photo => Compare::Photo,
                CompareArg::Roundtrip => Compare::Roundtrip,
            };
        }
        if let Some(Strengths(strength)) = &self.strength {
            options.repair.strength.clone_from(strength);
        }
        if self.no_registration {
            options.repair.registration = false;
        }
        if self.no_guided {
            options.masks.guided = false;
        }
        if self.no_drift_correction {
            options.repair.drift_correction = false;
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strengths_are_one_for_all_or_by_scale() {
        let one: Strengths = "0.7".parse().unwrap();
        assert_eq!(one.0, BTreeMap::from([(1, 0.7)]));
        let two: Strengths = "2=0.5, 8=1".parse().unwrap();
        assert_eq!(two.0, BTreeMap::from([(2, 0.5), (8, 1.0)]));
        assert!("2=x".parse::<Strengths>().unwrap_err().contains("2=x"));
    }

    #[test]
    fn only_what_is_given_changes() {
        let args = MethodArgs {
            fusion_alpha: Some(0.25),
            size: Some(128),
            no_guided: true,
            ..MethodArgs::default()
        };
        let mut expected = DetectOptions::default();
        expected.score.fusion_alpha = 0.25;
        expected.size = Some(128);
        expected.masks.guided = false;
        assert_eq!(args.options(), expected);
    }
}
