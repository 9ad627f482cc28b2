//! Recall at 5 % false alarms by area of the defect.

use std::fmt::Write as _;
use std::path::Path;

use anomalysd_metrics::{Interval, mean_and_sd, paired_bootstrap, recall_at};
use serde::Serialize;
use serde_json::{Value, json};

use super::series::{AREAS, Defects, Scores, Series};
use super::table::interval;
use crate::chart::{Axis, Chart, Line, Mark, Point, colour};
use crate::error::Outcome;
use crate::eval::rows::Method;
use crate::output;

/// Share of a product's good photos that may be above its threshold.
const FALSE_ALARMS: f64 = 0.05;
/// Resamples of an interval.
const RESAMPLES: usize = 1000;
/// What is plotted, in the order of the legend.
const METHODS: [Method; 3] = [
    Method::AnomalySd,
    Method::FeaturesOnly,
    Method::NearestNeighbour,
];

/// Recall of one method at one area, in the mean over products.
#[derive(Debug, Serialize)]
pub struct Recall {
    /// The method.
    method: Method,
    /// Share of the picture.
    area: f32,
    /// Products that have such defects.
    products: usize,
    /// Good photos of all of them.
    n_good: usize,
    /// Defective photos of all of them.
    n_defective: usize,
    /// With its 95 % interval: photos are drawn again within each product and kind.
    recall: Interval,
    /// The same minus that of the nearest neighbour on the same photos; none for itself.
    against_nearest: Option<Interval>,
}

/// Writes recall-by-area.json, .md and .svg, and prints the table.
pub fn write(out: &Path, all: &[Series], config: &Value) -> Outcome {
    let recalls = recalls(all);
    let json = json!({
        "schema": "anomalysd.recall-by-area.v1",
        "rows": &recalls,
        "series": all,
        "config": config,
    });
    output::write_json(&out.join("recall-by-area.json"), &json)?;
    let table = table(&recalls);
    output::write(
        &out.join("recall-by-area.md"),
        format!("{table}\n").as_bytes(),
    )?;
    let svg = chart(&recalls).svg();
    output::write(&out.join("recall-by-area.svg"), svg.as_bytes())?;
    output::print(&table)
}

fn recalls(all: &[Series]) -> Vec<Recall> {
    let mut recalls = Vec::new();
    for area in AREAS {
        let products: Vec<(&Scores, &Defects)> = all
            .iter()
            .filter_map(|series| {
                let mut own = series.defects.iter();
                let own = own.find(|own| own.area == area && !own.kinds.is_empty())?;
                Some((&series.good, own))
            })
            .collect();
        for method in METHODS {
            recalls.extend(recall(&products, method, area));
        }
    }
    recalls
}

fn recall(products: &[(&Scores, &Defects)], method: Method, area: f32) -> Option<Recall> {
    let scores = |method: Method| -> Option<Vec<[&[f32]; 2]>> {
        let both = products.iter().map(|(good, defects)| {
            let defects = defects.scores.get(&method)?;
            Some([good.get(&method)?.as_slice(), defects.as_slice()])
        });
        both.collect()
    };
    let own = scores(method)?;
    let nearest = scores(Method::NearestNeighbour)?;
    let strata: Vec<usize> = own.iter().flatten().map(|scores| scores.len()).collect();
    let mean = |products: &[[&[f32]; 2]], chosen: &[Vec<usize>]| -> Option<f64> {
        let recalls = products.iter().zip(chosen.chunks(2)).map(|(own, chosen)| {
            let picked = |kind: usize| -> Vec<f32> {
                chosen[kind].iter().map(|&at| own[kind][at]).collect()
            };
            recall_at(&picked(0), &picked(1), FALSE_ALARMS)
        });
        let recalls = recalls.collect::<Option<Vec<f64>>>()?;
        mean_and_sd(&recalls).map(|(mean, _)| mean)
    };
    let recall = paired_bootstrap(&strata, RESAMPLES, 0, |chosen| mean(&own, chosen))?;
    let against_nearest = (method != Method::NearestNeighbour).then(|| {
        paired_bootstrap(&strata, RESAMPLES, 0, |chosen| {
            Some(mean(&own, chosen)? - mean(&nearest, chosen)?)
        })
    });
    Some(Recall {
        method,
        area,
        products: products.len(),
        n_good: strata.iter().step_by(2).sum(),
        n_defective: strata.iter().skip(1).step_by(2).sum(),
        recall,
        against_nearest: against_nearest.flatten(),
    })
}

