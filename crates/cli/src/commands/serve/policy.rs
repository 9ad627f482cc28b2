//! What every answer says to the browser: what the page may do, and who may use what is served.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use tower_http::cors::{Any, CorsLayer};

/// Nothing from elsewhere and nothing sent elsewhere; WebAssembly may be compiled, text may not
/// become code. `blob:` is photos that a person dropped, `data:` small pictures in styles.
const CONTENT: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'self'";

const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Adds the headers. Pages of other origins may load nothing, not even as a picture or a script,
/// unless `cors` says so.
pub async fn add(State(cors): State<bool>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (RESOURCE, if cors { "cross-origin" } else { "same-origin" }),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Files say how long they hold; a list or a refusal holds only now.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// `--cors`: pages of all origins may read, also by ranges and under conditions.
pub fn any_origin() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([
            header::RANGE,
            header::IF_RANGE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::IF_MODIFIED_SINCE,
            header::CACHE_CONTROL,
        ])
        .expose_headers([
            header::ACCEPT_RANGES,
            header::CONTENT_ENCODING,
            header::CONTENT_LENGTH,
            header::CONTENT_RANGE,
            header::ETAG,
        ])
        .max_age(Duration::from_secs(3600))
        // The answer is the same for all origins.
        .vary([])
}
