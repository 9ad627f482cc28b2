use crate::{Mask, Photo};

/// The index inside 0..size that a mirror at the borders shows at `index`; the border pixel is not repeated.
pub fn reflect(index: isize, size: usize) -> usize {
    if size <= 1 {
        return 0;
    }
    let period = 2 * (size as isize - 1);
    let folded = index.rem_euclid(period);
    folded.min(period - folded) as usize
}

/// The size rounded up to a multiple.
pub fn padded_size(size: usize, multiple: usize) -> usize {
    size.div_ceil(multiple.max(1)) * multiple.max(1)
}

/// Pads by reflection at the right and the bottom, to multiples of `multiple`; any size, reflected again where the
/// padding exceeds the photo.
pub fn pad_reflect(photo: &Photo, multiple: usize) -> Photo {
    let (width, height) = (
        padded_size(photo.width, multiple),
        padded_size(photo.height, multiple),
    );
    if (width, height) == (photo.width, photo.height) {
        return photo.clone();
    }
    Photo::from_fn(width, height, |x, y| {
        photo.pixel(
            reflect(x as isize, photo.width),
            reflect(y as isize, photo.height),
        )
    })
}

/// [`pad_reflect`] of a mask: a mirrored pixel is in the set where its original is.
pub fn pad_reflect_mask(mask: &Mask, multiple: usize) -> Mask {
    let (width, height) = (
        padded_size(mask.width, multiple),
        padded_size(mask.height, multiple),
    );
    Mask::from_fn(width, height, |x, y| {
        mask.at(
            reflect(x as isize, mask.width),
            reflect(y as isize, mask.height),
        )
    })
}
