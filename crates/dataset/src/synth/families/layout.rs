//! Where like things stand: in rings and in rows.

use crate::synth::math::{P, TURN, cos, sin};

/// `count` places at `radius`, the first turned by `phase` of a step.
pub(crate) fn ring(count: usize, radius: f32, phase: f32) -> Vec<P> {
    let at = |number: usize| {
        let angle = TURN * (number as f32 + phase) / count as f32;
        [radius * cos(angle), radius * sin(angle)]
    };
    (0..count).map(at).collect()
}

/// `columns` × `rows` places around the origin, row by row; every other row is moved by `stagger`
/// of a step, half of it to each side.
pub(crate) fn grid(columns: usize, rows: usize, pitch: P, stagger: f32) -> Vec<P> {
    let middle = |count: usize| 0.5 * (count as f32 - 1.0);
    let at = |number: usize| {
        let (column, row) = (number % columns, number / columns);
        let shift = stagger * (0.5 * (row % 2) as f32 - 0.25);
        [
            (column as f32 - middle(columns) + shift) * pitch[0],
            (row as f32 - middle(rows)) * pitch[1],
        ]
    };
    (0..columns * rows).map(at).collect()
}

/// Places and radius of `count` equal circles that fill one of radius `room`: 1 to 5, 7, 12 or 19.
pub(crate) fn bundle(count: usize, room: f32) -> (Vec<P>, f32) {
    let (rings, share): (&[usize], f32) = match count {
        1 => (&[1], 0.98),
        2 => (&[2], 0.5),
        3 => (&[3], 0.464),
        4 => (&[4], 0.414),
        5 => (&[5], 0.370),
        7 => (&[6, 1], 0.333),
        12 => (&[9, 3], 0.235),
        _ => (&[12, 6, 1], 0.2),
    };
    let radius = share * room;
    let mut places = Vec::new();
    for (number, &in_ring) in rings.iter().enumerate() {
        let reach = if in_ring == 1 {
            0.0
        } else {
            room - radius * (1.0 + 2.02 * number as f32)
        };
        places.extend(ring(in_ring, reach, 0.0));
    }
    (places, radius)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::math::length;

    #[test]
    fn places_lie_around_the_origin_and_circles_do_not_overlap() {
        for places in [
            ring(7, 0.5, 0.3),
            grid(4, 3, [0.2, 0.3], 0.0),
            grid(3, 2, [0.4, 0.4], 1.0),
        ] {
            let sum = places
                .iter()
                .fold([0.0; 2], |sum: P, p| [sum[0] + p[0], sum[1] + p[1]]);
            assert!(length(sum) < 1e-4, "{places:?}");
        }
        for count in [1, 2, 3, 4, 5, 7, 12, 19] {
            let (places, radius) = bundle(count, 0.8);
            assert_eq!(places.len(), count);
            for (number, place) in places.iter().enumerate() {
                assert!(length(*place) + radius < 0.81, "{count}");
                for other in &places[..number] {
                    assert!(
                        length([place[0] - other[0], place[1] - other[1]]) > 1.9 * radius,
                        "{count}"
                    );
                }
            }
        }
        assert_eq!(grid(4, 3, [1.0; 2], 0.0)[5], [-0.5, 0.0]);
    }
}
