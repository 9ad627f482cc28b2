//! A file as an answer.
//!
//! tower-http's `ServeFile` reads it, finds its type, its `ETag` (from size and time) and date, and
//! judges conditions and one range. Here is what it leaves open: which ranges it is asked for.

use std::io;
use std::path::Path;

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use tower_http::services::ServeFile;

use super::range;

/// May be kept, and is asked for again each time: mostly answered by “not modified”.
const REVALIDATED: HeaderValue = HeaderValue::from_static("no-cache");
/// The answer to a GET or HEAD for a file.
///
/// # Errors
/// A file that cannot be read.
pub async fn answer(path: &Path, parts: &Parts) -> io::Result<Response> {
    let range = range_asked_for(path, parts).await?;
    let mut response = read(path, parts.method.clone(), conditions(parts, range)).await?;
    let status = response.status();
    if !matches!(
        status,
        StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
    ) {
        return Ok(response);
    }
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, REVALIDATED);
    name_charset(response.headers_mut());
    Ok(response)
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
