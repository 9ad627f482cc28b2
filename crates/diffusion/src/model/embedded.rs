//! `mini`, compiled into the binary where its file was there at build time.

#[cfg(embedded_mini)]
const MINI: Option<&[u8]> = Some(include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/assets/mini.safetensors"
)));
#[cfg(not(embedded_mini))]
const MINI: Option<&[u8]> = None;

/// The bytes of `mini.safetensors`; `None` where this build was made without it.
#[must_use]
pub fn embedded_bytes() -> Option<&'static [u8]> {
    MINI
}

/// Whether `mini` is compiled in.
#[must_use]
pub fn has_embedded() -> bool {
    MINI.is_some()
}
