//! Lines that follow from the maps of one detection: nothing is painted or searched again.

use anomalysd_detect::options::{DetectOptions, ScoreOptions};
use anomalysd_detect::pipeline::Detection;
use anomalysd_detect::score::{fuse, guided_map, mean_over_scales, photo_score};
use anomalysd_imaging::{Map, resize_bilinear_map};

use super::trials::{DEFAULT, Group, Line};

/// Shares α of the guided part.
const ALPHAS: [f32; 4] = [0.25, 0.5, 0.75, 1.0];
/// Weights of the repair in the cores of the guided pass: no guided pass, and the paper's.
const WEIGHTS: [(f32, &str); 2] = [
    (0.0, "without the guided pass"),
    (0.5, "its repair weighs as much as q (w = 0.5)"),
];
/// Exponents of the mean over scales.
const MEANS: [(f32, &str); 3] = [(-1.0, "harmonic"), (0.0, "geometric"), (1.0, "arithmetic")];

/// Map and score of a photo on one line.
pub struct Judged {
    /// S, at the size of the judged photo.
    pub map: Map,
    /// The photo's score.
    pub score: f32,
}

/// What the default's line says of a photo.
pub fn whole(detection: &Detection) -> Judged {
    Judged {
        map: detection.scored.map.clone(),
        score: detection.score,
    }
}

/// Every line that this detection holds, the default first. `scales`: those of the class, none without
/// a model; where a photo is too small for one, the line of that scale alone is g, as ever where no
/// scale is left.
pub fn lines(
    detection: &Detection,
    options: &DetectOptions,
    scales: &[usize],
) -> Vec<(Line, Judged)> {
    let photo = &detection.measurement.photo;
    let grid = detection.measurement.grid(options.features.grid);
    let score = &detection.measurement.score_options(&options.score);
    let judged = |map: Map| Judged {
        score: photo_score(&map, grid.0, grid.1, score),
        map,
    };
    let mut all = vec![(
        Line::new(Group::Whole, DEFAULT, "the whole method"),
        whole(detection),
    )];
    // Without a normaliser: it is one number for a class, and figures are taken within a class.
    let prototypes = &detection.measurement.prototypes;
    for (name, label, map) in [
        ("q-nearest", "q_nn alone", &prototypes.nearest),
        ("q-subspace", "q_sub alone", &prototypes.subspace),
        ("features-only", "q alone (features-only)", &prototypes.q),
    ] {
        let map = resize_bilinear_map(map, photo.width, photo.height);
        all.push((
            Line::new(Group::Parts, name, label),
            judged(fuse(None, &map, score).map),
        ));
    }
    if scales.is_empty() {
        return all;
    }
    let scored = &detection.scored;
    let multi_scale = scored.multi_scale.as_ref();
    let fused = |multi_scale: Option<&Map>, guided: &Map, alpha| {
        let options = ScoreOptions {
            fusion_alpha: alpha,
            ..score.clone()
        };
        judged(fuse(multi_scale, guided, &options).map)
    };
    all.push((
        Line::new(Group::Parts, "repair-only", "repairs alone (α = 0)"),
        fused(multi_scale, &scored.guided, 0.0),
    ));
    for alpha in ALPHAS.into_iter().filter(|own| *own != score.fusion_alpha) {
        all.push((
            Line::new(
                Group::Fusion,
                format!("alpha-{alpha}"),
                format!("α = {alpha}"),
            ),
            fused(multi_scale, &scored.guided, alpha),
        ));
    }
    for (exponent, mean) in MEANS
        .into_iter()
        .filter(|own| own.0 != score.fusion_exponent)
    {
        let options = ScoreOptions {
            fusion_exponent: exponent,
            ..score.clone()
        };
        all.push((
            Line::new(
                Group::Fusion,
                format!("{mean}-fusion"),
                format!("{mean} mean of both"),
            ),
            judged(fuse(multi_scale, &scored.guided, &options).map),
        ));
    }
    let scale_maps: Vec<Map> = scored.scales.values().cloned().collect();
    for (group, prefix, alpha) in [
        (Group::Scales, "", score.fusion_alpha),
        (Group::ScalesAlone, "repair-", 0.0),
    ] {
        for cells in scales {
            all.push((
                Line::new(
                    group,
                    format!("{prefix}scale-{cells}"),
                    format!("{cells}×{cells} cells alone"),
                ),
                fused(scored.scales.get(cells), &scored.guided, alpha),
            ));
        }
        for (exponent, mean) in MEANS.into_iter().filter(|own| own.0 != score.mean_exponent) {
            let map = mean_over_scales(&scale_maps, exponent);
            all.push((
                Line::new(group, format!("{prefix}{mean}"), format!("{mean} mean")),
                fused(map.as_ref(), &scored.guided, alpha),
            ));
        }
    }
    let cores = detection.measurement.guided.as_ref().map(|own| &own.cores);
    let repair = cores.zip(scored.guided_repair.as_ref());
    for (weight, label) in WEIGHTS
        .into_iter()
        .filter(|own| own.0 != score.guided_weight)
    {
        let guided = guided_map(&scored.features, repair, weight);
        all.push((
            Line::new(Group::Guided, format!("guided-{weight}"), label),
            fused(multi_scale, &guided, score.fusion_alpha),
        ));
    }
    all
}
