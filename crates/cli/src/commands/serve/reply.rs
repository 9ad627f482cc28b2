//! Answers that are no file: one sentence, a list, another address.

use std::io::ErrorKind;

use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;

use crate::html::escape;

/// A page of one sentence. What comes from outside is shown as text.
pub fn sentence(status: StatusCode, text: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("anomalysd");
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head><body><p>{}</p></body></html>\n",
        escape(text)
    );
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, kind, page).into_response()
}

/// No such file, or none that is shown: the answer does not tell which.
pub fn nothing_at(path: &str) -> Response {
    let path = percent_decode_str(path).decode_utf8_lossy();
    sentence(
        StatusCode::NOT_FOUND,
        &format!("There is nothing at {path}."),
    )
}

/// Files can be read here, and that is all.
pub fn wrong_method() -> Response {
    let text = "Only GET and HEAD are answered here.";
    let mut response = sentence(StatusCode::METHOD_NOT_ALLOWED, text);
    let allowed = header::HeaderValue::from_static("GET, HEAD");
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

/// A file that is there and yet cannot be read; one that went away meanwhile is just not there.
pub fn unreadable(path: &str, error: &std::io::Error) -> Response {
    if matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::PermissionDenied
    ) {
        return nothing_at(path);
    }
    tracing::warn!("{path}: cannot be read: {error}");
    let text = "The file cannot be read; the log of the server says why.";
    sentence(StatusCode::INTERNAL_SERVER_ERROR, text)
}

/// The same address with a slash at the end of its path.
pub fn moved_into_folder(uri: &Uri) -> Response {
    let query = uri.query().map(|query| format!("?{query}"));
    let location = format!("{}/{}", uri.path(), query.unwrap_or_default());
    let location = [(header::LOCATION, location)];
    (StatusCode::TEMPORARY_REDIRECT, location).into_response()
}

/// JSON.
pub fn json(value: serde_json::Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, format!("{value}\n")).into_response()
}

/// Runs what waits for the disk on a thread of its own, so that other requests go on.
///
/// # Errors
/// Those of `work`, or that it panicked.
pub async fn unblocked<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(std::io::Error::other)?
}
