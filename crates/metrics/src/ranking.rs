/// Everything that one sorting of scores and labels tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Area under the ROC curve, ties counted one half.
    pub auroc: f64,
    /// Average precision, scikit-learn's step-wise sum.
    pub average_precision: f64,
    /// The largest F1 over all thresholds.
    pub f1_max: f64,
    /// A score at or above which everything is called positive to reach `f1_max`.
    pub f1_threshold: f32,
}

/// A threshold's counts: everything at or above it is called positive.
#[derive(Clone, Copy)]
struct Counts {
    threshold: f32,
    true_positives: u64,
    false_positives: u64,
}

/// One entry per distinct score, from the highest down; `None` where a label does not occur or a score is NaN.
fn sweep(scores: &[f32], labels: &[bool]) -> Option<Vec<Counts>> {
    if scores.len() != labels.len() || scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let positives = labels.iter().filter(|&&label| label).count();
    if positives == 0 || positives == labels.len() {
        return None;
    }
    let mut pairs: Vec<(f32, bool)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    pairs.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let mut counts: Vec<Counts> = Vec::new();
    let (mut true_positives, mut false_positives) = (0, 0);
    for (index, &(threshold, label)) in pairs.iter().enumerate() {
        true_positives += u64::from(label);
        false_positives += u64::from(!label);
        if pairs.get(index + 1).is_none_or(|next| next.0 != threshold) {
            counts.push(Counts {
                threshold,
                true_positives,
                false_positives,
            });
        }
    }
    Some(counts)
}

/// All figures at once; `None` where there are no positives, no negatives, or a NaN.
pub fn summary(scores: &[f32], labels: &[bool]) -> Option<Summary> {
    let counts = sweep(scores, labels)?;
    let last = counts.last()?;
    let (positives, negatives) = (last.true_positives as f64, last.false_positives as f64);
    let (mut area, mut precision_sum, mut best, mut best_threshold) =
        (0.0, 0.0, -1.0, last.threshold);
    let (mut hits_before, mut alarms_before) = (0.0, 0.0);
    for count in &counts {
        let (hits, alarms) = (count.true_positives as f64, count.false_positives as f64);
        area += (alarms - alarms_before) * (hits + hits_before) / 2.0;
        precision_sum += (hits - hits_before) * hits / (hits + alarms);
        let f1 = 2.0 * hits / (hits + alarms + positives);
        if f1 > best {
            (best, best_threshold) = (f1, count.threshold);
        }
        (hits_before, alarms_before) = (hits, alarms);
    }
    Some(Summary {
        auroc: area / (positives * negatives),
        average_precision: precision_sum / positives,
        f1_max: best,
        f1_threshold: best_threshold,
    })
}

/// Area under the ROC curve: the probability that a positive scores above a negative, ties counted one half.
pub fn auroc(scores: &[f32], labels: &[bool]) -> Option<f64> {
    summary(scores, labels).map(|summary| summary.auroc)
}

/// Average precision, `Σ (R_n − R_{n−1}) P_n`.
pub fn average_precision(scores: &[f32], labels: &[bool]) -> Option<f64> {
    summary(scores, labels).map(|summary| summary.average_precision)
}

/// The largest F1 over all thresholds.
pub fn f1_max(scores: &[f32], labels: &[bool]) -> Option<f64> {
    summary(scores, labels).map(|summary| summary.f1_max)
}

/// Recall at a false positive rate: the share of the positives above the lowest threshold that at most
/// `rate` of the negatives exceed. Both lists in any order; `None` where one is empty or holds a NaN.
///
/// With fewer than 1/`rate` negatives, that threshold is the highest of them.
pub fn recall_at(negatives: &[f32], positives: &[f32], rate: f64) -> Option<f64> {
    let mut ranked = negatives.to_vec();
    if ranked.is_empty() || ranked.iter().chain(positives).any(|score| score.is_nan()) {
        return None;
    }
    ranked.sort_unstable_by(|a, b| b.total_cmp(a));
    // 0.05 · 60 is a hair under 3 in floating point.
    let allowed = (rate * ranked.len() as f64 + 1e-9) as usize;
    let threshold = ranked.get(allowed).copied().unwrap_or(f32::NEG_INFINITY);
    let above = positives.iter().filter(|score| **score > threshold).count();
    (!positives.is_empty()).then(|| above as f64 / positives.len() as f64)
}

/// The ROC curve as (false positive rate, true positive rate) from (0, 0) to (1, 1), at most about `points` of them.
pub fn roc_curve(scores: &[f32], labels: &[bool], points: usize) -> Option<Vec<(f64, f64)>> {
    let counts = sweep(scores, labels)?;
    let last = *counts.last()?;
    let curve: Vec<(f64, f64)> = std::iter::once((0.0, 0.0))
        .chain(counts.iter().map(|count| {
            let rate = |part: u64, whole: u64| part as f64 / whole as f64;
            (
                rate(count.false_positives, last.false_positives),
                rate(count.true_positives, last.true_positives),
            )
        }))
        .collect();
    Some(decimate(&curve, points))
}

