use crate::{Map, Mask};

/// A connected set of pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Row-major indices, ascending.
    pub pixels: Vec<usize>,
    /// Left edge of the bounding box.
    pub x: usize,
    /// Its top edge.
    pub y: usize,
    /// Its width.
    pub width: usize,
    /// Its height.
    pub height: usize,
    /// How many pixels.
    pub area: usize,
}

/// The 8-connected components, in the row-major order of their first pixels.
pub fn components(mask: &Mask) -> Vec<Component> {
    let mut seen = vec![false; mask.data.len()];
    let mut found = Vec::new();
    for start in 0..mask.data.len() {
        if mask.data[start] && !seen[start] {
            found.push(component_from(mask, start, &mut seen));
        }
    }
    found
}

fn component_from(mask: &Mask, start: usize, seen: &mut [bool]) -> Component {
    let (width, height) = (mask.width, mask.height);
    let mut pixels = Vec::new();
    let mut open = vec![start];
    seen[start] = true;
    let (mut left, mut top, mut right, mut bottom) = (width, height, 0, 0);
    while let Some(at) = open.pop() {
        let (x, y) = (at % width, at / width);
        (left, top, right, bottom) = (left.min(x), top.min(y), right.max(x), bottom.max(y));
        pixels.push(at);
        for row in y.saturating_sub(1)..=(y + 1).min(height - 1) {
            for column in x.saturating_sub(1)..=(x + 1).min(width - 1) {
                let next = row * width + column;
                if mask.data[next] && !seen[next] {
                    seen[next] = true;
                    open.push(next);
                }
            }
        }
    }
    pixels.sort_unstable();
    let area = pixels.len();
    Component {
        pixels,
        x: left,
        y: top,
        width: right + 1 - left,
        height: bottom + 1 - top,
        area,
    }
}

/// The pixels at or above `low` that are 8-connected, through such pixels, to one above `high`.
pub fn hysteresis(map: &Map, high: f32, low: f32) -> Mask {
    let candidates = Mask {
        width: map.width,
        height: map.height,
        data: map
            .data
            .iter()
            .map(|&value| value >= low || value > high)
            .collect(),
    };
    let mut kept = Mask::new(map.width, map.height);
    for component in components(&candidates) {
        if component.pixels.iter().any(|&at| map.data[at] > high) {
            component.pixels.iter().for_each(|&at| kept.data[at] = true);
        }
    }
    kept
}
