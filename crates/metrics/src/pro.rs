use anomalysd_imaging::{Map, Mask, components};

/// The per-region-overlap curve as (false positive rate, mean overlap), one point per distinct value from the highest
/// down, starting at (0, 0).
///
/// Every 8-connected region of the masks counts the same, whatever its size; the false positive rate is over all
/// defect-free pixels of all photos. `None` where there is no region, no defect-free pixel, sizes differ, or a value is
/// NaN.
pub fn pro_curve(maps: &[Map], masks: &[Mask]) -> Option<Vec<(f64, f64)>> {
    let mut pixels = weigh(maps, masks)?;
    pixels.sort_unstable_by(|a, b| b.value.total_cmp(&a.value));
    let negatives = pixels.iter().filter(|pixel| pixel.overlap == 0.0).count() as f64;
    if negatives == 0.0 || pixels.len() as f64 == negatives {
        return None;
    }
    let mut curve = vec![(0.0, 0.0)];
    let (mut alarms, mut overlap) = (0.0, 0.0);
    for (index, pixel) in pixels.iter().enumerate() {
        if pixel.overlap == 0.0 {
            alarms += 1.0;
        } else {
            overlap += pixel.overlap;
        }
        if pixels
            .get(index + 1)
            .is_none_or(|next| next.value != pixel.value)
        {
            curve.push((alarms / negatives, overlap));
        }
    }
    Some(curve)
}

/// Area under the per-region-overlap curve up to the false positive rate `max_fpr`, divided by `max_fpr`; the curve is
/// interpolated linearly at the limit.
pub fn aupro(maps: &[Map], masks: &[Mask], max_fpr: f64) -> Option<f64> {
    let curve = pro_curve(maps, masks)?;
    let mut area = 0.0;
    for pair in curve.windows(2) {
        let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
        if x1 > max_fpr {
            let at_limit = y0 + (y1 - y0) * (max_fpr - x0) / (x1 - x0);
            area += (max_fpr - x0) * (y0 + at_limit) / 2.0;
            break;
        }
        area += (x1 - x0) * (y0 + y1) / 2.0;
    }
    Some(area / max_fpr)
}

/// A pixel's value and what it adds to the mean overlap when it is called: 1 / (regions · its region's area), 0 outside.
struct Pixel {
    value: f32,
    overlap: f64,
}

fn weigh(maps: &[Map], masks: &[Mask]) -> Option<Vec<Pixel>> {
    if maps.len() != masks.len() {
        return None;
    }
    let regions: Vec<_> = masks.iter().map(components).collect();
    let count = regions.iter().map(Vec::len).sum::<usize>() as f64;
    let mut pixels = Vec::with_capacity(maps.iter().map(|map| map.data.len()).sum());
    for ((map, mask), regions) in maps.iter().zip(masks).zip(&regions) {
        if (map.width, map.height) != (mask.width, mask.height)
            || map.data.iter().any(|value| value.is_nan())
        {
            return None;
        }
        let mut overlap = vec![0.0; map.data.len()];
        for region in regions {
            for &at in &region.pixels {
                overlap[at] = 1.0 / (count * region.area as f64);
            }
        }
        pixels.extend(
            map.data
                .iter()
                .zip(overlap)
                .map(|(&value, overlap)| Pixel { value, overlap }),
        );
    }
    Some(pixels)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, threshold by threshold.
    fn brute(maps: &[Map], masks: &[Mask], max_fpr: f64) -> Option<f64> {
        let mut values: Vec<f32> = maps.iter().flat_map(|map| map.data.clone()).collect();
        values.sort_by(|a, b| b.total_cmp(a));
        values.dedup();
        let mut curve = vec![(0.0, 0.0)];
        for threshold in values {
            let (mut alarms, mut clean, mut overlaps) = (0.0, 0.0, Vec::new());
            for (map, mask) in maps.iter().zip(masks) {
                for at in 0..map.data.len() {
                    if !mask.data[at] {
                        clean += 1.0;
                        alarms += f64::from(u8::from(map.data[at] >= threshold));
                    }
                }
                for region in components(mask) {
                    let hit = region
                        .pixels
                        .iter()
                        .filter(|&&at| map.data[at] >= threshold)
                        .count();
                    overlaps.push(hit as f64 / region.area as f64);
                }
            }
            if clean == 0.0 || overlaps.is_empty() {
                return None;
            }
            curve.push((
                alarms / clean,
                overlaps.iter().sum::<f64>() / overlaps.len() as f64,
            ));
        }
        // A thousand thin slices instead of trapezia.
        let at = |x: f64| {
            let after = curve
                .iter()
                .position(|point| point.0 > x)
                .unwrap_or(curve.len() - 1);
            let (a, b) = (curve[after - 1], curve[after]);
            if b.0 > a.0 {
                a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0)
            } else {
                b.1
            }
        };
        let slices = 20_000;
        Some(
            (0..slices)
                .map(|i| at((i as f64 + 0.5) / slices as f64 * max_fpr))
                .sum::<f64>()
                / slices as f64,
        )
    }

    proptest! {
        #[test]
        fn area_equals_the_definition(
            cells in proptest::collection::vec((0u8..9, proptest::bool::weighted(0.3)), 24..=24)
        ) {
            let map = |range: std::ops::Range<usize>| Map {
                width: 4, height: 3, data: cells[range].iter().map(|cell| f32::from(cell.0)).collect(),
            };
            let mask = |range: std::ops::Range<usize>| Mask {
                width: 4, height: 3, data: cells[range].iter().map(|cell| cell.1).collect(),
            };
            let (maps, masks) = ([map(0..12), map(12..24)], [mask(0..12), mask(12..24)]);
            match (aupro(&maps, &masks, 0.3), brute(&maps, &masks, 0.3)) {
                (Some(found), Some(expected)) => prop_assert!((found - expected).abs() < 1e-3, "{found} {expected}"),
                (found, expected) => prop_assert_eq!(found, expected),
            }
        }
    }

    #[test]
    fn a_perfect_map_has_area_one_and_regions_count_alike() {
        let mask = Mask::from_fn(8, 8, |x, y| (x < 4 && y < 4) || (x, y) == (7, 7));
        let perfect = Map::from_fn(8, 8, |x, y| f32::from(u8::from(mask.at(x, y))));
        assert_eq!(
            aupro(&[perfect], std::slice::from_ref(&mask), 0.3),
            Some(1.0)
        );
        let large_only = Map::from_fn(8, 8, |x, y| f32::from(u8::from(x < 4 && y < 4)));
        // Overlap ½ from the start, then a straight line to (1, 1): ½ + ½ · 0.15.
        let area = aupro(&[large_only], &[mask], 0.3).unwrap();
        assert!((area - 0.575).abs() < 1e-12, "{area}");
    }
}