/// Evenly chosen points, the first and the last among them.
pub fn decimate(curve: &[(f64, f64)], points: usize) -> Vec<(f64, f64)> {
    let points = points.max(2);
    if curve.len() <= points {
        return curve.to_vec();
    }
    (0..points)
        .map(|index| curve[index * (curve.len() - 1) / (points - 1)])
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn brute_auroc(scores: &[f32], labels: &[bool]) -> f64 {
        let (mut won, mut pairs) = (0.0, 0.0);
        for (i, &a) in scores.iter().enumerate().filter(|(i, _)| labels[*i]) {
            let _ = i;
            for (_, &b) in scores.iter().enumerate().filter(|(j, _)| !labels[*j]) {
                won += if a > b {
                    1.0
                } else if a == b {
                    0.5
                } else {
                    0.0
                };
                pairs += 1.0;
            }
        }
        won / pairs
    }

    fn brute_f1(scores: &[f32], labels: &[bool]) -> f64 {
        let f1 = |threshold: f32| {
            let called = |i: usize| scores[i] >= threshold;
            let hits = (0..scores.len())
                .filter(|&i| called(i) && labels[i])
                .count() as f64;
            let wrong = (0..scores.len())
                .filter(|&i| called(i) != labels[i])
                .count() as f64;
            2.0 * hits / (2.0 * hits + wrong)
        };
        scores
            .iter()
            .map(|&threshold| f1(threshold))
            .fold(0.0, f64::max)
    }

    proptest! {
        #[test]
        fn figures_equal_their_definitions(
            pairs in proptest::collection::vec((0u8..12, any::<bool>()), 2..60)
        ) {
            let scores: Vec<f32> = pairs.iter().map(|pair| f32::from(pair.0)).collect();
            let labels: Vec<bool> = pairs.iter().map(|pair| pair.1).collect();
            match summary(&scores, &labels) {
                None => prop_assert!(labels.iter().all(|&label| label == labels[0])),
                Some(found) => {
                    prop_assert!((found.auroc - brute_auroc(&scores, &labels)).abs() < 1e-12);
                    prop_assert!((found.f1_max - brute_f1(&scores, &labels)).abs() < 1e-12);
                }
            }
        }

        #[test]
        fn a_monotone_transform_changes_nothing(
            pairs in proptest::collection::vec((-1.0f32..1.0, any::<bool>()), 2..60)
        ) {
            let scores: Vec<f32> = pairs.iter().map(|pair| pair.0).collect();
            let stretched: Vec<f32> = scores.iter().map(|score| score * 4.0).collect();
            let labels: Vec<bool> = pairs.iter().map(|pair| pair.1).collect();
            prop_assert_eq!(auroc(&scores, &labels), auroc(&stretched, &labels));
            prop_assert_eq!(average_precision(&scores, &labels), average_precision(&stretched, &labels));
        }
    }

    #[test]
    fn recall_is_taken_at_the_threshold_that_few_negatives_exceed() {
        let negatives: Vec<f32> = (0..60).map(|i| i as f32).collect();
        // Three of sixty may exceed it: 57, 58 and 59 do.
        assert_eq!(
            recall_at(&negatives, &[56.0, 56.5, 57.0, 90.0], 0.05),
            Some(0.75)
        );
        assert_eq!(recall_at(&negatives[..10], &[9.0, 9.5], 0.05), Some(0.5));
        assert_eq!(recall_at(&[1.0; 40], &[1.0, 2.0], 0.05), Some(0.5));
        assert_eq!(recall_at(&negatives, &[-1.0], 1.0), Some(1.0));
        assert_eq!(recall_at(&[], &[1.0], 0.05), None);
        assert_eq!(recall_at(&[1.0], &[], 0.05), None);
        assert_eq!(recall_at(&[f32::NAN], &[1.0], 0.05), None);
    }

    #[test]
    fn what_has_no_answer_gives_none() {
        assert_eq!(summary(&[], &[]), None);
        assert_eq!(auroc(&[1.0, 2.0], &[true, true]), None);
        assert_eq!(auroc(&[1.0, f32::NAN], &[true, false]), None);
        assert_eq!(auroc(&[1.0], &[true, false]), None);
    }

    #[test]
    fn a_curve_starts_and_ends_in_the_corners() {
        let scores: Vec<f32> = (0..1000).map(|i| i as f32).collect();
        let labels: Vec<bool> = (0..1000).map(|i| i % 3 == 0).collect();
        let curve = roc_curve(&scores, &labels, 50).unwrap();
        assert_eq!((curve[0], curve[curve.len() - 1]), ((0.0, 0.0), (1.0, 1.0)));
        assert_eq!(curve.len(), 50);
    }
}
