//! A file as an answer: type, ranges, conditions, how long it may be kept, compression.

use std::collections::HashSet;
use std::io::Read;

use sha2::{Digest, Sha256};

use super::client::{Answer, Served};
use super::{bytes, place, write};

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

#[test]
fn every_file_has_its_type() {
    let place = place();
    let served = Served::start(place.path(), &[]);
    for (path, kind) in [
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/engine.wasm", "application/wasm"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/data.json", "application/json"),
        ("/photo.png", "image/png"),
        ("/weights.safetensors", "application/octet-stream"),
    ] {
        assert_eq!(
            served.get(path).header("content-type"),
            Some(kind),
            "{path}"
        );
    }
}

#[test]
fn only_get_and_head_are_answered() {
    let place = place();
    let served = Served::start(place.path(), &[]);
    let (get, head) = (served.get("/app.js"), served.ask("HEAD", "/app.js", &[]));
    assert_eq!((head.status, head.body.len()), (200, 0));
    let but_date = |answer: &Answer| {
        let headers = answer.headers.iter().filter(|(name, _)| name != "date");
        headers.cloned().collect::<HashSet<_>>()
    };
    assert_eq!(but_date(&get), but_date(&head));
    assert_eq!(get.header("content-length"), Some("40000"));
    let gzip = [("Accept-Encoding", "gzip")];
    let (get, head) = (
        served.ask("GET", "/app.js", &gzip),
        served.ask("HEAD", "/app.js", &gzip),
    );
    assert_eq!(head.body.len(), 0);
    assert_eq!(but_date(&get), but_date(&head));
    for method in [
        "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND",
    ] {
        let answer = served.ask(method, "/app.js", &[]);
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("GET, HEAD")),
            "{method}"
        );
    }
}

#[test]
fn a_range_is_cut_out_and_whatever_else_is_asked_gets_the_whole() {
    let place = place();
    let served = Served::start(place.path(), &[]);
    let all = bytes(1000);
    let path = "/weights.safetensors";
    assert_eq!(served.get(path).header("accept-ranges"), Some("bytes"));
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=990-", 990, 999),
        ("bytes=-10", 990, 999),
        ("bytes=-5000", 0, 999),
        ("bytes=500-5000", 500, 999),
        ("Bytes=1-2", 1, 2),
    ] {
        let part = served.ask("GET", path, &[("Range", range)]);
        assert_eq!(part.status, 206, "{range}");
        let expected = format!("bytes {first}-{last}/1000");
        assert_eq!(part.header("content-range"), Some(expected.as_str()));
        assert_eq!(
            part.header("content-length").unwrap(),
            (last - first + 1).to_string()
        );
        assert!(part.body == all[first..=last], "{range}");
    }
    for range in ["bytes=1000-", "bytes=5000-6000", "bytes=-0"] {
        let none = served.ask("GET", path, &[("Range", range)]);
        assert_eq!(
            (none.status, none.header("content-range")),
            (416, Some("bytes */1000")),
            "{range}"
        );
        assert_eq!(none.body.len(), 0);
    }
    let several = (0..200)
        .map(|start| format!("{start}-"))
        .collect::<Vec<_>>()
        .join(",");
    for range in [
        "bytes=0-1,4-5",
        "bytes=0-1, 4-5",
        &format!("bytes={several}"),
        "bytes=5-2",
        "bytes=a-b",
        "bytes=",
        "items=0-1",
        "0-1",
    ] {
        let whole = served.ask("GET", path, &[("Range", range)]);
        assert_eq!(
            (whole.status, whole.header("content-range")),
            (200, None),
            "{range}"
        );
        assert!(whole.body == all, "{range}");
    }
    let twice = served.ask(
        "GET",
        path,
        &[("Range", "bytes=0-1"), ("Range", "bytes=4-5")],
    );
    assert_eq!((twice.status, twice.body.len()), (200, 1000));
    let head = served.ask("HEAD", path, &[("Range", "bytes=0-1")]);
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("1000"))
    );
}

