//! Compression: which files, which encoding, how hard.

use std::io::Read;
use std::path::Path;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};

/// Extensions of text and of code. Pictures are compressed already, and weights do not shrink.
const EXTENSIONS: [&str; 13] = [
    "css", "csv", "html", "js", "json", "map", "md", "mjs", "svg", "toml", "txt", "wasm", "xml",
];
/// Larger files go out as they are.
const MAX_BYTES: u64 = 64 << 20;
/// On 8.2 MB of WebAssembly: 1.62 MB in 0.4 s. The best, 11, takes 17 s for 1.35 MB.
const BROTLI_QUALITY: i32 = 5;

/// An encoding that is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Brotli.
    Brotli,
    /// Gzip.
    Gzip,
}

/// Whether a file of this name and size is offered compressed.
pub fn pays(path: &Path, bytes: u64) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let known = |extension: &str| {
        EXTENSIONS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(extension))
    };
    bytes <= MAX_BYTES && extension.is_some_and(known)
}

/// What a request prefers: the highest weight, brotli where they tie. `None`: as it is.
pub fn negotiate(headers: &HeaderMap) -> Option<Encoding> {
    let accepted: Vec<(String, f32)> = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(weighted)
        .collect();
    let weight = |name: &str| {
        let named = |wanted: &str| accepted.iter().find(|(name, _)| name == wanted);
        named(name)
            .or_else(|| named("*"))
            .map(|(_, weight)| *weight)
    };
    let plain = accepted.iter().find(|(name, _)| name == "identity");
    let plain = plain.map_or(0.0, |(_, weight)| *weight);
    let mut best = None;
    let mut highest = plain;
    for encoding in [Encoding::Gzip, Encoding::Brotli] {
        let weight = weight(encoding.name()).unwrap_or(0.0);
        if weight > 0.0 && weight >= highest {
            (best, highest) = (Some(encoding), weight);
        }
    }
    best
}

/// `br;q=0.5` as name and weight; what cannot be read is not accepted.
fn weighted(item: &str) -> Option<(String, f32)> {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next()?.to_ascii_lowercase();
    let weight = match parts.find_map(|part| part.strip_prefix("q=")) {
        Some(weight) => weight.parse().ok().filter(|q| (0.0..=1.0).contains(q))?,
        None => 1.0,
    };
    (!name.is_empty()).then_some((name, weight))
}

impl Encoding {
    fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// Its name in a header.
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// The whole file, compressed.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn encode(self, path: &Path) -> std::io::Result<Bytes> {
        let bytes = std::fs::read(path)?;
        let mut out = Vec::new();
        match self {
            Self::Brotli => {
                let params = brotli::enc::BrotliEncoderParams {
                    quality: BROTLI_QUALITY,
                    size_hint: bytes.len(),
                    ..Default::default()
                };
                brotli::BrotliCompress(&mut bytes.as_slice(), &mut out, &params)?;
            }
            Self::Gzip => {
                let level = flate2::Compression::default();
                flate2::read::GzEncoder::new(bytes.as_slice(), level).read_to_end(&mut out)?;
            }
        }
        Ok(out.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Option<Encoding> {
        let value = HeaderValue::from_str(accept).unwrap();
        negotiate(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]))
    }

    #[test]
    fn the_encoding_is_what_the_request_prefers() {
        assert_eq!(negotiate(&HeaderMap::new()), None);
        for (accept, expected) in [
            ("gzip, deflate, br, zstd", Some(Encoding::Brotli)),
            ("gzip", Some(Encoding::Gzip)),
            ("GZIP;q=0.9, br;q=0.5", Some(Encoding::Gzip)),
            ("br;q=0, *", Some(Encoding::Gzip)),
            ("*;q=0.1", Some(Encoding::Brotli)),
            ("br;q=0.5, identity", None),
            ("br;q=0, gzip;q=0.000", None),
            ("br;q=2, gzip;q=x", None),
            ("identity", None),
            ("deflate", None),
            ("", None),
        ] {
            assert_eq!(chosen(accept), expected, "{accept}");
        }
    }

    #[test]
    fn weights_and_pictures_stay_as_they_are() {
        for (name, expected) in [
            ("a.JS", true),
            ("a.wasm", true),
            ("a.safetensors", false),
            ("a.png", false),
            ("js", false),
        ] {
            assert_eq!(pays(Path::new(name), 1), expected, "{name}");
        }
        assert!(!pays(Path::new("a.json"), MAX_BYTES + 1));
    }
}
