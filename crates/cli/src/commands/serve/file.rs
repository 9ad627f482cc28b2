//! A file as an answer.
//!
//! tower-http's `ServeFile` reads it, finds its type, its `ETag` (from size and time) and date, and
//! judges conditions and one range. Here is what it leaves open: which ranges it is asked for,
//! compression, and how long an answer may be kept.

use std::io;
use std::path::{Path, PathBuf};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use sha2::{Digest, Sha256};
use tower_http::services::ServeFile;

use super::compress::{self, Encoding};
use super::per_file::PerFile;
use super::range;

/// For an address that holds the hash of what it leads to: it never leads to anything else.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// May be kept, and is asked for again each time: mostly answered by “not modified”.
const REVALIDATED: HeaderValue = HeaderValue::from_static("no-cache");
/// Fewer digits than this are no hash.
const MIN_HASH_DIGITS: usize = 8;

/// What was found out about files.
#[derive(Default)]
pub struct Files {
    hashes: PerFile<PathBuf, String>,
    compressed: PerFile<(PathBuf, Encoding), Bytes>,
}

impl Files {
    /// The answer to a GET or HEAD for a file.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn answer(&self, path: &Path, parts: &Parts) -> io::Result<Response> {
        let range = range_asked_for(path, parts).await?;
        let ranged = range.is_some();
        let mut response = read(path, parts.method.clone(), conditions(parts, range)).await?;
        let status = response.status();
        if !matches!(
            status,
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
        ) {
            return Ok(response);
        }
        let Some(version) = response.headers().get(header::ETAG).cloned() else {
            return Ok(response);
        };
        let lasting = self.holds_own_hash(path, parts, &version).await?;
        let kept = if lasting { IMMUTABLE } else { REVALIDATED };
        response.headers_mut().insert(header::CACHE_CONTROL, kept);
        name_charset(response.headers_mut());
        if compress::pays(path, path.metadata()?.len()) {
            let vary = HeaderValue::from_name(header::ACCEPT_ENCODING);
            response.headers_mut().append(header::VARY, vary);
            if let (Some(encoding), false) = (compress::negotiate(&parts.headers), ranged) {
                self.compress(&mut response, path, encoding, version)
                    .await?;
            }
        }
        Ok(response)
    }

    /// Replaces the body. The `ETag` becomes a weak one, as it is shared by all encodings: right for
    /// “not modified”, and no base for a range.
    async fn compress(
        &self,
        response: &mut Response,
        path: &Path,
        encoding: Encoding,
        version: HeaderValue,
    ) -> io::Result<()> {
        let weak = [b"W/", version.as_bytes()].concat();
        let weak = HeaderValue::from_bytes(&weak).map_err(io::Error::other)?;
        response.headers_mut().insert(header::ETAG, weak);
        if response.status() != StatusCode::OK {
            return Ok(());
        }
        let key = (path.to_owned(), encoding);
        let file = path.to_owned();
        let compute = move || encoding.encode(&file);
        let bytes = self.compressed.get(key, &version, compute).await?;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_ENCODING, encoding.header());
        headers.insert(header::CONTENT_LENGTH, bytes.len().into());
        headers.remove(header::ACCEPT_RANGES);
        *response.body_mut() = Body::from(bytes);
        Ok(())
    }

    /// Whether the file's name, or the query, holds the beginning of its SHA-256 in hexadecimal:
    /// `index.3fa94c1d.js`, `000.safetensors?sha256=…`. Checked, not believed.
    async fn holds_own_hash(
        &self,
        path: &Path,
        parts: &Parts,
        version: &HeaderValue,
    ) -> io::Result<bool> {
        let name = path.file_name().and_then(|name| name.to_str());
        let texts = [
            name.unwrap_or_default(),
            parts.uri.query().unwrap_or_default(),
        ];
        let candidates: Vec<String> = texts.into_iter().flat_map(hash_like).collect();
        if candidates.is_empty() {
            return Ok(false);
        }
        let file = path.to_owned();
        let compute = move || {
            let mut hasher = Sha256::new();
            io::copy(&mut std::fs::File::open(file)?, &mut hasher)?;
            Ok(format!("{:x}", hasher.finalize()))
        };
        let hash = self.hashes.get(path.to_owned(), version, compute).await?;
        Ok(candidates.iter().any(|digits| hash.starts_with(digits)))
    }
}

/// Words that can be a SHA-256 or its beginning, in lower case.
fn hash_like(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| (MIN_HASH_DIGITS..=64).contains(&word.len()))
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .map(str::to_ascii_lowercase)
}

/// Texts are UTF-8 here.
fn name_charset(headers: &mut HeaderMap) {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return;
    };
    let named = kind
        .to_str()
        .ok()
        .filter(|kind| kind.starts_with("text/") && !kind.contains("charset"))
        .and_then(|kind| HeaderValue::from_str(&format!("{kind}; charset=utf-8")).ok());
    if let Some(named) = named {
        headers.insert(header::CONTENT_TYPE, named);
    }
}

async fn read(path: &Path, method: Method, headers: HeaderMap) -> io::Result<Response> {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    let response = ServeFile::new(path).try_call(request).await?;
    Ok(response.map(Body::new))
}

fn conditions(parts: &Parts, range: Option<HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in [
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
    ] {
        if let Some(value) = parts.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    if let Some(range) = range {
        headers.insert(header::RANGE, range);
    }
    headers
}

/// The range to answer with, if any; else the whole file is always a right answer: to several
/// ranges, to units other than bytes, and to `If-Range` after the file changed.
async fn range_asked_for(path: &Path, parts: &Parts) -> io::Result<Option<HeaderValue>> {
    let mut ranges = parts.headers.get_all(header::RANGE).iter();
    let (Some(range), None, &Method::GET) = (ranges.next(), ranges.next(), &parts.method) else {
        return Ok(None);
    };
    let size = path.metadata()?.len();
    let range = range
        .to_str()
        .ok()
        .and_then(|range| range::one(range, size));
    let Some(range) = range else {
        return Ok(None);
    };
    if let Some(condition) = parts.headers.get(header::IF_RANGE) {
        let head = read(path, Method::HEAD, HeaderMap::new()).await?;
        let same = [header::ETAG, header::LAST_MODIFIED]
            .iter()
            .any(|name| head.headers().get(name) == Some(condition));
        if !same {
            return Ok(None);
        }
    }
    Ok(HeaderValue::from_str(&range).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_can_be_a_hash() {
        let words = |text: &str| hash_like(text).collect::<Vec<_>>();
        assert_eq!(words("index-3FA94C1D.js"), ["3fa94c1d"]);
        assert_eq!(words("v=1&sha256=0011223344"), ["0011223344"]);
        assert!(words("decade.js?v=abcdef1&x=3fa94c1g").is_empty());
    }
}