#[test]
fn a_download_goes_on_only_where_the_file_is_the_same() {
    let place = place();
    let served = Served::start(place.path(), &[]);
    let path = "/weights.safetensors";
    let first = served.get(path);
    let (tag, date) = (
        first.header("etag").unwrap(),
        first.header("last-modified").unwrap(),
    );
    let rest = |condition: &str| {
        served.ask(
            "GET",
            path,
            &[("Range", "bytes=990-"), ("If-Range", condition)],
        )
    };
    assert!(tag.starts_with('"'), "{tag}");
    assert_eq!(rest(tag).status, 206);
    assert_eq!(rest(date).status, 206);
    for other in [
        "\"other\"",
        &format!("W/{tag}"),
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "nonsense",
    ] {
        let whole = rest(other);
        assert_eq!((whole.status, whole.body.len()), (200, 1000), "{other}");
    }
    write(
        &place.path().join("web/site/weights.safetensors"),
        vec![7; 1200],
    );
    let changed = rest(tag);
    assert_eq!(changed.status, 200);
    assert!(changed.body == [7; 1200]);
}

#[test]
fn what_the_browser_has_already_is_not_sent_again() {
    let place = place();
    let served = Served::start(place.path(), &[]);
    let first = served.get("/app.js");
    let (tag, date) = (
        first.header("etag").unwrap(),
        first.header("last-modified").unwrap(),
    );
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    for (name, value, status) in [
        ("If-None-Match", tag, 304),
        ("If-None-Match", &format!("\"x\", W/{tag}"), 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", "\"x\"", 200),
        ("If-Modified-Since", date, 304),
        ("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT", 200),
        ("If-Match", "\"x\"", 412),
        ("If-Match", tag, 200),
    ] {
        let answer = served.ask("GET", "/app.js", &[(name, value)]);
        assert_eq!(answer.status, status, "{name}: {value}");
        if status == 304 {
            assert_eq!((answer.header("etag"), answer.body.len()), (Some(tag), 0));
            assert_eq!(answer.header("cache-control"), Some("no-cache"));
            assert_eq!(answer.header("vary"), Some("accept-encoding"));
        }
    }
    let packed = served.ask("GET", "/app.js", &[("Accept-Encoding", "br")]);
    let packed_tag = packed.header("etag").unwrap();
    let again = [("Accept-Encoding", "br"), ("If-None-Match", packed_tag)];
    let again = served.ask("GET", "/app.js", &again);
    assert_eq!(
        (again.status, again.header("etag")),
        (304, Some(packed_tag))
    );
    write(&place.path().join("web/site/app.js"), "changed");
    assert_eq!(
        served
            .ask("GET", "/app.js", &[("If-None-Match", tag)])
            .text(),
        "changed"
    );
}

#[test]
fn only_an_address_with_the_files_own_hash_holds_for_ever() {
    let place = place();
    let code = bytes(3000);
    let hash = sha256(&code);
    let named = format!("index-{}.js", &hash[..10]);
    write(&place.path().join("web/site").join(&named), &code);
    write(&place.path().join("web/site/index-0123456789.js"), &code);
    let served = Served::start(place.path(), &["--bundles", "bundles"]);
    let for_ever = |path: &str, headers: &[(&str, &str)]| {
        let answer = served.ask("GET", path, headers);
        assert!(
            (200..400).contains(&answer.status),
            "{path} {}",
            answer.status
        );
        match answer.header("cache-control").unwrap() {
            "public, max-age=31536000, immutable" => true,
            "no-cache" => false,
            other => panic!("{path}: {other}"),
        }
    };
    assert!(for_ever(&format!("/{named}"), &[]));
    assert!(for_ever(&format!("/{named}"), &[("Accept-Encoding", "br")]));
    assert!(!for_ever("/index-0123456789.js", &[]));
    assert!(!for_ever("/app.js", &[]));
    let shard = sha256(&bytes(5000));
    let path = format!("/bundles/mini/000.safetensors?sha256={shard}");
    assert!(for_ever(&path, &[]));
    assert!(for_ever(&path.replace(&shard, &shard.to_uppercase()), &[]));
    assert!(for_ever(&path, &[("Range", "bytes=100-")]));
    assert!(!for_ever("/bundles/mini/000.safetensors", &[]));
    assert!(!for_ever(
        &format!("/bundles/mini/000.safetensors?sha256={hash}"),
        &[]
    ));
    write(
        &place.path().join("bundles/mini/000.safetensors"),
        "changed",
    );
    assert!(!for_ever(&path, &[]));
}

