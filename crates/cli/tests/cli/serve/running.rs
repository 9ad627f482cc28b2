//! How it starts, what it offers, how it ends.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::client::Served;
use super::{bytes, place, write};
use crate::support::run;

#[test]
fn one_line_says_where_the_page_is() {
    let place = place();
    let served = Served::start(place.path(), &[]);
    assert_eq!(
        served.line,
        format!("http://127.0.0.1:{}/\n", served.port())
    );
    let page = served.get("/");
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(page.text().contains("page"));
    assert!(served.get("/dashboard/").text().contains("dashboard"));
    assert_eq!(served.get("/a%20b%C3%A4.txt").text(), "named");
    let moved = served.get("/dashboard?x=1");
    assert_eq!(
        (moved.status, moved.header("location")),
        (307, Some("/dashboard/?x=1"))
    );
    for path in ["/empty/", "/index.html/", "/gone", "/gone/"] {
        assert_eq!(served.get(path).status, 404, "{path}");
    }
}

#[test]
fn what_is_missing_is_said_before_anything_is_served() {
    let place = place();
    let refused = |folder: &str, arguments: &[&str], words: &[&str]| {
        let arguments = [&["serve", "--port", "0"], arguments].concat();
        let done = run(&place.path().join(folder), &arguments);
        assert_eq!(done.out, "");
        done.refused(words);
    };
    refused("profiles", &[], &["web/site", "cargo xtask web", "--site"]);
    refused("", &["--site", "gone"], &["gone"]);
    refused(
        "",
        &["--site", "secret.txt"],
        &["secret.txt", "not a folder"],
    );
    refused(
        "",
        &["--site", "profiles"],
        &["index.html", "cargo xtask web"],
    );
    refused("", &["--bundle", "bundles/mini"], &["NAME=DIR"]);
    refused("", &["--bundle", "../x=bundles/mini"], &["../x"]);
    refused(
        "",
        &["--bundle", "mini=profiles"],
        &["bundle.json", "anomalysd export"],
    );
    let twice = ["--bundle", "m=bundles/mini", "--bundle", "m=bundles/large"];
    refused("", &twice, &["two bundles", "`m`"]);
    refused("", &["--bundles", "bundles/mini"], &["--bundle NAME=DIR"]);
    refused("", &["--bundles", "gone"], &["gone"]);
    refused("", &["--profiles", "gone"], &["gone"]);
    refused(
        "",
        &["--allow-host", "http://x"],
        &["--allow-host", "NAME:PORT"],
    );
    refused(
        "",
        &["--host", "no.such.host.invalid"],
        &["no.such.host.invalid"],
    );
    let served = Served::start(place.path(), &[]);
    let port = served.port().to_string();
    run(place.path(), &["serve", "--port", &port]).refused(&[&port, "in use"]);
}

#[test]
fn bundles_and_profiles_are_listed_and_served() {
    let place = place();
    let list = |served: &Served, path: &str| -> serde_json::Value {
        let answer = served.get(path);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("application/json"))
        );
        serde_json::from_slice(&answer.body).unwrap()
    };
    let none = Served::start(place.path(), &[]);
    assert_eq!(
        list(&none, "/bundles/"),
        serde_json::json!({ "bundles": [] })
    );
    assert_eq!(
        list(&none, "/profiles/"),
        serde_json::json!({ "profiles": [] })
    );
    assert_eq!(none.get("/bundles/mini/bundle.json").status, 404);
    let arguments = [
        "--bundles",
        "bundles",
        "--bundle",
        "mini=bundles/large",
        "--bundle",
        "own=bundles/mini",
        "--profiles",
        "profiles",
    ];
    let served = Served::start(place.path(), &arguments);
    assert_eq!(
        list(&served, "/bundles/"),
        serde_json::json!({ "bundles": [
            { "name": "large", "url": "./large/" },
            { "name": "mini", "url": "./mini/" },
            { "name": "own", "url": "./own/" },
        ] })
    );
    assert_eq!(served.get("/bundles").header("location"), Some("/bundles/"));
    assert_eq!(
        served.get("/bundles/own/bundle.json").text(),
        "{\"name\":\"mini\"}"
    );
    let name = served.get("/bundles/mini/bundle.json").text();
    assert_eq!(
        name, "{\"name\":\"large\"}",
        "what is named wins over the folder"
    );
    assert_eq!(
        list(&served, "/profiles/"),
        serde_json::json!({ "profiles": [
            { "name": "<b>.safetensors", "url": "./%3Cb%3E.safetensors", "bytes": 20 },
            { "name": "line 3.profile.safetensors", "url": "./line%203.profile.safetensors", "bytes": 300 },
        ] })
    );
    assert!(served.get("/profiles/line%203.profile.safetensors").body == bytes(300));
    std::fs::remove_file(place.path().join("profiles/<b>.safetensors")).unwrap();
    assert_eq!(
        list(&served, "/profiles/")["profiles"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_it_well_whatever_the_browser_does() {
    let place = place();
    std::fs::write(
        place.path().join("web/site/large.safetensors"),
        vec![1; 64 << 20],
    )
    .unwrap();
    let served = Served::start(place.path(), &["-v"]);
    assert_eq!(served.get("/app.js").status, 200);
    // Opened in advance, kept for a next request, and a download that nobody reads on.
    let silent = served.connect();
    let mut kept = served.connect();
    write!(kept, "GET / HTTP/1.1\r\nHost: {}\r\n\r\n", served.address).unwrap();
    let mut start = [0; 16];
    kept.read_exact(&mut start).unwrap();
    let mut stalled = served.connect();
    write!(
        stalled,
        "GET /large.safetensors HTTP/1.1\r\nHost: {}\r\n\r\n",
        served.address
    )
    .unwrap();
    stalled.read_exact(&mut start).unwrap();
    let asked = Instant::now();
    let ended = served.interrupt();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(ended.out, "", "one line on stdout");
    assert!(
        ended.err.contains("GET /app.js 200"),
        "requests are logged with -v: {}",
        ended.err
    );
    drop((silent, kept, stalled));
}

#[test]
#[cfg(target_os = "linux")]
fn the_browser_is_opened_where_there_is_one() {
    use std::os::unix::fs::PermissionsExt;
    let place = place();
    let opener = place.path().join("bin/xdg-open");
    write(
        &opener,
        "#!/bin/sh\necho noise\necho \"$1\" > opened.tmp && /bin/mv opened.tmp opened\n",
    );
    std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o755)).unwrap();
    let with_path = |path: &str| {
        let path = place.path().join(path);
        Served::start_with(place.path(), &["--open"], |command| {
            command.env("PATH", path);
        })
    };
    let served = with_path("bin");
    let opened = place.path().join("opened");
    let patience = Instant::now();
    while !opened.is_file() && patience.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(std::fs::read_to_string(opened).unwrap(), served.line);
    assert_eq!(
        served.interrupt().out,
        "",
        "the opener's own words are not ours"
    );
    let served = with_path("empty");
    assert_eq!(served.get("/").status, 200);
    let ended = served.interrupt();
    assert_eq!(ended.code, Some(0));
    assert!(ended.err.contains("xdg-open"), "{}", ended.err);
}
