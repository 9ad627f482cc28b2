/// What can be wrong with a photo or an array.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImagingError {
    /// A format that is not read here, recognised by its first bytes.
    #[error("{format} photos are not read: save it as PNG, JPEG or WebP")]
    UnsupportedFormat {
        /// The format's name.
        format: &'static str,
    },
    /// The bytes are no photo, or end early.
    #[error("not a readable photo: {reason}")]
    Damaged {
        /// The decoder's words.
        reason: String,
    },
    /// The photo is larger than the limits, or empty.
    #[error(
        "the photo is {width}x{height}; at most {max_side} pixels a side and {max_pixels} in all are read"
    )]
    TooLarge {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The limit of a side.
        max_side: u32,
        /// The limit of the area.
        max_pixels: u64,
    },
    /// An array has another length than its sizes ask for.
    #[error("{what} of {width}x{height} needs {expected} values, got {got}")]
    Length {
        /// Which array.
        what: &'static str,
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Values needed.
        expected: usize,
        /// Values given.
        got: usize,
    },
}