fn unpacked(answer: &Answer) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut packed = answer.body.as_slice();
    match answer.header("content-encoding").unwrap() {
        "br" => brotli::BrotliDecompress(&mut packed, &mut bytes).unwrap(),
        "gzip" => drop(
            flate2::read::GzDecoder::new(packed)
                .read_to_end(&mut bytes)
                .unwrap(),
        ),
        other => panic!("{other}"),
    }
    bytes
}

#[test]
fn text_and_code_are_compressed_as_the_browser_prefers() {
    let place = place();
    let served = Served::start(place.path(), &[]);
    let ask = |path: &str, accept: &str| served.ask("GET", path, &[("Accept-Encoding", accept)]);
    for (accept, encoding) in [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("br;q=0.1, gzip", "gzip"),
        ("*", "br"),
    ] {
        for (path, count) in [("/engine.wasm", 100_000), ("/app.js", 40_000)] {
            let answer = ask(path, accept);
            assert_eq!(
                answer.header("content-encoding"),
                Some(encoding),
                "{accept}"
            );
            assert_eq!(answer.header("vary"), Some("accept-encoding"));
            assert_eq!(answer.header("accept-ranges"), None);
            assert!(answer.header("etag").unwrap().starts_with("W/"));
            assert_eq!(
                answer.header("content-length").unwrap(),
                answer.body.len().to_string()
            );
            assert!(answer.body.len() < count / 2);
            assert!(unpacked(&answer) == bytes(count), "{path} {accept}");
        }
    }
    for accept in ["", "deflate", "identity", "br;q=0", "zstd"] {
        let plain = ask("/engine.wasm", accept);
        assert_eq!(
            (plain.header("content-encoding"), plain.body.len()),
            (None, 100_000),
            "{accept}"
        );
        assert_eq!(plain.header("vary"), Some("accept-encoding"), "{accept}");
    }
    for path in ["/weights.safetensors", "/photo.png"] {
        let plain = ask(path, "gzip, br");
        assert_eq!(
            (plain.header("content-encoding"), plain.header("vary")),
            (None, None),
            "{path}"
        );
    }
    let part = [("Accept-Encoding", "br"), ("Range", "bytes=0-99")];
    let part = served.ask("GET", "/engine.wasm", &part);
    assert_eq!((part.status, part.header("content-encoding")), (206, None));
    assert!(part.body == bytes(100));
    let whole = served.get("/engine.wasm");
    assert_eq!(part.header("etag"), whole.header("etag"), "a base for more");
}

#[test]
fn a_file_that_changed_is_compressed_anew_and_one_that_did_not_is_the_same() {
    let place = place();
    let served = Served::start(place.path(), &[]);
    let ask = || served.ask("GET", "/engine.wasm", &[("Accept-Encoding", "br")]);
    let together: Vec<Answer> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..6).map(|_| scope.spawn(ask)).collect();
        asked
            .into_iter()
            .map(|asked| asked.join().unwrap())
            .collect()
    });
    for answer in &together {
        assert!(unpacked(answer) == bytes(100_000));
        assert!(answer.body == together[0].body);
    }
    write(&place.path().join("web/site/engine.wasm"), bytes(70_000));
    assert!(unpacked(&ask()) == bytes(70_000));
}