fn per_cent(area: f32) -> String {
    format!("{} %", f64::from((area * 1e6).round()) / 1e4)
}

fn table(recalls: &[Recall]) -> String {
    let mut text = String::from(
        "| area of the defect | method | recall at 5 % false alarms (95 % interval) | against the nearest neighbour | products, good photos, defects |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for own in recalls {
        let Interval { value, low, high } = own.recall;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {value:.2} ({low:.2} to {high:.2}) | {} | {}, {}, {} |",
            per_cent(own.area),
            own.method.name(),
            interval(own.against_nearest),
            own.products,
            own.n_good,
            own.n_defective
        );
    }
    text.trim_end().to_owned()
}

fn chart(recalls: &[Recall]) -> Chart {
    let lines = METHODS.into_iter().filter_map(|method| {
        let points: Vec<Point> = recalls
            .iter()
            .filter(|own| own.method == method)
            .map(|own| Point {
                x: f64::from(own.area),
                y: own.recall.value,
                low: own.recall.low,
                high: own.recall.high,
            })
            .collect();
        (!points.is_empty()).then(|| Line {
            name: method.name().into(),
            colour: colour(method),
            points,
            mark: Mark::Bars,
        })
    });
    let (products, good) = recalls
        .first()
        .map_or((0, 0), |own| (own.products, own.n_good));
    let defects: Vec<String> = AREAS
        .into_iter()
        .filter_map(|area| recalls.iter().find(|own| own.area == area))
        .map(|own| own.n_defective.to_string())
        .collect();
    Chart {
        title: "Recall at 5 % false alarms, by area of the defect".into(),
        subtitle: format!(
            "{products} drawn products, {good} good photos, {} defects; bars: 95 % of bootstrap resamples",
            defects.join(" / ")
        ),
        x: Axis {
            label: "share of the picture that the defect covers".into(),
            low: 0.00012,
            high: 0.033,
            ticks: AREAS.map(|area| (f64::from(area), per_cent(area))).into(),
            logarithmic: true,
        },
        y: Axis {
            label: "recall".into(),
            low: 0.0,
            high: 1.0,
            ticks: [0.0, 0.25, 0.5, 0.75, 1.0]
                .map(|tick: f64| (tick, format!("{:.0} %", 100.0 * tick)))
                .into(),
            logarithmic: false,
        },
        lines: lines.collect(),
        diagonal: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_is_the_mean_over_products_each_at_its_own_threshold() {
        let series = |scale: f32| {
            let scores = |values: &[f32]| {
                let values: Vec<f32> = values.iter().map(|value| scale * value).collect();
                METHODS
                    .into_iter()
                    .map(|own| (own, values.clone()))
                    .collect()
            };
            Series {
                name: "nut".into(),
                good: scores(&[1.0; 20]),
                defects: AREAS
                    .map(|area| Defects {
                        area,
                        kinds: vec!["dent".into(); 2],
                        scores: scores(if area < 0.001 {
                            &[0.5, 0.6]
                        } else {
                            &[0.5, 2.0]
                        }),
                    })
                    .into(),
            }
        };
        // At a common threshold the second product's photos would all be alarms.
        let recalls = recalls(&[series(1.0), series(100.0)]);
        assert_eq!(recalls.len(), METHODS.len() * AREAS.len());
        for own in &recalls {
            let expected = if own.area < 0.001 { 0.0 } else { 0.5 };
            assert_eq!(own.recall.value, expected, "{own:?}");
            assert_eq!((own.products, own.n_good, own.n_defective), (2, 40, 4));
        }
        let text = table(&recalls);
        assert!(text.contains("| 0.02 % | anomalysd | 0.00"), "{text}");
        let svg = chart(&recalls).svg();
        assert!(svg.contains("0.5 %") && svg.contains("nearest-neighbour"));
    }
}
