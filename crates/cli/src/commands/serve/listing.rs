//! Which bundles and profiles there are, for the page to offer. The addresses are relative to the
//! list's own, so that they hold behind a proxy, too.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// What an address may hold as it is, of a name.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// `{ "bundles": [{ "name", "url" }] }`.
pub fn bundles(names: &[String]) -> Value {
    let entry = |name: &String| json!({ "name": name, "url": format!("./{}/", escaped(name)) });
    json!({ "bundles": names.iter().map(entry).collect::<Vec<_>>() })
}

/// `{ "profiles": [{ "name", "url", "bytes" }] }`.
pub fn profiles(profiles: &[(String, u64)]) -> Value {
    let entry = |(name, bytes): &(String, u64)| json!({ "name": name, "url": format!("./{}", escaped(name)), "bytes": bytes });
    json!({ "profiles": profiles.iter().map(entry).collect::<Vec<_>>() })
}

fn escaped(name: &str) -> String {
    utf8_percent_encode(name, ESCAPED).to_string()
}
