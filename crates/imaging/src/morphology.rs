use crate::Mask;

/// Adds every pixel whose rectangle of ±`radius_x` by ±`radius_y` touches the set.
pub fn dilate(mask: &Mask, radius_x: usize, radius_y: usize) -> Mask {
    let rows = spread(mask, radius_x);
    transpose(&spread(&transpose(&rows), radius_y))
}

/// Keeps the pixels whose rectangle of ±`radius_x` by ±`radius_y`, cut at the borders, lies in the set.
pub fn erode(mask: &Mask, radius_x: usize, radius_y: usize) -> Mask {
    invert(&dilate(&invert(mask), radius_x, radius_y))
}

/// One value per `factor` × `factor` pixels: set where any of them is; the last cells may be cut.
pub fn max_pool_mask(mask: &Mask, factor: usize) -> Mask {
    let factor = factor.max(1);
    let mut pooled = Mask::new(mask.width.div_ceil(factor), mask.height.div_ceil(factor));
    for y in 0..mask.height {
        for x in 0..mask.width {
            if mask.at(x, y) {
                let at = (y / factor) * pooled.width + x / factor;
                pooled.data[at] = true;
            }
        }
    }
    pooled
}

fn invert(mask: &Mask) -> Mask {
    Mask {
        data: mask.data.iter().map(|&set| !set).collect(),
        ..*mask
    }
}

fn transpose(mask: &Mask) -> Mask {
    Mask::from_fn(mask.height, mask.width, |x, y| mask.at(y, x))
}

/// Along rows, by a running count of the set pixels in reach.
fn spread(mask: &Mask, radius: usize) -> Mask {
    let mut out = Mask::new(mask.width, mask.height);
    for y in 0..mask.height {
        let row = &mask.data[y * mask.width..(y + 1) * mask.width];
        let mut count = row.iter().take(radius).filter(|&&set| set).count();
        for x in 0..mask.width {
            count += usize::from(x + radius < mask.width && row[x + radius]);
            out.data[y * mask.width + x] = count > 0;
            count -= usize::from(x >= radius && row[x - radius]);
        }
    }
    out
}
