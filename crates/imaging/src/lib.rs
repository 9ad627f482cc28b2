//! Photos, masks and maps as plain arrays: decode, resize, colour, morphology, pictures out.
//!
//! Deliberately absent: tensors, files (bytes in, bytes out), and anything that knows of anomalies.

mod arrays;
mod colour;
mod complete;
mod components;
mod decode;
mod encode;
mod error;
mod fill;
mod filter;
mod foreground;
mod morphology;
mod pad;
pub mod parallel;
mod register;
pub mod render;
mod resize;

pub use arrays::{Map, Mask, Photo};
pub use colour::{delta_e, srgb_to_lab};
pub use components::{Component, components, hysteresis};
pub use decode::{DecodeLimits, decode, decode_labels, decode_mask};
pub use encode::{encode_png, encode_png_map, encode_png_map16, encode_png_mask, through_jpeg};
pub use error::ImagingError;
pub use fill::fill;
pub use filter::{box_mean_photo, gaussian_blur};
pub use foreground::{ForegroundMode, foreground, otsu};
pub use morphology::{dilate, erode, max_pool_mask};
pub use pad::{pad_reflect, pad_reflect_mask, padded_size, reflect};
pub use register::{Similarity, Target};
pub use resize::{
    fit_longer_side, resize_bicubic_planes, resize_bilinear_map, resize_bilinear_planes,
    resize_lanczos,
};
